//! The store: its parts, and what all operations on it have in common: finding the shard, memory, and a little
//! deferred work.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use crate::index::{Index, bucket};
use crate::journal::Listeners;
use crate::memory::alloc::{Allocator, Chain, Plan};
use crate::memory::arena::{self, Addr, Arena};
use crate::memory::{garbage, pins, regions};
use crate::ops::expire::Due;
use crate::order::clock::Clock;
use crate::order::list::LISTS;
use crate::order::tails::{self, Tails};
use crate::shard::{self, Guarded, Locked, Shard};
use crate::{Config, Eviction, Key, Now};

/// The store. Shared by all workers.
#[derive(Debug)]
pub struct Store {
    pub(crate) arena: Arena,
    pub(crate) alloc: Padded<Mutex<Allocator>>,
    pub(crate) index: Index,
    pub(crate) shards: Box<[Padded<Guarded>]>,
    pub(crate) tails: Tails,
    /// Buckets of each shard, for prefetching without its lock.
    pub(crate) bucket_counts: Box<[AtomicU32]>,
    /// The published clock: only ticks of turns under way may be as high. See `turn.rs`.
    pub(crate) tick: Padded<AtomicU64>,
    /// Items with an older tick were flushed.
    pub(crate) flushed: AtomicU64,
    /// Second of a flush to come, `u32::MAX` for none.
    pub(crate) flush_at_s: AtomicU32,
    pub(crate) due: Due,
    pub(crate) clock: Clock,
    /// Whether a shard wants more rows.
    pub(crate) index_wanted: AtomicBool,
    /// Serialises moves of whole regions.
    pub(crate) regions: Mutex<regions::Mover>,
    /// Held by commits of several keys, the only ones to hold several shards.
    pub(crate) commit: Mutex<()>,
    /// Trees of objects that left, and long values.
    pub(crate) garbage: Mutex<garbage::Garbage>,
    pub(crate) has_garbage: AtomicBool,
    pub(crate) pins: pins::Pins,
    pub(crate) limit: AtomicU64,
    /// Bytes announced by uploads under way.
    pub(crate) uploading: AtomicU64,
    pub(crate) random: Padded<AtomicU64>,
    pub(crate) item_bytes_max: usize,
    pub(crate) eviction: Eviction,
    pub(crate) listeners: Listeners,
    /// Secrets of the key hash. Making them from the seed takes longer than hashing a key.
    pub(crate) hash_secrets: RapidSecrets,
}

/// A value on cache lines of its own: what all threads write must not slow down reading what stands beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Largest encoded state in bytes that `object_open` copies out whole and `Change::Small` takes.
pub const SMALL_BYTES_MAX: usize = 2048;

/// `object_open` found a plain item of this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainItem {
    /// Value length in bytes.
    pub len: usize,
}

/// Most shards there are; buckets of more would not share a region of the index.
const SHARDS_MAX: usize = 256;
const _: () = assert!(SHARDS_MAX * LISTS <= 1 << tails::NUMBER_BITS);
/// Least memory of a shard: with less, fewer shards are made.
const SHARD_BYTES_MIN: usize = 64 << 10;

impl Store {
    /// An empty store; memory is touched as it fills.
    pub fn new(config: &Config) -> Store {
        Store::starting_at(config, 1)
    }

    /// An empty store whose first access has this tick.
    pub(crate) fn starting_at(config: &Config, tick: u64) -> Store {
        let limit = config.memory_bytes_max;
        let shards = config
            .shards
            .min(SHARDS_MAX)
            .min(limit / SHARD_BYTES_MIN)
            .max(1);
        let shards = 1 << shards.ilog2();
        let arena = Arena::new(limit, regions::reserve_bytes(limit));
        let store = Store {
            alloc: Padded(Mutex::new(Allocator::new(0))),
            index: Index::new(&arena, shards as u32),
            shards: (0..shards).map(|_| Padded::default()).collect(),
            tails: Tails::new(shards * LISTS),
            bucket_counts: (0..shards).map(|_| AtomicU32::new(1)).collect(),
            tick: Padded(AtomicU64::new(tick)),
            flushed: AtomicU64::new(0),
            flush_at_s: AtomicU32::new(u32::MAX),
            due: Due::new(arena.regions()),
            clock: Clock::default(),
            index_wanted: AtomicBool::new(false),
            regions: Mutex::default(),
            commit: Mutex::new(()),
            garbage: Mutex::default(),
            has_garbage: AtomicBool::new(false),
            pins: pins::Pins::default(),
            limit: AtomicU64::new(0),
            uploading: AtomicU64::new(0),
            random: Padded(AtomicU64::new(config.hash_seed | 1)),
            item_bytes_max: config.item_bytes_max,
            eviction: config.eviction,
            listeners: Listeners::default(),
            hash_secrets: RapidSecrets::seed(config.hash_seed),
            arena,
        };
        store.set_memory_limit(limit);
        store.open_index();
        for shard in &store.shards {
            shard.lock.lock().buckets = 1;
        }
        store
    }

