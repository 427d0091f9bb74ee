//! All items as effects, for a snapshot, while others work.
//!
//! The export goes through the index in small steps. What it visits is copied under the lock of a shard and handed on
//! without any lock, so whoever takes it may write to a disk. Nothing is touched: neither the order nor any mark.
//!
//! An item is visited as it is at that moment, so what is exported is no state that the store ever had. Together with
//! all that journals are told from the beginning of the export on, it is: effects that the export has seen already may
//! be applied again. Objects with a tree are walked by field for the same reason: a field that changed behind the walk
//! was told.
//!
//! **Memory.** One batch of copies, or one piece of a long value or of an object. A long value is pinned, so that all
//! of its pieces are of one value. Of an object, a single field is copied whole, however long it is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::item::{Item, KEY_BYTES_MAX};
use crate::ops::scan::Cursor;
use crate::shard::{Locked, ValueRef};
use crate::{Body, Effect, Head, Now, Store};

mod classes;
mod long;

use classes::Classes;
use long::Long;

/// Ages that items are divided into.
const CLASSES: usize = 64;
/// Bytes of keys and values that are copied in a step, about.
const BATCH_BYTES: usize = 32 << 10;
/// What the visit of an item costs beside its bytes.
const ITEM_COST: usize = 256;
/// Items with longer values are visited one by one, so that a lock is not held for a bucket full of them.
const BATCHED_BYTES_MAX: usize = 4 << 10;

/// Who takes what is exported: the class by age, 0 the oldest of 64; the tick; and the effect. No lock is held
/// meanwhile.
type Visit<'v> = &'v mut dyn FnMut(u8, u64, &Effect<'_>);

/// All items of a store as effects, as far as it has come. See [`Store::export`].
#[derive(Debug)]
pub struct Export {
    store: Arc<Store>,
    classes: Classes,
    /// Where the export goes on; `None` at the end of the index.
    cursor: Option<Cursor>,
    /// Second of a flush that was planned when the export began, until it is handed on.
    flush_at_s: Option<u32>,
    batch: Batch,
    /// Keys of items that are visited one by one.
    waiting: Vec<Box<[u8]>>,
    /// The one that is being visited.
    long: Option<Long>,
}

impl Store {
    /// Begins to export all items: call [`Export::step`] until it says that there is nothing left.
    ///
    /// Items that stay during the whole export are visited at least once. Sorted by class, then by tick, and otherwise
    /// in the order in which they came, the effects give the items back, in the order of their use.
    pub fn export(self: &Arc<Store>, now: Now) -> Export {
        // A flush that is due has come when the export begins.
        self.note(now);
        let planned = self.flush_at_s.load(Relaxed);
        Export {
            store: Arc::clone(self),
            classes: Classes::new(self),
            cursor: Some(Cursor::default()),
            flush_at_s: (planned != u32::MAX).then_some(planned),
            batch: Batch::default(),
            waiting: Vec::new(),
            long: None,
        }
    }
}

impl Export {
    /// Visits some items; false when all have been.
    pub fn step(&mut self, now: Now, visit: Visit<'_>) -> bool {
        self.store.note(now);
        if self.classes.look(&self.store) {
            return true;
        }
        if let Some(at_s) = self.flush_at_s.take() {
            // No item, but it must not be left out with the old ones.
            let newest = CLASSES as u8 - 1;
            visit(
                newest,
                self.store.clock_now(),
                &Effect::FlushPlanned { at_s },
            );
        }
        if let Some(long) = &mut self.long {
            if !long.step(&self.store, now, &self.classes, visit) {
                self.long = None;
            }
            return true;
        }
        if let Some(key) = self.waiting.pop() {
            self.begin_waiting(key, now, visit);
            return true;
        }
        let Some(cursor) = self.cursor else {
            return false;
        };
        let Export { batch, waiting, .. } = self;
        let copy = &mut |locked: &Locked<'_>, item: &Item<'_>| match is_batched(item) {
            _ if locked.is_dead(item, now.unix_s) => 0,
            true => batch.add(locked, item),
            false => {
                waiting.push(item.key(&mut [0; KEY_BYTES_MAX]).into());
                ITEM_COST
            }
        };
        self.cursor = self.store.walk(cursor, BATCH_BYTES, copy);
        self.hand_on(visit);
        true
    }

    /// Looks again at an item that is visited alone, and may have changed since.
    fn begin_waiting(&mut self, key: Box<[u8]>, now: Now, visit: Visit<'_>) {
        let hash = self.store.hash(&key);
        let locked = self.store.lock(hash);
        let Some(item) = locked.look(&key, hash, now) else {
            return;
        };
        self.long = Long::begin(&self.store, &locked, &item, key);
        if self.long.is_none() {
            self.batch.add(&locked, &item);
        }
        drop(locked);
        self.hand_on(visit);
    }

    fn hand_on(&mut self, visit: Visit<'_>) {
        let Export { batch, classes, .. } = self;
        batch.each(&mut |tick, effect| visit(classes.of(tick), tick, effect));
        batch.clear();
    }
}

fn is_batched(item: &Item<'_>) -> bool {
    !item.is_tree() && item.value_len() <= BATCHED_BYTES_MAX
}

impl<'a> Locked<'a> {
    /// The live item under a key, without any change.
    fn look(&self, key: &[u8], hash: u64, now: Now) -> Option<Item<'a>> {
        let key = crate::Key { bytes: key, hash };
        let item = self.find_any(key)?.item;
        (!self.is_dead(&item, now.unix_s)).then_some(item)
    }

    /// Tick of an item's last use, with the upper bits that the item does not keep: the latest that it can be.
    fn whole_tick(&self, item: &Item<'_>) -> u64 {
        let last = self.shard.next_tick.saturating_sub(1);
        let age = (last as u32).wrapping_sub(item.tick());
        last.saturating_sub(age.into())
    }
}

/// Copies of items: key and value of each, one behind the other.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    items: Vec<Copied>,
}

#[derive(Clone, Copy, Debug)]
struct Copied {
    tick: u64,
    head: Head,
    key_len: usize,
    value_len: usize,
}

impl Batch {
    /// Copies an item that has no tree. Returns what that cost.
    fn add(&mut self, locked: &Locked<'_>, item: &Item<'_>) -> usize {
        let value = ValueRef::of(item);
        let key = &mut [0; KEY_BYTES_MAX];
        let key = item.key(key);
        self.bytes.extend_from_slice(key);
        value.append_to(&mut self.bytes);
        self.items.push(Copied {
            tick: locked.whole_tick(item),
            head: Head::from(&locked.info(item)),
            key_len: key.len(),
            value_len: value.len(),
        });
        ITEM_COST + key.len() + value.len()
    }

    fn each(&self, visit: &mut dyn FnMut(u64, &Effect<'_>)) {
        let mut bytes = &self.bytes[..];
        for copied in &self.items {
            let (key, rest) = bytes.split_at(copied.key_len);
            let (value, rest) = rest.split_at(copied.value_len);
            bytes = rest;
            let body = match copied.head.object {
                true => Body::State(value),
                false => Body::Value(value),
            };
            let head = copied.head;
            visit(copied.tick, &Effect::Stored { key, head, body });
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }
}
