//! Encoding numbers (RFC 6143 §7.7, and the registry in the community's rfbproto document).

/// A way to encode the pixels of a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Plain pixels.
    Raw,
    /// A copy of pixels the client already has.
    CopyRect,
    /// A background and coloured rectangles.
    Rre,
    /// The same with 8-bit coordinates.
    CoRre,
    /// Tiles of 16 pixels.
    Hextile,
    /// Deflated plain pixels.
    Zlib,
    /// Palettes, filters, fills and JPEG.
    Tight,
    /// Deflated tiles of 64 pixels.
    Zrle,
}

impl Encoding {
    /// What guacd asks for by default, less the one (`ultra`) that only UltraVNC has.
    pub const DEFAULT: [Self; 7] =
        [Self::Zrle, Self::CopyRect, Self::Hextile, Self::Zlib, Self::CoRre, Self::Rre, Self::Raw];

    const NAMES: [(&'static str, Self); 8] = [
        ("raw", Self::Raw),
        ("copyrect", Self::CopyRect),
        ("rre", Self::Rre),
        ("corre", Self::CoRre),
        ("hextile", Self::Hextile),
        ("zlib", Self::Zlib),
        ("tight", Self::Tight),
        ("zrle", Self::Zrle),
    ];

    /// The encodings named in `list`, separated by spaces, most wanted first. Unknown names are left out; an empty
    /// result stands for [`DEFAULT`](Self::DEFAULT).
    #[must_use]
    pub fn parse_list(list: &str) -> Vec<Self> {
        let mut parsed = Vec::new();
        for name in list.split_ascii_whitespace() {
            let known = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            if let Some((_, encoding)) = known
                && !parsed.contains(encoding)
            {
                parsed.push(*encoding);
            }
        }
        if parsed.is_empty() { Self::DEFAULT.to_vec() } else { parsed }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Raw => 0,
            Self::CopyRect => 1,
            Self::Rre => 2,
            Self::CoRre => 4,
            Self::Hextile => 5,
            Self::Zlib => 6,
            Self::Tight => 7,
            Self::Zrle => 16,
        }
    }

    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::NAMES.iter().map(|(_, encoding)| *encoding).find(|encoding| encoding.code() == code)
    }
}

pub(crate) const QUALITY_LEVEL_0: i32 = -32;
pub(crate) const DESKTOP_SIZE: i32 = -223;
pub(crate) const LAST_RECT: i32 = -224;
pub(crate) const RICH_CURSOR: i32 = -239;
pub(crate) const X_CURSOR: i32 = -240;
pub(crate) const COMPRESS_LEVEL_0: i32 = -256;
pub(crate) const DESKTOP_NAME: i32 = -307;
pub(crate) const EXTENDED_DESKTOP_SIZE: i32 = -308;
pub(crate) const FENCE: i32 = -312;
pub(crate) const CONTINUOUS_UPDATES: i32 = -313;
pub(crate) const ALPHA_CURSOR: i32 = -314;
/// 0xC0A1E5CE, as the signed number it is.
pub(crate) const EXTENDED_CLIPBOARD: i32 = -1_063_131_698;