    /// Hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        rapidhash_v3_seeded(key, &self.hash_secrets)
    }

    /// A key with its hash.
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key {
            bytes,
            hash: self.hash(bytes),
        }
    }

    #[inline]
    pub(crate) fn shard_of(&self, hash: u64) -> usize {
        // The top bits; a shift by 64 would be an overflow with one shard.
        (hash >> 32 >> (32 - self.shards.len().ilog2())) as usize
    }

    /// Number of a list among those of all shards. The lists of a worker are together.
    #[inline]
    pub(crate) fn tail_number(&self, shard: usize, list: usize) -> usize {
        list * self.shards.len() + shard
    }

    /// The shard and the list of it that have this number.
    #[inline]
    pub(crate) fn list_at(&self, number: usize) -> (usize, usize) {
        // The number of shards is a power of two.
        let shards = self.shards.len();
        (number & (shards - 1), number >> shards.ilog2())
    }

    #[inline]
    pub(crate) fn lock(&self, hash: u64) -> Locked<'_> {
        self.lock_shard(self.shard_of(hash))
    }

    #[inline]
    pub(crate) fn lock_shard(&self, id: usize) -> Locked<'_> {
        let Guarded {
            newest,
            lock: shard,
        } = &*self.shards[id];
        Locked {
            store: self,
            id,
            newest,
            shard: shard.try_lock().unwrap_or_else(|| wait_for(shard)),
        }
    }

    /// Allocates without making room.
    pub(crate) fn try_take(&self, plan: &Plan) -> Result<Chain, u64> {
        self.alloc.lock().take(&self.arena, plan)
    }

    pub(crate) fn free(&self, chain: Chain) {
        if let Some(chain) = self.retire_if_long(chain) {
            self.prefetch_free(chain.head);
            self.alloc.lock().put_chain(&self.arena, chain);
        }
    }

    /// Frees extents, a node of the index with them, and takes others if a plan says which and there is room.
    pub(crate) fn exchange(
        &self,
        chain: Option<Chain>,
        node: Option<Addr>,
        plan: Option<&Plan>,
    ) -> Option<Chain> {
        let chain = chain.and_then(|chain| self.retire_if_long(chain));
        if let Some(chain) = chain {
            self.prefetch_free(chain.head);
        }
        let mut alloc = self.alloc.lock();
        if let Some(chain) = chain {
            alloc.put_chain(&self.arena, chain);
        }
        if let Some(node) = node {
            alloc.put(&self.arena, node);
        }
        plan.and_then(|plan| alloc.take(&self.arena, plan).ok())
    }

    /// Notes the time: a flush that was to come may have come.
    #[inline]
    pub(crate) fn note(&self, now: Now) {
        if self.clock.is_behind(now) {
            self.note_second(now);
        }
    }

    #[cold]
    pub(crate) fn note_second(&self, now: Now) {
        let due = self.flush_at_s.load(Relaxed);
        if self.clock.note(now, self.clock_now()) && due <= now.unix_s {
            self.flush_now(Some(due));
        }
    }

    /// Runs `step` under the shard's lock until it found the memory it needs.
    ///
    /// # Errors
    /// When the memory cannot be made.
    pub(crate) fn with_room<R>(
        &self,
        hash: u64,
        mut step: impl FnMut(&mut Locked<'_>, &mut shard::Spare) -> Result<R, shard::Room>,
    ) -> Result<R, NoRoom> {
        let mut spare = shard::Spare::default();
        let outcome = loop {
            let done = step(&mut self.lock(hash), &mut spare);
            match done {
                Ok(result) => break Ok(result),
                Err(room) => match self.make_room_before(&room.plan, room.before) {
                    Ok(chain) if room.plan == bucket::NODE_PLAN => spare.node = Some(chain.head),
                    Ok(chain) => spare.item = Some((room.plan, chain)),
                    Err(no_room) => break Err(no_room),
                },
            }
        };
        self.make_room_ahead(spare.owed);
        self.drop_spare(spare);
        self.settle();
        outcome
    }

    /// A little deferred work after each operation that writes.
    #[inline]
    pub(crate) fn settle(&self) {
        if self.index_wanted.load(Relaxed) {
            self.grow_index();
        }
        if self.has_garbage.load(Relaxed) {
            self.free_garbage(GARBAGE_PER_OPERATION);
        }
    }

    #[inline]
    pub(crate) fn drop_spare(&self, spare: shard::Spare) {
        if let Some((_, chain)) = spare.item {
            self.free(chain);
        }
        if let Some(node) = spare.node {
            self.alloc.lock().put(&self.arena, node);
        }
    }

    /// True when `plan` can be met if everything leaves that can.
    #[inline]
    pub(crate) fn can_ever_hold(&self, plan: &Plan) -> bool {
        plan.header + plan.stream < self.arena.region_bytes() / 2 || self.can_ever_hold_large(plan)
    }

    #[cold]
    pub(crate) fn can_ever_hold_large(&self, plan: &Plan) -> bool {
        let alloc = self.alloc.lock();
        let regions = u64::from(alloc.regions_allowed.saturating_sub(alloc.regions_index));
        let pinned = u64::from(self.arena.grains(self.pins.left_bytes()));
        plan.grains_min(&self.arena) + pinned + GRAINS_SPARE
            <= regions * u64::from(arena::REGION_GRAINS)
    }
}

/// Takes a lock that somebody else has, mostly for as long as it takes to wait for memory a few times. Spinning for
/// that costs less than the lock's own way of sleeping and being woken, which takes over when its holder has no
/// processor.
#[cold]
fn wait_for(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    for _ in 0..SPINS {
        std::hint::spin_loop();
        if !shard.is_locked()
            && let Some(guard) = shard.try_lock()
        {
            return guard;
        }
    }
    shard.lock()
}

/// Turns of waiting for a shard: a few microseconds.
const SPINS: usize = 200;
/// Nodes of dead trees or pieces of dead values freed by each write.
pub(crate) const GARBAGE_PER_OPERATION: usize = 4;

/// The memory cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// Grains that other things than one largest item take: headers, overflow nodes.
const GRAINS_SPARE: u64 = 256;
