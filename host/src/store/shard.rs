//! One part of the index with its part of the LRU list, under one lock.
//!
//! Every access takes a tick from one counter of the whole store, under the shard's lock, so each list is ordered
//! by tick and the oldest of all items is the oldest of the tails. Items keep the low 32 bits; a shard remembers
//! where in its list the upper bits change (`epochs`, nearly always empty), so its tail's tick is known in full.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::MutexGuard;

use super::alloc::{Chain, Plan};
use super::arena::Addr;
use super::index::{Bucket, NODE_PLAN, Slot, bucket_of, tag_of};
use super::item::{Item, KEY_BYTES_MAX, Stream};
use super::{Key, Now, Store};

/// The tail's tick of an empty shard.
pub(super) const EMPTY: u64 = u64::MAX;
/// Items per bucket, in tenths, above which a bucket is split.
const LOAD_MAX_TENTHS: u64 = 105;
/// ... and below which two are joined.
const LOAD_MIN_TENTHS: u64 = 40;

/// What the lock guards, beside the buckets and the items.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub newest: Addr,
    pub oldest: Addr,
    pub buckets: u32,
    /// Upper bits of the tail's tick.
    tail_epoch: u64,
    /// Oldest item of each later epoch in the list, with the upper bits of its tick.
    epochs: VecDeque<(Addr, u64)>,
    pub counters: Counters,
    scratch: Vec<(u8, Addr)>,
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
pub(super) struct Room(pub Plan);

/// Extents allocated while no lock was held.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub item: Option<(Plan, Chain)>,
    pub node: Option<Addr>,
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
    pub shard: MutexGuard<'a, Shard>,
}

