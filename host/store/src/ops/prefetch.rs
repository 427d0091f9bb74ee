//! Prefetching: memory is asked for ahead of its use.
//!
//! A get of an item nobody asked for lately waits for memory four or five times: for the bucket, the item, its value
//! and both neighbours in the LRU list. A batch of gets waits for all of these at once, and for what another thread had
//! last: the line of the shard's lock. Nothing here takes a lock, so what is read may be anything; it decides only
//! which lines come into the cache.

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use crate::Store;
use crate::index::bucket::{Bucket, NODE_GRAINS_MAX};
use crate::index::{bucket_of, tag_of};
use crate::item::{self, Item};
use crate::memory::alloc::{IN_USE, PREV_FREE, grains_of};
use crate::memory::arena::Addr;

/// Keys whose memory is asked for together. The processor has only so many lines on their way at a time, and with more
/// keys the last asked for, the neighbours in the list, are not there in time. Measured: 4 to 32, 8 is the best.
const BATCH: usize = 8;
/// Words of a cache line.
const LINE_WORDS: usize = 8;
/// Lines of an item that are prefetched. In a longer one the processor itself runs ahead.
const ITEM_LINES_MAX: usize = 8;

/// Nodes of a bucket that are looked into; more are rare.
const NODES_DEEP: usize = 2;

/// Buckets of a large store: about 2,500 items. With fewer it makes no difference.
const LARGE_BUCKETS: usize = 256;

/// Items that may be the ones asked for, mostly one a key.
type Candidates = ArrayVec<Addr, { 2 * BATCH }>;

impl Store {
    /// Brings what `get` and `set` will need into the processor's cache, for a batch of keys. Changes nothing.
    pub fn prefetch(&self, hashes: &[u64]) {
        for hashes in hashes.chunks(BATCH) {
            let mut lines = [0; BATCH];
            for (hash, line) in hashes.iter().zip(&mut lines) {
                self.shards[self.shard_of(*hash)].prefetch();
                *line = self.racy_line(*hash);
                self.arena.prefetch(*line);
            }
            let mut items = Candidates::new();
            let mut nodes = ArrayVec::<(Addr, u8), BATCH>::new();
            for (hash, line) in hashes.iter().zip(lines) {
                let tag = tag_of(*hash);
                let bucket = Bucket::new(&self.arena, line);
                match bucket.guess(tag, |addr| self.prefetch_head(addr, &mut items)) {
                    0 => {}
                    node => nodes.push((node, tag)),
                }
            }
            self.prefetch_overflow(nodes, &mut items);
            for addr in items {
                self.prefetch_around(addr);
            }
            let list = crate::order::turn::own_list();
            for hash in hashes {
                // The newest item is written when another becomes the newest.
                let newest = self.shards[self.shard_of(*hash)].newest[list].load(Relaxed);
                self.arena.prefetch_for_writing(self.arena.at(newest) + 1);
            }
        }
    }

    /// Prefetches the keys of a batch that come soon, before the key `at` is used. All at once would be too early, as
    /// other threads take the lines of shards back.
    #[inline]
    pub fn prefetch_ahead(&self, hashes: &[u64], at: usize) {
        if !at.is_multiple_of(BATCH) || hashes.len() < 2 {
            return;
        }
        let from = if at == 0 { 0 } else { at + BATCH };
        if from < hashes.len() {
            self.prefetch(&hashes[from..hashes.len().min(at + 2 * BATCH)]);
        }
    }

    /// Whether so much is stored that most of it is not in the processor's nearest cache.
    pub fn is_large(&self) -> bool {
        let buckets = self.bucket_counts[0].load(Relaxed) as usize;
        buckets * self.bucket_counts.len() >= LARGE_BUCKETS
    }

