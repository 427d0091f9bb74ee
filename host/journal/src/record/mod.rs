//! Records: how changes of the store look as bytes in a log.
//!
//! ```text
//! length u32 | crc u32 | tick u64 | change | change | ...            all numbers little endian
//! ```
//! `length` counts the bytes behind `crc`. `crc` is the CRC-32C of the bytes of `length` and of all bytes behind `crc`.
//! A record is one step of the store: all of its changes happened at once. `docs/JOURNAL-FORMAT.md` draws every byte.
//!
//! A record is written in three steps by two threads. A worker calls [`begin`], [`add`] and [`end`] under a lock: that
//! copies bytes and counts nothing. The log's thread calls [`seal`], which fills in the checksums.
//!
//! Reading distrusts every byte. Memory that a record takes beside its own bytes is bounded by a small multiple of them.

pub(crate) mod change;
pub(crate) mod mark;
#[cfg(test)]
pub(crate) mod tests;

use cacheismo_store::{Effect, Head, ValueRef};

use crate::CHECKSUMS;
use change::KEY_BYTES_MAX;
pub use change::read_all as read_changes;

/// Bytes before the tick: length and checksum.
pub(crate) const HEAD_BYTES: usize = 8;
const TICK_BYTES: usize = 8;
/// What `length` may say. A record that is longer is not readable, so it is never written.
pub const LENGTH_MAX: u32 = 1 << 31;
/// The `length` of a record that cannot be written.
const REFUSED: u32 = u32::MAX;

/// A record that is being written: what [`begin`] gives and [`end`] takes.
#[derive(Debug)]
#[must_use = "a record without an end is damage"]
pub struct Open {
    start: usize,
    refused: bool,
}

/// Begins a record at the end of `out`.
pub fn begin(out: &mut Vec<u8>, tick: u64) -> Open {
    let start = out.len();
    out.extend([0; HEAD_BYTES]);
    out.extend(tick.to_le_bytes());
    Open {
        start,
        refused: false,
    }
}

/// Adds a change to the record.
pub fn add(out: &mut Vec<u8>, open: &mut Open, effect: &Effect<'_>) {
    open.refused |= refuses(effect);
    write_change(out, effect);
}

/// Appends a change by itself, as records and snapshots hold it: for whoever carries changes from thread to thread.
pub fn write_change(out: &mut Vec<u8>, effect: &Effect<'_>) {
    let rest = change::write_head(out, effect);
    out.extend_from_slice(rest);
}

/// Adds the change that `key` holds a value now. The value is copied once, from the store into `out`.
pub fn add_value(out: &mut Vec<u8>, open: &mut Open, key: &[u8], head: &Head, value: ValueRef<'_>) {
    open.refused |= !is_key(key);
    change::write_value_head(out, key, head, value.len());
    value.append_to(out);
}

/// Ends the record: fills in its length.
///
/// A record of more than [`LENGTH_MAX`] bytes, or with a key that no item can have, gets a length that the log refuses
/// to append.
pub fn end(out: &mut [u8], open: Open) {
    let length = out.len() - open.start - HEAD_BYTES;
    let length = match u32::try_from(length) {
        Ok(length) if length <= LENGTH_MAX && !open.refused => length,
        _ => REFUSED,
    };
    out[open.start..][..4].copy_from_slice(&length.to_le_bytes());
}

/// Fills in the checksum of each record. Ends at the first thing that isn't one.
pub fn seal(records: &mut [u8]) {
    let mut rest = records;
    while let Some(bytes) = whole_bytes(rest) {
        let (record, behind) = rest.split_at_mut(bytes);
        let crc = checksum(record);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        rest = behind;
    }
}

/// Reads records one after the other, from bytes that may hold anything.
pub fn iter(bytes: &[u8]) -> Records<'_> {
    Records {
        bytes,
        at: 0,
        over: false,
    }
}

