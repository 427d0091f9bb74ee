//! How old each shard's oldest item is: who is the oldest of all.
//!
//! Whoever evicts asks for that each time, and there may be hundreds of shards. Their tails only get younger, so what a
//! group of shards was seen to have at least stays true: only the groups that may have the oldest are looked at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of a shard's number.
pub(super) const ID_BITS: u32 = 8;
/// The tail's tick of an empty shard, younger than all. Ticks leave room for a number beside them.
pub(super) const EMPTY: u64 = u64::MAX >> ID_BITS;
/// Shards of a group.
const GROUP: usize = 16;
/// Tails compared at once; a single minimum would be waited for at each.
const LANES: usize = 4;

/// A tail each; written under its shard's lock, read by all.
#[derive(Debug)]
pub(super) struct Tails {
    /// Of each shard, its tail's tick with its number.
    ranks: Box<[AtomicU64]>,
    /// Of each group, a tick that none in it is below, with its number; also where the group got younger meanwhile.
    bounds: Box<[AtomicU64]>,
}

impl Tails {
    /// As many empty shards.
    pub(super) fn new(shards: usize) -> Tails {
        let empty = |id| AtomicU64::new(rank(EMPTY, id));
        let unknown = |group| AtomicU64::new(rank(0, group));
        Tails {
            ranks: (0..shards).map(empty).collect(),
            bounds: (0..shards.div_ceil(GROUP)).map(unknown).collect(),
        }
    }

    #[inline]
    pub(super) fn set(&self, id: usize, tick: u64) {
        self.ranks[id].store(rank(tick, id), Relaxed);
    }

    #[inline]
    pub(super) fn tick(&self, id: usize) -> u64 {
        parts(self.ranks[id].load(Relaxed)).0
    }

    /// The tick of each, in the order of their numbers.
    pub(super) fn ticks(&self) -> impl Iterator<Item = u64> {
        ticks(&self.ranks)
    }

    /// The tick and the number of the oldest; `None` when all are empty.
    pub(super) fn oldest(&self) -> Option<(u64, usize)> {
        // Each look but the last raises a bound, and nearly always two are enough. One group is looked at as it is.
        for _ in 1..self.bounds.len() {
            let (bound, group) = parts(least(&self.bounds));
            let ranks = self.ranks.chunks(GROUP).nth(group).unwrap_or_default();
            let oldest = least(ranks);
            let (tick, id) = parts(oldest);
            if tick == bound {
                return Some((tick, id));
            }
            // What was empty may yet get a tail of any age, as far as is known here.
            if ticks(ranks).any(|tick| tick == EMPTY) {
                break;
            }
            self.bounds[group].store(rank(tick, group), Relaxed);
        }
        let (tick, id) = parts(least(&self.ranks));
        (tick < EMPTY).then_some((tick, id))
    }
}

/// Of the tick, then the number.
#[inline]
fn rank(tick: u64, number: usize) -> u64 {
    tick << ID_BITS | number as u64
}

/// What a rank consists of.
#[inline]
fn parts(rank: u64) -> (u64, usize) {
    (rank >> ID_BITS, rank as usize & ((1 << ID_BITS) - 1))
}

fn ticks(ranks: &[AtomicU64]) -> impl Iterator<Item = u64> {
    ranks.iter().map(|rank| parts(rank.load(Relaxed)).0)
}

/// The least of all.
#[inline]
fn least(ranks: &[AtomicU64]) -> u64 {
    let mut lanes = [u64::MAX; LANES];
    for ranks in ranks.chunks(LANES) {
        for (lane, rank) in lanes.iter_mut().zip(ranks) {
            *lane = (*lane).min(rank.load(Relaxed));
        }
    }
    lanes.into_iter().min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Tails that get younger, empty and full again, in any order: always the first of the oldest.
        #[test]
        fn the_oldest_is_the_oldest(
            shards_log in 0..=ID_BITS,
            steps in prop::collection::vec((any::<u8>(), 1..1000u64, any::<bool>()), 1..2000),
        ) {
            let shards = 1 << shards_log;
            let tails = Tails::new(shards);
            let mut last = vec![0; shards];
            let mut naive = vec![EMPTY; shards];
            for (id, younger, stays) in steps {
                let id = usize::from(id) % shards;
                last[id] += younger;
                naive[id] = if stays || younger % 8 != 0 { last[id] } else { EMPTY };
                tails.set(id, naive[id]);
                let oldest = (0..shards).map(|id| (naive[id], id)).min();
                prop_assert_eq!(tails.oldest(), oldest.filter(|(tick, _)| *tick < EMPTY));
                prop_assert_eq!(tails.tick(id), naive[id]);
            }
        }
    }
}