    fn prefetch_overflow(&self, mut nodes: ArrayVec<(Addr, u8), BATCH>, items: &mut Candidates) {
        for _ in 0..NODES_DEEP {
            for (node, _) in &nodes {
                self.arena.prefetch(self.arena.at(*node));
            }
            for (node, tag) in &mut nodes {
                // The address was read without a lock, so it need not be a node's.
                *node = match self.arena.holds(*node, NODE_GRAINS_MAX) {
                    true => Bucket::new(&self.arena, 0)
                        .guess_in_node(*node, *tag, |addr| self.prefetch_head(addr, items)),
                    false => 0,
                };
            }
            nodes.retain(|(node, _)| *node != 0);
        }
    }

    /// The first two lines of an item; both may hold parts of its header.
    #[inline]
    fn prefetch_head(&self, addr: Addr, items: &mut Candidates) {
        self.arena.prefetch_for_writing(self.arena.at(addr));
        self.arena
            .prefetch_for_writing(self.arena.at(addr) + LINE_WORDS);
        let _full = items.try_push(addr);
    }

    /// Prefetches the rest of an item, and its neighbours, which are written when the item moves to the front.
    #[inline]
    fn prefetch_around(&self, addr: Addr) {
        if addr == 0 || !self.arena.holds(addr, 2) {
            return;
        }
        let word0 = self.arena.word0(addr).load(Relaxed);
        let words = (grains_of(word0) as usize) << self.arena.shift();
        let end = self.arena.at(addr) + words.min(ITEM_LINES_MAX * LINE_WORDS);
        for word in (self.arena.at(addr) + 2 * LINE_WORDS..end).step_by(LINE_WORDS) {
            self.arena.prefetch(word);
        }
        self.arena.prefetch(end - 1);
        let links = item::links(&self.arena, addr).load(Relaxed);
        // The half words of the links are in the second word.
        for link in [links as Addr, (links >> 32) as Addr] {
            self.arena.prefetch_for_writing(self.arena.at(link) + 1);
        }
    }

    /// What the removal of an item will need, for the one that leaves next.
    pub(crate) fn prefetch_removal(&self, item: &Item<'_>, hash: u64) {
        self.arena.prefetch(self.racy_line(hash));
        let (newer, _) = item.links();
        self.arena.prefetch(self.arena.at(newer));
        let (before, after) = self.around(item.addr());
        self.arena.prefetch(before);
        self.arena.prefetch(after);
    }

    /// What freeing an extent will read and write, so that the allocator's lock is not held while memory is waited for:
    /// the neighbours' tags and, where those are free and about to leave their bins, their own neighbours there.
    pub(crate) fn prefetch_free(&self, addr: Addr) {
        let (before, after) = self.around(addr);
        if self.arena.word0(addr).load(Relaxed) & PREV_FREE != 0 {
            let grains = (self.arena.load(before) >> 48) as u32;
            self.prefetch_hole(addr.saturating_sub(grains));
        }
        self.prefetch_hole((after >> self.arena.shift()) as Addr);
    }

    fn prefetch_hole(&self, addr: Addr) {
        if self.arena.holds(addr, 2) {
            let word0 = self.arena.word0(addr).load(Relaxed);
            if word0 & IN_USE == 0 {
                let prev = self.arena.load(self.arena.at(addr) + 1) as Addr;
                self.arena.prefetch(self.arena.at((word0 >> 32) as Addr));
                self.arena.prefetch(self.arena.at(prev));
            }
        }
    }

    /// The words before and after an extent.
    fn around(&self, addr: Addr) -> (usize, usize) {
        let at = self.arena.at(addr);
        let grains = grains_of(self.arena.word0(addr).load(Relaxed));
        (at - 1, at + ((grains as usize) << self.arena.shift()))
    }

    /// The bucket line of a hash, unless the shard grows just now.
    #[inline]
    fn racy_line(&self, hash: u64) -> usize {
        let shard = self.shard_of(hash);
        let buckets = self.bucket_counts[shard].load(Relaxed);
        self.index
            .line(&self.arena, shard, bucket_of(hash, buckets))
    }
}
