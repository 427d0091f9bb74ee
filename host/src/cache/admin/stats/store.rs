//! What plain `stats` shows of the store.

use crate::metrics::table;
use crate::store::StoreStats;

/// A figure of memcached's for a part that this server does not have.
pub(super) const NOT_HERE: u64 = 0;

table! {
    /// The store's part of `stats`.
    pub(super) static STORE: Table<StoreStats> in General {
        /// Memory that items may take (-m, cache_memlimit).
        limit_maxbytes: Gauge(Bytes) = |s| s.limit_maxbytes,
        /// Memory that items take, with all that belongs to them.
        bytes: Gauge(Bytes) = |s| s.bytes,
        /// Keys and values of all items.
        payload_bytes: Gauge(Bytes) = |s| s.payload_bytes,
        /// Memory taken from the operating system for items and index.
        resident_bytes: Gauge(Bytes) = |s| s.resident_bytes,
        /// Memory of the index.
        hash_bytes: Gauge(Bytes) = |s| s.hash_bytes,
        /// The index has room for about two to the power of this many items.
        hash_power_level: Gauge(None) = |s| u64::from(s.curr_items.max(1).ilog2()),
        /// Always 0: the index grows by one bucket at a time.
        hash_is_expanding: Gauge(None) = |_| NOT_HERE,
        /// Memory taken from the operating system, by memcached's name.
        total_malloced: Gauge(Bytes) = |s| s.resident_bytes,
        /// Items that are stored.
        curr_items: Gauge(Items) = |s| s.curr_items,
        /// Items that were stored, those that replaced another included.
        total_items: Counter(Items) = |s| s.total_items,
        /// Items evicted to make room for others.
        evictions: Counter(Items) = |s| s.evictions,
        /// Items evicted that nobody ever asked for.
        evicted_unfetched: Counter(Items) = |s| s.evicted_unfetched,
        /// Items expired that nobody ever asked for.
        expired_unfetched: Counter(Items) = |s| s.expired_unfetched,
        /// Always 0: the item evicted is the one that was not asked for the longest.
        evicted_active: Counter(Items) = |_| NOT_HERE,
        /// Items removed because they had expired.
        reclaimed: Counter(Items) = |s| s.reclaimed,
        /// Always 0: there are no slabs.
        slab_reassign_running: Gauge(None) = |_| NOT_HERE,
        /// Always 0: there are no slabs.
        slabs_moved: Counter(Times) = |_| NOT_HERE,
        /// Always 0: there is no crawler, expired items leave by themselves.
        lru_crawler_running: Gauge(None) = |_| NOT_HERE,
        /// Always 0: there is no crawler.
        lru_crawler_starts: Counter(Times) = |_| NOT_HERE,
        /// Always 0: there is no crawler.
        crawler_reclaimed: Counter(Items) = |_| NOT_HERE,
        /// Always 0: there is no crawler.
        crawler_items_checked: Counter(Items) = |_| NOT_HERE,
        /// Always 0: the order of items needs no thread of its own.
        lru_maintainer_juggles: Counter(Times) = |_| NOT_HERE,
        /// Always 0: the order of items has no segments.
        moves_to_cold: Counter(Items) = |_| NOT_HERE,
        /// Always 0: the order of items has no segments.
        moves_to_warm: Counter(Items) = |_| NOT_HERE,
        /// Always 0: the order of items has no segments.
        moves_within_lru: Counter(Items) = |_| NOT_HERE,
        /// Items evicted by a command that needed their memory: all that were evicted.
        direct_reclaims: Counter(Items) = |s| s.evictions,
        /// Always 0: every access counts.
        lru_bumps_dropped: Counter(Times) = |_| NOT_HERE,
        /// Always 0: the address space is reserved at the start.
        malloc_fails: Counter(Times) = |_| NOT_HERE,
        /// Always 0: connections are not grouped by NAPI id (-N).
        unexpected_napi_ids: Counter(Connections) = |_| NOT_HERE,
        /// Always 0: connections are not grouped by NAPI id (-N).
        round_robin_fallback: Counter(Connections) = |_| NOT_HERE,
    }
}
