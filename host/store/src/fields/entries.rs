//! A run of entries in name order, the part that small objects and tree leaves have in common.
//!
//! ```text
//!  ┌──────────────┬───────────────┬────────────┬──────────────┐
//!  │ name length  │ value length  │ name bytes │ stored bytes │  and the next entry right behind
//!  │ varint 1..5  │ varint 1..5   │            │              │
//!  └──────────────┴───────────────┴────────────┴──────────────┘
//! ```
//! The stored bytes are the value, except when it is longer than `INLINE`: then they are the four bytes of the
//! id of the blob that holds it. Small objects keep every value inline ([`ALL`]).
//!
//! Walking never panics, whatever the bytes: a malformed entry ends the run.

use std::cmp::Ordering;

use super::varint;
use crate::memory::word::word;

/// `INLINE` of runs that hold every value themselves.
pub(super) const ALL: usize = usize::MAX;

/// Bytes stored instead of a value that lives in a blob of its own.
pub(super) const ASIDE_BYTES: usize = 4;

/// One entry and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// Offset of the entry's first byte.
    pub(super) start: usize,
    /// Offset behind the entry's last byte.
    pub(super) end: usize,
    /// The field's name.
    pub(super) name: &'a [u8],
    /// Length of the value, wherever it is.
    pub(super) value_len: usize,
    /// The value, or the id of its blob.
    pub(super) stored: &'a [u8],
}

/// Bytes stored in the entry for a value of this length.
#[inline]
pub(super) fn stored_len<const INLINE: usize>(value_len: usize) -> usize {
    if value_len > INLINE {
        ASIDE_BYTES
    } else {
        value_len
    }
}

/// Bytes of a whole entry.
#[inline]
pub(super) fn entry_len<const INLINE: usize>(name: &[u8], value_len: usize) -> usize {
    let lengths = varint::len(name.len()) + varint::len(value_len);
    lengths + name.len() + stored_len::<INLINE>(value_len)
}

/// Writes an entry into `out`, which has exactly its size.
///
/// # Panics
/// When the size differs.
#[inline]
pub(super) fn write(out: &mut [u8], name: &[u8], value_len: usize, stored: &[u8]) {
    let mut at = varint::write(out, name.len());
    at += varint::write(&mut out[at..], value_len);
    let (to_name, to_stored) = out[at..].split_at_mut(name.len());
    to_name.copy_from_slice(name);
    to_stored.copy_from_slice(stored);
}

/// Writes an entry at the end of `out`.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, name: &[u8], value_len: usize, stored: &[u8]) {
    varint::append(out, name.len());
    varint::append(out, value_len);
    out.extend_from_slice(name);
    out.extend_from_slice(stored);
}

/// The entry at offset `at`; `None` at the end of `bytes` and when it's malformed.
#[inline]
pub(super) fn read<const INLINE: usize>(bytes: &[u8], at: usize) -> Option<Entry<'_>> {
    let (name_len, value_len, name_at) = lengths(bytes, at)?;
    let stored_at = name_at.checked_add(name_len)?;
    let end = stored_at.checked_add(stored_len::<INLINE>(value_len))?;
    let body = bytes.get(name_at..end)?;
    let (name, stored) = body.split_at_checked(name_len)?;
    Some(Entry {
        start: at,
        end,
        name,
        value_len,
        stored,
    })
}

/// Both lengths and where the name begins. Nearly all lengths are below 128: one look decides.
#[inline]
fn lengths(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    if let Some(&[name, value]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
        && (name | value) < 0x80
    {
        return Some((usize::from(name), usize::from(value), at + 2));
    }
    let (name, at) = varint::read(bytes, at)?;
    let (value, at) = varint::read(bytes, at)?;
    Some((name, value, at))
}

/// Where a name is, or belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// The name is there.
    Found(Entry<'a>),
    /// The name isn't there; its entry would begin at this offset.
    Absent(usize),
}

/// Looks for `name` among the entries from offset `at` on.
///
/// The walk looks at lengths and the first eight bytes of each name in one go; only a name that agrees in those is
/// compared as a whole.
// Always inlined: an entry is long, and would be waited for on its way through memory.
#[inline(always)]
pub(super) fn find<'a, const INLINE: usize>(
    bytes: &'a [u8],
    mut at: usize,
    name: &[u8],
) -> Place<'a> {
    let wanted = prefix(name);
    loop {
        if let Some(&[name_len, value_len, ref start @ ..]) = first_ten(bytes, at)
            && (name_len | value_len) < 0x80
        {
            let (name_len, value_len) = (usize::from(name_len), usize::from(value_len));
            match (u64::from_be_bytes(*start) & mask(name_len)).cmp(&wanted) {
                // Past the end of malformed bytes `first_ten` and `read` find nothing.
                Ordering::Less => {
                    at += 2 + name_len + stored_len::<INLINE>(value_len);
                    continue;
                }
                Ordering::Greater => return Place::Absent(at),
                Ordering::Equal => {}
            }
        }
        let Some(entry) = read::<INLINE>(bytes, at) else {
            return Place::Absent(at.min(bytes.len()));
        };
        match entry.name.cmp(name) {
            Ordering::Less => at = entry.end,
            Ordering::Equal => return Place::Found(entry),
            Ordering::Greater => return Place::Absent(at),
        }
    }
}

