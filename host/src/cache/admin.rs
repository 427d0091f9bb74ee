//! Commands about the server itself, and its statistics.

use std::fmt::Display;

use super::clock::expiry;
use super::connection::{Flow, Halt};
use super::dump::Dump;
use super::worker::Worker;
use crate::protocol::reply;
use crate::protocol::{Classes, Command, LruCrawler, Slabs, Tokens};
use crate::store::{Expiry, Now};

const MIB: u64 = 1024 * 1024;
/// Version in `VERSION` and `stats`: clients compare it with memcached's to know what they may ask for.
pub const MEMCACHED_VERSION: &str = "1.6.45";

impl Worker {
    pub(super) fn admin(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Flow {
        let mut ok_unless = |noreply: bool| {
            if !noreply {
                out.extend_from_slice(reply::OK.as_bytes());
            }
        };
        match command {
            Command::FlushAll { delay, noreply } => self.flush_all(*delay, *noreply, out),
            Command::Version => reply::version(out, MEMCACHED_VERSION),
            Command::Verbosity { level, noreply } => {
                self.shared.host.set_verbosity(*level);
                ok_unless(*noreply);
            }
            Command::CacheMemlimit { megabytes, noreply } => {
                self.memory_limit(*megabytes, *noreply, out);
            }
            Command::Shutdown { graceful } => {
                if !self.shared.host.shutdown(*graceful) {
                    out.extend_from_slice(reply::SHUTDOWN_NOT_ENABLED.as_bytes());
                }
            }
            Command::RefreshCerts => match self.shared.host.refresh_certs() {
                Ok(()) => out.extend_from_slice(reply::OK.as_bytes()),
                Err(why) => reply::server_error(out, &why),
            },
            Command::LruCrawler(crawler) => return self.crawler(crawler, out),
            // There are no segments to tune and no slabs to move: accepted, without effect.
            Command::Lru { .. } | Command::Slabs(Slabs::Automove(_) | Slabs::AutomoveTuning) => {
                out.extend_from_slice(reply::OK.as_bytes())
            }
            Command::Slabs(Slabs::Reassign { .. }) => {
                out.extend_from_slice(b"CLIENT_ERROR slab reassignment disabled\r\n");
            }
            Command::Stats { args } => return self.stats(*args, out),
            Command::Cachedump { class, keys_max } => {
                return self.cachedump(*class, *keys_max, out);
            }
            _ => out.extend_from_slice(reply::ERROR.as_bytes()),
        }
        Flow::Next
    }

    fn flush_all(&mut self, delay: Option<i64>, noreply: bool, out: &mut Vec<u8>) {
        if !self.shared.host.flush_enabled() {
            if !noreply {
                out.extend_from_slice(reply::FLUSH_NOT_ALLOWED.as_bytes());
            }
            return;
        }
        self.flush_after(delay);
        if !noreply {
            out.extend_from_slice(reply::OK.as_bytes());
        }
    }

    /// Everything stored until then stops existing, `delay` being an exptime.
    pub(super) fn flush_after(&mut self, delay: Option<i64>) {
        self.counters.cmd_flush.add_alone(1);
        let at = match delay.map_or(Expiry(None), |delay| expiry(delay, self.now)) {
            Expiry(Some(ms)) if ms > 0 => Now {
                unix_s: u32::try_from(ms / 1000).unwrap_or(u32::MAX),
                millis: 0,
            },
            _ => self.now,
        };
        self.shared.store.flush_all(self.now, at);
    }

    fn memory_limit(&mut self, megabytes: u32, noreply: bool, out: &mut Vec<u8>) {
        let store = &self.shared.store;
        let bytes = (u64::from(megabytes) * MIB) as usize;
        let line = if megabytes == 0 {
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to 0\r\n"
        } else if bytes > store.memory_limit_max() {
            "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"
        } else {
            store.set_memory_limit(bytes);
            reply::OK
        };
        if !noreply {
            out.extend_from_slice(line.as_bytes());
        }
    }

    fn crawler(&mut self, crawler: &LruCrawler, out: &mut Vec<u8>) -> Flow {
        match crawler {
            LruCrawler::Metadump(_) if !self.shared.dump => {
                out.extend_from_slice(reply::METADUMP_NOT_ALLOWED.as_bytes());
            }
            LruCrawler::Mgdump(_) if !self.shared.dump => {
                out.extend_from_slice(reply::MGDUMP_NOT_ALLOWED.as_bytes());
            }
            LruCrawler::Metadump(classes) if classes.has_items() => {
                return Halt::Dump(Box::new(Dump::keys(true))).into();
            }
            LruCrawler::Mgdump(classes) if classes.has_items() => {
                return Halt::Dump(Box::new(Dump::keys(false))).into();
            }
            LruCrawler::Metadump(_) => out.extend_from_slice(reply::END.as_bytes()),
            LruCrawler::Mgdump(_) => out.extend_from_slice(reply::EN.as_bytes()),
            // Expired items leave by themselves, oldest first: nothing to switch on.
            _ => out.extend_from_slice(reply::OK.as_bytes()),
        }
        Flow::Next
    }

    /// `stats cachedump`.
    fn cachedump(&mut self, class: u32, keys_max: u32, out: &mut Vec<u8>) -> Flow {
        if !self.shared.dump {
            out.extend_from_slice(reply::CACHEDUMP_NOT_ALLOWED.as_bytes());
        } else if class == Classes::OURS {
            return Halt::Dump(Box::new(Dump::cachedump(keys_max))).into();
        } else {
            out.extend_from_slice(reply::END.as_bytes());
        }
        Flow::Next
    }

    fn stats(&mut self, mut args: Tokens<'_>, out: &mut Vec<u8>) -> Flow {
        match args.next().unwrap_or(b"") {
            b"reset" => {
                self.reset_stats();
                out.extend_from_slice(reply::RESET.as_bytes());
            }
            b"detail" => self.detail(args.next().unwrap_or(b""), out),
            b"sizes" => return Halt::Dump(Box::new(Dump::sizes(None))).into(),
            group => {
                let mut line = |name: &str, value: &dyn Display| {
                    reply::stat(out, name, value);
                };
                let end = match self.stat_lines(group, &mut line) {
                    true => reply::END,
                    false => reply::ERROR,
                };
                out.extend_from_slice(end.as_bytes());
            }
        }
        Flow::Next
    }

    fn detail(&self, word: &[u8], out: &mut Vec<u8>) {
        let detail = &self.shared.detail;
        let line = match word {
            _ if !self.shared.dump => reply::DETAIL_NOT_ALLOWED,
            b"on" | b"off" => {
                detail.switch(word == b"on");
                reply::OK
            }
            b"dump" => {
                detail.dump(out);
                reply::END
            }
            _ => reply::DETAIL_USAGE,
        };
        out.extend_from_slice(line.as_bytes());
    }

    pub(super) fn reset_stats(&self) {
        self.shared.detail.clear();
        self.shared.reset_totals();
        self.shared.host.reset_stats();
    }

    /// Calls `line` for each statistic of a group; false when there is no such group.
    pub(super) fn stat_lines(
        &mut self,
        group: &[u8],
        line: &mut dyn FnMut(&str, &dyn Display),
    ) -> bool {
        match group {
            b"" => self.general_stats(line),
            b"settings" => self.settings(line),
            b"items" => self.item_stats(line),
            b"slabs" => self.slab_stats(line),
            b"conns" => self.shared.host.connections(line),
            b"objects" => self.object_stats(line),
            _ => return false,
        }
        true
    }

    /// What each type has done, by `type:`.
    fn object_stats(&mut self, line: &mut dyn FnMut(&str, &dyn Display)) {
        for object in self.types.types().iter() {
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

    fn general_stats(&mut self, line: &mut dyn FnMut(&str, &dyn Display)) {
        line("pid", &std::process::id());
        line("uptime", &self.shared.clock.uptime_s());
        line("time", &self.now.unix_s);
        line("version", &MEMCACHED_VERSION);
        line("cacheismo_version", &env!("CARGO_PKG_VERSION"));
        line("pointer_size", &usize::BITS);
        self.shared.host.stats(line);
        let t = self.shared.totals();
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
        let s = self.shared.store.stats();
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

    fn settings(&mut self, line: &mut dyn FnMut(&str, &dyn Display)) {
        line("maxbytes", &self.shared.store.stats().limit_maxbytes);
        line("item_size_max", &self.shared.item_bytes_max);
        line("client_flags_size", &4);
        line("cas_enabled", &"yes");
        line(
            "detail_enabled",
            if self.shared.detail.is_on() {
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
            if self.shared.host.flush_enabled() {
                &"yes"
            } else {
                &"no"
            },
        );
        self.shared.host.settings(line);
    }

    /// All items are one class: there is one LRU.
    fn item_stats(&mut self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let s = self.shared.store.stats();
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

    fn slab_stats(&mut self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let s = self.shared.store.stats();
        let t = self.shared.totals();
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
}