impl<'a> Locked<'a> {
    pub(super) fn bucket(&self, hash: u64) -> Bucket<'a> {
        self.bucket_at(bucket_of(hash, self.shard.buckets))
    }

    pub(super) fn bucket_at(&self, bucket: u32) -> Bucket<'a> {
        let arena = &self.store.arena;
        Bucket::new(arena, self.store.index.line(arena, self.id, bucket))
    }

    /// The item under `key`, dead or alive.
    fn find_any(&self, key: Key<'_>) -> Option<Found<'a>> {
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
    pub(super) fn find(&mut self, key: Key<'_>, now: Now) -> Option<Found<'a>> {
        if key.bytes.is_empty() || key.bytes.len() > KEY_BYTES_MAX {
            return None;
        }
        let found = self.find_any(key)?;
        if self.is_dead(&found.item, now.unix_s) {
            self.remove(key.hash, found, Leave::Expired);
            return None;
        }
        Some(found)
    }

    /// The slot of the item at `addr`.
    pub(super) fn slot_of(&self, hash: u64, addr: Addr) -> Option<Slot> {
        self.bucket(hash)
            .find(tag_of(hash), |a| a == addr)
            .map(|(slot, _)| slot)
    }

    /// Expired, or stored before the last flush.
    pub(super) fn is_dead(&self, item: &Item<'_>, now_s: u32) -> bool {
        item.expiry().is_some_and(|expiry| expiry <= now_s) || self.is_flushed(item)
    }

    fn is_flushed(&self, item: &Item<'_>) -> bool {
        let flushed = self.store.flushed.load(Relaxed);
        // While the tail is younger than the flush nothing in this shard is older.
        flushed > self.tail_tick().load(Relaxed)
            && (flushed as u32).wrapping_sub(item.tick()) as i32 > 0
    }

    fn tail_tick(&self) -> &'a AtomicU64 {
        &self.store.tails[self.id]
    }

    // The list.

    fn publish_tail(&mut self) {
        let tick = if self.shard.oldest == 0 {
            EMPTY
        } else {
            let tick = Item::at(&self.store.arena, self.shard.oldest).tick();
            self.shard.tail_epoch << 32 | u64::from(tick)
        };
        self.tail_tick().store(tick, Relaxed);
    }

    /// Puts an item not in the list at its front, with a new tick.
    pub(super) fn push_front(&mut self, item: &Item<'a>) {
        let tick = self.store.tick.fetch_add(1, Relaxed);
        item.set_tick(tick as u32);
        item.set_newer(0);
        let front = self.shard.newest;
        item.set_older(front);
        self.shard.newest = item.addr();
        let epoch = tick >> 32;
        if front == 0 {
            self.shard.oldest = item.addr();
            self.shard.tail_epoch = epoch;
            self.publish_tail();
            return;
        }
        Item::at(&self.store.arena, front).set_newer(item.addr());
        let newest = self
            .shard
            .epochs
            .back()
            .map_or(self.shard.tail_epoch, |(_, epoch)| *epoch);
        if epoch != newest {
            self.shard.epochs.push_back((item.addr(), epoch));
        }
    }

    /// Takes an item out of the list.
    fn unlink(&mut self, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = (item.newer(), item.older());
        if !self.shard.epochs.is_empty() {
            self.leave_epoch(item.addr(), newer);
        }
        if newer == 0 {
            self.shard.newest = older;
        } else {
            Item::at(arena, newer).set_older(older);
        }
        if older == 0 {
            self.shard.oldest = newer;
            if let Some((first, epoch)) = self.shard.epochs.front().copied()
                && first == newer
            {
                self.shard.tail_epoch = epoch;
                self.shard.epochs.pop_front();
            }
            self.publish_tail();
        } else {
            Item::at(arena, older).set_newer(newer);
        }
    }

    /// The oldest item of an epoch leaves: its newer neighbour is the oldest now, if it is of that epoch.
    fn leave_epoch(&mut self, addr: Addr, newer: Addr) {
        let epochs = &mut self.shard.epochs;
        if let Some(i) = epochs.iter().position(|(first, _)| *first == addr) {
            let following = epochs.get(i + 1).map_or(0, |(first, _)| *first);
            if newer == following {
                epochs.remove(i);
            } else {
                epochs[i].0 = newer;
            }
        }
    }

    /// Counts an access: to the front, with a new tick.
    pub(super) fn bump(&mut self, item: &Item<'a>) {
        if item.newer() == 0 && item.older() != 0 && self.shard.epochs.is_empty() {
            let tick = self.store.tick.fetch_add(1, Relaxed);
            if tick >> 32 == self.shard.tail_epoch {
                item.set_tick(tick as u32);
                return;
            }
        }
        self.unlink(item);
        self.push_front(item);
    }

    // Coming and going.

    /// Allocates `plan`, from the spare extents if they are of that shape.
    pub(super) fn allocate(&mut self, plan: &Plan, spare: &mut Spare) -> Result<Chain, Room> {
        if let Some((planned, chain)) = spare.item.take() {
            if planned == *plan {
                return Ok(chain);
            }
            self.store.free(chain);
        }
        self.store.try_take(plan).map_err(|_| Room(*plan))
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
                        taken.map_err(|_| Room(NODE_PLAN))?.head
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
        self.store.free(old.chain());
    }

    /// The new item stands in the list where the old one stood.
    fn take_place(&mut self, old: &Item<'a>, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = (old.newer(), old.older());
        item.set_tick(old.tick());
        item.set_newer(newer);
        item.set_older(older);
        match newer {
            0 => self.shard.newest = item.addr(),
            newer => Item::at(arena, newer).set_older(item.addr()),
        }
        match older {
            0 => self.shard.oldest = item.addr(),
            older => Item::at(arena, older).set_newer(item.addr()),
        }
        for (first, _) in &mut self.shard.epochs {
            if *first == old.addr() {
                *first = item.addr();
            }
        }
    }

    /// Tells the expiry structure of an item that can expire.
    pub(super) fn note_expiry(&self, item: &Item<'a>) {
        if let Some(expiry) = item.expiry() {
            self.store
                .due
                .lower(item.addr() / super::arena::REGION_GRAINS, expiry);
        }
    }

    /// Removes an item and frees its memory.
    pub(super) fn remove(&mut self, hash: u64, found: Found<'a>, why: Leave) {
        let item = found.item;
        if why == Leave::Evicted {
            self.tell_evicted(&item);
        }
        let bucket = self.bucket(hash);
        let node = bucket.clear(found.slot);
        self.unlink(&item);
        if item.is_tree() {
            self.store.retire(item.tree());
        }
        let fetched = item.has(super::item::flag::FETCHED);
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
        self.store.free_with(item.chain(), node);
    }

    fn tell_evicted(&self, item: &Item<'_>) {
        if let Some(observer) = self.store.observer.get()
            && observer.wants_evictions()
        {
            let key = &mut [0; KEY_BYTES_MAX];
            observer.evicted(item.key(key), &self.info(item), self.store.clock.now_s());
        }
    }

    /// Removes the item at `addr`, which is in the list.
    pub(super) fn remove_at(&mut self, addr: Addr, why: Leave) {
        let item = Item::at(&self.store.arena, addr);
        let hash = self.hash_of(&item);
        let slot = self
            .slot_of(hash, addr)
            .expect("an item in the list is in the index");
        self.remove(hash, Found { slot, item }, why);
    }

    /// Removes the least recently used item.
    pub(super) fn remove_tail(&mut self, why: Leave) {
        let addr = self.shard.oldest;
        self.remove_at(addr, why);
    }

    pub(super) fn hash_of(&self, item: &Item<'_>) -> u64 {
        self.store.hash(item.key(&mut [0; KEY_BYTES_MAX]))
    }

    // Growing.

    /// Splits a bucket when the shard is full enough.
    fn grow(&mut self) {
        let buckets = self.shard.buckets;
        if self.shard.counters.items * 10 <= u64::from(buckets) * LOAD_MAX_TENTHS {
            return;
        }
        if buckets >= self.store.index.rows() {
            self.store.index_wanted.store(true, Relaxed);
            return;
        }
        let from = buckets & !(1 << buckets.ilog2());
        self.split(from, buckets);
    }

    /// Joins the last bucket with the one it came from, when the shard is empty enough.
    pub(super) fn shrink(&mut self) -> bool {
        let buckets = self.shard.buckets;
        if buckets <= 1 || self.shard.counters.items * 10 >= u64::from(buckets) * LOAD_MIN_TENTHS {
            return false;
        }
        let last = buckets - 1;
        self.join(last, last & !(1 << last.ilog2()))
    }

    fn split(&mut self, from: u32, to: u32) {
        let mut entries = std::mem::take(&mut self.shard.scratch);
        let (source, target) = (self.bucket_at(from), self.bucket_at(to));
        let mut nodes = Vec::new();
        source.each(|_, tag, addr| entries.push((tag, addr)));
        source.nodes(|node| nodes.push(node));
        source.reset();
        target.reset();
        self.shard.buckets += 1;
        self.store.bucket_counts[self.id].store(self.shard.buckets, Relaxed);
        // Misses of independent items overlap.
        for (_, addr) in &entries {
            std::hint::black_box(self.store.arena.word0(*addr).load(Relaxed));
        }
        for (tag, addr) in entries.drain(..) {
            let hash = self.hash_of(&Item::at(&self.store.arena, addr));
            let bucket = if bucket_of(hash, self.shard.buckets) == to {
                target
            } else {
                source
            };
            let slot = bucket.vacancy().unwrap_or_else(|base| {
                // Both halves together overflow at most as much as the whole did.
                bucket.hang(base, nodes.pop().expect("as many nodes as before suffice"));
                bucket.vacancy().expect("the node is empty")
            });
            bucket.fill(slot, tag, addr);
        }
        self.shard.scratch = entries;
        if !nodes.is_empty() {
            let mut alloc = self.store.alloc.lock();
            for node in nodes {
                alloc.put(&self.store.arena, node);
            }
        }
    }

    fn join(&mut self, last: u32, into: u32) -> bool {
        let (source, target) = (self.bucket_at(last), self.bucket_at(into));
        let mut entries = std::mem::take(&mut self.shard.scratch);
        source.each(|_, tag, addr| entries.push((tag, addr)));
        let mut ok = true;
        for (i, (tag, addr)) in entries.iter().enumerate() {
            let slot = target.vacancy().or_else(|base| {
                let taken = self.store.try_take(&NODE_PLAN);
                taken.map_err(|_| i).map(|chain| {
                    target.hang(base, chain.head);
                    target.vacancy().expect("the node is empty")
                })
            });
            match slot {
                Ok(slot) => target.fill(slot, *tag, *addr),
                Err(done) => {
                    // No memory for a node: undo, and stay as large as before.
                    for (_, addr) in &entries[..done] {
                        if let Some((slot, _)) = find_addr(target, *addr)
                            && let Some(node) = target.clear(slot)
                        {
                            self.store.alloc.lock().put(&self.store.arena, node);
                        }
                    }
                    ok = false;
                    break;
                }
            }
        }
        entries.clear();
        self.shard.scratch = entries;
        if ok {
            source.nodes(|node| self.store.alloc.lock().put(&self.store.arena, node));
            source.reset();
            self.shard.buckets -= 1;
            self.store.bucket_counts[self.id].store(self.shard.buckets, Relaxed);
        }
        ok
    }
}

fn find_addr(bucket: Bucket<'_>, addr: Addr) -> Option<(Slot, Addr)> {
    let mut found = None;
    bucket.each(|slot, _, a| {
        if a == addr {
            found = Some((slot, a));
        }
    });
    found
}

/// A value under the lock.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    pub(super) stream: Stream<'a>,
    pub(super) len: usize,
}

impl ValueRef<'_> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the value to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len);
        let mut stream = self.stream;
        stream.read(self.len, &mut |run| out.extend_from_slice(run));
    }

    /// Hands the value to `sink`, in runs.
    pub fn each_run(&self, mut sink: impl FnMut(&[u8])) {
        let mut stream = self.stream;
        stream.read(self.len, &mut sink);
    }
}
