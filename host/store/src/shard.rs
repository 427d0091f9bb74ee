//! One part of the index with its part of the LRU order, under one lock.
//!
//! Every access takes a tick, under the shard's lock, so each of the shard's lists is ordered by tick. Items keep the
//! low 32 bits; a list remembers where the upper bits change (`epochs`, nearly always empty), so its tail's tick is
//! known in full.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

use crate::index::bucket::{Bucket, NODE_PLAN, Slot};
use crate::index::{bucket_of, tag_of};
use crate::item::{Item, KEY_BYTES_MAX};
use crate::memory::alloc::{Chain, Plan};
use crate::memory::arena::Addr;
use crate::order::list::{LISTS, List};
use crate::order::size_idle::Candidates;
use crate::order::tails::EMPTY;
use crate::{Key, Now, Store};

/// A shard and its lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Guarded {
    /// Newest item of each list, changed under the lock, and read without it by threads that look which memory they
    /// will need.
    pub newest: [AtomicU32; LISTS],
    pub lock: Mutex<Shard>,
}

impl Guarded {
    /// Prefetches the line that whoever takes the lock writes.
    #[inline]
    pub(super) fn prefetch(&self) {
        crate::memory::os::prefetch_for_writing(&self.newest);
    }
}

/// What the lock guards, beside the buckets and the items. In the order of use: all that a get needs is on the cache
/// line of the lock.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shard {
    pub buckets: u32,
    /// Upper bits of the ticks of all items, where they are the same.
    pub epoch: Option<u32>,
    /// A tick above all taken here, and not below the last flush.
    pub next_tick: u64,
    /// The least of the tails' ticks.
    pub tail_tick: u64,
    pub lists: [List; LISTS],
    /// Items that may leave next by size and idle time.
    pub candidates: Candidates,
    pub counters: Counters,
    pub scratch: Vec<(u8, Addr)>,
}

/// So much fits a cache line, together with what stands before the shard in `Guarded`.
const _: () = assert!(std::mem::offset_of!(Shard, lists) + 16 <= 64);

impl Default for Shard {
    fn default() -> Shard {
        Shard {
            buckets: 0,
            epoch: None,
            next_tick: 0,
            tail_tick: EMPTY,
            lists: std::array::from_fn(|_| List::default()),
            candidates: Candidates::default(),
            counters: Counters::default(),
            scratch: Vec::new(),
        }
    }
}

/// Counters of a shard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub items: u64,
    pub payload: u64,
    pub total_items: u64,
    pub evictions: u64,
    pub evicted_unfetched: u64,
    pub evicted_nonzero: u64,
    pub reclaimed: u64,
    pub expired_unfetched: u64,
}

/// A step under the lock found no memory; the lock is given up, room is made, and the step tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub plan: Plan,
    /// Only items that were used before this tick may leave for it.
    pub before: u64,
}

impl Room {
    /// Room for `plan`, for which any item may leave.
    pub(super) fn for_plan(plan: &Plan) -> Room {
        Room {
            plan: *plan,
            before: u64::MAX,
        }
    }

    /// The same room, but the item that was used at `tick` must not leave, as the memory is for it.
    pub(super) fn sparing(self, tick: u64) -> Room {
        Room {
            before: tick,
            ..self
        }
    }
}

/// Extents allocated while no lock was held.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub item: Option<(Plan, Chain)>,
    pub node: Option<Addr>,
    /// Items that are to leave for what was taken meanwhile.
    pub owed: u8,
}

/// An item and its slot in the index.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub slot: Slot,
    pub item: Item<'a>,
}

/// Why an item is removed, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Deleted,
    Evicted,
    Expired,
}

