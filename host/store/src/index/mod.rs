//! Where the item of a key is: linear hashing over cache-line buckets.
//!
//! Buckets of all shards share *lines* in regions of the arena: bucket `b` of shard `s` is line `b * shards + s`,
//! so all shards grow row by row and no shard pays for a region of its own. A shard splits one bucket per
//! some inserts; nothing is ever rehashed at once. A bucket that runs over hangs on small nodes in the arena.
//!
//! ```text
//! line   words 0..6  12 addresses | word 6, half of 7: 12 tags | half of 7: first overflow node
//! node   word 0      extent tag 16 | 5 tags 40 | word 1..: 5 addresses | next node
//! ```
//!
//! A tag is one byte of the hash; address 0 is an empty slot. The shard's lock guards its buckets.

pub(super) mod bucket;

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::memory::arena::{Arena, REGION_GRAINS};
use crate::memory::os::Zeroed;

/// Words of a line.
pub(super) const LINE_WORDS: usize = 8;

/// The regions of the index.
#[derive(Debug)]
pub(super) struct Index {
    directory: Zeroed<AtomicU32>,
    regions: AtomicU32,
    shards: u32,
    lines_log: u32,
}

/// One byte of the hash that neither shard nor bucket number use. Never 0, so that empty lines match nothing.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    ((hash >> 40) as u8).max(1)
}

/// The bucket of a hash among `buckets`.
#[inline]
pub(super) fn bucket_of(hash: u64, buckets: u32) -> u32 {
    let mask = u64::from(buckets).next_power_of_two() - 1;
    let low = u64::from(hash as u32);
    let bucket = low & mask;
    (if bucket >= u64::from(buckets) {
        low & (mask >> 1)
    } else {
        bucket
    }) as u32
}

impl Index {
    /// An index without any region yet.
    pub(super) fn new(arena: &Arena, shards: u32) -> Index {
        let lines = arena.region_bytes() / (LINE_WORDS * 8);
        Index {
            directory: Zeroed::map(arena.regions() as usize)
                .expect("address space for a small table"),
            regions: AtomicU32::new(0),
            shards,
            lines_log: lines.trailing_zeros(),
        }
    }

    /// Adds a region at the end and zeroes it.
    pub(super) fn push(&self, arena: &Arena, region: u32) {
        let words = arena.region_bytes() / 8;
        for word in 0..words {
            arena.store(region as usize * words + word, 0);
        }
        let regions = self.regions.load(Relaxed);
        self.directory[regions as usize].store(region, Relaxed);
        self.regions.store(regions + 1, Release);
    }

    /// Takes the last region away; no shard may have a bucket in it.
    pub(super) fn pop(&self) -> u32 {
        let regions = self.regions.load(Relaxed) - 1;
        self.regions.store(regions, Release);
        self.directory[regions as usize].load(Relaxed)
    }

    /// Takes `pop` back.
    pub(super) fn unpop(&self) {
        self.regions.fetch_add(1, Release);
    }

    /// Regions that the index has.
    pub(super) fn regions(&self) -> u32 {
        self.regions.load(Acquire)
    }

    /// Buckets each shard may have.
    pub(super) fn rows(&self) -> u32 {
        self.rows_in(self.regions())
    }

    /// Buckets each shard may have in so many regions.
    pub(super) fn rows_in(&self, regions: u32) -> u32 {
        (((u64::from(regions)) << self.lines_log) / u64::from(self.shards)).min(1 << 31) as u32
    }

    /// First word of a bucket's line.
    #[inline]
    pub(super) fn line(&self, arena: &Arena, shard: usize, bucket: u32) -> usize {
        let line = u64::from(bucket) * u64::from(self.shards) + shard as u64;
        let region = self.directory[(line >> self.lines_log) as usize].load(Relaxed);
        let within = (line as usize) & ((1 << self.lines_log) - 1);
        arena.at(region * REGION_GRAINS) + within * LINE_WORDS
    }
}
