//! The groups of `stats`.

use std::fmt::Display;

use super::{MEMCACHED_VERSION, MIB};
use crate::cache::flow::Executor;

/// Calls `line` for each statistic of a group; false when there is no such group.
pub(super) fn lines(
    x: &mut Executor<'_>,
    group: &[u8],
    line: &mut dyn FnMut(&str, &dyn Display),
) -> bool {
    match group {
        b"" => general_stats(x, line),
        b"settings" => settings(x, line),
        b"items" => item_stats(x, line),
        b"slabs" => slab_stats(x, line),
        b"conns" => x.ops.shared.host.connections(line),
        b"objects" => object_stats(x, line),
        _ => return false,
    }
    true
}

/// What each type has done, by `type:`.
fn object_stats(x: &mut Executor<'_>, line: &mut dyn FnMut(&str, &dyn Display)) {
    for object in x.calls.types.types().iter() {
        let name = &object.metadata().type_name;
        line(&format!("{name}:version"), &object.metadata().version);
        let s = object.stats();
        for (property, value) in [
            ("calls", s.calls),
            ("errors", s.errors),
            ("traps", s.traps),
            ("deadline_stops", s.deadline_stops),
            ("limit_stops", s.limit_stops),
            ("retries", s.retries),
            ("total_ns", s.total_ns),
            ("p50_ns", s.p50_ns),
            ("p99_ns", s.p99_ns),
            ("instances_made", s.instances_made),
            ("memory_bytes", s.memory_bytes),
        ] {
            line(&format!("{name}:{property}"), &value);
        }
    }
}

fn general_stats(x: &mut Executor<'_>, line: &mut dyn FnMut(&str, &dyn Display)) {
    line("pid", &std::process::id());
    line("uptime", &x.ops.shared.clock.uptime_s());
    line("time", &x.ops.now.unix_s);
    line("version", &MEMCACHED_VERSION);
    line("cacheismo_version", &env!("CARGO_PKG_VERSION"));
    line("pointer_size", &usize::BITS);
    x.ops.shared.host.stats(line);
    let t = x.ops.shared.totals();
    for (name, value) in [
        (
            "cmd_get",
            t.cmd_get + t.cmd_meta - t.cmd_meta.min(t.cmd_set),
        ),
        ("cmd_set", t.cmd_set),
        ("cmd_flush", t.cmd_flush),
        ("cmd_touch", t.cmd_touch),
        ("cmd_meta", t.cmd_meta),
        ("get_hits", t.get_hits),
        ("get_misses", t.get_misses),
        ("get_expired", 0),
        ("get_flushed", 0),
        ("delete_misses", t.delete_misses),
        ("delete_hits", t.delete_hits),
        ("incr_misses", t.incr_misses),
        ("incr_hits", t.incr_hits),
        ("decr_misses", t.decr_misses),
        ("decr_hits", t.decr_hits),
        ("cas_misses", t.cas_misses),
        ("cas_hits", t.cas_hits),
        ("cas_badval", t.cas_badval),
        ("touch_hits", t.touch_hits),
        ("touch_misses", t.touch_misses),
        ("store_too_large", t.store_too_large),
        ("store_no_memory", t.store_no_memory),
        ("auth_cmds", t.auth_cmds),
        ("auth_errors", t.auth_errors),
        ("object_calls", t.object_calls),
        ("object_errors", t.object_errors),
    ] {
        line(name, &value);
    }
    let s = x.ops.shared.store.stats();
    for (name, value) in [
        ("limit_maxbytes", s.limit_maxbytes),
        ("bytes", s.bytes),
        ("payload_bytes", s.payload_bytes),
        ("resident_bytes", s.resident_bytes),
        ("hash_bytes", s.hash_bytes),
        ("hash_power_level", u64::from(s.curr_items.max(1).ilog2())),
        ("hash_is_expanding", 0),
        ("total_malloced", s.resident_bytes),
        ("curr_items", s.curr_items),
        ("total_items", s.total_items),
        ("evictions", s.evictions),
        ("evicted_unfetched", s.evicted_unfetched),
        ("expired_unfetched", s.expired_unfetched),
        ("evicted_active", 0),
        ("reclaimed", s.reclaimed),
        ("slab_reassign_running", 0),
        ("slabs_moved", 0),
        ("lru_crawler_running", 0),
        ("lru_crawler_starts", 0),
        ("crawler_reclaimed", 0),
        ("crawler_items_checked", 0),
        ("lru_maintainer_juggles", 0),
        ("moves_to_cold", 0),
        ("moves_to_warm", 0),
        ("moves_within_lru", 0),
        ("direct_reclaims", s.evictions),
        ("lru_bumps_dropped", 0),
        ("malloc_fails", 0),
        ("unexpected_napi_ids", 0),
        ("round_robin_fallback", 0),
    ] {
        line(name, &value);
    }
}

fn settings(x: &mut Executor<'_>, line: &mut dyn FnMut(&str, &dyn Display)) {
    line("maxbytes", &x.ops.shared.store.stats().limit_maxbytes);
    line("item_size_max", &x.ops.shared.item_bytes_max);
    line("client_flags_size", &4);
    line("cas_enabled", &"yes");
    line(
        "detail_enabled",
        if x.ops.shared.detail.is_on() {
            &"yes"
        } else {
            &"no"
        },
    );
    line("lru_crawler", &"no");
    line("lru_maintainer_thread", &"no");
    line("slab_reassign", &"no");
    line("slab_automove", &0);
    line("hash_algorithm", &"rapidhash");
    line(
        "flush_enabled",
        if x.ops.shared.host.flush_enabled() {
            &"yes"
        } else {
            &"no"
        },
    );
    x.ops.shared.host.settings(line);
}

/// All items are one class: there is one LRU.
fn item_stats(x: &mut Executor<'_>, line: &mut dyn FnMut(&str, &dyn Display)) {
    let s = x.ops.shared.store.stats();
    if s.curr_items == 0 {
        return;
    }
    for (name, value) in [
        ("number", s.curr_items),
        ("age", s.tail_age_s),
        ("mem_requested", s.bytes),
        ("evicted", s.evictions),
        ("evicted_nonzero", s.evicted_nonzero),
        ("evicted_time", s.tail_age_s),
        ("outofmemory", 0),
        ("tailrepairs", 0),
        ("reclaimed", s.reclaimed),
        ("expired_unfetched", s.expired_unfetched),
        ("evicted_unfetched", s.evicted_unfetched),
    ] {
        line(&format!("items:1:{name}"), &value);
    }
}

fn slab_stats(x: &mut Executor<'_>, line: &mut dyn FnMut(&str, &dyn Display)) {
    let s = x.ops.shared.store.stats();
    let t = x.ops.shared.totals();
    for (name, value) in [
        ("chunk_size", 1),
        ("chunks_per_page", MIB),
        ("total_pages", s.resident_bytes.div_ceil(MIB)),
        ("total_chunks", s.resident_bytes),
        ("used_chunks", s.bytes),
        ("free_chunks", s.resident_bytes.saturating_sub(s.bytes)),
        ("free_chunks_end", 0),
        ("get_hits", t.get_hits),
        ("cmd_set", t.cmd_set),
        ("delete_hits", t.delete_hits),
        ("incr_hits", t.incr_hits),
        ("decr_hits", t.decr_hits),
        ("cas_hits", t.cas_hits),
        ("cas_badval", t.cas_badval),
        ("touch_hits", t.touch_hits),
    ] {
        line(&format!("1:{name}"), &value);
    }
    line("active_slabs", &1);
    line("total_malloced", &s.resident_bytes);
}
