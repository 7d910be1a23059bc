//! A cursor over received bytes that either has the whole unit or leaves it alone.

use super::error::Stop;

/// Reads big-endian numbers and slices; [`Stop::Need`] where bytes are missing.
///
/// The owner takes [`taken`](Self::taken) bytes off its input after success and [`committed`](Self::committed) bytes
/// after [`Stop::Need`], so a unit that is read without commits is read again from its start.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    taken: usize,
    committed: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, taken: 0, committed: 0 }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn committed(&self) -> usize {
        self.committed
    }

    /// Bytes not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Gives up on reading anything before this point again.
    pub(crate) fn commit(&mut self) {
        self.committed = self.taken;
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let slice = self.rest().get(..len).ok_or(Stop::Need)?;
        self.taken += len;
        Ok(slice)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Stop> {
        self.take(len).map(drop)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let array = self.rest().first_chunk::<N>().copied().ok_or(Stop::Need)?;
        self.taken += N;
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Stop> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Stop> {
        self.array().map(i32::from_be_bytes)
    }

    /// A wire length as an index.
    pub(crate) fn len32(&mut self) -> Result<usize, Stop> {
        usize::try_from(self.u32()?).map_err(|_| Stop::malformed("length"))
    }
}
