//! Counters, summed over the shards one after the other.

use std::sync::atomic::Ordering::Relaxed;

use crate::item::Item;
use crate::shard::Counters;
use crate::{Store, StoreStats};

impl Store {
    /// Counters.
    pub fn stats(&self) -> StoreStats {
        let mut stats = StoreStats {
            limit_maxbytes: self.limit.load(Relaxed),
            ..StoreStats::default()
        };
        for id in 0..self.shards.len() {
            let counters = self.lock_shard(id).shard.counters;
            stats.payload_bytes += counters.payload;
            stats.curr_items += counters.items;
            stats.total_items += counters.total_items;
            stats.evictions += counters.evictions;
            stats.evicted_unfetched += counters.evicted_unfetched;
            stats.evicted_nonzero += counters.evicted_nonzero;
            stats.reclaimed += counters.reclaimed;
            stats.expired_unfetched += counters.expired_unfetched;
        }
        let alloc = self.alloc.lock();
        let region = self.arena.region_bytes() as u64;
        stats.bytes = alloc.used_grains * self.arena.grain_bytes() as u64;
        stats.hash_bytes = u64::from(alloc.regions_index) * region;
        stats.resident_bytes = u64::from(alloc.regions_used) * region + self.fixed_bytes() as u64;
        drop(alloc);
        stats.tail_age_s = u64::from(self.tail_age_s());
        stats
    }

    /// Counts anew what memcached's `stats reset` has it count anew: items stored, evicted and reclaimed. What tells of
    /// the present stays.
    pub fn reset_stats(&self) {
        for id in 0..self.shards.len() {
            let counters = &mut self.lock_shard(id).shard.counters;
            *counters = Counters {
                items: counters.items,
                payload: counters.payload,
                ..Counters::default()
            };
        }
    }

    /// Idle seconds of the oldest item of all.
    fn tail_age_s(&self) -> u32 {
        let Some((_, number)) = self.tails.oldest(self.clock_now()) else {
            return 0;
        };
        let (id, list) = self.list_at(number);
        let locked = self.lock_shard(id);
        let oldest = locked.shard.lists[list].oldest;
        if oldest == 0 {
            return 0;
        }
        let tick = Item::at(&self.arena, oldest).tick();
        self.clock.idle_s(tick, locked.present())
    }
}
