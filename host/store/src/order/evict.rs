//! Which items leave when memory is needed.
//!
//! Expired items first, as far as they are known to be due, then the policy's choice. Each item that leaves frees its
//! extents at once, and room is tried for again as soon as enough may be free. Sets keep one grain in a hundred free,
//! one or two evictions each, so that the next find room at once; beyond that nothing leaves that need not.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::alloc::{Chain, Plan};
use crate::memory::arena::Addr;
use crate::shard::{Leave, Locked};
use crate::{Eviction, NoRoom, Store};

/// Nodes of dead trees or pieces of dead values freed before anybody else leaves.
pub(crate) const GARBAGE_AT_ONCE: usize = 64;
/// Bytes from which an item is likely to be gathered from several holes, so that their sum counts.
const FROM_SEVERAL: usize = 4096;
/// A tick above that of any access: any item may leave.
pub(crate) const ANYBODY: u64 = u64::MAX;
/// An item left; with the memory asked for, if that was to be had then.
pub(crate) type Left = Option<Chain>;

impl Store {
    /// Allocates `plan`, evicting as much as needed. The caller has tried without. No shard may be locked.
    pub(crate) fn make_room(&self, plan: &Plan) -> Result<Chain, NoRoom> {
        self.make_room_before(plan, ANYBODY)
    }

    /// As `make_room`; only items may leave that were used before a tick.
    pub(crate) fn make_room_before(&self, plan: &Plan, before: u64) -> Result<Chain, NoRoom> {
        if !self.can_ever_hold(plan) {
            return Err(NoRoom);
        }
        if plan.chained == 0 || plan.stream < FROM_SEVERAL {
            return self.make_little_room(plan, before);
        }
        loop {
            match self.try_take(plan) {
                Ok(chain) => return Ok(chain),
                Err(shortage) => self.free_grains(shortage, before)?,
            }
        }
    }

    /// Has items leave that were used before a tick, until so many grains more are free.
    pub(crate) fn free_grains(&self, shortage: u64, before: u64) -> Result<(), NoRoom> {
        let free = || self.alloc.lock().bins.grains;
        let enough = free() + shortage;
        while free() < enough {
            self.make_any_room(before)?;
        }
        Ok(())
    }

    /// As `make_room`, for a plan that any hole that opens may hold: tried again after each item that left.
    fn make_little_room(&self, plan: &Plan, before: u64) -> Result<Chain, NoRoom> {
        loop {
            let left = match self.drop_dead() {
                true => self.try_take(plan).ok(),
                false => self.evict_one(Some(plan), before).ok_or(NoRoom)?,
            };
            if let Some(chain) = left {
                return Ok(chain);
            }
        }
    }

    /// Makes room for sets to come, so that they need not wait for more than one or two to leave.
    #[inline]
    pub(crate) fn make_room_ahead(&self, owed: u8) {
        for _ in 0..owed {
            // If no item may leave, whoever needs the memory will hear of it.
            let _some_or_none = self.make_any_room(ANYBODY);
        }
    }

    /// Makes some room, wherever; only items may leave that were used before a tick.
    pub(crate) fn make_any_room(&self, before: u64) -> Result<(), NoRoom> {
        if self.drop_dead() || self.evict_one(None, before).is_some() {
            return Ok(());
        }
        Err(NoRoom)
    }

    /// Frees what nobody can ask for any more; false when nothing of that kind is known.
    fn drop_dead(&self) -> bool {
        self.free_garbage(GARBAGE_AT_ONCE) > 0 || self.expire_one()
    }

    /// Evicts from the LRU tail until `bytes` of item memory were freed.
    pub fn evict(&self, bytes: usize) {
        let used = || self.alloc.lock().used_grains;
        let target = used().saturating_sub(u64::from(self.arena.grains(bytes)));
        while used() > target
            && (self.free_garbage(GARBAGE_AT_ONCE) > 0 || self.evict_lru(None).is_some())
        {}
    }

    /// Removes what has expired in one region.
    fn expire_one(&self) -> bool {
        let now_s = self.clock.now_s();
        let mut done = 0;
        while done == 0 && self.due.any(now_s) && self.expire_region(now_s, &mut done) {}
        done > 0
    }

    /// Evicts an item that the policy chooses, used before a tick, and tries for `plan`; `None` when no item may leave.
    fn evict_one(&self, plan: Option<&Plan>, before: u64) -> Option<Left> {
        match self.eviction {
            Eviction::Lru => self.evict_below(before, plan),
            Eviction::SizeIdle => self
                .evict_size_idle(plan, before)
                .or_else(|| self.evict_below(before, plan)),
            Eviction::Refuse => self.drop_flushed(plan),
        }
    }

    /// Evicts the least recently used of all items, and tries for `plan`.
    pub(crate) fn evict_lru(&self, plan: Option<&Plan>) -> Option<Left> {
        self.evict_below(ANYBODY, plan)
    }

    /// Evicts the least recently used of all items, if its tick is below `end`, and tries for `plan`.
    fn evict_below(&self, end: u64, plan: Option<&Plan>) -> Option<Left> {
        loop {
            let (tick, number) = self.tails.oldest(self.clock_now())?;
            if tick >= end {
                return None;
            }
            let (id, list) = self.list_at(number);
            let mut locked = self.lock_shard(id);
            // Somebody may have been faster: then another list's tail may be the oldest.
            if self.tails.tick(number) == tick {
                let why = match tick < self.flushed.load(Relaxed) {
                    true => Leave::Expired,
                    false => Leave::Evicted,
                };
                return Some(locked.remove_tail(list, why, plan));
            }
        }
    }

    /// Evicts the least recently used item while the shards `held` are locked by this thread, but none of `spared`,
    /// which are being used. False when each shard has only spared items, or nothing older.
    pub(crate) fn evict_held(&self, held: &mut [Locked<'_>], spared: &[Addr]) -> bool {
        if self.free_garbage(GARBAGE_AT_ONCE) > 0 {
            return true;
        }
        if self.eviction == Eviction::Refuse {
            return false;
        }
        loop {
            let is_spared = |number| {
                let (id, list) = self.list_at(number);
                let oldest = |locked: &Locked<'_>| locked.shard.lists[list].oldest;
                let mut held = held.iter();
                held.any(|locked| locked.id == id && spared.contains(&oldest(locked)))
            };
            let others = self.tails.ticks().filter(|(_, number)| !is_spared(*number));
            let Some((tick, number)) = others.min() else {
                return false;
            };
            let (id, list) = self.list_at(number);
            if let Some(locked) = held.iter_mut().find(|locked| locked.id == id) {
                locked.remove_tail(list, Leave::Evicted, None);
                return true;
            }
            // Whoever holds this shard holds no other and waits for none, so waiting here ends.
            let mut locked = self.lock_shard(id);
            if self.tails.tick(number) == tick {
                locked.remove_tail(list, Leave::Evicted, None);
                return true;
            }
        }
    }

    /// Removes a flushed item, if there is one, and tries for `plan`.
    pub(super) fn drop_flushed(&self, plan: Option<&Plan>) -> Option<Left> {
        self.evict_below(self.flushed.load(Relaxed), plan)
    }
}
