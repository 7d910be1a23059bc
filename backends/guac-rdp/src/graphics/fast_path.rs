//! Fast-path PDUs: their parts, decompressed, and updates put together from fragments.
//!
//! # Specification
//! MS-RDPBCGR 2.2.9.1.2.

use std::borrow::Cow;

use ironrdp_bulk::BulkCompressor;
use ironrdp_core::{ReadCursor, decode_cursor};
use ironrdp_pdu::fast_path::{EncryptionFlags, FastPathHeader, FastPathUpdatePdu, Fragmentation, UpdateCode};
use ironrdp_session::{SessionError, SessionErrorExt as _};
use tracing::debug;

use super::{broken, malformed, trim};
use crate::RdpError;

/// Longest update put together from fragments, in bytes: twice the size our capabilities name, since servers count
/// headers differently.
pub(super) const MAX_UPDATE_BYTES: usize = 16 << 20;

/// The size that our capabilities name, in bytes.
pub(super) const ANNOUNCED_UPDATE_BYTES: u32 = 8 << 20;

/// One part of a PDU.
pub(super) struct Part<'a> {
    pub(super) code: UpdateCode,
    pub(super) data: Cow<'a, [u8]>,
    fragmentation: Fragmentation,
}

impl Part<'_> {
    /// Whether it is a whole update.
    pub(super) fn is_whole(&self) -> bool {
        self.fragmentation == Fragmentation::Single
    }
}

/// Reads past the header of a PDU.
pub(super) fn read_header(pdu: &mut ReadCursor<'_>) -> Result<(), RdpError> {
    let header: FastPathHeader = decode_cursor(pdu).map_err(malformed)?;
    if header.flags.intersects(EncryptionFlags::ENCRYPTED | EncryptionFlags::SECURE_CHECKSUM) {
        return Err(broken("fast-path PDU encrypted within TLS"));
    }
    Ok(())
}

/// Reads the next part and decompresses it.
pub(super) fn read_part<'a>(pdu: &mut ReadCursor<'a>, bulk: &mut Option<BulkCompressor>) -> Result<Part<'a>, RdpError> {
    let part: FastPathUpdatePdu<'a> = decode_cursor(pdu).map_err(malformed)?;
    let (code, fragmentation) = (part.update_code, part.fragmentation);
    let data = match part.compression_flags {
        Some(flags) if !flags.is_empty() => {
            let bulk = bulk.as_mut().ok_or_else(|| broken("compressed update, which was not offered"))?;
            let kind = part.compression_type.map_or(0, |kind| kind.as_u8());
            let data = bulk.decompress(part.data, u32::from(flags.bits() | kind));
            let data = data.map_err(|source| RdpError::Protocol { source: SessionError::custom("update", source) })?;
            Cow::Owned(data.to_vec())
        }
        _ => Cow::Borrowed(part.data),
    };
    Ok(Part { code, data, fragmentation })
}

/// An update that arrives in fragments.
#[derive(Default)]
pub(super) struct Fragments {
    code: Option<UpdateCode>,
    data: Vec<u8>,
}

impl Fragments {
    /// Adds a fragment; gives the update with the last one.
    pub(super) fn add(&mut self, part: &Part<'_>) -> Result<Option<(UpdateCode, Vec<u8>)>, RdpError> {
        if part.fragmentation == Fragmentation::First {
            self.clear();
            self.code = Some(part.code);
        }
        match self.code {
            None => {
                debug!("Fragment without a first one ignored");
                return Ok(None);
            }
            Some(code) if code != part.code => return Err(broken("fragments of different updates")),
            Some(_) => {}
        }
        if self.data.len() + part.data.len() > MAX_UPDATE_BYTES {
            return Err(broken("fragments of an update above 16 MiB"));
        }
        self.data.extend_from_slice(&part.data);
        if part.fragmentation != Fragmentation::Last {
            return Ok(None);
        }
        Ok(self.code.take().map(|code| (code, std::mem::take(&mut self.data))))
    }

    /// Forgets what is there: whoever starts an update has given up the last one.
    pub(super) fn clear(&mut self) {
        if self.code.take().is_some() {
            debug!(len_bytes = self.data.len(), "Unfinished update dropped");
        }
        self.data.clear();
    }

    /// Takes back the memory of an update that was drawn.
    pub(super) fn reuse(&mut self, mut data: Vec<u8>) {
        trim(&mut data);
        self.data = data;
    }
}
