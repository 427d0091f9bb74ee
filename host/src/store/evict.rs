//! Who leaves when memory is needed.
//!
//! Expired items first, as far as they are known to be due, then the policy's choice. Each item that leaves frees its
//! extents at once, and room is tried for again as soon as enough may be free: nothing leaves that need not.

use std::sync::atomic::Ordering::Relaxed;

use super::alloc::{Chain, Plan};
use super::arena::Addr;
use super::item::Item;
use super::shard::{EMPTY, Found, Leave, Locked};
use super::{Eviction, NoRoom, Store};

/// Nodes of dead trees freed before anybody else leaves.
const GARBAGE_AT_ONCE: usize = 64;
/// Residents compared by `Eviction::SizeIdle`.
const SAMPLES: usize = 16;

impl Store {
    /// Allocates `plan`, evicting as much as needed. No shard may be locked.
    pub(super) fn make_room(&self, plan: &Plan) -> Result<Chain, NoRoom> {
        if !self.can_ever_hold(plan) {
            return Err(NoRoom);
        }
        loop {
            let shortage = match self.try_take(plan) {
                Ok(chain) => return Ok(chain),
                Err(grains) => grains,
            };
            let free = |store: &Store| store.alloc.lock().bins.grains;
            let enough = free(self) + shortage;
            loop {
                if self.free_garbage(GARBAGE_AT_ONCE) == 0
                    && !self.expire_one()
                    && !self.evict_one()
                {
                    return Err(NoRoom);
                }
                // A plan of one piece may fit any hole that opens; one of several needs the sum.
                if plan.chained == 0 || plan.stream < 4096 || free(self) >= enough {
                    break;
                }
            }
        }
    }

    /// Evicts from the LRU tail until `bytes` of item memory were freed.
    pub fn evict(&self, bytes: usize) {
        let used = || self.alloc.lock().used_grains;
        let target = used().saturating_sub(u64::from(self.arena.grains(bytes)));
        while used() > target && (self.free_garbage(GARBAGE_AT_ONCE) > 0 || self.evict_lru()) {}
    }

    /// Removes what has expired in one region.
    fn expire_one(&self) -> bool {
        let now_s = self.clock.now_s();
        let mut done = 0;
        while done == 0 && self.due.any(now_s) && self.expire_region(now_s, &mut done) {}
        done > 0
    }

    /// Evicts by the policy; false when nobody may leave.
    fn evict_one(&self) -> bool {
        match self.eviction {
            Eviction::Lru => self.evict_lru(),
            Eviction::SizeIdle => self.evict_size_idle() || self.evict_lru(),
            Eviction::Refuse => self.drop_flushed(),
        }
    }

    /// Evicts the least recently used of all items.
    pub(super) fn evict_lru(&self) -> bool {
        loop {
            let oldest = self
                .tails
                .iter()
                .enumerate()
                .map(|(id, tail)| (tail.load(Relaxed), id))
                .min();
            let Some((tick, id)) = oldest.filter(|(tick, _)| *tick != EMPTY) else {
                return false;
            };
            let mut locked = self.lock_shard(id);
            // Somebody may have been faster: then another shard's tail may be the oldest.
            if self.tails[id].load(Relaxed) == tick {
                locked.remove_tail(if tick < self.flushed.load(Relaxed) {
                    Leave::Expired
                } else {
                    Leave::Evicted
                });
                return true;
            }
        }
    }

    /// Evicts the least recently used item while the shards `held` are locked by this thread. False when that is one
    /// of `spared`, which are the newest of all, so nobody else is left.
    pub(super) fn evict_held(&self, held: &mut [Locked<'_>], spared: &[Addr]) -> bool {
        if self.free_garbage(GARBAGE_AT_ONCE) > 0 {
            return true;
        }
        if self.eviction == Eviction::Refuse {
            return false;
        }
        loop {
            let oldest = self
                .tails
                .iter()
                .enumerate()
                .map(|(id, tail)| (tail.load(Relaxed), id))
                .min();
            let Some((tick, id)) = oldest.filter(|(tick, _)| *tick != EMPTY) else {
                return false;
            };
            if let Some(locked) = held.iter_mut().find(|locked| locked.id == id) {
                if spared.contains(&locked.shard.oldest) {
                    return false;
                }
                locked.remove_tail(Leave::Evicted);
                return true;
            }
            // Whoever holds this shard holds no other and waits for none, so waiting here ends.
            let mut locked = self.lock_shard(id);
            if self.tails[id].load(Relaxed) == tick {
                locked.remove_tail(Leave::Evicted);
                return true;
            }
        }
    }

    /// Removes a flushed item, if there is one.
    fn drop_flushed(&self) -> bool {
        let flushed = self.flushed.load(Relaxed);
        self.tails.iter().any(|tail| tail.load(Relaxed) < flushed) && self.evict_lru()
    }

    /// Evicts the resident with the largest size x idle time among some of one shard.
    fn evict_size_idle(&self) -> bool {
        if self.drop_flushed() {
            return true;
        }
        // Hashing makes a shard, and neighbouring buckets, a fair sample. A few tries find a shard that is not empty.
        for _ in 0..8 {
            let random = self.random();
            let id = self.shard_of(random);
            let mut locked = self.lock_shard(id);
            let buckets = locked.shard.buckets;
            let mut sample = [(super::index::Slot::default(), 0); SAMPLES];
            let mut count = 0;
            for step in 0..buckets.min(8) {
                let bucket = ((random as u32 % buckets) + step) % buckets;
                locked.bucket_at(bucket).each(|slot, _, addr| {
                    if count < SAMPLES {
                        sample[count] = (slot, addr);
                        count += 1;
                    }
                });
                if count == SAMPLES {
                    break;
                }
            }
            let now = self.tick.load(Relaxed) as u32;
            let score = |addr| {
                let item = Item::at(&self.arena, addr);
                item.footprint() as u64 * u64::from(now.wrapping_sub(item.tick()))
            };
            if let Some((slot, addr)) = sample[..count].iter().max_by_key(|(_, addr)| score(*addr))
            {
                let item = Item::at(&self.arena, *addr);
                let hash = locked.hash_of(&item);
                locked.remove(hash, Found { slot: *slot, item }, Leave::Evicted);
                return true;
            }
        }
        false
    }

    /// A number nobody needs to predict badly: splitmix over a shared counter.
    fn random(&self) -> u64 {
        let mut x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}
