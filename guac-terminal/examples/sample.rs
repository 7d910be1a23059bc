//! Draws a sample screen to a PNG: `cargo run -p guac-terminal --example sample -- OUT.png [POINTS]`.
#![expect(clippy::disallowed_types, reason = "an example writes its picture to a file")]

use std::sync::Arc;

use guac_display::{Changes, Picture, Size};
use guac_terminal::{GlyphCache, Terminal, TerminalConfig};

const SCREEN: &str = "\
\x1b[1;32muser@host\x1b[m:\x1b[1;34m~/src/guacd-lite\x1b[m$ ls --color -la \x1b[7minverse\x1b[m \x1b[2mdim\x1b[m \x1b[3mitalic\x1b[m \x1b[1;3mbold italic\x1b[m\r
The quick brown fox jumps over the lazy dog. 0O1lI|!iL {}[]()<> @#$%^&*~`'\",.;:?\\/\r
\x1b[1mThe quick brown fox jumps over the lazy dog. 0123456789 ABCDEFGHIJKLMNOP\x1b[m\r
\x1b[4munderline\x1b[m \x1b[21mdouble\x1b[m \x1b[4:3mcurly\x1b[m \x1b[4:4mdotted\x1b[m \x1b[4:5mdashed\x1b[m \x1b[9mstrike\x1b[m \x1b[4;58;2;255;80;80mcoloured underline\x1b[m gjpqy \x1b[4mgjpqy\x1b[m\r
┌──────┬──────┐ ┏━━━━━━┳━━━━━━┓ ╔══════╦══════╗ ╭──────┬──────╮ ╓──╥──╖ ╒══╤══╕\r
│ ab   │   cd │ ┃ ab   ┃   cd ┃ ║ ab   ║   cd ║ │ arc  │      │ ║  ║  ║ │  │  │\r
├──────┼──────┤ ┣━━━━━━╋━━━━━━┫ ╠══════╬══════╣ ├──────┼──────┤ ╟──╫──╢ ╞══╪══╡\r
│      │      │ ┃      ┃      ┃ ║      ║      ║ │      │      │ ║  ║  ║ │  │  │\r
└──────┴──────┘ ┗━━━━━━┻━━━━━━┛ ╚══════╩══════╝ ╰──────┴──────╯ ╙──╨──╜ ╘══╧══╛\r
┎─┰┒ ┍━┯┑ ╀╁╂╃╄╅╆╇╈╉╊╋ ┄┄┄┈┈┈╌╌╌ ┅┅┅┉┉┉╍╍╍ ╱╲╳ ╱╲╳ ╴╵╶╷╸╹╺╻╼╽╾╿ ╲╱\r
█▉▊▋▌▍▎▏▐▕▔▁▂▃▄▅▆▇█ ▀▄▀▄ ░░▒▒▓▓██ ▖▗▘▙▚▛▜▝▞▟ ▙▟▛▜\r
⠁⠂⠄⡀⠈⠐⠠⢀⣿⣿⡇⢸⠿⠿ ⣀⣤⣶⣿ braille  \u{e0b0}\u{e0b1}\u{e0b2}\u{e0b3} \x1b[30;44m main \x1b[34;42m\u{e0b0}\x1b[30;42m ok \x1b[32;49m\u{e0b0}\x1b[m powerline\r
wide: 中文字符 漢字 한국어 日本語 e\u{301} n\u{303} a\u{308} o\u{302}\u{323} combining: Cafe\u{301}; ÄÖÜß éèêñ Ελληνικά Кириллица ←↑→↓ ✓✗ ● ◆ €\r
\x1b[31mred \x1b[32mgreen \x1b[33myellow \x1b[34mblue \x1b[35mmagenta \x1b[36mcyan \x1b[37mwhite \x1b[90mgray \x1b[91mred \x1b[92mgreen \x1b[93myellow \x1b[94mblue \x1b[95mmagenta \x1b[96mcyan \x1b[97mwhite\x1b[m\r
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "sample.png".to_owned());
    let mut config = TerminalConfig::new(Size::new(1024, 640)?);
    config.font_size_pt = args.next().map_or(Ok(12), |points| points.parse())?;
    let mut terminal = Terminal::new(config, Arc::new(GlyphCache::new()));
    terminal.handle_output(SCREEN.as_bytes());
    for row in 0..3 {
        for index in 0..76 {
            let ((r, g, b), at) = ((index * 3, 255 - index * 3, row * 100), 16 + row * 76 + index);
            let block = if row == 1 { format!("\x1b[48;2;{r};{g};{b}m ") } else { format!("\x1b[48;5;{at}m ") };
            terminal.handle_output(block.as_bytes());
        }
        terminal.handle_output(b"\x1b[m\r\n");
    }
    for line in 0..8 {
        terminal.handle_output(format!("line {line}\r\n").as_bytes());
    }
    terminal.handle_output(b"$ \x1b[6 q");
    let mut changes = Changes::new(terminal.size());
    terminal.take_changes(&mut changes);
    let mut pixels = Vec::new();
    terminal.read(terminal.size().rect(), &mut pixels);
    let size = terminal.size();
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, size.width(), size.height());
    encoder.set_color(png::ColorType::Rgb);
    let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1)).collect();
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(())
}
