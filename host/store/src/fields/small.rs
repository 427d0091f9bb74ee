//! A small object: its opaque value and its fields in one blob, searched by walking.
//!
//! ```text
//!  ┌───────────────────┬────────────────────────────┬──────────────────────────────┐
//!  │ head              │ opaque value, if head odd  │ entries, strictly ascending  │
//!  │ varint 1..5       │ varint length, bytes       │ (see `entries`), head/2 many │
//!  │ 2*count + has one │                            │                              │
//!  └───────────────────┴────────────────────────────┴──────────────────────────────┘
//! ```
//! The empty object is the one byte 0; no bytes at all mean the same, so that a state can start as `Vec::new()`.
//! A field costs two bytes beside its name and value while both are shorter than 128 bytes.
//!
//! Reads borrow and never allocate. Edits work in place and cost a walk and a move of what lies behind, so all of
//! this is for blobs of a few KiB; what is larger belongs in a tree. Names and values have at most `u32::MAX`
//! bytes; callers set tighter limits.

use super::entries::{self, ALL, Forward, Place, Run};
use super::varint;

/// Bytes that aren't a small object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed object state")]
pub struct Malformed;

/// The fixed part, decoded.
#[derive(Clone, Copy)]
struct Head {
    count: usize,
    /// Where the opaque value's bytes begin and end.
    value: Option<(usize, usize)>,
    /// Where the entries begin.
    entries: usize,
}

impl Head {
    const EMPTY: Head = Head {
        count: 0,
        value: None,
        entries: 0,
    };

    #[inline]
    fn read(bytes: &[u8]) -> Option<Head> {
        let (number, at) = varint::read(bytes, 0)?;
        let count = number >> 1;
        if number & 1 == 0 {
            return Some(Head {
                count,
                value: None,
                entries: at,
            });
        }
        let (len, at) = varint::read(bytes, at)?;
        let end = at.checked_add(len).filter(|&end| end <= bytes.len())?;
        Some(Head {
            count,
            value: Some((at, end)),
            entries: end,
        })
    }

    /// The head of bytes that are known to be well formed, or empty.
    #[inline]
    fn of(bytes: &[u8]) -> Head {
        Head::read(bytes).unwrap_or(Head::EMPTY)
    }
}

/// A small object, borrowed. Copying it is free.
#[derive(Clone, Copy, Debug)]
pub struct SmallRef<'a>(&'a [u8]);

impl<'a> SmallRef<'a> {
    /// Checks every byte: head, lengths, order, count, nothing behind.
    ///
    /// # Errors
    /// When `bytes` aren't exactly what the edits of this module could have produced.
    pub fn parse(bytes: &'a [u8]) -> Result<SmallRef<'a>, Malformed> {
        if bytes.is_empty() {
            return Ok(SmallRef(bytes));
        }
        let head = Head::read(bytes).ok_or(Malformed)?;
        let mut walk = Forward::<ALL>::new(bytes, head.entries);
        let mut last: Option<&[u8]> = None;
        for _ in 0..head.count {
            let entry = walk.next().ok_or(Malformed)?;
            if last.is_some_and(|last| last >= entry.name) {
                return Err(Malformed);
            }
            last = Some(entry.name);
        }
        if walk.offset() == bytes.len() {
            Ok(SmallRef(bytes))
        } else {
            Err(Malformed)
        }
    }

    /// Takes bytes that this module wrote. For other bytes the answers are meaningless, though nothing panics.
    #[inline]
    pub fn trusted(bytes: &'a [u8]) -> SmallRef<'a> {
        SmallRef(bytes)
    }

    /// The encoded bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Number of fields. O(1).
    #[inline]
    pub fn count(self) -> usize {
        Head::of(self.0).count
    }

    /// The opaque value. O(1).
    #[inline]
    pub fn value(self) -> Option<&'a [u8]> {
        let (start, end) = Head::of(self.0).value?;
        Some(&self.0[start..end])
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<&'a [u8]> {
        match entries::find::<ALL>(self.0, Head::of(self.0).entries, field) {
            Place::Found(entry) => Some(entry.stored),
            Place::Absent(_) => None,
        }
    }

    /// All fields and values, ascending.
    pub fn iter(self) -> Fields<'a> {
        self.range_from(&[], false, false)
    }

    /// Fields and values ascending from the first not below `from`, or with `reverse` descending from the last not
    /// above it, where an empty `from` without `after` means the last of all. `after` leaves out `from` itself.
    pub fn range_from(self, from: &[u8], after: bool, reverse: bool) -> Fields<'a> {
        Fields(Run::new(
            self.0,
            Head::of(self.0).entries,
            from,
            after,
            reverse,
        ))
    }
}

