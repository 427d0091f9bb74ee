//! The header of a segment.
//!
//! ```text
//! 0   magic "CISMOLOG"          8
//! 8   format version            4
//! 12  flags: 1 after a gap      4
//! 16  node                     16
//! 32  number                    8
//! 40  begun at, unix ms         8
//! 48  number of the one before  8    0 for none, and after a gap
//! 56  where that ended          8
//! 64  what its checksums gave   4
//! 68  CRC-32C of bytes 0 to 67  4
//! ```

use super::{Before, Link, NodeId};
use crate::CHECKSUMS;
use crate::record::{u32_at, u64_at};

pub(crate) const HEADER_BYTES: usize = 72;
pub(crate) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"CISMOLOG";
const AFTER_GAP: u32 = 1;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) node: NodeId,
    pub(crate) number: u64,
    pub(crate) unix_ms: u64,
    pub(crate) before: Before,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoHeader {
    #[error("the header is not one of a segment")]
    Damaged,
    #[error("format {0} is not known")]
    Version(u32),
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let (flags, before) = match self.before {
            Before::Nothing => (0, None),
            Before::Segment(link) => (0, Some(link)),
            Before::Gap => (AFTER_GAP, None),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&flags.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.node);
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.unix_ms.to_le_bytes());
        if let Some(before) = before {
            bytes[48..56].copy_from_slice(&before.segment.to_le_bytes());
            bytes[56..64].copy_from_slice(&before.end.to_le_bytes());
            bytes[64..68].copy_from_slice(&before.chain.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..68]);
        bytes[68..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Header, NoHeader> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(NoHeader::Damaged)?;
        // The version comes first: what follows may have moved in another format.
        if bytes[..8] != MAGIC {
            return Err(NoHeader::Damaged);
        }
        let sealed = !CHECKSUMS || u32_at(bytes, 68) == crc32c::crc32c(&bytes[..68]);
        match u32_at(bytes, 8) {
            VERSION if sealed => {}
            version if version > VERSION => return Err(NoHeader::Version(version)),
            _ => return Err(NoHeader::Damaged),
        }
        let link = Link {
            segment: u64_at(bytes, 48),
            end: u64_at(bytes, 56),
            chain: u32_at(bytes, 64),
        };
        let before = match (u32_at(bytes, 12), link.segment) {
            (0, 0) => Before::Nothing,
            (0, _) => Before::Segment(link),
            (AFTER_GAP, 0) => Before::Gap,
            _ => return Err(NoHeader::Damaged),
        };
        Ok(Header {
            node: bytes[16..32].try_into().expect("sixteen bytes"),
            number: u64_at(bytes, 32),
            unix_ms: u64_at(bytes, 40),
            before,
        })
    }

    /// What the checksums of a segment add up to before its first record.
    pub(crate) fn chain(bytes: &[u8]) -> u32 {
        crc32c::crc32c(bytes)
    }
}

/// Adds a record's checksum.
pub(crate) fn chain_on(chain: u32, record: &[u8]) -> u32 {
    crc32c::crc32c_append(chain, &record[4..8])
}
