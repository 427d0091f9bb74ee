//! One change as bytes: the same in records of the log and in chunks of a snapshot.
//!
//! ```text
//! kind u8 | key length u8 | key | marks u8 | flags u32? | expiry u64? | cas u64? | content
//! ```
//! Numbers with a question mark are there when their bit in `marks` is set. The long bytes of a change stand at its end,
//! so that they can be copied or written from where they are.

use std::collections::BTreeMap;

use cacheismo_store::{Body, Effect, Expiry, Head};

use super::Damage;

/// Longest key in bytes: what one byte can count, and what the store takes.
pub(crate) const KEY_BYTES_MAX: usize = 255;

mod kind {
    pub(super) const VALUE: u8 = 1;
    pub(super) const APPENDED: u8 = 2;
    pub(super) const SAME: u8 = 3;
    pub(super) const STATE: u8 = 4;
    pub(super) const FIELDS: u8 = 5;
    pub(super) const DELETED: u8 = 6;
    pub(super) const FLUSHED: u8 = 7;
    pub(super) const FLUSH_PLANNED: u8 = 8;
}

/// Bits of `marks`.
mod mark {
    pub(super) const STALE: u8 = 1;
    pub(super) const TOKEN_SENT: u8 = 2;
    pub(super) const OBJECT: u8 = 4;
    pub(super) const FLAGS: u8 = 8;
    pub(super) const EXPIRY: u8 = 16;
    pub(super) const CAS: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

/// Bits of the first byte of changed fields.
mod fields {
    pub(super) const CLEAR: u8 = 1;
    pub(super) const FRESH: u8 = 2;
    pub(super) const VALUE: u8 = 4;
    pub(super) const ALL: u8 = 7;
}

/// Appends all of a change but its last bytes, which it returns.
pub(crate) fn write_head<'a>(out: &mut Vec<u8>, effect: &Effect<'a>) -> &'a [u8] {
    match effect {
        Effect::Stored { key, head, body } => write_stored(out, key, head, body),
        Effect::Deleted { key } => {
            out.extend([kind::DELETED, length_of_key(key)]);
            key
        }
        Effect::Flushed => {
            out.push(kind::FLUSHED);
            &[]
        }
        Effect::FlushPlanned { at_s } => {
            out.push(kind::FLUSH_PLANNED);
            out.extend(at_s.to_le_bytes());
            &[]
        }
    }
}

/// Appends what stands before a value of `bytes` bytes.
pub(crate) fn write_value_head(out: &mut Vec<u8>, key: &[u8], head: &Head, bytes: usize) {
    write_item(out, kind::VALUE, key, head);
    write_length(out, bytes);
}

fn write_stored<'a>(out: &mut Vec<u8>, key: &'a [u8], head: &Head, body: &Body<'a>) -> &'a [u8] {
    match body {
        Body::Value(value) => {
            write_value_head(out, key, head, value.len());
            value
        }
        Body::Appended { at, bytes } => {
            write_item(out, kind::APPENDED, key, head);
            out.extend(at.to_le_bytes());
            write_length(out, bytes.len());
            bytes
        }
        Body::Same => {
            write_item(out, kind::SAME, key, head);
            &[]
        }
        Body::State(state) => {
            write_item(out, kind::STATE, key, head);
            write_length(out, state.len());
            state
        }
        Body::Fields {
            fields,
            clear,
            fresh,
            value,
        } => {
            write_item(out, kind::FIELDS, key, head);
            let bits = [
                (*clear, fields::CLEAR),
                (*fresh, fields::FRESH),
                (value.is_some(), fields::VALUE),
            ];
            out.push(byte_of(bits));
            value.iter().for_each(|value| write_bytes(out, value));
            write_length(out, fields.len());
            for (name, value) in fields {
                write_bytes(out, name);
                out.push(u8::from(value.is_some()));
                value.iter().for_each(|value| write_bytes(out, value));
            }
            &[]
        }
    }
}