/// One step of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where the record begins.
    pub offset: usize,
    /// The tick of the first of its changes.
    pub tick: u64,
    /// What changed, at once.
    pub changes: Vec<Effect<'a>>,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes end inside a record.
    #[error("the record is cut short")]
    CutShort,
    /// No record has that length.
    #[error("no record is {0} bytes long")]
    Length(u32),
    /// The checksum is not that of the bytes.
    #[error("the checksum does not fit the bytes")]
    Checksum,
    /// The checksum fits, but the bytes are no change. Somebody else wrote them, or a newer version.
    #[error("the checksum fits, but the content is not of this format")]
    Content,
    /// Bytes behind the last record.
    #[error("bytes that are no record follow the last one")]
    NotZero,
}

/// The records of some bytes. After damage nothing more comes.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    over: bool,
}

impl Records<'_> {
    /// Where the next record begins, the records end, or the damage is.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            let found = match frame_at(self.bytes, self.at) {
                Ok(Frame::Whole { end, .. }) if mark::is_mark(&self.bytes[self.at..end]) => {
                    self.at = end;
                    continue;
                }
                Ok(Frame::Whole { tick, body, end }) => change::read_all(body).map(|changes| {
                    let offset = std::mem::replace(&mut self.at, end);
                    Some(Record {
                        offset,
                        tick,
                        changes,
                    })
                }),
                Ok(Frame::End) if is_zero(&self.bytes[self.at..]) => Ok(None),
                Ok(Frame::End) => Err(Damage::NotZero),
                Ok(Frame::Short { .. }) => Err(Damage::CutShort),
                Err(damage) => Err(damage),
            };
            self.over = !matches!(found, Ok(Some(_)));
            return found.transpose();
        }
        None
    }
}

/// What stands at a place of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A whole record with the right checksum. What it says isn't read yet.
    Whole {
        tick: u64,
        body: &'a [u8],
        end: usize,
    },
    /// A record that ends at byte `end`, which is behind these bytes.
    Short { end: usize },
    /// No record begins here: the bytes end, or zeros begin.
    End,
}

/// Looks at the bytes from `at` on.
pub(crate) fn frame_at(bytes: &[u8], at: usize) -> Result<Frame<'_>, Damage> {
    let rest = bytes.get(at..).unwrap_or(&[]);
    if rest.len() < HEAD_BYTES {
        return Ok(match is_zero(rest) {
            true => Frame::End,
            false => Frame::Short {
                end: at + HEAD_BYTES,
            },
        });
    }
    let length = u32_at(rest, 0);
    if length == 0 {
        return Ok(Frame::End);
    }
    if !(TICK_BYTES as u32..=LENGTH_MAX).contains(&length) {
        return Err(Damage::Length(length));
    }
    let Some(bytes) = whole_bytes(rest) else {
        return Ok(Frame::Short {
            end: at + HEAD_BYTES + length as usize,
        });
    };
    let record = &rest[..bytes];
    if CHECKSUMS && checksum(record) != u32_at(record, 4) {
        return Err(Damage::Checksum);
    }
    let (tick, body) = record[HEAD_BYTES..].split_at(TICK_BYTES);
    Ok(Frame::Whole {
        tick: u64::from_le_bytes(tick.try_into().expect("split there")),
        body,
        end: at + bytes,
    })
}

/// How many bytes the record in front of `bytes` has, if all of it is there.
pub(crate) fn whole_bytes(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEAD_BYTES {
        return None;
    }
    let length = u32_at(bytes, 0);
    let whole = HEAD_BYTES + length as usize;
    let valid = (TICK_BYTES as u32..=LENGTH_MAX).contains(&length) && whole <= bytes.len();
    valid.then_some(whole)
}

/// The checksum that a record's bytes should have.
fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[HEAD_BYTES..])
}

/// The four bytes at `at` as a number; the caller knows that they are there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The eight bytes at `at` as a number; the caller knows that they are there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let mut runs = bytes.chunks(256);
    runs.all(|run| run.iter().fold(0, |all, byte| all | byte) == 0)
}

fn is_key(key: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len())
}

fn refuses(effect: &Effect<'_>) -> bool {
    match effect {
        Effect::Stored { key, .. } | Effect::Deleted { key } => !is_key(key),
        Effect::Flushed | Effect::FlushPlanned { .. } => false,
    }
}
