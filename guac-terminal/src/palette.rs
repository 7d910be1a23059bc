//! Colours: the 256 of a terminal, the stock schemes and the grammar of `color-scheme`.

use alacritty_terminal::term::color::Colors;
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};

use crate::error::SchemeError;

/// A colour as `0x00RRGGBB`.
pub(crate) type Rgb24 = u32;

/// guacd's 16 basic colours, so that a session looks as it did there (`src/terminal/palette.c`).
const BASIC: [Rgb24; 16] = [
    0x00_0000, 0x99_3E3E, 0x3E_993E, 0x99_993E, 0x3E_3E99, 0x99_3E99, 0x3E_9999, 0x99_9999, //
    0x3E_3E3E, 0xFF_6767, 0x67_FF67, 0xFF_FF67, 0x67_67FF, 0xFF_67FF, 0x67_FFFF, 0xFF_FFFF,
];

/// Levels of a channel in xterm's 6x6x6 cube.
const CUBE: [u32; 6] = [0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF];

/// Most characters of a `color-scheme`: 256 entries of the longest form are below it.
const MAX_SCHEME_CHARS: usize = 16 << 10;

/// Foreground, background and the 256 numbered colours.
///
/// # Specification
/// Guacamole manual, "Color schemes"; guacd's `src/terminal/color-scheme.c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColorScheme {
    foreground: Rgb24,
    background: Rgb24,
    numbered: Box<[Rgb24; 256]>,
}

impl Default for ColorScheme {
    /// `gray-black`, as guacd's.
    fn default() -> Self {
        let mut numbered = Box::new([0; 256]);
        for (index, colour) in numbered.iter_mut().enumerate() {
            *colour = standard(index);
        }
        Self { foreground: BASIC[7], background: BASIC[0], numbered }
    }
}

impl ColorScheme {
    /// Reads a scheme: empty, one of `black-white`, `gray-black`, `green-black`, `white-black`, or a list of
    /// `foreground:`, `background:` and `colorN:` pairs separated by `;`, each with `colorN`, `rgb:RR/GG/BB`,
    /// `#RRGGBB` or an X11 name as its value.
    ///
    /// What stands before a mistake counts, as in guacd, so the scheme is usable in any case.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Option<SchemeError>) {
        let mut scheme = Self::default();
        let list = match text {
            "" | "gray-black" => return (scheme, None),
            "black-white" => "foreground:color0;background:color15",
            "green-black" => "foreground:color2;background:color0",
            "white-black" => "foreground:color15;background:color0",
            list => list,
        };
        let error = scheme.apply(list).err();
        (scheme, error)
    }

    fn apply(&mut self, list: &str) -> Result<(), SchemeError> {
        if list.len() > MAX_SCHEME_CHARS {
            return Err(SchemeError::TooLong { limit_chars: MAX_SCHEME_CHARS });
        }
        for (position, pair) in list.split(';').enumerate() {
            let pair = pair.trim();
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once(':').ok_or(SchemeError::NoColon { position })?;
            let (name, value) = (name.trim(), value.trim());
            let colour = self.value(value).ok_or(SchemeError::Value { position })?;
            let target = match name {
                "foreground" => &mut self.foreground,
                "background" => &mut self.background,
                _ => numbered_name(name)
                    .and_then(|index| self.numbered.get_mut(index))
                    .ok_or(SchemeError::Name { position })?,
            };
            *target = colour;
        }
        Ok(())
    }

    fn value(&self, value: &str) -> Option<Rgb24> {
        if let Some(colour) = numbered_name(value).and_then(|index| self.numbered.get(index)) {
            return Some(*colour);
        }
        parse_x11(value)
    }

    /// Colour of text without attributes, `0x00RRGGBB`.
    #[must_use]
    pub fn foreground(&self) -> u32 {
        self.foreground
    }

    /// Colour behind it, `0x00RRGGBB`.
    #[must_use]
    pub fn background(&self) -> u32 {
        self.background
    }

    /// One of the 256 numbered colours, `0x00RRGGBB`.
    #[must_use]
    pub fn numbered(&self, index: u8) -> u32 {
        self.numbered[usize::from(index)]
    }

    /// What `index` of the emulator (0 to 255, then the named ones) looks like, with the changes of the application.
    pub(crate) fn indexed(&self, index: usize, changed: &Colors) -> Rgb24 {
        if index < alacritty_terminal::term::color::COUNT
            && let Some(rgb) = changed[index]
        {
            return from_rgb(rgb);
        }
        if let Some(colour) = self.numbered.get(index) {
            return *colour;
        }
        match index {
            i if i == NamedColor::Background as usize => self.background,
            i if i == NamedColor::Cursor as usize => self.foreground,
            i if (NamedColor::DimBlack as usize..=NamedColor::DimWhite as usize).contains(&i) => {
                dim(self.numbered[i - NamedColor::DimBlack as usize])
            }
            _ => self.foreground,
        }
    }

    /// Resolves the colour of a cell. Bold lifts the eight dark colours to the bright ones, as on the Linux console.
    pub(crate) fn resolve(&self, colour: Color, bold: bool, changed: &Colors) -> Rgb24 {
        let index = match colour {
            Color::Spec(rgb) => return from_rgb(rgb),
            Color::Indexed(index) => usize::from(index),
            Color::Named(name) => name as usize,
        };
        let index = if bold && index < 8 { index + 8 } else { index };
        self.indexed(index, changed)
    }
}

