//! Streams of instructions to measure with, the same bytes on every machine.

use guac_protocol::InstructionWriter;

/// Which mix of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corpus {
    /// A desktop being drawn: mostly image data in blobs of the largest size, copies and fills between.
    Draw,
    /// Instructions of a few short elements: pointer, keys, frame ends, answers, rectangles.
    Small,
    /// Text in many scripts, characters outside the basic plane among them.
    Unicode,
    /// The same without those, for parsers that count UTF-16 units.
    UnicodeBmp,
}

/// A generated stream and what is in it.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// The instructions, one after the other.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub instructions: u64,
    /// Elements of all of them, opcodes included.
    pub elements: u64,
}

impl Corpus {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Draw, Self::Small, Self::Unicode, Self::UnicodeBmp];

    /// Its name in tables and of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draw => "draw",
            Self::Small => "small",
            Self::Unicode => "unicode",
            Self::UnicodeBmp => "unicode_bmp",
        }
    }

    /// Whole instructions, `len` bytes of them or a little more.
    #[must_use]
    pub fn generate(self, len: usize) -> Stream {
        let mut generator = Generator { random: Random(0x5EED_0000 + self as u64), stream: Stream::default() };
        match self {
            Self::Draw => generator.draw(len),
            Self::Small => generator.small(len),
            Self::Unicode => generator.unicode(len, true),
            Self::UnicodeBmp => generator.unicode(len, false),
        }
        generator.stream
    }
}

/// SplitMix64: a few lines, no dependency whose next version gives other numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `from` to one below `to`.
    fn range(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.next() % u64::try_from(to - from).unwrap_or(1)).unwrap_or_default()
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next()).unwrap_or_default() % len
    }

    fn chance(&mut self, per_mille: i64) -> bool {
        self.range(0, 1000) < per_mille
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }
}

struct Generator {
    random: Random,
    stream: Stream,
}

impl Generator {
    fn put(&mut self, opcode: &str, numbers: &[i64]) {
        let writer = InstructionWriter::new(&mut self.stream.bytes, opcode);
        numbers.iter().fold(writer, |writer, number| writer.arg(number)).end();
        self.count(numbers.len());
    }

    fn count(&mut self, arguments: usize) {
        self.stream.instructions += 1;
        self.stream.elements += arguments as u64 + 1;
    }

    /// An image in blobs of 6048 bytes, its data as good as random.
    fn image(&mut self, stream: i64, layer: i64, bytes: i64) {
        let mimetype = self.random.pick(&["image/png", "image/jpeg", "image/webp"]);
        let (x, y) = (self.random.range(0, 1920), self.random.range(0, 1080));
        InstructionWriter::new(&mut self.stream.bytes, "img")
            .arg(&stream)
            .arg(&14_i64)
            .arg(&layer)
            .text(mimetype)
            .arg(&x)
            .arg(&y)
            .end();
        self.count(6);
        let data: Vec<u8> = (0..=bytes / 8).flat_map(|_| self.random.next().to_le_bytes()).collect();
        let data = &data[..usize::try_from(bytes).unwrap_or_default()];
        for chunk in data.chunks(guac_protocol::MAX_BLOB_BYTES) {
            InstructionWriter::new(&mut self.stream.bytes, "blob").arg(&stream).base64(chunk).end();
            self.count(2);
        }
        self.put("end", &[stream]);
    }

    fn draw(&mut self, len: usize) {
        let (mut time, mut stream) = (EPOCH_MS, 0);
        self.put("size", &[0, 1920, 1080]);
        while self.stream.bytes.len() < len {
            for _ in 0..self.random.pick(&[0, 0, 1, 2, 3, 6]) {
                self.rectangles("copy", 14, 0);
            }
            for _ in 0..self.random.pick(&[0, 0, 0, 1, 2, 4]) {
                self.fill(0);
            }
            for _ in 0..self.random.pick(&[1, 1, 2, 3, 5]) {
                stream = (stream + 1) % 64;
                let small = self.random.chance(450);
                let bytes = if small { self.random.range(150, 4000) } else { self.random.range(5000, 60_000) };
                self.image(stream, 0, bytes);
            }
            if self.random.chance(30) {
                stream = (stream + 1) % 64;
                let bytes = self.random.range(300, 2500);
                self.image(stream, -3, bytes);
                let (x, y) = (self.random.range(0, 32), self.random.range(0, 32));
                self.put("cursor", &[x, y, -3, 0, 0, 32, 32]);
            }
            if self.random.chance(150) {
                self.mouse(time);
            }
            time += self.random.range(10, 80);
            self.put("sync", &[time, 1]);
        }
    }

    fn small(&mut self, len: usize) {
        let mut time = EPOCH_MS;
        while self.stream.bytes.len() < len {
            match self.random.range(0, 100) {
                0..34 => self.mouse(time),
                34..46 => {
                    let (keysym, pressed) = (self.random.range(32, 65_032), self.random.range(0, 2));
                    self.put("key", &[keysym, pressed, time]);
                }
                46..58 => {
                    time += self.random.range(1, 61);
                    self.put("sync", &[time, 1]);
                }
                58..62 => self.put("nop", &[]),
                62..72 => {
                    let stream = self.random.range(0, 64);
                    InstructionWriter::new(&mut self.stream.bytes, "ack").arg(&stream).text("OK").arg(&0_i64).end();
                    self.count(3);
                }
                72..90 => {
                    let layer = self.random.range(0, 4);
                    self.fill(layer);
                }
                90..98 => {
                    let layer = self.random.range(0, 4);
                    self.rectangles("copy", 14, layer);
                }
                _ => {
                    let layer = self.random.range(0, 4);
                    self.rectangles("transfer", 6, layer);
                }
            }
        }
    }

