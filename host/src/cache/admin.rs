//! Commands about the server itself, and its statistics.

use super::admin_stats;
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
        let shared = &self.shared;
        match args.next().unwrap_or(b"") {
            b"reset" => {
                admin_stats::reset(shared);
                out.extend_from_slice(reply::RESET.as_bytes());
            }
            b"detail" => admin_stats::text_detail(shared, args.next().unwrap_or(b""), out),
            b"sizes" => return Halt::Dump(Box::new(Dump::sizes(None))).into(),
            group => admin_stats::text(shared, group, out),
        }
        Flow::Next
    }
}
