//! Items leave when their time has come, without lists and without scanning everything.
//!
//! Each region remembers the earliest expiry of any item placed in it; a small tree of minima finds the region with
//! the earliest of all. When that is past, the region's extents are walked (some hundred at most), the expired items
//! leave, and the minimum of the rest is noted. So an item pays nothing beyond its own expiry field.
//! A noted time may be too early (its item was deleted): that costs one walk. It is never too late.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

use crate::item::{Item, flag};
use crate::memory::alloc::Kind;
use crate::memory::arena::Addr;
use crate::memory::os::Zeroed;
use crate::order::list::LISTS;
use crate::shard::{Leave, Locked};
use crate::{Now, Store};

const NEVER: u32 = 0;
const FAN: usize = 64;
/// Flushed items removed before others may have the shard.
const FLUSHED_PER_LOCK: usize = 16;

/// Earliest expiries, by region, by 64 regions, and so on. Stored as `!seconds`, so that zeroed memory means never
/// and stays untouched until used.
#[derive(Debug)]
pub(crate) struct Due {
    levels: Vec<Zeroed<AtomicU32>>,
}

impl Due {
    pub(crate) fn new(regions: u32) -> Due {
        let mut levels = Vec::new();
        let mut len = regions as usize;
        loop {
            levels.push(Zeroed::map(len).expect("address space for a small table"));
            if len <= FAN {
                return Due { levels };
            }
            len = len.div_ceil(FAN);
        }
    }

    /// Notes that an item in `region` expires at `expiry`.
    pub(crate) fn lower(&self, region: u32, expiry: u32) {
        let mut i = region as usize;
        for level in &self.levels {
            // Order matters: a child is lowered before its parent, see `take`.
            if level[i].load(SeqCst) < !expiry {
                level[i].fetch_max(!expiry, SeqCst);
            }
            i /= FAN;
        }
    }

    /// The region with the earliest expiry, and this expiry.
    fn earliest(&self) -> Option<(u32, u32)> {
        let mut i = 0;
        let mut earliest = None;
        for level in self.levels.iter().rev() {
            let children = i * FAN..((i + 1) * FAN).min(level.len());
            let (best, child) = children
                .map(|c| (level[c].load(SeqCst), c))
                .max_by_key(|(due, _)| *due)?;
            // The top decides. A parent may be left with a time no child has any more, when it was lowered while it was
            // taken; the region found under it is taken like any other, which puts its parents right.
            earliest = earliest.or(Some(best));
            i = child;
        }
        earliest
            .filter(|best| *best != NEVER)
            .map(|best| (i as u32, !best))
    }

    /// True when some item may be due.
    pub(crate) fn any(&self, now_s: u32) -> bool {
        let top = self.levels.last().expect("there is a level");
        let now = (!now_s).max(NEVER + 1);
        top.iter().any(|due| due.load(Relaxed) >= now)
    }

    /// Leaves a parent with a time that none of its children has.
    #[cfg(test)]
    pub(crate) fn lower_top_only(&self, expiry: u32) {
        let top = self.levels.last().expect("there is a level");
        top[top.len() - 1].fetch_max(!expiry, SeqCst);
    }

    /// Forgets a region's expiry, before it is walked.
    fn take(&self, region: u32) {
        let mut i = region as usize;
        self.levels[0][i].store(NEVER, SeqCst);
        for pair in self.levels.windows(2) {
            i /= FAN;
            // An item noted meanwhile lowered the child before it looks at the parent: either the maximum below sees
            // it, or it sees the parent forgotten.
            pair[1][i].store(NEVER, SeqCst);
            let children = &pair[0][i * FAN..((i + 1) * FAN).min(pair[0].len())];
            let best = children
                .iter()
                .map(|due| due.load(SeqCst))
                .max()
                .unwrap_or(NEVER);
            pair[1][i].fetch_max(best, SeqCst);
        }
    }
}

impl Store {
    /// Everything stored before `at` stops existing at `at` (now or in the future; a later call replaces an earlier
    /// one).
    pub fn flush_all(&self, now: Now, at: Now) {
        self.note(now);
        if at <= now {
            return self.flush_now(None);
        }
        self.plan_flush(at.unix_s);
    }

    /// Plans a flush for a second, and none before it.
    pub(crate) fn plan_flush(&self, at_s: u32) {
        // Under this lock, flushes are planned in the order in which listeners are told of them.
        let _turn = self.commit.lock();
        self.flush_at_s.store(at_s, Relaxed);
        if self.listeners.want_changes() {
            let _told = self.turn_to_tell();
            let tick = self.take_tick_of_all();
            self.listeners
                .tell(|journal| journal.flush_planned(tick, at_s));
        }
    }

