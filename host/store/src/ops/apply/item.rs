//! Plain items and small objects as effects say: whole, longer, or with another head.

use super::draft;
use crate::item::draft::Draft;
use crate::item::{Item, flag};
use crate::memory::alloc::Plan;
use crate::shard::{Found, Leave, Locked, Room, Spare};
use crate::{Applied, Content, Head, Key, Now, SetOutcome, Store, Write};

impl Store {
    /// The item with another head and the content it has.
    pub(super) fn apply_same(&self, key: Key<'_>, now: Now, tick: u64, head: &Head) -> Applied {
        let done = self.with_room(key.hash, |locked, spare| {
            let found = locked.find(key, now);
            let Some(found) = found.filter(|found| found.item.has(flag::OBJECT) == head.object)
            else {
                return Ok(Applied::Missing);
            };
            let len = found.item.value_len();
            let mut draft = draft(key, head, len);
            draft.marks |= found.item.marks() & flag::FETCHED;
            if found.item.is_tree() {
                draft.client_flags = 1;
            }
            let change = Change {
                draft,
                kept: len,
                bytes: &[],
                tick,
            };
            let item = locked.change(found, &change, spare)?;
            locked.tell_stored(&item, Some(Content::Same));
            Ok(Applied::Done)
        });
        done.unwrap_or(Applied::NoRoom)
    }

    /// The first `at` bytes of the value, then `bytes`.
    pub(super) fn apply_appended(
        &self,
        key: Key<'_>,
        now: Now,
        tick: u64,
        head: &Head,
        at: usize,
        bytes: &[u8],
    ) -> Applied {
        let change = Change {
            draft: draft(key, head, at + bytes.len()),
            kept: at,
            bytes,
            tick,
        };
        let plan = change.draft.plan();
        if at + bytes.len() > self.item_bytes_max || !self.can_ever_hold(&plan) {
            return Applied::NoRoom;
        }
        let done = self.with_room(key.hash, |locked, spare| {
            let found = locked.find(key, now);
            let Some(found) = found.filter(|found| can_append(&found.item, at)) else {
                return Ok(Applied::Missing);
            };
            // Old and new are there together for a moment.
            let both = Plan {
                stream: plan.stream + found.item.footprint(),
                ..plan
            };
            if !self.can_ever_hold(&both) {
                return Ok(Applied::NoRoom);
            }
            let item = locked.change(found, &change, spare)?;
            let at = at as u32;
            locked.tell_stored(&item, Some(Content::Appended { at, bytes }));
            Ok(Applied::Done)
        });
        done.unwrap_or(Applied::NoRoom)
    }
}

fn can_append(item: &Item<'_>, at: usize) -> bool {
    !item.has(flag::OBJECT) && item.value_len() >= at
}

/// What becomes of an item.
struct Change<'c> {
    draft: Draft<'c>,
    /// Bytes of the old value that stay.
    kept: usize,
    /// What comes behind them.
    bytes: &'c [u8],
    /// The effect's tick: an item that was used then has its place.
    tick: u64,
}

impl<'a> Locked<'a> {
    /// Stores a whole value over whatever the key holds.
    #[inline]
    pub(super) fn put_whole(
        &mut self,
        key: Key<'_>,
        now: Now,
        write: &Write<'_>,
        draft: &Draft<'_>,
        spare: &mut Spare,
    ) -> Result<SetOutcome, Room> {
        let mut found = self.find(key, now);
        if let Some(tree) = found.filter(|found| found.item.is_tree()) {
            self.remove(key.hash, tree, Leave::Deleted);
            found = None;
        }
        match found {
            None => self.store_new(key, draft, write, spare),
            Some(found) => self.overwrite(key, found, draft, write, spare),
        }
    }

    /// Changes an item where it is, or puts another in its place.
    fn change(
        &mut self,
        found: Found<'a>,
        change: &Change<'_>,
        spare: &mut Spare,
    ) -> Result<Item<'a>, Room> {
        let Change {
            draft, kept, bytes, ..
        } = change;
        let mut item = found.item;
        let plan = draft.plan();
        let has_place = item.tick() == change.tick as u32;
        let same_value = item.value_len() == *kept && bytes.is_empty();
        if item.holds_longer(&plan) && (same_value || !self.store.is_pinned(&item)) {
            let counters = &mut self.shard.counters;
            counters.payload += draft.value_len as u64;
            counters.payload -= item.value_len() as u64;
            item.reshape(&plan);
            let mut value = draft.refill(&self.store.arena, &item);
            value.skip(*kept);
            value.write(bytes);
            if !has_place {
                self.bump(&item);
            }
            self.note_expiry(&item);
            return Ok(item);
        }
        let chain = match self.allocate(&plan, spare) {
            Ok(chain) => chain,
            // The item itself is not the one to leave.
            Err(room) => return Err(room.sparing(self.bump(&item))),
        };
        let (copy, mut value) = draft.write(&self.store.arena, chain);
        value.copy(&mut item.value(), *kept);
        value.write(bytes);
        self.replace(found, &copy, has_place);
        Ok(copy)
    }
}