/// Colour `index` of xterm's palette.
fn standard(index: usize) -> Rgb24 {
    match index {
        0..16 => BASIC[index],
        16..232 => {
            let cube = index - 16;
            (CUBE[cube / 36] << 16) | (CUBE[cube / 6 % 6] << 8) | CUBE[cube % 6]
        }
        _ => u32::try_from(index - 232).map_or(0, |step| (8 + 10 * step.min(23)) * 0x01_0101),
    }
}

/// `colorN` with N from 0 to 255.
fn numbered_name(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("color")?;
    digits.parse::<u8>().ok().map(usize::from)
}

/// `rgb:R/G/B` with one to four hexadecimal digits each, `#RGB`, `#RRGGBB`, or a name.
fn parse_x11(value: &str) -> Option<Rgb24> {
    if let Some(channels) = value.strip_prefix("rgb:") {
        let mut parts = channels.split('/').map(channel);
        let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
        return parts.next().is_none().then_some((red << 16) | (green << 8) | blue);
    }
    if let Some(digits) = value.strip_prefix('#') {
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(digits, 16).ok()?;
        return match digits.len() {
            6 => Some(number),
            3 => Some(((number >> 8 & 15) * 0x11_0000) | ((number >> 4 & 15) * 0x1100) | ((number & 15) * 0x11)),
            _ => None,
        };
    }
    let name: String = value.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let name = name.replace("grey", "gray");
    if let Some(percent) = name.strip_prefix("gray").and_then(|n| n.parse::<u32>().ok()).filter(|p| *p <= 100) {
        return Some((percent * 255 + 50) / 100 * 0x01_0101);
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, colour)| *colour)
}

/// One channel, scaled to 8 bits as X does it.
fn channel(digits: &str) -> Option<u32> {
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let most = (1 << (4 * digits.len())) - 1;
    Some((value * 255 + most / 2) / most)
}

pub(crate) fn from_rgb(rgb: Rgb) -> Rgb24 {
    (u32::from(rgb.r) << 16) | (u32::from(rgb.g) << 8) | u32::from(rgb.b)
}

/// Two thirds as bright.
pub(crate) fn dim(colour: Rgb24) -> Rgb24 {
    mix(0, colour, 170)
}

/// `alpha` of 255 parts `over`, the rest `under`.
pub(crate) fn mix(under: Rgb24, over: Rgb24, alpha: u8) -> Rgb24 {
    // Two channels at a time: red and blue have 8 free bits above each.
    let alpha = u32::from(alpha) + u32::from(alpha >> 7);
    let rest = 256 - alpha;
    let red_blue = ((under & 0xFF_00FF) * rest + (over & 0xFF_00FF) * alpha) >> 8 & 0xFF_00FF;
    let green = ((under & 0x00_FF00) * rest + (over & 0x00_FF00) * alpha) >> 8 & 0x00_FF00;
    red_blue | green
}