/// A locked shard.
pub(super) struct Locked<'a> {
    pub store: &'a Store,
    pub id: usize,
    pub newest: &'a [AtomicU32; LISTS],
    pub shard: MutexGuard<'a, Shard>,
}

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn bucket(&self, hash: u64) -> Bucket<'a> {
        self.bucket_at(bucket_of(hash, self.shard.buckets))
    }

    #[inline]
    pub(super) fn bucket_at(&self, bucket: u32) -> Bucket<'a> {
        let arena = &self.store.arena;
        Bucket::new(arena, self.store.index.line(arena, self.id, bucket))
    }

    /// The item under `key`, dead or alive.
    // Always inlined: the result is too large for registers, and passing it through memory took a third of a get.
    #[inline(always)]
    pub(super) fn find_any(&self, key: Key<'_>) -> Option<Found<'a>> {
        let arena = &self.store.arena;
        self.bucket(key.hash)
            .find(tag_of(key.hash), |addr| {
                Item::at(arena, addr).key_is(key.bytes)
            })
            .map(|(slot, addr)| Found {
                slot,
                item: Item::at(arena, addr),
            })
    }

    /// The live item under `key`; a dead one is removed on the way.
    #[inline(always)]
    pub(super) fn find(&mut self, key: Key<'_>, now: Now) -> Option<Found<'a>> {
        if key.bytes.is_empty() || key.bytes.len() > KEY_BYTES_MAX {
            return None;
        }
        let found = self.find_any(key)?;
        if self.is_dead(&found.item, now.unix_s) {
            self.remove_dead(key.hash, found);
            return None;
        }
        Some(found)
    }

    #[cold]
    fn remove_dead(&mut self, hash: u64, found: Found<'a>) {
        self.remove(hash, found, Leave::Expired);
    }

    /// The slot of the item at `addr`.
    pub(super) fn slot_of(&self, hash: u64, addr: Addr) -> Option<Slot> {
        self.bucket(hash)
            .find(tag_of(hash), |a| a == addr)
            .map(|(slot, _)| slot)
    }

    /// Whether the item has expired, or was stored before the last flush.
    #[inline]
    pub(super) fn is_dead(&self, item: &Item<'_>, now_s: u32) -> bool {
        item.expiry().is_some_and(|expiry| expiry <= now_s) || self.is_flushed(item)
    }

    #[inline]
    pub(super) fn is_flushed(&self, item: &Item<'_>) -> bool {
        let flushed = self.store.flushed.load(Relaxed);
        // While the tail is younger than the flush nothing in this shard is older.
        if flushed <= self.shard.tail_tick {
            return false;
        }
        // `flush_now` left no item so old that 32 bits could not tell its age.
        let now = self.shard.next_tick;
        u64::from((now as u32).wrapping_sub(item.tick())) > now - flushed
    }

    /// Allocates `plan`, from the spare extents if they are of that shape.
    pub(super) fn allocate(&mut self, plan: &Plan, spare: &mut Spare) -> Result<Chain, Room> {
        if let Some((planned, chain)) = spare.item.take() {
            if planned == *plan {
                return Ok(chain);
            }
            self.store.free(chain);
        }
        let mut alloc = self.store.alloc.lock();
        let taken = alloc.take(&self.store.arena, plan);
        let taken = taken.map_err(|_| Room::for_plan(plan));
        spare.owed = alloc.owed(plan.grains_min(&self.store.arena));
        taken
    }

    /// An empty slot for a new item, hanging on a further node if need be.
    pub(super) fn vacancy(&mut self, hash: u64, spare: &mut Spare) -> Result<Slot, Room> {
        let bucket = self.bucket(hash);
        match bucket.vacancy() {
            Ok(slot) => Ok(slot),
            Err(base) => {
                let node = match spare.node.take() {
                    Some(node) => node,
                    None => {
                        let taken = self.store.try_take(&NODE_PLAN);
                        taken.map_err(|_| Room::for_plan(&NODE_PLAN))?.head
                    }
                };
                bucket.hang(base, node);
                Ok(bucket.vacancy().expect("the node is empty"))
            }
        }
    }

    /// Makes a written item visible and the newest.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot, item: &Item<'a>) {
        self.bucket(hash).fill(slot, tag_of(hash), item.addr());
        self.push_front(item);
        self.note_expiry(item);
        let counters = &mut self.shard.counters;
        counters.items += 1;
        counters.total_items += 1;
        counters.payload += item.payload_len() as u64;
        self.grow();
    }

    /// Puts a written item in the place of another, which is freed. The new one is the newest, or, if `keep_place`,
    /// where the old one was.
    pub(super) fn replace(&mut self, found: Found<'a>, item: &Item<'a>, keep_place: bool) {
        let old = found.item;
        Bucket::new(&self.store.arena, 0).set_addr(found.slot, item.addr());
        self.shard.counters.payload += item.payload_len() as u64;
        self.shard.counters.payload -= old.payload_len() as u64;
        if keep_place {
            self.take_place(&old, item);
        } else {
            self.unlink(&old);
            self.push_front(item);
        }
        self.note_expiry(item);
        if let Some(chain) = self.store.chain_of_gone(&old) {
            self.store.free(chain);
        }
    }

    /// Tells the expiry structure of an item that can expire.
    #[inline]
    pub(super) fn note_expiry(&self, item: &Item<'a>) {
        if let Some(expiry) = item.expiry() {
            self.store
                .due
                .lower(item.addr() / crate::memory::arena::REGION_GRAINS, expiry);
        }
    }

    /// Removes an item and frees its memory.
    pub(super) fn remove(&mut self, hash: u64, found: Found<'a>, why: Leave) {
        self.remove_for(hash, found, why, None);
    }

    /// Removes an item, frees its memory, and takes memory for `plan` if that is possible now.
    pub(super) fn remove_for(
        &mut self,
        hash: u64,
        found: Found<'a>,
        why: Leave,
        plan: Option<&Plan>,
    ) -> Option<Chain> {
        let item = found.item;
        self.tell_removed(&item, why);
        let bucket = self.bucket(hash);
        let node = bucket.clear(found.slot);
        self.unlink(&item);
        if item.is_tree() {
            self.store.retire(item.tree());
        }
        let fetched = item.has(crate::item::flag::FETCHED);
        let counters = &mut self.shard.counters;
        counters.items -= 1;
        counters.payload -= item.payload_len() as u64;
        match why {
            Leave::Deleted => {}
            Leave::Evicted => {
                counters.evictions += 1;
                counters.evicted_unfetched += u64::from(!fetched);
                counters.evicted_nonzero += u64::from(item.expiry().is_some());
            }
            Leave::Expired => {
                counters.reclaimed += 1;
                counters.expired_unfetched += u64::from(!fetched);
            }
        }
        let chain = self.store.chain_of_gone(&item);
        self.store.exchange(chain, node, plan)
    }

    /// Removes the least recently used item of a list, for `plan` as `remove_for`.
    pub(super) fn remove_tail(
        &mut self,
        list: usize,
        why: Leave,
        plan: Option<&Plan>,
    ) -> Option<Chain> {
        let item = Item::at(&self.store.arena, self.shard.lists[list].oldest);
        self.store.publish(self.shard.lists[list].tail_tick + 1);
        let hash = self.hash_of(&item);
        let slot = self
            .slot_of(hash, item.addr())
            .expect("an item in the list is in the index");
        let taken = self.remove_for(hash, Found { slot, item }, why, plan);
        let next = self.shard.lists[list].oldest;
        if next != 0 {
            let next = Item::at(&self.store.arena, next);
            self.store.prefetch_removal(&next, self.hash_of(&next));
        }
        taken
    }

    pub(super) fn hash_of(&self, item: &Item<'_>) -> u64 {
        self.store.hash(item.key(&mut [0; KEY_BYTES_MAX]))
    }
}

/// The value of an item whose shard is locked.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    pub(super) item: Item<'a>,
    pub(super) len: usize,
}

impl<'a> ValueRef<'a> {
    /// The value of an item whose shard is locked.
    #[inline(always)]
    pub(super) fn of(item: &Item<'a>) -> ValueRef<'a> {
        ValueRef {
            item: *item,
            len: item.value_len(),
        }
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the value has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the value to `out`.
    // Always inlined: an item handed over through memory would be waited for.
    #[inline(always)]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.len, 0);
        let out = &mut out[start..];
        match self.item.value_at() {
            Some(byte) => self.item.arena.copy(self.item.addr(), byte, out),
            None => self.item.value().read_into(out),
        }
    }

    /// Hands the value to `sink`, in runs.
    pub fn each_run(&self, mut sink: impl FnMut(&[u8])) {
        let mut stream = self.item.value();
        stream.read(self.len, &mut sink);
    }
}
