//! How old each list's oldest item is, and which is the oldest of all.
//!
//! Each eviction asks for the oldest tail, and there may be hundreds of lists. Tails only get younger, so the lowest
//! tick that was seen in a group of lists stays a bound of that group: only groups whose bound is low enough are looked
//! at.
//!
//! An empty list has no tick that could break this rule, but its next item might. So the list keeps a *floor*, the
//! bound of its group when the group was looked at, and its first item takes a tick that is not below the floor.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of a list's number.
pub(crate) const NUMBER_BITS: u32 = 9;
/// The tick of an empty list's tail, above all others. The rank of an empty list is this with the list's floor in it.
pub(crate) const EMPTY: u64 = 1 << (u64::BITS - NUMBER_BITS - 1);
/// Lists of a group.
const GROUP: usize = 16;
/// Minima that are kept side by side; a single one would be waited for at each tail.
const LANES: usize = 4;

/// The tails of all lists. A tail is written under its shard's lock, a floor by anybody; all threads read them.
#[derive(Debug)]
pub(crate) struct Tails {
    /// For each list the tick of its tail, with the list's number.
    ranks: Box<[AtomicU64]>,
    /// For each group a tick that no tail in it is below, with the group's number. It may be lower than need be.
    bounds: Box<[AtomicU64]>,
}

impl Tails {
    /// The tails of so many empty lists.
    pub(crate) fn new(lists: usize) -> Tails {
        let empty = |number| AtomicU64::new(rank(EMPTY, number));
        let unknown = |group| AtomicU64::new(rank(0, group));
        Tails {
            ranks: (0..lists).map(empty).collect(),
            bounds: (0..lists.div_ceil(GROUP)).map(unknown).collect(),
        }
    }

    /// Notes that the list has a tail of this tick now, `EMPTY` for none.
    #[inline]
    pub(crate) fn set(&self, number: usize, tick: u64) {
        self.ranks[number].store(rank(tick, number), Relaxed);
    }

    /// Prepares for the first item of an empty list: its tick must not be below what is returned. Until the tick is
    /// set, the list counts as the one with the oldest.
    pub(crate) fn fill(&self, number: usize) -> u64 {
        let (tick, _) = parts(self.ranks[number].swap(rank(0, number), Relaxed));
        tick & !EMPTY
    }

    /// The tick of a list's tail, `EMPTY` or above where there is none.
    #[inline]
    pub(crate) fn tick(&self, number: usize) -> u64 {
        parts(self.ranks[number].load(Relaxed)).0
    }

    /// The ticks of all tails, with the numbers of their lists.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (u64, usize)> {
        let ranks = self.ranks.iter().map(|rank| parts(rank.load(Relaxed)));
        ranks.filter(|(tick, _)| *tick < EMPTY)
    }

    /// Tick and list number of the oldest tail; `None` when all lists are empty. `now` is a tick that was published.
    pub(crate) fn oldest(&self, now: u64) -> Option<(u64, usize)> {
        // Nearly always the oldest of all was in the first group until it left, and is in the second now.
        for _ in 1..self.bounds.len() {
            let [first, second] = two_least(&self.bounds);
            let oldest = self.look(first, second, now);
            let oldest = oldest.or_else(|raised| match raised > second {
                true => self.look(second, second, now),
                false => Err(raised),
            });
            if let Ok(oldest) = oldest {
                return Some(oldest);
            }
        }
        let (tick, number) = parts(least(&self.ranks));
        (tick < EMPTY).then_some((tick, number))
    }

    /// The oldest tail of the group with this bound, if it is not younger than the bound `others`; else the bound is
    /// raised, and returned.
    #[inline]
    fn look(&self, bound: u64, others: u64, now: u64) -> Result<(u64, usize), u64> {
        let (_, group) = parts(bound);
        let ranks = self.ranks.chunks(GROUP).nth(group).unwrap_or_default();
        let (tick, number) = parts(least(ranks));
        if rank(tick, group) <= others {
            return Ok((tick, number));
        }
        let bound = ranks.iter().fold(tick.min(now), |bound, rank| {
            bound.min(raise_floor(rank, bound, now))
        });
        let bound = rank(bound, group);
        self.bounds[group].store(bound, Relaxed);
        Err(bound)
    }
}

/// Sees to it that an empty list gets no item below `bound`. Returns the least that the list may get.
#[inline]
fn raise_floor(empty: &AtomicU64, bound: u64, now: u64) -> u64 {
    let seen = empty.load(Relaxed);
    let (tick, number) = parts(seen);
    if tick < EMPTY {
        return tick;
    }
    let floor = tick & !EMPTY;
    if floor >= bound {
        return floor;
    }
    // As high as can be, so that it holds for long.
    let raised = rank(EMPTY | now, number);
    match empty.compare_exchange(seen, raised, Relaxed, Relaxed) {
        Ok(_) => now,
        Err(other) => parts(other).0 & !EMPTY,
    }
}

/// A tick with the number of its list or group in the low bits, so that ranks are ordered by tick.
#[inline]
fn rank(tick: u64, number: usize) -> u64 {
    tick << NUMBER_BITS | number as u64
}

/// Tick and number of a rank.
#[inline]
fn parts(rank: u64) -> (u64, usize) {
    (
        rank >> NUMBER_BITS,
        rank as usize & ((1 << NUMBER_BITS) - 1),
    )
}

/// The least rank, and the least of the others; there is at least one.
#[inline]
fn two_least(ranks: &[AtomicU64]) -> [u64; 2] {
    ranks.iter().fold([u64::MAX; 2], |[first, second], rank| {
        let rank = rank.load(Relaxed);
        [first.min(rank), second.min(rank.max(first))]
    })
}

/// The least rank.
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

    /// What happens to a list.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// The list's tail gets younger, or an empty list gets an item, by a turn that began so many ticks ago.
        Tail { ago: u64 },
        /// The list's last item leaves.
        Leave,
        /// Somebody asks which item is the oldest.
        Ask,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..300u64).prop_map(|ago| Step::Tail { ago }),
            1 => Just(Step::Leave),
            2 => Just(Step::Ask),
        ]
    }

    proptest! {
        /// Lists that get younger, empty and full again, in any order: always the first of the oldest is found.
        #[test]
        fn the_oldest_is_the_oldest(
            lists in 1..=1usize << NUMBER_BITS,
            steps in prop::collection::vec((any::<u16>(), step(), 0..3u64), 1..2000),
        ) {
            let tails = Tails::new(lists);
            let (mut now, mut last) = (1000, vec![0; lists]);
            let mut naive = vec![None; lists];
            for (number, step, passed) in steps {
                let number = usize::from(number) % lists;
                now += passed;
                match step {
                    Step::Tail { ago } => {
                        let floor = match naive[number] {
                            None => tails.fill(number),
                            Some(tick) => tick,
                        };
                        let tick = (now - ago).max(floor).max(last[number]);
                        naive[number] = Some(tick);
                        last[number] = tick + 1;
                        tails.set(number, tick);
                    }
                    Step::Leave if naive[number].is_some() => {
                        naive[number] = None;
                        tails.set(number, EMPTY);
                    }
                    Step::Leave => {}
                    Step::Ask => {
                        let all = naive.iter().zip(0..).filter_map(|(tick, list)| tick.map(|tick| (tick, list)));
                        prop_assert_eq!(tails.ticks().min(), all.clone().min());
                        prop_assert_eq!(tails.oldest(now), all.min());
                    }
                }
            }
        }
    }
}
