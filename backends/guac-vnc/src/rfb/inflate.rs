//! Streaming decompression with fixed memory.

use flate2::{Decompress, FlushDecompress};

use super::{
    error::{RfbError, Stop},
    reader::Reader,
};

/// Decompressed bytes waiting to be parsed. One serves all streams of a connection, as every rectangle empties it.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    /// Room for the largest ZRLE tile (under 21 KiB) and for several rows of most rectangles.
    const CAPACITY: usize = 32 * 1024;

    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, len: usize) {
        self.start = self.end.min(self.start.saturating_add(len));
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Decompresses some of `input` into the free room, of which there is enough for `need` unread bytes in all.
    /// Returns bytes used and bytes made.
    fn inflate(&mut self, stream: &mut Decompress, input: &[u8], need: usize) -> Result<(usize, usize), RfbError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let capacity = need.max(Self::CAPACITY);
        if self.buffer.len() < capacity {
            self.buffer.resize(capacity, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let (used, made) = run(stream, input, room)?;
        self.end += made;
        Ok((used, made))
    }
}

/// One call of the decompressor; bytes used and bytes made.
fn run(stream: &mut Decompress, input: &[u8], room: &mut [u8]) -> Result<(usize, usize), RfbError> {
    let (used, made) = (stream.total_in(), stream.total_out());
    stream.decompress(input, room, FlushDecompress::Sync).map_err(|source| RfbError::Inflate { source })?;
    let len = |total: u64| usize::try_from(total).unwrap_or(usize::MAX);
    Ok((len(stream.total_in() - used), len(stream.total_out() - made)))
}

/// The compressed bytes of one rectangle.
#[derive(Debug)]
pub(crate) struct Section {
    left: usize,
}

impl Section {
    pub(crate) fn new(len: usize) -> Self {
        Self { left: len }
    }

    /// Decompresses until `window` holds `need` unread bytes.
    pub(crate) fn fill(
        &mut self,
        reader: &mut Reader<'_>,
        stream: &mut Decompress,
        window: &mut Window,
        need: usize,
    ) -> Result<(), Stop> {
        while window.unread().len() < need {
            let input = self.available(reader);
            let (used, made) = window.inflate(stream, input, need)?;
            self.consume(reader, used)?;
            if used == 0 && made == 0 {
                let starved = input.is_empty() && self.left > 0;
                return Err(if starved { Stop::Need } else { Stop::malformed("compressed data: too short") });
            }
        }
        Ok(())
    }

    /// Feeds what is left to the stream, as later rectangles build on its state; none of it may make output.
    pub(crate) fn finish(&mut self, reader: &mut Reader<'_>, stream: &mut Decompress) -> Result<(), Stop> {
        let mut spill = [0; 1];
        loop {
            let input = self.available(reader);
            let (used, made) = run(stream, input, &mut spill)?;
            self.consume(reader, used)?;
            if made > 0 {
                return Err(Stop::malformed("compressed data: too long"));
            }
            if self.left == 0 {
                return Ok(());
            }
            if used == 0 {
                return Err(if input.is_empty() { Stop::Need } else { Stop::malformed("compressed data: ended") });
            }
        }
    }

    fn available<'a>(&self, reader: &Reader<'a>) -> &'a [u8] {
        let rest = reader.rest();
        rest.get(..self.left).unwrap_or(rest)
    }

    fn consume(&mut self, reader: &mut Reader<'_>, used: usize) -> Result<(), Stop> {
        reader.skip(used)?;
        reader.commit();
        self.left = self.left.saturating_sub(used);
        Ok(())
    }
}

/// A decompression stream made on first use, so that an encoding the server never sends costs nothing.
#[derive(Debug, Default)]
pub(crate) struct LazyStream(Option<Box<Decompress>>);

impl LazyStream {
    pub(crate) fn get(&mut self) -> &mut Decompress {
        self.0.get_or_insert_with(|| Box::new(Decompress::new(true)))
    }

    pub(crate) fn reset(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.reset(true);
        }
    }
}
