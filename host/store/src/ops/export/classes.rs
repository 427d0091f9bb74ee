//! Which items are of about the same age: 64 classes that have about the same number of bytes each.
//!
//! Some buckets of the index are looked at first, up to a million items of them. One byte in so many is a sample, by the
//! tick of its item, so a long value counts for as much as many short ones. The classes end where the samples, sorted by
//! tick, are cut into 64 equal parts.

use super::CLASSES;
use crate::Store;
use crate::item::Item;

/// Samples at most; half of them at least, where there are so many bytes.
const SAMPLES_MAX: usize = 16 << 10;
/// Items that are looked at, about.
const ITEMS_MAX: u64 = 1 << 20;
/// Items in a bucket, about.
const ITEMS_PER_BUCKET: u64 = 10;
/// Buckets looked at under one lock.
const BUCKETS_PER_STEP: u32 = 16;

/// Where classes end.
#[derive(Debug)]
pub(super) struct Classes {
    /// Where the next bucket to look at is; `None` when the classes are known.
    next: Option<(usize, u32)>,
    /// One bucket in so many is looked at.
    stride: u32,
    /// One byte in so many is a sample.
    bytes_per_sample: u64,
    /// Bytes since the last sample.
    bytes: u64,
    /// The ticks of samples; then the first tick of each class but the oldest.
    ticks: Vec<u64>,
}

impl Classes {
    pub(super) fn new(store: &Store) -> Classes {
        let items = store.buckets() * ITEMS_PER_BUCKET;
        Classes {
            next: Some((0, 0)),
            stride: (items / ITEMS_MAX).clamp(1, u32::MAX.into()) as u32,
            bytes_per_sample: 1,
            bytes: 0,
            ticks: Vec::with_capacity(SAMPLES_MAX),
        }
    }

    /// The class of what was used at this tick.
    pub(super) fn of(&self, tick: u64) -> u8 {
        self.ticks.partition_point(|first| *first <= tick) as u8
    }

    /// Looks at some items; false when all are known that need be.
    pub(super) fn look(&mut self, store: &Store) -> bool {
        let Some((shard, bucket)) = self.next else {
            return false;
        };
        if shard == store.shards.len() {
            self.next = None;
            self.divide();
            return false;
        }
        let locked = store.lock_shard(shard);
        let end = bucket.saturating_add(self.stride.saturating_mul(BUCKETS_PER_STEP));
        let buckets = bucket..end.min(locked.shard.buckets);
        for bucket in buckets.step_by(self.stride as usize) {
            let bucket = locked.bucket_at(bucket);
            // All of a bucket's items are waited for together.
            bucket.each(|_, _, addr| store.arena.prefetch(store.arena.at(addr)));
            bucket.each(|_, _, addr| {
                let item = Item::at(&store.arena, addr);
                self.add(locked.whole_tick(&item), item.footprint() as u64);
            });
        }
        self.next = Some(match end < locked.shard.buckets {
            true => (shard, end),
            false => (shard + 1, 0),
        });
        true
    }

    fn add(&mut self, tick: u64, bytes: u64) {
        self.bytes += bytes;
        while self.bytes >= self.bytes_per_sample {
            if self.ticks.len() == SAMPLES_MAX {
                let mut number = 0;
                self.ticks.retain(|_| {
                    number += 1;
                    number % 2 == 0
                });
                self.bytes_per_sample *= 2;
                continue;
            }
            self.bytes -= self.bytes_per_sample;
            self.ticks.push(tick);
        }
    }

    fn divide(&mut self) {
        let mut samples = std::mem::take(&mut self.ticks);
        samples.sort_unstable();
        let firsts = (1..CLASSES).filter_map(|class| samples.get(class * samples.len() / CLASSES));
        self.ticks = firsts.copied().collect();
    }
}

impl Store {
    /// Buckets of all shards.
    fn buckets(&self) -> u64 {
        use std::sync::atomic::Ordering::Relaxed;
        let counts = self.bucket_counts.iter();
        counts.map(|count| u64::from(count.load(Relaxed))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn classes(items: &[(u64, u64)]) -> Classes {
        let mut classes = Classes {
            next: None,
            stride: 1,
            bytes_per_sample: 1,
            bytes: 0,
            ticks: Vec::new(),
        };
        for (tick, bytes) in items {
            classes.add(*tick, *bytes);
        }
        classes.divide();
        classes
    }

    proptest! {
        /// No class has more than its share of the bytes, one item and what the samples cannot tell.
        #[test]
        fn classes_have_about_as_many_bytes_each(
            items in prop::collection::vec((0..1u64 << 40, 1..1u64 << 20), 1..2000),
        ) {
            let classes = classes(&items);
            let mut bytes = [0; CLASSES];
            let mut longest = 0;
            for (tick, len) in &items {
                bytes[usize::from(classes.of(*tick))] += len;
                longest = longest.max(*len);
            }
            let all: u64 = bytes.iter().sum();
            let unsure = 2 * classes.bytes_per_sample + all / SAMPLES_MAX as u64;
            for class in bytes {
                prop_assert!(class <= all / CLASSES as u64 + 2 * longest + unsure);
            }
        }

        #[test]
        fn older_items_are_in_lower_classes(
            items in prop::collection::vec((any::<u64>(), 1..5000u64), 0..300),
        ) {
            let classes = classes(&items);
            let mut ticks: Vec<u64> = items.iter().map(|(tick, _)| *tick).collect();
            ticks.sort_unstable();
            let classes: Vec<u8> = ticks.iter().map(|tick| classes.of(*tick)).collect();
            prop_assert!(classes.is_sorted());
            prop_assert!(classes.iter().all(|class| usize::from(*class) < CLASSES));
        }
    }
}
