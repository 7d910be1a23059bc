//! What we can do ([MS-RDPBCGR] 2.2.7): decode bitmaps and the codecs offered, show pointers, take no drawing orders.

use ironrdp_pdu::gcc::KeyboardType;
use ironrdp_pdu::rdp::capability_sets::{
    BITMAP_CACHE_ENTRIES_NUM, Bitmap, BitmapCache, BitmapDrawingFlags, Brush, CacheDefinition, CacheEntry,
    CapabilitySet, ClientConfirmActive, CmdFlags, DemandActive, FrameAcknowledge, GLYPH_CACHE_NUM, General,
    GeneralExtraFlags, GlyphCache, GlyphSupportLevel, Input, InputFlags, LargePointer, LargePointerSupportFlags,
    MajorPlatformType, MultifragmentUpdate, OffscreenBitmapCache, Order, OrderFlags, OrderSupportExFlags, Pointer,
    SERVER_CHANNEL_ID, Sound, SoundFlags, SupportLevel, SurfaceCommands, VirtualChannel, VirtualChannelFlags,
};

use super::Settings;
use super::settings::FUNCTION_KEYS;

/// Pointers that the server may count on.
const POINTERS: u16 = 32;

/// Frames that the server may send ahead of our acknowledgements. Each is acknowledged once it is drawn, before users
/// have it, so this is how much of the server's work hides behind ours, not a queue.
const UNACKNOWLEDGED_FRAMES: u32 = 4;

pub(super) fn confirm_active(settings: &Settings, desktop_size: (u16, u16)) -> ClientConfirmActive {
    let picture = &settings.picture;
    let no_cache = CacheDefinition { entries: 0, max_cell_size: 0 };
    let mut capability_sets = vec![
        CapabilitySet::General(General {
            major_platform_type: MajorPlatformType::UNIX,
            extra_flags: GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED | GeneralExtraFlags::NO_BITMAP_COMPRESSION_HDR,
            ..General::default()
        }),
        CapabilitySet::Bitmap(Bitmap {
            pref_bits_per_pix: picture.color_depth.into(),
            desktop_width: desktop_size.0,
            desktop_height: desktop_size.1,
            // Without it servers keep the Display Control channel shut.
            desktop_resize_flag: true,
            drawing_flags: BitmapDrawingFlags::ALLOW_SKIP_ALPHA,
        }),
        CapabilitySet::Order(Order::new(
            OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT,
            OrderSupportExFlags::empty(),
            0,
            0,
        )),
        CapabilitySet::BitmapCache(BitmapCache {
            caches: [CacheEntry { entries: 0, max_cell_size: 0 }; BITMAP_CACHE_ENTRIES_NUM],
        }),
        CapabilitySet::Input(Input {
            input_flags: InputFlags::SCANCODES
                | InputFlags::MOUSEX
                | InputFlags::FASTPATH_INPUT
                | InputFlags::UNICODE
                | InputFlags::FASTPATH_INPUT_2
                | InputFlags::TS_MOUSE_HWHEEL,
            keyboard_layout: settings.keyboard_layout,
            keyboard_type: Some(KeyboardType::from(settings.keyboard_type)),
            keyboard_subtype: settings.keyboard_subtype,
            keyboard_function_key: FUNCTION_KEYS,
            keyboard_ime_filename: String::new(),
        }),
        CapabilitySet::Pointer(Pointer { color_pointer_cache_size: POINTERS, pointer_cache_size: POINTERS }),
        CapabilitySet::Brush(Brush { support_level: SupportLevel::Default }),
        CapabilitySet::GlyphCache(GlyphCache {
            glyph_cache: [no_cache; GLYPH_CACHE_NUM],
            frag_cache: no_cache,
            glyph_support_level: GlyphSupportLevel::None,
        }),
        CapabilitySet::OffscreenBitmapCache(OffscreenBitmapCache {
            is_supported: false,
            cache_size: 0,
            cache_entries: 0,
        }),
        CapabilitySet::VirtualChannel(VirtualChannel {
            flags: VirtualChannelFlags::NO_COMPRESSION,
            chunk_size: Some(0),
        }),
        CapabilitySet::Sound(Sound { flags: SoundFlags::empty() }),
        CapabilitySet::LargePointer(LargePointer {
            flags: LargePointerSupportFlags::UP_TO_96X96_PIXELS | LargePointerSupportFlags::UP_TO_384X384_PIXELS,
        }),
        CapabilitySet::MultiFragmentUpdate(MultifragmentUpdate { max_request_size: picture.max_update_bytes }),
    ];
    if !picture.codecs.0.is_empty() {
        capability_sets.extend([
            CapabilitySet::SurfaceCommands(SurfaceCommands {
                flags: CmdFlags::SET_SURFACE_BITS | CmdFlags::STREAM_SURFACE_BITS | CmdFlags::FRAME_MARKER,
            }),
            CapabilitySet::BitmapCodecs(picture.codecs.clone()),
            CapabilitySet::FrameAcknowledge(FrameAcknowledge { max_unacknowledged_frame_count: UNACKNOWLEDGED_FRAMES }),
        ]);
    }
    ClientConfirmActive {
        originator_id: SERVER_CHANNEL_ID,
        pdu: DemandActive { source_descriptor: "guacd-lite".to_owned(), capability_sets },
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::settings;
    use super::*;

    #[test]
    fn nothing_is_cached_for_the_server_and_no_order_taken() {
        let sets = confirm_active(&settings(), (800, 600)).pdu.capability_sets;
        let glyphs = sets.iter().any(|set| {
            matches!(set, CapabilitySet::GlyphCache(cache) if cache.glyph_support_level == GlyphSupportLevel::None)
        });
        let offscreen =
            sets.iter().any(|set| matches!(set, CapabilitySet::OffscreenBitmapCache(cache) if !cache.is_supported));
        let bitmaps = sets.iter().any(|set| {
            matches!(set, CapabilitySet::BitmapCache(cache) if cache.caches.iter().all(|entry| entry.entries == 0))
        });
        assert!(glyphs && offscreen && bitmaps);
        // Orders are 32 flags, all unset: a codec of them would be the difference.
        let order = sets.iter().find(|set| matches!(set, CapabilitySet::Order(_))).unwrap();
        let none = OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT;
        assert_eq!(*order, CapabilitySet::Order(Order::new(none, OrderSupportExFlags::empty(), 0, 0)));
    }

    #[test]
    fn surface_commands_are_offered_with_codecs_only() {
        let has_commands = |settings: &Settings| {
            let sets = confirm_active(settings, (800, 600)).pdu.capability_sets;
            sets.iter().any(|set| matches!(set, CapabilitySet::SurfaceCommands(_)))
        };
        let mut settings = settings();
        assert!(!has_commands(&settings));
        settings.picture.codecs = ironrdp_pdu::rdp::capability_sets::client_codecs_capabilities(&[]).unwrap();
        assert!(has_commands(&settings));
    }
}
