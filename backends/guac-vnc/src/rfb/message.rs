//! Messages to the server (RFC 6143 §7.5 and the extensions).

use super::{Config, encoding as number, pixel::ColorDepth, rect::Rect};

pub(crate) fn set_pixel_format(out: &mut Vec<u8>, depth: ColorDepth) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&depth.wire_format());
}

/// The encodings wanted, best first, then the extensions.
pub(crate) fn set_encodings(out: &mut Vec<u8>, config: &Config) {
    let mut codes: Vec<i32> = config.encodings.iter().map(|encoding| encoding.code()).collect();
    codes.extend([number::DESKTOP_SIZE, number::EXTENDED_DESKTOP_SIZE, number::LAST_RECT, number::DESKTOP_NAME]);
    codes.extend([number::FENCE, number::CONTINUOUS_UPDATES]);
    if config.local_cursor {
        codes.extend([number::ALPHA_CURSOR, number::RICH_CURSOR, number::X_CURSOR]);
    }
    if config.clipboard {
        codes.push(number::EXTENDED_CLIPBOARD);
    }
    let levels = [(config.compress_level, number::COMPRESS_LEVEL_0), (config.quality_level, number::QUALITY_LEVEL_0)];
    for (level, base) in levels {
        if let Some(level) = level {
            codes.push(base + i32::from(level.min(9)));
        }
    }
    let count = u16::try_from(codes.len()).unwrap_or(0);
    out.extend_from_slice(&[2, 0]);
    out.extend_from_slice(&count.to_be_bytes());
    for code in codes {
        out.extend_from_slice(&code.to_be_bytes());
    }
}

pub(crate) fn update_request(out: &mut Vec<u8>, incremental: bool, (width, height): (u16, u16)) {
    out.extend_from_slice(&[3, u8::from(incremental)]);
    rect(out, Rect::new(0, 0, width, height));
}

pub(crate) fn key(out: &mut Vec<u8>, keysym: u32, pressed: bool) {
    out.extend_from_slice(&[4, u8::from(pressed), 0, 0]);
    out.extend_from_slice(&keysym.to_be_bytes());
}

pub(crate) fn pointer(out: &mut Vec<u8>, x: u16, y: u16, buttons: u8) {
    out.extend_from_slice(&[5, buttons]);
    out.extend_from_slice(&x.to_be_bytes());
    out.extend_from_slice(&y.to_be_bytes());
}

pub(crate) fn cut_text(out: &mut Vec<u8>, text: &[u8]) {
    let Ok(len) = i32::try_from(text.len()) else { return };
    out.extend_from_slice(&[6, 0, 0, 0]);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text);
}

pub(crate) fn enable_continuous_updates(out: &mut Vec<u8>, (width, height): (u16, u16)) {
    out.extend_from_slice(&[150, 1]);
    rect(out, Rect::new(0, 0, width, height));
}

pub(crate) fn fence(out: &mut Vec<u8>, flags: u32, payload: &[u8]) {
    let Ok(len) = u8::try_from(payload.len()) else { return };
    out.extend_from_slice(&[248, 0, 0, 0]);
    out.extend_from_slice(&flags.to_be_bytes());
    out.push(len);
    out.extend_from_slice(payload);
}

/// SetDesktopSize with one screen that fills the desktop.
pub(crate) fn set_desktop_size(out: &mut Vec<u8>, width: u16, height: u16, screen_id: u32, screen_flags: u32) {
    out.extend_from_slice(&[251, 0]);
    out.extend_from_slice(&width.to_be_bytes());
    out.extend_from_slice(&height.to_be_bytes());
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&screen_id.to_be_bytes());
    rect(out, Rect::new(0, 0, width, height));
    out.extend_from_slice(&screen_flags.to_be_bytes());
}

fn rect(out: &mut Vec<u8>, rect: Rect) {
    for number in [rect.x, rect.y, rect.width, rect.height] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}
