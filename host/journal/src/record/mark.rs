//! Marks: records that the log writes about itself, between those of the store.
//!
//! ```text
//! length u32 | crc u32 | 0 u64 | kind u8 | node 16 bytes | own offset u64 | synced up to u64 | unix ms u64
//! ```
//! A mark tells two things. *When*: what stands behind the mark was written at that time or later. *How far the disk
//! is known to be right*: all bytes of the segment below `synced` were synced before the mark was written. So damage
//! below is damage, and no torn end of an interrupted write.
//!
//! Damage may hide where records begin, so a mark must be found without them. It holds its own offset and the
//! node's random id: no client can make the server write a value that is taken for a mark.

use super::{Frame, HEAD_BYTES, frame_at, seal, u64_at};

/// Kind of a change that is none.
const KIND: u8 = 0x4d;
/// Bytes of a mark.
pub(crate) const MARK_BYTES: usize = HEAD_BYTES + 8 + 1 + 16 + 8 + 8 + 8;
const LENGTH: u32 = (MARK_BYTES - HEAD_BYTES) as u32;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) node: [u8; 16],
    /// Where in its segment the mark stands.
    pub(crate) offset: u64,
    /// All bytes of the segment before this one were synced.
    pub(crate) synced: u64,
    /// When the mark was written.
    pub(crate) unix_ms: u64,
}

impl Mark {
    pub(crate) fn to_bytes(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..4].copy_from_slice(&LENGTH.to_le_bytes());
        bytes[16] = KIND;
        bytes[17..33].copy_from_slice(&self.node);
        bytes[33..41].copy_from_slice(&self.offset.to_le_bytes());
        bytes[41..49].copy_from_slice(&self.synced.to_le_bytes());
        bytes[49..57].copy_from_slice(&self.unix_ms.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    /// The mark in front of `bytes`, whose checksum is looked at.
    pub(crate) fn read(bytes: &[u8]) -> Option<Mark> {
        let bytes = bytes.get(..MARK_BYTES).filter(|bytes| is_mark(bytes))?;
        let whole = matches!(frame_at(bytes, 0), Ok(Frame::Whole { .. }));
        whole.then(|| Mark {
            node: bytes[17..33].try_into().expect("sixteen bytes"),
            offset: u64_at(bytes, 33),
            synced: u64_at(bytes, 41),
            unix_ms: u64_at(bytes, 49),
        })
    }
}

/// Whether a record is a mark.
pub(crate) fn is_mark(record: &[u8]) -> bool {
    record.len() == MARK_BYTES && record[..4] == LENGTH.to_le_bytes() && record[16] == KIND
}
