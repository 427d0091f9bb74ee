//! How a shard's part of the index grows and shrinks: one bucket at a time.

use std::sync::atomic::Ordering::Relaxed;

use crate::Store;
use crate::index::bucket::{Bucket, NODE_PLAN, Slot};
use crate::index::bucket_of;
use crate::item::Item;
use crate::memory::arena::Addr;
use crate::shard::Locked;

/// Items per bucket, in tenths, above which a bucket is split.
const LOAD_MAX_TENTHS: u64 = 105;
/// Items per bucket, in tenths, below which two buckets are joined.
const LOAD_MIN_TENTHS: u64 = 80;

/// Bytes that an item takes at least, with its share of the index.
const ITEM_BYTES_MIN: u64 = 32;

impl Store {
    /// Makes the index as large as so many items need, though at most as many as there is memory for. An index that
    /// grows while it is filled looks at each item again several times. If the items do not come, maintenance takes the
    /// memory back.
    pub fn expect_items(&self, items: u64) {
        let items = items.min(self.limit.load(Relaxed) / ITEM_BYTES_MIN);
        let buckets = items * 10 / LOAD_MAX_TENTHS / self.shards.len() as u64;
        let buckets = buckets.min(1 << 30) as u32;
        while self.index.rows() < buckets && self.add_index_region() {}
        for id in 0..self.shards.len() {
            let mut locked = self.lock_shard(id);
            while locked.shard.buckets < buckets.min(self.index.rows()) {
                let last = locked.shard.buckets;
                locked.split(last & !(1 << last.ilog2()), last);
            }
        }
    }

    /// Gives the index one more region if there is an idle one.
    fn add_index_region(&self) -> bool {
        let _mover = self.regions.lock();
        let taken = self.alloc.lock().take_index_region(&self.arena);
        taken
            .map(|region| self.index.push(&self.arena, region))
            .is_some()
    }
}

impl Locked<'_> {
    /// Splits a bucket when the shard is full enough.
    pub(crate) fn grow(&mut self) {
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
    pub(crate) fn shrink(&mut self) -> bool {
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