/// Lengths and start of the name of the entry at `at`, if they are short and not the last of `bytes`.
#[inline]
fn first_ten(bytes: &[u8], at: usize) -> Option<&[u8; 10]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk)
}

/// The first eight bytes of a name as a number that orders as names do, zeros behind a shorter one. Names of equal
/// prefixes may differ nevertheless.
#[inline]
pub(super) fn prefix(name: &[u8]) -> u64 {
    word(name).swap_bytes()
}

/// The bits of a prefix that belong to a name of this length.
#[inline]
pub(super) fn mask(name_len: usize) -> u64 {
    match name_len {
        0 => 0,
        1..8 => u64::MAX << (64 - 8 * name_len),
        _ => u64::MAX,
    }
}

/// Some entries in order, ascending or descending.
#[derive(Clone, Debug)]
pub(super) enum Run<'a, const INLINE: usize> {
    /// Ascending.
    Forward(Forward<'a, INLINE>),
    /// Descending.
    Backward(Backward<'a, INLINE>),
}

impl<'a, const INLINE: usize> Run<'a, INLINE> {
    /// The entries from offset `at` on that a scan from the name `from` visits: ascending from the first one not
    /// below `from`, or with `reverse` descending from the last one not above it, where an empty `from` means the
    /// last of all. `after` leaves out `from` itself.
    pub(super) fn new(bytes: &'a [u8], at: usize, from: &[u8], after: bool, reverse: bool) -> Self {
        if reverse && from.is_empty() && !after {
            return Run::Backward(Backward::new(bytes, at, bytes.len()));
        }
        let (below, above) = match find::<INLINE>(bytes, at, from) {
            Place::Found(entry) if after => (entry.start, entry.end),
            Place::Found(entry) => (entry.end, entry.start),
            Place::Absent(place) => (place, place),
        };
        if reverse {
            Run::Backward(Backward::new(bytes, at, below))
        } else {
            Run::Forward(Forward { bytes, at: above })
        }
    }
}

impl<'a, const INLINE: usize> Iterator for Run<'a, INLINE> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Run::Forward(run) => run.next(),
            Run::Backward(run) => run.next(),
        }
    }
}

/// Entries ascending.
#[derive(Clone, Debug)]
pub(super) struct Forward<'a, const INLINE: usize> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a, const INLINE: usize> Forward<'a, INLINE> {
    /// All entries from offset `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Forward { bytes, at }
    }

    /// Where the next entry begins, if there is one.
    pub(super) fn offset(&self) -> usize {
        self.at
    }
}

impl<'a, const INLINE: usize> Iterator for Forward<'a, INLINE> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = read::<INLINE>(self.bytes, self.at)?;
        self.at = entry.end;
        Some(entry)
    }
}

/// Entries can only be walked ascending, so a descending run remembers where the last so many of them begin and
/// walks again when they are used up: one walk for every `REMEMBERED` entries, and no allocation.
const REMEMBERED: usize = 32;

/// Entries descending.
#[derive(Clone, Debug)]
pub(super) struct Backward<'a, const INLINE: usize> {
    bytes: &'a [u8],
    first: usize,
    /// Entries from here on were given out already.
    end: usize,
    /// The entry with number `n` begins at `starts[n % REMEMBERED]`.
    starts: [u32; REMEMBERED],
    /// Number of the entry given out last.
    number: usize,
    /// How many entries before that one are remembered.
    remembered: usize,
}

impl<'a, const INLINE: usize> Backward<'a, INLINE> {
    fn new(bytes: &'a [u8], first: usize, end: usize) -> Self {
        Backward {
            bytes,
            first,
            end,
            starts: [0; REMEMBERED],
            number: 0,
            remembered: 0,
        }
    }

    fn remember(&mut self) {
        let mut number = 0;
        let mut walk = Forward::<INLINE>::new(self.bytes, self.first);
        while let Some(entry) = walk.next().filter(|entry| entry.start < self.end) {
            // Offsets beyond 32 bits can't occur: a run is at most one blob.
            self.starts[number % REMEMBERED] = entry.start as u32;
            number += 1;
        }
        self.number = number;
        self.remembered = number.min(REMEMBERED);
    }
}

impl<'a, const INLINE: usize> Iterator for Backward<'a, INLINE> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.remembered == 0 {
            self.remember();
        }
        self.remembered = self.remembered.checked_sub(1)?;
        self.number -= 1;
        self.end = self.starts[self.number % REMEMBERED] as usize;
        read::<INLINE>(self.bytes, self.end)
    }
}