fn write_item(out: &mut Vec<u8>, kind: u8, key: &[u8], head: &Head) {
    out.extend([kind, length_of_key(key)]);
    out.extend_from_slice(key);
    let bits = [
        (head.stale, mark::STALE),
        (head.token_sent, mark::TOKEN_SENT),
        (head.object, mark::OBJECT),
        (head.flags != 0, mark::FLAGS),
        (head.expiry.0.is_some(), mark::EXPIRY),
        (head.cas != 0, mark::CAS),
    ];
    out.push(byte_of(bits));
    if head.flags != 0 {
        out.extend(head.flags.to_le_bytes());
    }
    if let Some(at_ms) = head.expiry.0 {
        out.extend(at_ms.to_le_bytes());
    }
    if head.cas != 0 {
        out.extend(head.cas.to_le_bytes());
    }
}

fn byte_of<const N: usize>(bits: [(bool, u8); N]) -> u8 {
    bits.iter()
        .fold(0, |byte, (set, bit)| byte | if *set { *bit } else { 0 })
}

fn length_of_key(key: &[u8]) -> u8 {
    u8::try_from(key.len()).unwrap_or(u8::MAX)
}

/// A length that doesn't fit belongs to a record that is too long, and that is refused as a whole.
fn write_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend(length.to_le_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Reads changes up to the end of `bytes`.
///
/// # Errors
/// When the bytes are no changes.
pub fn read_all(bytes: &[u8]) -> Result<Vec<Effect<'_>>, Damage> {
    let mut reader = Reader(bytes);
    let mut changes = Vec::with_capacity(1);
    while !reader.0.is_empty() {
        changes.push(reader.change().ok_or(Damage::Content)?);
    }
    Ok(changes)
}

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// One change, or `None` where there is none.
    pub(crate) fn change(&mut self) -> Option<Effect<'a>> {
        match self.u8()? {
            kind::DELETED => Some(Effect::Deleted { key: self.key()? }),
            kind::FLUSHED => Some(Effect::Flushed),
            kind::FLUSH_PLANNED => Some(Effect::FlushPlanned { at_s: self.u32()? }),
            kind => Some(Effect::Stored {
                key: self.key()?,
                head: self.head()?,
                body: self.body(kind)?,
            }),
        }
    }

    fn head(&mut self) -> Option<Head> {
        let marks = self.u8().filter(|marks| marks & !mark::ALL == 0)?;
        let has = |bit| marks & bit != 0;
        Some(Head {
            flags: if has(mark::FLAGS) { self.u32()? } else { 0 },
            expiry: Expiry(if has(mark::EXPIRY) {
                Some(self.u64()?)
            } else {
                None
            }),
            cas: if has(mark::CAS) { self.u64()? } else { 0 },
            stale: has(mark::STALE),
            token_sent: has(mark::TOKEN_SENT),
            object: has(mark::OBJECT),
        })
    }

    fn body(&mut self, kind: u8) -> Option<Body<'a>> {
        match kind {
            kind::VALUE => Some(Body::Value(self.bytes()?)),
            kind::APPENDED => Some(Body::Appended {
                at: self.u32()?,
                bytes: self.bytes()?,
            }),
            kind::SAME => Some(Body::Same),
            kind::STATE => Some(Body::State(self.bytes()?)),
            kind::FIELDS => self.fields(),
            _ => None,
        }
    }

    fn fields(&mut self) -> Option<Body<'a>> {
        let bits = self.u8().filter(|bits| bits & !fields::ALL == 0)?;
        let value = match bits & fields::VALUE != 0 {
            true => Some(self.bytes()?),
            false => None,
        };
        // Nothing is allocated by what the count says: each field costs the record five bytes.
        let count = self.u32()?;
        let mut fields = BTreeMap::new();
        for _ in 0..count {
            let name = self.bytes()?;
            let ascends = fields.last_key_value().is_none_or(|(last, _)| *last < name);
            let value = match self.u8().filter(|_| ascends)? {
                0 => None,
                1 => Some(self.bytes()?),
                _ => return None,
            };
            fields.insert(name, value);
        }
        Some(Body::Fields {
            fields,
            clear: bits & fields::CLEAR != 0,
            fresh: bits & fields::FRESH != 0,
            value,
        })
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let length = self.u8().filter(|length| *length > 0)?;
        self.take(length.into())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// The next `length` bytes, if there are so many.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    /// The next eight bytes as a number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?;
        Some(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }
}
