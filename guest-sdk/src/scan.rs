//! Listing fields in order, a batch at a time.

use std::marker::PhantomData;
use std::ops::Range;

use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD, SCAN_KEYS, SCAN_REVERSE};

use crate::sys;

/// Room for an entry in the first batch: who looks for the next field or two does not pay for more.
const ENTRY_BYTES: u64 = 64;
/// Most room for the first batch.
const FIRST_BATCH_BYTES: u64 = 512;
/// Most room for a further batch, each of which has twice the room of the one before. One host call then brings some
/// hundred small fields.
const BATCH_BYTES: usize = 8 * 1024;

/// The fields of an object in byte order of their names, from a cursor, within bounds.
///
/// Made by [`Object::scan`](crate::Object::scan), narrowed by the methods that return `Self`, then
/// read with [`next_entry`](Self::next_entry) or [`next_key`](Self::next_key), which lend the bytes and
/// allocate nothing; it is also an [`Iterator`] of owned pairs. Starting takes O(log n), each entry O(1).
///
/// ```
/// # use cacheismo_sdk::{Object, Reply};
/// # pub struct Page;
/// # #[cacheismo_sdk::object(name = "page")]
/// # impl Page {
/// /// Lists at most `n` names behind `cursor`.
/// fn page(o: &Object, cursor: &[u8], n: u64, out: &mut Reply) {
///     let mut names = o.scan().after(cursor).limit(n);
///     while let Some(name) = names.next_key() {
///         out.line(name);
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scan<'o> {
    handle: i32,
    flags: i32,
    /// Where the next batch starts, as `field_scan` takes it.
    from: Vec<u8>,
    prefix: Vec<u8>,
    until: Option<Vec<u8>>,
    limit: u64,
    batch: Vec<u8>,
    /// The part of the batch that is filled and not yet handed out.
    unread: Range<usize>,
    last: bool,
    _object: PhantomData<&'o ()>,
}

/// Where an entry lies in the batch.
type Entry = (Range<usize>, Range<usize>);

impl Scan<'_> {
    pub(crate) fn new(handle: i32) -> Self {
        Self {
            handle,
            flags: 0,
            from: Vec::new(),
            prefix: Vec::new(),
            until: None,
            limit: u64::MAX,
            batch: Vec::new(),
            unread: 0..0,
            last: false,
            _object: PhantomData,
        }
    }

    /// Starts at this name, or at the next one when it is not there. The empty name is the first
    /// in either direction: descending, it means the last field.
    pub fn at(mut self, field: &[u8]) -> Self {
        self.from = field.to_vec();
        self.flags &= !SCAN_AFTER;
        self
    }

    /// Starts behind this name, the cursor of an earlier listing; there need not be a field of that name.
    pub fn after(mut self, field: &[u8]) -> Self {
        self = self.at(field);
        self.flags |= SCAN_AFTER;
        // Nothing lies below the empty name, but the host would start at the last field.
        self.last = field.is_empty() && self.flags & SCAN_REVERSE != 0;
        self
    }

    /// Ends before this name.
    pub fn until(mut self, field: &[u8]) -> Self {
        self.until = Some(field.to_vec());
        self
    }

    /// Only names that start with these bytes. Call it after `reverse` and before `at` or `after`.
    pub fn prefix(mut self, prefix: &[u8]) -> Self {
        if self.flags & SCAN_REVERSE == 0 {
            self = self.at(prefix);
        } else if let Some(end) = successor(prefix) {
            self = self.after(&end);
        }
        self.prefix = prefix.to_vec();
        self
    }

    /// Descending order: starts at the last field, and `at`, `after` and `until` count downwards. Call it before
    /// them.
    pub fn reverse(mut self) -> Self {
        self.flags |= SCAN_REVERSE;
        self
    }

    /// At most so many entries.
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = entries;
        self
    }

    /// Names only: every value is empty. Saves copying values that nobody looks at.
    pub fn keys(mut self) -> Self {
        self.flags |= SCAN_KEYS;
        self
    }

    /// The next name and value, lent until the next call.
    pub fn next_entry(&mut self) -> Option<(&[u8], &[u8])> {
        let (key, value) = self.advance()?;
        Some((&self.batch[key], &self.batch[value]))
    }

    /// The next name, lent until the next call. Values are not read.
    pub fn next_key(&mut self) -> Option<&[u8]> {
        self.flags |= SCAN_KEYS;
        let (key, _) = self.advance()?;
        Some(&self.batch[key])
    }

    fn advance(&mut self) -> Option<Entry> {
        if self.limit == 0 || (self.unread.is_empty() && !self.fill()) {
            return None;
        }
        let (key, value) = self.entry()?;
        if !self.inside(&self.batch[key.clone()]) {
            self.limit = 0;
            return None;
        }
        self.unread.start = value.end;
        self.limit -= 1;
        Some((key, value))
    }

    /// The entry at the front of the unread part.
    fn entry(&self) -> Option<Entry> {
        let head = self
            .batch
            .get(self.unread.clone())?
            .first_chunk::<SCAN_ENTRY_HEAD>()?;
        let [k0, k1, k2, k3, v0, v1, v2, v3] = *head;
        let key = self.unread.start + SCAN_ENTRY_HEAD;
        let value = key + u32::from_le_bytes([k0, k1, k2, k3]) as usize;
        let end = value + u32::from_le_bytes([v0, v1, v2, v3]) as usize;
        (end <= self.unread.end).then_some((key..value, value..end))
    }

    fn inside(&self, key: &[u8]) -> bool {
        let before_end = match &self.until {
            None => true,
            Some(end) if self.flags & SCAN_REVERSE == 0 => key < end.as_slice(),
            Some(end) => key > end.as_slice(),
        };
        before_end && key.starts_with(&self.prefix)
    }

    /// Brings the next batch; false at the end.
    fn fill(&mut self) -> bool {
        if self.last {
            return false;
        }
        let room = if self.batch.is_empty() {
            let bytes = self.limit.saturating_mul(ENTRY_BYTES);
            bytes.min(FIRST_BATCH_BYTES) as usize
        } else {
            (2 * self.batch.len()).min(BATCH_BYTES)
        };
        self.batch.resize(room.max(self.batch.len()), 0);
        let mut filled = sys::field_scan(self.handle, &self.from, self.flags, &mut self.batch);
        if filled < 0 {
            self.batch.resize(filled.unsigned_abs() as usize, 0);
            filled = sys::field_scan(self.handle, &self.from, self.flags, &mut self.batch);
        }
        self.unread = 0..usize::try_from(filled).unwrap_or(0);
        self.remember_cursor();
        !self.unread.is_empty()
    }

    /// Makes the last name of the batch the start of the next one.
    fn remember_cursor(&mut self) {
        let batch = self.unread.clone();
        let mut cursor = 0..0;
        while let Some((key, value)) = self.entry() {
            cursor = key;
            self.unread.start = value.end;
        }
        self.unread = batch;
        self.from.clear();
        self.from.extend_from_slice(&self.batch[cursor]);
        self.last =
            self.unread.is_empty() || (self.from.is_empty() && self.flags & SCAN_REVERSE != 0);
        self.flags |= SCAN_AFTER;
    }
}

/// The least name above all that start with `prefix`; `None` when there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}

impl Iterator for Scan<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
    }
}
