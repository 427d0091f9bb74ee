//! The policy that looks at sizes: an item that takes much memory and was not asked for long leaves first.
//!
//! Each eviction looks at a few residents of one shard and remembers the best candidates among them and among those
//! remembered before, as sampling caches do. So the one that leaves is the best of many more than were looked at.

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use crate::Store;
use crate::item::{Item, KEY_BYTES_MAX, flag};
use crate::memory::alloc::Plan;
use crate::memory::arena::Addr;
use crate::order::evict::Left;
use crate::shard::{Found, Leave, Locked};

/// Residents looked at for one eviction.
const SAMPLES: usize = 16;
/// Candidates remembered in each shard.
const CANDIDATES: usize = 16;
/// Buckets looked at for one eviction, at most.
const BUCKETS: u32 = 8;
/// Shards tried until one is found that is not empty.
const SHARDS: usize = 8;
/// How much sooner those leave that nobody asked for since they were stored: what comes once, as in a scan, does not
/// push out what is asked for again. Measured: 2 to 8 are about equally good.
const UNFETCHED_WEIGHT: u64 = 4;

/// Residents of a shard that may leave next, by score, the highest last.
pub(crate) type Candidates = ArrayVec<Candidate, CANDIDATES>;

/// A resident that may leave, as it was when it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    score: u64,
    addr: Addr,
    tick: u32,
}

impl Store {
    /// Evicts the resident with the largest size x idle time among some of one shard, those never fetched counting as
    /// longer idle, and tries for `plan`. The item used at `spared` stays.
    pub(super) fn evict_size_idle(&self, plan: Option<&Plan>, spared: u64) -> Option<Left> {
        if let Some(left) = self.drop_flushed(plan) {
            return Some(left);
        }
        for _ in 0..SHARDS {
            let random = self.random();
            let mut locked = self.lock_shard(self.shard_of(random));
            locked.look_around(random as u32);
            while let Some(candidate) = locked.shard.candidates.pop() {
                if candidate.tick != spared as u32
                    && let Some((hash, found)) = locked.still_there(&candidate)
                {
                    return Some(locked.remove_for(hash, found, Leave::Evicted, plan));
                }
            }
        }
        None
    }

    /// A random number, good enough for samples: splitmix over a shared counter.
    fn random(&self) -> u64 {
        let mut x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

impl<'a> Locked<'a> {
    /// Looks at some residents from a random bucket on; hashing makes neighbours a fair sample.
    fn look_around(&mut self, random: u32) {
        let now = self.present() as u32;
        let buckets = self.shard.buckets;
        let mut addrs = ArrayVec::<Addr, SAMPLES>::new();
        for step in 0..buckets.min(BUCKETS) {
            let bucket = self.bucket_at((random % buckets + step) % buckets);
            bucket.each(|_, _, addr| {
                let _enough = addrs.try_push(addr);
            });
            if addrs.is_full() {
                break;
            }
        }
        for addr in &addrs {
            self.store.arena.prefetch(self.store.arena.at(*addr));
        }
        for addr in addrs {
            self.propose(addr, now);
        }
    }

    /// Remembers a resident, if it is a better candidate than the worst.
    fn propose(&mut self, addr: Addr, now: u32) {
        let item = Item::at(&self.store.arena, addr);
        let weight = match item.has(flag::FETCHED) {
            true => 1,
            false => UNFETCHED_WEIGHT,
        };
        let tick = item.tick();
        let score = item.footprint() as u64 * u64::from(now.wrapping_sub(tick)) * weight;
        let candidates = &mut self.shard.candidates;
        if let Some(before) = candidates.iter().position(|c| c.addr == addr) {
            candidates.remove(before);
        }
        if candidates.is_full() {
            if candidates[0].score >= score {
                return;
            }
            candidates.remove(0);
        }
        let place = candidates.partition_point(|c| c.score < score);
        candidates.insert(place, Candidate { score, addr, tick });
    }

    /// The candidate, if it is still in this shard and was not asked for since.
    fn still_there(&self, candidate: &Candidate) -> Option<(u64, Found<'a>)> {
        let item = Item::at(&self.store.arena, candidate.addr);
        // The candidate's memory may be another item's by now.
        let mut buffer = [0; KEY_BYTES_MAX];
        let hash = self.store.hash(item.racy_key(&mut buffer)?);
        if self.store.shard_of(hash) != self.id {
            return None;
        }
        let slot = self.slot_of(hash, candidate.addr)?;
        let item = Item::at(&self.store.arena, candidate.addr);
        (item.tick() == candidate.tick).then_some((hash, Found { slot, item }))
    }
}
