//! `stats items` and `stats slabs`. All items are of one class, because there is one LRU and sizes are exact.

use super::store::NOT_HERE;
use super::{Figures, Sample};
use crate::metrics::{Line, table};
use crate::store::StoreStats;

const MIB: u64 = 1024 * 1024;

/// `stats items`; an empty class has no lines.
pub(super) fn items(figures: &Figures, line: &mut Line<'_>) {
    let Figures { now, base } = figures;
    let sample = |of: &Sample, evicted_since: bool| ItemSample {
        store: of.store,
        evicted_time_s: if evicted_since {
            of.store.tail_age_s
        } else {
            0
        },
    };
    if now.store.curr_items > 0 {
        let evicted = now.store.evictions > base.store.evictions;
        ITEMS.lines(
            "items:1:",
            &sample(now, evicted),
            &sample(base, evicted),
            line,
        );
    }
}

/// `stats slabs`.
pub(super) fn slabs(figures: &Figures, line: &mut Line<'_>) {
    let Figures { now, base } = figures;
    SLAB.lines("1:", now, base, line);
    SLABS.lines("", now, base, line);
}

pub(super) struct ItemSample {
    store: StoreStats,
    /// Idle time of the item evicted last: about that of the item to be evicted next.
    evicted_time_s: u64,
}

table! {
    /// A class in `stats items`.
    pub(super) static ITEMS: Table<ItemSample> in Items {
        /// Items of the class.
        number: Gauge(Items) = |s| s.store.curr_items,
        /// Time since somebody asked for the item that will be evicted next.
        age: Gauge(Seconds) = |s| s.store.tail_age_s,
        /// Memory that the items take.
        mem_requested: Gauge(Bytes) = |s| s.store.bytes,
        /// Items evicted to make room for others.
        evicted: Counter(Items) = |s| s.store.evictions,
        /// Items evicted that would have expired later.
        evicted_nonzero: Counter(Items) = |s| s.store.evicted_nonzero,
        /// About how long nobody had asked for the item evicted last; 0 if none was since the last reset.
        evicted_time: Gauge(Seconds) = |s| s.evicted_time_s,
        /// Always 0: store_no_memory of plain stats has it.
        outofmemory: Counter(Items) = |_| NOT_HERE,
        /// Always 0: items are not counted by references that could leak.
        tailrepairs: Counter(Items) = |_| NOT_HERE,
        /// Items removed because they had expired.
        reclaimed: Counter(Items) = |s| s.store.reclaimed,
        /// Items expired that nobody ever asked for.
        expired_unfetched: Counter(Items) = |s| s.store.expired_unfetched,
        /// Items evicted that nobody ever asked for.
        evicted_unfetched: Counter(Items) = |s| s.store.evicted_unfetched,
    }
}

table! {
    /// A class in `stats slabs`: chunks of one byte, so that free and used chunks are bytes.
    pub(super) static SLAB: Table<Sample> in Slabs {
        /// Size of a chunk: 1, since sizes are exact.
        chunk_size: Info(Bytes) = |_| 1_u64,
        /// Chunks of a page.
        chunks_per_page: Info(Times) = |_| MIB,
        /// Memory taken from the operating system, in pages of a mebibyte.
        total_pages: Gauge(None) = |s| s.store.resident_bytes.div_ceil(MIB),
        /// Memory taken from the operating system.
        total_chunks: Gauge(Bytes) = |s| s.store.resident_bytes,
        /// Memory that items take.
        used_chunks: Gauge(Bytes) = |s| s.store.bytes,
        /// Memory that no item takes.
        free_chunks: Gauge(Bytes) = |s| s.store.resident_bytes.saturating_sub(s.store.bytes),
        /// Always 0: pages are not filled from the beginning to the end.
        free_chunks_end: Gauge(Bytes) = |_| NOT_HERE,
        /// Keys asked for that were there.
        get_hits: Counter(Requests) = |s| s.commands.get_hits,
        /// Storage commands.
        cmd_set: Counter(Requests) = |s| s.commands.cmd_set,
        /// Keys that were deleted.
        delete_hits: Counter(Requests) = |s| s.commands.delete_hits,
        /// Numbers that were incremented.
        incr_hits: Counter(Requests) = |s| s.commands.incr_hits,
        /// Numbers that were decremented.
        decr_hits: Counter(Requests) = |s| s.commands.decr_hits,
        /// Writes whose CAS token was the item's.
        cas_hits: Counter(Requests) = |s| s.commands.cas_hits,
        /// Writes whose CAS token was not the item's.
        cas_badval: Counter(Requests) = |s| s.commands.cas_badval,
        /// Keys that got a new expiry.
        touch_hits: Counter(Requests) = |s| s.commands.touch_hits,
    }
}

table! {
    /// All classes in `stats slabs`.
    pub(super) static SLABS: Table<Sample> in Slabs {
        /// Classes there are: one.
        active_slabs: Info(None) = |_| 1_u64,
        /// Memory taken from the operating system.
        total_malloced: Gauge(Bytes) = |s| s.store.resident_bytes,
    }
}