    /// Ends all items, and forgets the flush to come. A flush planned for second `due` happens only if it is still
    /// planned.
    pub(crate) fn flush_now(&self, due: Option<u32>) {
        let tick = {
            // With all shards locked, so that nobody finds an item that is gone a moment later under the same lock:
            // a commit has prepared for what it found.
            let _turn = self.commit.lock();
            if due.is_some_and(|due| self.flush_at_s.load(Relaxed) != due) {
                return;
            }
            self.flush_at_s.store(u32::MAX, Relaxed);
            let mut all: Vec<_> = (0..self.shards.len())
                .map(|id| self.lock_shard(id))
                .collect();
            let told = self.listeners.want_changes();
            let _told = told.then(|| self.turn_to_tell());
            let tick = all.iter().map(Locked::present).max().unwrap_or(0);
            for locked in &mut all {
                locked.shard.next_tick = tick + 1;
            }
            self.publish(tick + 1);
            self.flushed.fetch_max(tick, Relaxed);
            if told {
                self.listeners.tell(|journal| journal.flushed(tick));
            }
            tick
        };
        // Items so long untouched that the 32 bits of their ticks come round again leave at once: nobody could tell
        // them from new ones. There are none unless the store served two thousand million accesses since.
        self.remove_older(tick.saturating_sub(1 << 31), usize::MAX);
    }

    /// Removes some expired items, oldest expiry first, and other deferred work; at most about `budget` items. Returns
    /// how many it did.
    pub fn maintain(&self, now: Now, budget: usize) -> usize {
        self.note(now);
        let mut done = self.remove_older(self.flushed.load(Relaxed), budget);
        while done < budget && self.expire_region(now.unix_s, &mut done) {}
        done += self.free_garbage(budget.saturating_sub(done));
        done += self.settle_regions(budget.saturating_sub(done));
        done
    }

    /// Removes flushed items, at most about `budget`, with ticks below `before`. They are the oldest of all.
    fn remove_older(&self, before: u64, budget: usize) -> usize {
        let mut done = 0;
        for number in 0..self.shards.len() * LISTS {
            let (id, list) = self.list_at(number);
            // The tail of an empty list is the youngest there can be.
            while done < budget && self.tails.tick(number) < before {
                let mut locked = self.lock_shard(id);
                for _ in 0..FLUSHED_PER_LOCK {
                    if self.tails.tick(number) < before {
                        locked.remove_tail(list, Leave::Expired, None);
                        done += 1;
                    }
                }
            }
        }
        done
    }

    /// Removes what has expired from the region with the earliest expiry; false when none is due.
    pub(crate) fn expire_region(&self, now_s: u32, done: &mut usize) -> bool {
        let Some((region, _)) = self.due.earliest().filter(|(_, due)| *due <= now_s) else {
            return false;
        };
        self.due.take(region);
        let mut expired: [Addr; 64] = [0; 64];
        let mut count = 0;
        self.alloc
            .lock()
            .walk_used(&self.arena, region, |addr, word0| {
                let expires = Kind::of(word0) == Kind::Head && word0 & flag::EXPIRES != 0;
                if expires && !self.pins.holds_left(addr) {
                    // Racy: the item may be in the making. Then it will be noted again when it is linked.
                    let Some(expiry) = Item::at(&self.arena, addr).expiry() else {
                        return;
                    };
                    if expiry <= now_s && count < expired.len() {
                        expired[count] = addr;
                        count += 1;
                    } else {
                        self.due.lower(region, expiry);
                    }
                }
            });
        for addr in &expired[..count] {
            if let Some((mut locked, found)) = self.lock_owner(*addr)
                && found.item.expiry().is_some_and(|expiry| expiry <= now_s)
            {
                let hash = locked.hash_of(&found.item);
                locked.remove(hash, found, Leave::Expired);
                *done += 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_come_in_order_of_their_earliest_expiry() {
        let due = Due::new(10_000);
        for region in 0..10_000u32 {
            due.lower(region, 1000 + region * 7919 % 10_000);
        }
        for second in 1000..11_000 {
            let (region, expiry) = due.earliest().expect("some left");
            assert_eq!(expiry, second);
            assert!(due.any(second) && !due.any(second - 1));
            due.take(region);
        }
        assert_eq!(due.earliest(), None);
    }
}
