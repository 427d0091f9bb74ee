//! Commands about the server itself.

mod dump;
mod stats;

pub use stats::METRIC_GROUPS;

use self::dump::Dump;
use super::flow::{Executor, Flow, GO_ON};
use crate::protocol::binary::Echo;
use crate::protocol::reply;
use crate::protocol::{Classes, LruCrawler, Slabs, Tokens};

const MIB: u64 = 1024 * 1024;
/// Version in `VERSION` and `stats`: clients compare it with memcached's to know what they may ask for.
pub const MEMCACHED_VERSION: &str = "1.6.45";

/// Says `OK`, unless the client wants no answer.
fn ok_unless(noreply: bool, out: &mut Vec<u8>) {
    if !noreply {
        out.extend_from_slice(reply::OK.as_bytes());
    }
}

/// `flush_all`.
pub(super) fn flush_all(x: &Executor<'_>, delay: Option<i64>, noreply: bool, out: &mut Vec<u8>) {
    let line = match x.ops.flush(delay) {
        Ok(()) => reply::OK,
        Err(_) => reply::FLUSH_NOT_ALLOWED,
    };
    if !noreply {
        out.extend_from_slice(line.as_bytes());
    }
}

/// `version`.
pub(super) fn version(out: &mut Vec<u8>) {
    reply::version(out, MEMCACHED_VERSION);
}

/// `verbosity`.
pub(super) fn verbosity(x: &Executor<'_>, level: u32, noreply: bool, out: &mut Vec<u8>) {
    x.ops.shared.host.set_verbosity(level);
    ok_unless(noreply, out);
}

/// `shutdown`.
pub(super) fn shutdown(x: &Executor<'_>, graceful: bool, out: &mut Vec<u8>) {
    if !x.ops.shared.host.shutdown(graceful) {
        out.extend_from_slice(reply::SHUTDOWN_NOT_ENABLED.as_bytes());
    }
}

/// `snapshot`, which begins one and does not wait for its end.
pub(super) fn snapshot(x: &Executor<'_>, out: &mut Vec<u8>) {
    match x.ops.shared.host.snapshot() {
        true => out.extend_from_slice(reply::OK.as_bytes()),
        false => reply::server_error(out, "items are not kept over a restart: see --data-dir"),
    }
}

/// `refresh_certs`.
pub(super) fn refresh_certs(x: &Executor<'_>, out: &mut Vec<u8>) {
    match x.ops.shared.host.refresh_certs() {
        Ok(()) => out.extend_from_slice(reply::OK.as_bytes()),
        Err(why) => reply::server_error(out, &why),
    }
}

/// `lru`: there are no segments to tune.
pub(super) fn lru(out: &mut Vec<u8>) {
    out.extend_from_slice(reply::OK.as_bytes());
}

/// `slabs`: there are none to move.
pub(super) fn slabs(slabs: &Slabs, out: &mut Vec<u8>) {
    let line = match slabs {
        Slabs::Automove(_) | Slabs::AutomoveTuning => reply::OK,
        Slabs::Reassign { .. } => reply::REASSIGN_NO_SPARE,
    };
    out.extend_from_slice(line.as_bytes());
}

/// `cache_memlimit`.
pub(super) fn memory_limit(x: &Executor<'_>, megabytes: u32, noreply: bool, out: &mut Vec<u8>) {
    let store = &x.ops.shared.store;
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

/// `lru_crawler`.
pub(super) fn crawler(x: &mut Executor<'_>, crawler: &LruCrawler, out: &mut Vec<u8>) -> Flow {
    let allowed = x.ops.shared.dump;
    let line = match crawler {
        LruCrawler::Metadump(_) if !allowed => reply::METADUMP_NOT_ALLOWED,
        LruCrawler::Mgdump(_) if !allowed => reply::MGDUMP_NOT_ALLOWED,
        LruCrawler::Metadump(classes) => {
            out.extend_from_slice(reply::OK.as_bytes());
            match classes.has_items() {
                true => return Dump::keys(true).begin(x, out),
                false => reply::END,
            }
        }
        LruCrawler::Mgdump(classes) => {
            out.extend_from_slice(reply::OK.as_bytes());
            match classes.has_items() {
                true => return Dump::keys(false).begin(x, out),
                false => reply::EN,
            }
        }
        // Expired items leave by themselves, oldest first: nothing to switch on.
        LruCrawler::Enable
        | LruCrawler::Disable
        | LruCrawler::Sleep(_)
        | LruCrawler::ToCrawl(_)
        | LruCrawler::Crawl(_) => reply::OK,
    };
    out.extend_from_slice(line.as_bytes());
    GO_ON
}

/// `stats cachedump`.
pub(super) fn cachedump(
    x: &mut Executor<'_>,
    class: u32,
    keys_max: u32,
    out: &mut Vec<u8>,
) -> Flow {
    if !x.ops.shared.dump {
        out.extend_from_slice(reply::CACHEDUMP_NOT_ALLOWED.as_bytes());
    } else if class == Classes::OURS {
        return Dump::cachedump(keys_max).begin(x, out);
    } else {
        out.extend_from_slice(reply::END.as_bytes());
    }
    GO_ON
}

/// `stats`.
pub(super) fn stats(x: &mut Executor<'_>, mut args: Tokens<'_>, out: &mut Vec<u8>) -> Flow {
    let shared = &x.ops.shared;
    match args.next().unwrap_or(b"") {
        b"reset" => {
            stats::reset(shared);
            out.extend_from_slice(reply::RESET.as_bytes());
        }
        b"detail" => stats::text_detail(shared, args.next().unwrap_or(b""), out),
        b"sizes" => return Dump::sizes(None).begin(x, out),
        group => stats::text(shared, group, out),
    }
    GO_ON
}

/// `stats` for a binary client.
pub(super) fn binary_stats(
    x: &mut Executor<'_>,
    echo: Echo,
    group: &[u8],
    out: &mut Vec<u8>,
) -> Flow {
    match group {
        b"sizes" => return Dump::sizes(Some(echo)).begin(x, out),
        group => stats::binary(&x.ops.shared, echo, group, out),
    }
    GO_ON
}
