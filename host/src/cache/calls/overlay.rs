//! Scanning a large object: the store's fields in order, with a call's own changes woven in.

use std::ops::Bound;

use super::object::Changes;
use crate::runtime::{Scan, Stop};
use crate::store::{Key, Store, Version};
use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD, SCAN_KEYS, SCAN_REVERSE};

/// The guest's buffer being filled with whole entries.
pub(super) struct Batch<'a> {
    out: &'a mut [u8],
    filled: usize,
    flags: i32,
    /// Bytes the first entry would have needed.
    needs: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(out: &'a mut [u8], flags: i32) -> Batch<'a> {
        Batch {
            out,
            filled: 0,
            flags,
            needs: 0,
        }
    }

    pub(super) fn after(&self) -> bool {
        self.flags & SCAN_AFTER != 0
    }

    pub(super) fn reverse(&self) -> bool {
        self.flags & SCAN_REVERSE != 0
    }

    /// Adds an entry; false when it does not fit any more.
    pub(super) fn push(&mut self, field: &[u8], value: &[u8]) -> bool {
        let value = if self.flags & SCAN_KEYS != 0 {
            &[]
        } else {
            value
        };
        let size = SCAN_ENTRY_HEAD + field.len() + value.len();
        let Some(room) = self.out.get_mut(self.filled..self.filled + size) else {
            if self.filled == 0 {
                self.needs = size;
            }
            return false;
        };
        room[..4].copy_from_slice(&(field.len() as u32).to_le_bytes());
        room[4..8].copy_from_slice(&(value.len() as u32).to_le_bytes());
        room[8..8 + field.len()].copy_from_slice(field);
        room[8 + field.len()..].copy_from_slice(value);
        self.filled += size;
        true
    }

    pub(super) fn finish(self) -> Scan {
        if self.needs > 0 {
            Scan::Needs(self.needs)
        } else {
            Scan::Filled(self.filled)
        }
    }
}

type Own<'c> = std::iter::Peekable<Box<dyn Iterator<Item = (&'c [u8], Option<&'c [u8]>)> + 'c>>;

/// The call's changes from `from` on, in the direction of the scan.
fn own_from<'c>(changes: &'c Changes, from: &[u8], after: bool, reverse: bool) -> Own<'c> {
    let bound = if after {
        Bound::Excluded(from)
    } else {
        Bound::Included(from)
    };
    let all = Bound::Unbounded;
    let entry =
        |(field, value): (&'c Vec<u8>, &'c Option<Vec<u8>>)| (field.as_slice(), value.as_deref());
    let own: Box<dyn Iterator<Item = _>> = match (reverse, from.is_empty() && !after) {
        (false, _) => Box::new(changes.fields.range::<[u8], _>((bound, all)).map(entry)),
        (true, true) => Box::new(changes.fields.iter().rev().map(entry)),
        (true, false) => Box::new(
            changes
                .fields
                .range::<[u8], _>((all, bound))
                .rev()
                .map(entry),
        ),
    };
    own.peekable()
}

/// Fills the batch from `base` (the object in the store, unless hidden) and `changes`.
pub(super) fn merge(
    store: &Store,
    base: Option<(Key<'_>, Version)>,
    changes: &Changes,
    from: &[u8],
    batch: &mut Batch<'_>,
) -> Result<(), Stop> {
    let (mut after, reverse) = (batch.after(), batch.reverse());
    let mut own = own_from(changes, from, after, reverse);
    let Some((key, version)) = base else {
        drain(&mut own, batch, |_| true);
        return Ok(());
    };
    let mut from = from.to_vec();
    loop {
        let mut full = false;
        let mut last: Option<Vec<u8>> = None;
        let more =
            store.object_scan(key, version, &from, after, reverse, &mut |field, value| {
                let before = |own: &[u8]| if reverse { own > field } else { own < field };
                full = !drain(&mut own, batch, before);
                if !full {
                    full = match own.next_if(|(own, _)| *own == field) {
                        Some((_, None)) => false,
                        Some((field, Some(value))) => !batch.push(field, value),
                        None => !batch.push(field, value),
                    };
                }
                last = Some(field.to_vec());
                !full
            })?;
        if full {
            return Ok(());
        }
        match last {
            Some(seen) if more => (from, after) = (seen, true),
            _ => {
                drain(&mut own, batch, |_| true);
                return Ok(());
            }
        }
    }
}

/// Pushes the call's own fields as long as `before` holds; false when the batch is full.
fn drain(own: &mut Own<'_>, batch: &mut Batch<'_>, before: impl Fn(&[u8]) -> bool) -> bool {
    while let Some((field, value)) = own.next_if(|(field, _)| before(field)) {
        if let Some(value) = value
            && !batch.push(field, value)
        {
            return false;
        }
    }
    true
}
