//! The settings of the cache, for `stats settings`.

use crate::cache::shared::Shared;
use crate::metrics::table;

table! {
    /// The cache's part of `stats settings`.
    pub(super) static CACHE_SETTINGS: Table<Shared> in Settings {
        /// Memory that items may take (-m, cache_memlimit).
        maxbytes: Gauge(Bytes) = |shared| shared.store.stats().limit_maxbytes,
        /// Largest value (-I).
        item_size_max: Info(Bytes) = |shared| shared.item_bytes_max as u64,
        /// Client flags of an item.
        client_flags_size: Info(Bytes) = |_| 4_u64,
        /// Whether items have CAS tokens: always.
        cas_enabled: Info(None) = |_| true,
        /// Whether gets and sets are counted by key prefix (stats detail).
        detail_enabled: Info(None) = |shared| shared.detail.is_on(),
        /// Whether a crawler looks for expired items: never, they leave by themselves.
        lru_crawler: Info(None) = |_| false,
        /// Whether a thread keeps the order of items: never, none is needed.
        lru_maintainer_thread: Info(None) = |_| false,
        /// Whether memory moves between slabs: never, there are none.
        slab_reassign: Info(None) = |_| false,
        /// Whether memory moves between slabs by itself: 0, there are none.
        slab_automove: Info(None) = |_| 0_u64,
        /// Hash of keys.
        hash_algorithm: Info(None) = |_| "rapidhash",
        /// Whether flush_all is allowed (-F).
        flush_enabled: Info(None) = |shared| shared.host.flush_enabled(),
    }
}