/// Names of X11's `rgb.txt` that people use in schemes.
const NAMES: &[(&str, Rgb24)] = &[
    ("aliceblue", 0xF0F8FF),
    ("antiquewhite", 0xFAEBD7),
    ("aqua", 0x00FFFF),
    ("aquamarine", 0x7FFFD4),
    ("azure", 0xF0FFFF),
    ("beige", 0xF5F5DC),
    ("bisque", 0xFFE4C4),
    ("black", 0x000000),
    ("blanchedalmond", 0xFFEBCD),
    ("blue", 0x0000FF),
    ("blueviolet", 0x8A2BE2),
    ("brown", 0xA52A2A),
    ("burlywood", 0xDEB887),
    ("cadetblue", 0x5F9EA0),
    ("chartreuse", 0x7FFF00),
    ("chocolate", 0xD2691E),
    ("coral", 0xFF7F50),
    ("cornflowerblue", 0x6495ED),
    ("cornsilk", 0xFFF8DC),
    ("crimson", 0xDC143C),
    ("cyan", 0x00FFFF),
    ("darkblue", 0x00008B),
    ("darkcyan", 0x008B8B),
    ("darkgoldenrod", 0xB8860B),
    ("darkgray", 0xA9A9A9),
    ("darkgreen", 0x006400),
    ("darkkhaki", 0xBDB76B),
    ("darkmagenta", 0x8B008B),
    ("darkolivegreen", 0x556B2F),
    ("darkorange", 0xFF8C00),
    ("darkorchid", 0x9932CC),
    ("darkred", 0x8B0000),
    ("darksalmon", 0xE9967A),
    ("darkseagreen", 0x8FBC8F),
    ("darkslateblue", 0x483D8B),
    ("darkslategray", 0x2F4F4F),
    ("darkturquoise", 0x00CED1),
    ("darkviolet", 0x9400D3),
    ("deeppink", 0xFF1493),
    ("deepskyblue", 0x00BFFF),
    ("dimgray", 0x696969),
    ("dodgerblue", 0x1E90FF),
    ("firebrick", 0xB22222),
    ("floralwhite", 0xFFFAF0),
    ("forestgreen", 0x228B22),
    ("fuchsia", 0xFF00FF),
    ("gainsboro", 0xDCDCDC),
    ("ghostwhite", 0xF8F8FF),
    ("gold", 0xFFD700),
    ("goldenrod", 0xDAA520),
    ("gray", 0xBEBEBE),
    ("green", 0x00FF00),
    ("greenyellow", 0xADFF2F),
    ("honeydew", 0xF0FFF0),
    ("hotpink", 0xFF69B4),
    ("indianred", 0xCD5C5C),
    ("indigo", 0x4B0082),
    ("ivory", 0xFFFFF0),
    ("khaki", 0xF0E68C),
    ("lavender", 0xE6E6FA),
    ("lawngreen", 0x7CFC00),
    ("lightblue", 0xADD8E6),
    ("lightcoral", 0xF08080),
    ("lightcyan", 0xE0FFFF),
    ("lightgray", 0xD3D3D3),
    ("lightgreen", 0x90EE90),
    ("lightpink", 0xFFB6C1),
    ("lightsalmon", 0xFFA07A),
    ("lightseagreen", 0x20B2AA),
    ("lightskyblue", 0x87CEFA),
    ("lightslategray", 0x778899),
    ("lightyellow", 0xFFFFE0),
    ("lime", 0x00FF00),
    ("limegreen", 0x32CD32),
    ("linen", 0xFAF0E6),
    ("magenta", 0xFF00FF),
    ("maroon", 0xB03060),
    ("mediumblue", 0x0000CD),
    ("mediumorchid", 0xBA55D3),
    ("mediumpurple", 0x9370DB),
    ("midnightblue", 0x191970),
    ("mintcream", 0xF5FFFA),
    ("mistyrose", 0xFFE4E1),
    ("moccasin", 0xFFE4B5),
    ("navajowhite", 0xFFDEAD),
    ("navy", 0x000080),
    ("navyblue", 0x000080),
    ("oldlace", 0xFDF5E6),
    ("olive", 0x808000),
    ("olivedrab", 0x6B8E23),
    ("orange", 0xFFA500),
    ("orangered", 0xFF4500),
    ("orchid", 0xDA70D6),
    ("palegreen", 0x98FB98),
    ("paleturquoise", 0xAFEEEE),
    ("peachpuff", 0xFFDAB9),
    ("peru", 0xCD853F),
    ("pink", 0xFFC0CB),
    ("plum", 0xDDA0DD),
    ("powderblue", 0xB0E0E6),
    ("purple", 0xA020F0),
    ("red", 0xFF0000),
    ("rosybrown", 0xBC8F8F),
    ("royalblue", 0x4169E1),
    ("saddlebrown", 0x8B4513),
    ("salmon", 0xFA8072),
    ("sandybrown", 0xF4A460),
    ("seagreen", 0x2E8B57),
    ("seashell", 0xFFF5EE),
    ("sienna", 0xA0522D),
    ("silver", 0xC0C0C0),
    ("skyblue", 0x87CEEB),
    ("slateblue", 0x6A5ACD),
    ("slategray", 0x708090),
    ("snow", 0xFFFAFA),
    ("springgreen", 0x00FF7F),
    ("steelblue", 0x4682B4),
    ("tan", 0xD2B48C),
    ("teal", 0x008080),
    ("thistle", 0xD8BFD8),
    ("tomato", 0xFF6347),
    ("turquoise", 0x40E0D0),
    ("violet", 0xEE82EE),
    ("wheat", 0xF5DEB3),
    ("white", 0xFFFFFF),
    ("whitesmoke", 0xF5F5F5),
    ("yellow", 0xFFFF00),
    ("yellowgreen", 0x9ACD32),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_stock_names() {
        for (name, foreground, background) in [
            ("", 0x99_9999, 0),
            ("gray-black", 0x99_9999, 0),
            ("black-white", 0, 0xFF_FFFF),
            ("green-black", 0x3E_993E, 0),
            ("white-black", 0xFF_FFFF, 0),
        ] {
            let (scheme, error) = ColorScheme::parse(name);
            assert_eq!(error, None, "{name}");
            assert_eq!((scheme.foreground(), scheme.background()), (foreground, background), "{name}");
        }
    }

    #[test]
    fn reads_a_list_of_pairs() {
        let (scheme, error) = ColorScheme::parse(
            " foreground : rgb:FF/80/00 ; background:Dark Slate Gray;color1:color2;color255:#abc;color3:rgb:f/0/8;",
        );
        assert_eq!(error, None);
        assert_eq!(scheme.foreground(), 0xFF_8000);
        assert_eq!(scheme.background(), 0x2F_4F4F);
        assert_eq!(scheme.numbered(1), 0x3E_993E);
        assert_eq!(scheme.numbered(255), 0xAA_BBCC);
        assert_eq!(scheme.numbered(3), 0xFF_0088);
    }

    #[test]
    fn keeps_what_stands_before_a_mistake() {
        let (scheme, error) = ColorScheme::parse("foreground:white;color256:red;background:white");
        assert_eq!(error, Some(SchemeError::Name { position: 1 }));
        assert_eq!((scheme.foreground(), scheme.background()), (0xFF_FFFF, 0));
        for bad in ["x", "foreground:", "foreground:rgb:1/2", "foreground:rgb:12345/0/0", "foreground:#12", "a:red"] {
            assert!(ColorScheme::parse(bad).1.is_some(), "{bad}");
        }
    }

    #[test]
    fn has_the_colours_of_xterm_above_sixteen() {
        let scheme = ColorScheme::default();
        assert_eq!(scheme.numbered(16), 0);
        assert_eq!(scheme.numbered(196), 0xFF_0000);
        assert_eq!(scheme.numbered(231), 0xFF_FFFF);
        assert_eq!(scheme.numbered(232), 0x08_0808);
        assert_eq!(scheme.numbered(255), 0xEE_EEEE);
    }

    #[test]
    fn mixes_to_both_ends_exactly() {
        assert_eq!(mix(0x12_3456, 0xFE_DCBA, 0), 0x12_3456);
        assert_eq!(mix(0x12_3456, 0xFE_DCBA, 255), 0xFE_DCBA);
    }
}
