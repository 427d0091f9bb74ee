//! The fixed parts of a snapshot.
//!
//! ```text
//! header                                   footer
//! 0   magic "CISMSNAP"             8       0   magic "CISMDONE"             8
//! 8   format version               4       8   changes                      8
//! 12  0                            4       16  their bytes, with ticks      8
//! 16  node                        16       24  where the index begins       8
//! 32  number                       8       32  end of the log: segment      8
//! 40  begun at, unix ms            8       40                  offset       8
//! 48  position in the log: segment 8       48  next tick                    8
//! 56                       offset  8       56  ended at, unix ms            8
//! 64  seed of the hash             8       64  CRC-32C of the index         4
//! 72  CRC-32C of bytes 0 to 71     4       68  CRC-32C of header's bytes    4
//!                                          72  CRC-32C of bytes 0 to 71     4
//!
//! chunk                                    index: for each chunk
//! 0   length of its changes        4       0   class                        1
//! 4   CRC-32C of all but itself    4       1   length                       4
//! 8   class                        1       5   how many changes             4
//! 9   how many changes             4
//! 13  where in the file it begins  8
//! 21  changes: tick u64 | change
//! ```

use super::About;
use crate::CHECKSUMS;
use crate::record::{u32_at, u64_at};
use crate::segment::Position;

pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 76;
pub(super) const FOOTER_BYTES: usize = 76;
pub(super) const CHUNK_HEAD_BYTES: usize = 21;
pub(super) const ENTRY_BYTES: usize = 9;
const MAGIC: [u8; 8] = *b"CISMSNAP";
const DONE: [u8; 8] = *b"CISMDONE";

pub(super) fn header(about: &About) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&about.node);
    let numbers = [
        about.number,
        about.begun_unix_ms,
        about.position.segment,
        about.position.offset,
        about.hash_seed,
    ];
    write_numbers(&mut bytes[32..72], &numbers);
    seal(&mut bytes);
    bytes
}

/// Reads a header into what is not in the footer.
pub(super) fn read_header(
    bytes: &[u8; HEADER_BYTES],
    about: &mut About,
) -> Result<(), &'static str> {
    if bytes[..8] != MAGIC {
        return Err("the header is not one of a snapshot");
    }
    if !is_sealed(bytes) {
        return Err("the checksum does not fit the header");
    }
    about.node = bytes[16..32].try_into().expect("sixteen bytes");
    about.number = u64_at(bytes, 32);
    about.begun_unix_ms = u64_at(bytes, 40);
    about.position = position_at(bytes, 48);
    about.hash_seed = u64_at(bytes, 64);
    Ok(())
}

/// The version in a header, if it is one to come: what follows may stand elsewhere then.
pub(super) fn newer_version(bytes: &[u8; HEADER_BYTES]) -> Option<u32> {
    let version = u32_at(bytes, 8);
    (bytes[..8] == MAGIC && version > VERSION).then_some(version)
}

/// The footer's own numbers.
pub(super) struct Footer {
    pub(super) index_at: u64,
    pub(super) index_crc: u32,
    pub(super) header_crc: u32,
}

pub(super) fn footer(about: &About, footer: &Footer) -> [u8; FOOTER_BYTES] {
    let mut bytes = [0; FOOTER_BYTES];
    bytes[..8].copy_from_slice(&DONE);
    let numbers = [
        about.items,
        about.bytes,
        footer.index_at,
        about.end.segment,
        about.end.offset,
        about.next_tick,
        about.ended_unix_ms,
    ];
    write_numbers(&mut bytes[8..64], &numbers);
    bytes[64..68].copy_from_slice(&footer.index_crc.to_le_bytes());
    bytes[68..72].copy_from_slice(&footer.header_crc.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// Reads a footer, and into `about` what is not in the header.
pub(super) fn read_footer(
    bytes: &[u8; FOOTER_BYTES],
    about: &mut About,
) -> Result<Footer, &'static str> {
    if bytes[..8] != DONE || !is_sealed(bytes) {
        return Err("the footer is damaged, or the file is cut short");
    }
    about.items = u64_at(bytes, 8);
    about.bytes = u64_at(bytes, 16);
    about.end = position_at(bytes, 32);
    about.next_tick = u64_at(bytes, 48);
    about.ended_unix_ms = u64_at(bytes, 56);
    Ok(Footer {
        index_at: u64_at(bytes, 24),
        index_crc: u32_at(bytes, 64),
        header_crc: u32_at(bytes, 68),
    })
}

/// A chunk as the index tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) class: u8,
    /// Where it begins.
    pub(super) at: u64,
    /// Bytes of its changes.
    pub(super) length: u32,
    pub(super) items: u32,
}

impl Chunk {
    pub(super) fn entry(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0] = self.class;
        bytes[1..5].copy_from_slice(&self.length.to_le_bytes());
        bytes[5..].copy_from_slice(&self.items.to_le_bytes());
        bytes
    }

    pub(super) fn read_entry(bytes: &[u8], at: u64) -> Chunk {
        Chunk {
            class: bytes[0],
            at,
            length: u32_at(bytes, 1),
            items: u32_at(bytes, 5),
        }
    }

    /// Where the next chunk begins.
    pub(super) fn end(self) -> u64 {
        self.at + CHUNK_HEAD_BYTES as u64 + u64::from(self.length)
    }

    /// What stands before changes that come in two parts.
    pub(super) fn head(self, changes: [&[u8]; 2]) -> [u8; CHUNK_HEAD_BYTES] {
        let mut bytes = [0; CHUNK_HEAD_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[8] = self.class;
        bytes[9..13].copy_from_slice(&self.items.to_le_bytes());
        bytes[13..].copy_from_slice(&self.at.to_le_bytes());
        let mut crc = crc32c::crc32c(&bytes[..4]);
        for part in [&bytes[8..], changes[0], changes[1]] {
            crc = crc32c::crc32c_append(crc, part);
        }
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// A chunk as its own head tells it.
    pub(super) fn read_head(bytes: &[u8; CHUNK_HEAD_BYTES]) -> Chunk {
        Chunk {
            class: bytes[8],
            at: u64_at(bytes, 13),
            length: u32_at(bytes, 0),
            items: u32_at(bytes, 9),
        }
    }
}

fn position_at(bytes: &[u8], at: usize) -> Position {
    Position {
        segment: u64_at(bytes, at),
        offset: u64_at(bytes, at + 8),
    }
}

fn write_numbers(bytes: &mut [u8], numbers: &[u64]) {
    for (bytes, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
}

/// Fills in the last four bytes.
fn seal(bytes: &mut [u8]) {
    let (covered, crc) = bytes.split_at_mut(bytes.len() - 4);
    crc.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    let (covered, crc) = bytes.split_at(bytes.len() - 4);
    !CHECKSUMS || crc32c::crc32c(covered) == u32_at(crc, 0)
}