impl<'a> IntoIterator for SmallRef<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

/// Fields and their values, in order.
#[derive(Clone, Debug)]
pub struct Fields<'a>(Run<'a, ALL>);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|entry| (entry.name, entry.stored))
    }
}

/// What became of a field, or of the value, that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not there before.
    New,
    /// It was there, with other bytes.
    Changed,
    /// It was there, with these bytes.
    Same,
}

/// Sets a field. A value of the same length is overwritten where it is.
pub fn put(state: &mut Vec<u8>, field: &[u8], value: &[u8]) -> Put {
    let head = begin(state);
    let (start, end) = match entries::find::<ALL>(state, head.entries, field) {
        Place::Found(entry) if entry.value_len == value.len() => {
            if entry.stored == value {
                return Put::Same;
            }
            let end = entry.end;
            state[end - value.len()..end].copy_from_slice(value);
            return Put::Changed;
        }
        Place::Found(entry) => (entry.start, entry.end),
        Place::Absent(at) => (at, at),
    };
    let gap = resize(
        state,
        start,
        end,
        entries::entry_len::<ALL>(field, value.len()),
    );
    entries::write(gap, field, value.len(), value);
    if start != end {
        return Put::Changed;
    }
    set_head(state, head.count + 1, head.value.is_some());
    Put::New
}

/// Adds a field behind all others, without a search.
///
/// The caller knows that `field` is above every name in `state`.
pub fn push(state: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    let head = begin(state);
    let end = state.len();
    let gap = resize(
        state,
        end,
        end,
        entries::entry_len::<ALL>(field, value.len()),
    );
    entries::write(gap, field, value.len(), value);
    set_head(state, head.count + 1, head.value.is_some());
}

/// Deletes a field; true when it was there.
pub fn delete(state: &mut Vec<u8>, field: &[u8]) -> bool {
    let head = Head::of(state);
    let Place::Found(entry) = entries::find::<ALL>(state, head.entries, field) else {
        return false;
    };
    let (start, end) = (entry.start, entry.end);
    resize(state, start, end, 0);
    set_head(state, head.count.saturating_sub(1), head.value.is_some());
    true
}

/// Sets the opaque value, or removes it.
pub fn set_value(state: &mut Vec<u8>, value: Option<&[u8]>) -> Put {
    let head = begin(state);
    if let (Some((start, end)), Some(value)) = (head.value, value)
        && value.len() == end - start
    {
        let place = &mut state[start..end];
        if place == value {
            return Put::Same;
        }
        place.copy_from_slice(value);
        return Put::Changed;
    }
    let put = match (head.value, value) {
        (None, None) => Put::Same,
        (None, Some(_)) => Put::New,
        (Some(_), _) => Put::Changed,
    };
    let number = head.count << 1 | usize::from(value.is_some());
    let prefix = varint::len(number) + value.map_or(0, |v| varint::len(v.len()) + v.len());
    let gap = resize(state, 0, head.entries, prefix);
    let at = varint::write(gap, number);
    if let Some(value) = value {
        let gap = &mut gap[at..];
        let at = varint::write(gap, value.len());
        gap[at..].copy_from_slice(value);
    }
    put
}

/// Deletes every field; the opaque value stays.
pub fn clear_fields(state: &mut Vec<u8>) {
    let head = begin(state);
    state.truncate(head.entries);
    set_head(state, 0, head.value.is_some());
}

/// Gives an empty state its head.
#[inline]
fn begin(state: &mut Vec<u8>) -> Head {
    if state.is_empty() {
        state.push(0);
    }
    Head::of(state)
}

/// Writes the count, moving everything behind when the number gets longer or shorter.
#[inline]
fn set_head(state: &mut Vec<u8>, count: usize, has_value: bool) {
    let number = count << 1 | usize::from(has_value);
    let before = varint::read(state, 0).map_or(0, |(_, at)| at);
    let gap = resize(state, 0, before, varint::len(number));
    varint::write(gap, number);
}

/// Makes the bytes `start..end` of `state` `len` long, moving what lies behind, and hands them out to be written.
#[inline]
fn resize(state: &mut Vec<u8>, start: usize, end: usize, len: usize) -> &mut [u8] {
    let (old_len, new_end) = (state.len(), start + len);
    if new_end > end {
        state.resize(old_len + (new_end - end), 0);
        state.copy_within(end..old_len, new_end);
    } else if new_end < end {
        state.copy_within(end.., new_end);
        state.truncate(old_len - (end - new_end));
    }
    &mut state[start..new_end]
}

#[cfg(test)]
mod tests;