    fn mouse(&mut self, time: i64) {
        let (x, y) = (self.random.range(0, 1920), self.random.range(0, 1080));
        let buttons = self.random.range(0, 8);
        self.put("mouse", &[x, y, buttons, time]);
    }

    /// A rectangle or the colour it is filled with, as often.
    fn fill(&mut self, layer: i64) {
        let [x, y, width, height] = self.place();
        self.put("rect", &[layer, x, y, width, height]);
        let [r, g, b] = [0; 3].map(|_: i32| self.random.range(0, 256));
        self.put("cfill", &[14, layer, r, g, b, 255]);
    }

    fn rectangles(&mut self, opcode: &str, mode: i64, layer: i64) {
        let [x, y, width, height] = self.place();
        let [to_x, to_y, ..] = self.place();
        self.put(opcode, &[layer, x, y, width, height, mode, layer, to_x, to_y]);
    }

    fn place(&mut self) -> [i64; 4] {
        [(0, 1920), (0, 1080), (1, 1921), (1, 1081)].map(|(from, to)| self.random.range(from, to))
    }

    fn unicode(&mut self, len: usize, astral: bool) {
        let pools = self.pools(astral);
        while self.stream.bytes.len() < len {
            let stream = self.random.range(0, 64);
            let kind = self.random.range(0, 100);
            let lengths: &[(i64, i64)] = match kind {
                0..25 => &[(100, 2000)],
                25..55 => &[(5, 60)],
                55..80 => &[(3, 30), (5, 300)],
                80..90 => &[(8, 80)],
                90..95 => &[(20, 200)],
                _ => &[(5, 40), (5, 40)],
            };
            let texts: Vec<String> = lengths.iter().map(|&(from, to)| self.text(&pools, from, to)).collect();
            let out = &mut self.stream.bytes;
            let (writer, head) = match kind {
                0..25 => (InstructionWriter::new(out, "clipboard").arg(&stream).text("text/plain"), 2),
                25..55 => (InstructionWriter::new(out, "name"), 0),
                55..80 => (InstructionWriter::new(out, "argv").arg(&stream).text("text/plain"), 2),
                80..90 => (InstructionWriter::new(out, "file").arg(&stream).text("application/octet-stream"), 2),
                90..95 => (InstructionWriter::new(out, "log"), 0),
                _ => (InstructionWriter::new(out, "msg").arg(&(stream % 8)), 1),
            };
            texts.iter().fold(writer, |writer, text| writer.text(text)).end();
            self.count(head + texts.len());
        }
    }

    fn text(&mut self, pools: &[Vec<char>], from: i64, to: i64) -> String {
        let pool = &pools[self.random.index(pools.len())];
        let length = usize::try_from(self.random.range(from, to)).unwrap_or_default();
        let start = self.random.index(pool.len() - length);
        pool[start..start + length].iter().collect()
    }

    /// Text per script, and one in which they alternate every seven characters.
    fn pools(&mut self, astral: bool) -> Vec<Vec<char>> {
        let latin = || ('a'..='z').chain(" ,.;:!0123456789".chars());
        let mut scripts: Vec<Vec<char>> = vec![
            ('\u{C0}'..'\u{17F}').chain(latin()).chain('a'..='z').chain('a'..='z').collect(),
            ('\u{410}'..'\u{450}').chain(" ,.;:!0123456789".chars()).collect(),
            ('\u{391}'..'\u{3A2}').chain('\u{3A3}'..'\u{3CA}').chain(" ,.;:!0123456789".chars()).collect(),
            ('\u{5D0}'..'\u{5EB}').chain('\u{621}'..'\u{64B}').chain(" ,.;:!0123456789".chars()).collect(),
            ('\u{4E00}'..'\u{7000}').chain(" ,.;:!0123456789".chars()).collect(),
            ('\u{3041}'..'\u{3097}').chain('\u{30A1}'..'\u{30FF}').chain(" ,.;:!0123456789".chars()).collect(),
            ('\u{AC00}'..'\u{C000}').chain(" ,.;:!0123456789".chars()).collect(),
            latin().collect(),
        ];
        if astral {
            let faces = '\u{1F300}'..'\u{1F64F}';
            scripts.push(faces.clone().chain(faces).chain('\u{20000}'..'\u{20200}').chain(latin()).collect());
        }
        let mut pools: Vec<Vec<char>> =
            scripts.iter().map(|script| (0..40_000).map(|_| self.random.pick(script)).collect()).collect();
        let mixed = (0..5000).flat_map(|index| {
            let pool: &Vec<char> = &pools[index % pools.len()];
            pool[index * 7..index * 7 + 7].to_vec()
        });
        let mixed = mixed.collect();
        pools.push(mixed);
        pools
    }
}

/// Some time after 2026 began, as timestamps have it.
const EPOCH_MS: i64 = 1_790_000_000_000;

#[cfg(test)]
mod tests {
    use guac_protocol::Parser;

    use super::*;

    #[test]
    fn corpora_hold_what_they_say_and_are_the_same_each_time() {
        for corpus in Corpus::ALL {
            let stream = corpus.generate(300_000);
            assert_eq!(stream.bytes, corpus.generate(300_000).bytes);
            let mut parser = Parser::new();
            let mut batch = parser.instructions(&stream.bytes);
            let (mut instructions, mut elements) = (0, 0);
            while let Some(instruction) = batch.next_instruction().unwrap() {
                instructions += 1;
                elements += instruction.args_len() as u64 + 1;
            }
            assert_eq!((instructions, elements), (stream.instructions, stream.elements), "{corpus:?}");
            assert_eq!(batch.consumed(), stream.bytes.len());
        }
    }
}
