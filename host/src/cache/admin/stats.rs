//! Statistics for `stats` in every dialect: which figures there are stands in tables, here is who asks for them.

mod classes;
mod objects;
mod settings;
mod store;

use super::MEMCACHED_VERSION;
use crate::account::{AccountSample, CLIENT_MEMORY};
use crate::cache::shared::Shared;
use crate::metrics::{COMMANDS, CommandTotals, Group, Line, PROCESS, ProcessSample};
use crate::protocol::binary::{Echo, Status};
use crate::protocol::reply;
use crate::store::StoreStats;

/// The groups declared in this room.
pub static METRIC_GROUPS: &[&Group] = &[
    &store::STORE.group,
    &CLIENT_MEMORY.group,
    &settings::CACHE_SETTINGS.group,
    &classes::ITEMS.group,
    &classes::SLAB.group,
    &classes::SLABS.group,
    &objects::OBJECTS.group,
];

/// Gives `line` each statistic of a group, which is the word after `stats`; false when there is no such group.
pub(super) fn lines(shared: &Shared, group: &[u8], line: &mut Line<'_>) -> bool {
    match group {
        b"" => general(shared, line),
        b"settings" => {
            settings::CACHE_SETTINGS.lines("", shared, shared, line);
            shared.host.settings(line);
        }
        b"items" => classes::items(&Figures::of(shared), line),
        b"slabs" => classes::slabs(&Figures::of(shared), line),
        b"conns" => shared.host.connections(line),
        b"persistence" => return shared.host.persistence(line),
        b"objects" => objects::lines(&shared.registry, line),
        _ => return false,
    }
    true
}

/// `stats reset`, which starts every counter anew that memcached starts anew: all but those of objects and of
/// processor time. Gauges stay, because they tell what is.
pub(super) fn reset(shared: &Shared) {
    shared.detail.clear();
    shared.counters.reset();
    *shared.store_base.lock() = shared.store.stats();
    shared.host.reset_stats();
}

/// A group in the text protocol.
pub(super) fn text(shared: &Shared, group: &[u8], out: &mut Vec<u8>) {
    let known = lines(shared, group, &mut |name, value| {
        reply::stat(out, name, value);
    });
    let end = if known { reply::END } else { reply::ERROR };
    out.extend_from_slice(end.as_bytes());
}

/// `stats detail` and a word in the text protocol.
pub(super) fn text_detail(shared: &Shared, word: &[u8], out: &mut Vec<u8>) {
    let line = match detail(shared, word, out) {
        Detail::Refused => reply::DETAIL_NOT_ALLOWED,
        Detail::Switched => reply::OK,
        Detail::Listed => reply::END,
        Detail::Unknown => reply::DETAIL_USAGE,
    };
    out.extend_from_slice(line.as_bytes());
}

/// The binary protocol's Stat with any key but `sizes`: a message for each statistic, and an empty one behind them.
pub(super) fn binary(shared: &Shared, echo: Echo, key: &[u8], out: &mut Vec<u8>) {
    match key.strip_prefix(b"detail ") {
        _ if key == b"reset" => reset(shared),
        Some(word) => {
            let mut list = Vec::new();
            match detail(shared, word, &mut list) {
                Detail::Refused => return echo.error(out, Status::AuthError),
                Detail::Unknown => return echo.error(out, Status::NotFound),
                Detail::Switched => {}
                Detail::Listed => {
                    // The text protocol's answer, as one statistic.
                    list.extend_from_slice(reply::END.as_bytes());
                    echo.stat(out, b"detailed", &list);
                }
            }
        }
        None => {
            let known = lines(shared, key, &mut |name, value| {
                echo.stat(out, name.as_bytes(), value.to_string().as_bytes());
            });
            if !known {
                return echo.error(out, Status::NotFound);
            }
        }
    }
    echo.stat(out, b"", b"");
}

/// What a word after `stats detail` did.
enum Detail {
    /// Keys may not be listed (`-X`), not even the beginnings of keys.
    Refused,
    /// Counting by prefix is on or off now.
    Switched,
    /// A line for each prefix was appended.
    Listed,
    /// There is no such word.
    Unknown,
}

fn detail(shared: &Shared, word: &[u8], out: &mut Vec<u8>) -> Detail {
    match word {
        _ if !shared.dump => Detail::Refused,
        b"on" | b"off" => {
            shared.detail.switch(word == b"on");
            Detail::Switched
        }
        b"dump" => {
            shared.detail.dump(out);
            Detail::Listed
        }
        _ => Detail::Unknown,
    }
}

/// Plain `stats`.
fn general(shared: &Shared, line: &mut Line<'_>) {
    let unix_s = u64::from(shared.clock.now().unix_s);
    let process = ProcessSample::now(shared.clock.uptime_s(), unix_s, MEMCACHED_VERSION);
    PROCESS.lines("", &process, &ProcessSample::default(), line);
    shared.host.stats(line);
    let Figures { now, base } = Figures::of(shared);
    COMMANDS.lines("", &now.commands, &base.commands, line);
    store::STORE.lines("", &now.store, &base.store, line);
    let account = shared.account().sample();
    CLIENT_MEMORY.lines("", &account, &AccountSample::default(), line);
}

/// What the cache has counted, now and up to the last `stats reset`.
struct Figures {
    now: Sample,
    base: Sample,
}

struct Sample {
    store: StoreStats,
    commands: CommandTotals,
}

impl Figures {
    fn of(shared: &Shared) -> Figures {
        Figures {
            now: Sample {
                store: shared.store.stats(),
                commands: shared.counters.totals(),
            },
            base: Sample {
                store: *shared.store_base.lock(),
                commands: shared.counters.base(),
            },
        }
    }
}
