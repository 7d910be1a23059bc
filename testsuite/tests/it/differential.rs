//! Our codec against the stock JavaScript parser and writer, on generated instructions.

use std::fs;
use std::path::Path;
use std::process::Command;

use guac_protocol::{Decoder, InstructionWriter};
use testsuite::{find, missing};

use crate::clients::{installed, run, source, workshop};

/// Steps of a small linear generator: the same instructions in every run, so a difference can be looked at again.
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A character of the plane: ASCII, two and three bytes, beyond the basic plane where allowed, and what delimits.
    fn character(&mut self, astral: bool) -> char {
        let (from, to) = match self.below(if astral { 8 } else { 6 }) {
            0 | 1 => (0x20, 0x7F),
            2 => (0xA0, 0x800),
            3 => (0x4E00, 0x9FFF),
            4 => return [';', ',', '.', '0', '9', '-'][usize::try_from(self.below(6)).unwrap()],
            5 => (0xE000, 0xFFFE),
            6 => (0x1F300, 0x1FAFF),
            _ => (0x20000, 0x10FFFF),
        };
        char::from_u32(u32::try_from(from + self.below(to - from)).unwrap()).unwrap_or('?')
    }

    fn instruction(&mut self, astral: bool) -> Vec<String> {
        let opcode = ["name", "clipboard", "argv", "blob", "x"][usize::try_from(self.below(5)).unwrap()];
        let arguments = match self.below(20) {
            0 => 0,
            1 => 1 + self.below(127),
            _ => 1 + self.below(6),
        };
        let longest = if arguments > 6 { 8 } else { 900 };
        let mut elements = vec![opcode.to_owned()];
        for _ in 0..arguments {
            let length = if self.below(8) == 0 { 0 } else { self.below(longest) };
            elements.push((0..length).map(|_| self.character(astral)).collect());
        }
        elements
    }
}

fn encode(instructions: &[Vec<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for elements in instructions {
        let (opcode, arguments) = elements.split_first().unwrap();
        arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, text| writer.text(text)).end();
    }
    out
}

fn decode(bytes: &[u8]) -> Vec<Vec<String>> {
    let (mut decoder, mut all) = (Decoder::new(), Vec::new());
    // A prime that lets reads end everywhere, characters included.
    for chunk in bytes.chunks(4093) {
        decoder.feed(chunk).unwrap();
        while let Some(instruction) = decoder.next_instruction().unwrap() {
            let elements = std::iter::once(instruction.opcode()).chain(instruction.args());
            all.push(elements.map(str::to_owned).collect());
        }
    }
    all
}

fn oracle() -> Option<std::path::PathBuf> {
    if find("node").is_none() || find("npm").is_none() {
        missing("Node.js with npm");
        return None;
    }
    let (dir, source) = (workshop("guacamole-common-js"), source("guacamole-common-js"));
    installed(&dir, &source.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(source.join(file), dir.join(file)).unwrap();
        }
        run(Command::new("npm").arg("ci").current_dir(&dir));
    });
    // Modules are looked up from where the script lies.
    fs::copy(source.join("differential.mjs"), dir.join("differential.mjs")).unwrap();
    Some(dir)
}

/// What the stock parser of this package makes of our bytes, and what the stock writer makes of that.
fn stock(oracle: &Path, package: &str, wire: &[u8]) -> (Vec<Vec<String>>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("wire"), wire).unwrap();
    let mut node = Command::new("node");
    node.arg(oracle.join("differential.mjs")).arg(package).arg(file("wire")).arg(file("parsed"));
    // 1.5.0 has no writer of its own that counts code points.
    let writes = package.starts_with("@glokon");
    if writes {
        node.arg(file("written"));
    }
    run(&mut node);
    let parsed = serde_json::from_slice(&fs::read(file("parsed")).unwrap()).unwrap();
    (parsed, if writes { fs::read(file("written")).unwrap() } else { Vec::new() })
}

#[test]
fn the_stock_javascript_of_1_6_reads_what_we_write_and_we_read_what_it_writes() {
    let Some(oracle) = oracle() else { return };
    let mut generator = Generator(20_261);
    let instructions: Vec<_> = (0..3000).map(|_| generator.instruction(true)).collect();
    let (parsed, written) = stock(&oracle, "@glokon/guacamole-common-js", &encode(&instructions));
    assert_eq!(parsed.len(), instructions.len());
    assert!(parsed == instructions, "the stock parser reads something else");
    assert!(written == encode(&instructions), "the stock writer writes something else");
    assert!(decode(&written) == instructions, "we read something else");
}

#[test]
fn the_stock_javascript_of_1_5_reads_what_we_write_within_the_basic_plane() {
    let Some(oracle) = oracle() else { return };
    let mut generator = Generator(20_262);
    let instructions: Vec<_> = (0..3000).map(|_| generator.instruction(false)).collect();
    let (parsed, _) = stock(&oracle, "guacamole-common-js", &encode(&instructions));
    assert!(parsed == instructions, "the stock parser reads something else");
}
