//! The text commands, each with what executes it, what it touches, and what scripts are told of it.
//!
//! The table of their names and how they are read is the protocol's. A command that is missing here does not compile.

use super::{get, meta, text};
use crate::cache::admin;
use crate::cache::calls::Target;
use crate::cache::flow::{Executor, Flow, GO_ON, Halt};
use crate::cache::footprint::Footprint;
use crate::cache::scripts::Numbers;
use crate::protocol::{Command, KeyBuffer, MetaKey, reply};

/// What a command with one key is about: its key, and where that leads.
pub(in crate::cache) type Aim<'a> = (&'a [u8], Target<'a>);

/// The key of a frequent command that has one, and where it leads.
// Always inlined: the result is long, and would be waited for on its way through memory.
#[inline(always)]
pub(in crate::cache) fn aim<'a>(x: &mut Executor<'_>, command: &Command<'a>) -> Option<Aim<'a>> {
    let key = match command {
        Command::Get(get) => get.only?,
        Command::Store(store) => store.key,
        Command::Arith(arith) => return Some((arith.key, Target::Item(x.ops.key(arith.key)))),
        Command::MetaGet(meta) | Command::MetaSet { meta, .. } if !meta.key.base64 => {
            meta.key.token
        }
        _ => return None,
    };
    Some((key, x.calls.target(key)))
}

/// Executes a command. `found` is what [`aim`] says of it.
#[inline]
pub(in crate::cache) fn execute(
    x: &mut Executor<'_>,
    command: &Command<'_>,
    found: Option<&Aim<'_>>,
    out: &mut Vec<u8>,
) -> Flow {
    match (command, found) {
        (Command::Get(get), Some((key, target))) => get::get_one(x, get, (key, target), out),
        (Command::Store(store), Some((_, target))) => text::store(x, store, target, out),
        (Command::Arith(arith), Some((_, target))) => {
            text::arith(x, arith, target.hash(), out);
            GO_ON
        }
        (command, found) => execute_other(x, command, found.map(|(_, target)| target), out),
    }
}

/// All commands but the most frequent ones.
fn execute_other(
    x: &mut Executor<'_>,
    command: &Command<'_>,
    target: Option<&Target<'_>>,
    out: &mut Vec<u8>,
) -> Flow {
    match *command {
        Command::Get(ref get) => return get::get(x, get, out),
        Command::MetaGet(ref meta) => return meta::get(x, meta, target, out),
        Command::MetaSet { ref meta, value } => return meta::set(x, meta, value, target, out),
        Command::Store(ref store) => {
            let target = x.calls.target(store.key);
            return text::store(x, store, &target, out);
        }
        Command::Arith(ref arith) => text::arith(x, arith, x.ops.key(arith.key).hash, out),
        Command::Delete { key, noreply } => text::delete(x, key, noreply, out),
        Command::Touch {
            key,
            exptime,
            noreply,
        } => text::touch(x, key, exptime, noreply, out),
        Command::MetaDelete(ref meta) => meta::delete(x, meta, out),
        Command::MetaArith(ref meta) => meta::arith(x, meta, out),
        Command::MetaDebug { key } => meta::debug(x, key, out),
        Command::MetaNoop => out.extend_from_slice(reply::MN.as_bytes()),
        Command::Quit => return Halt::Close.now(),
        Command::Watch { args } => return Halt::Watch(args.rest().to_vec()).now(),
        Command::FlushAll { delay, noreply } => admin::flush_all(x, delay, noreply, out),
        Command::Version => admin::version(out),
        Command::Verbosity { level, noreply } => admin::verbosity(x, level, noreply, out),
        Command::CacheMemlimit { megabytes, noreply } => {
            admin::memory_limit(x, megabytes, noreply, out);
        }
        Command::Shutdown { graceful } => admin::shutdown(x, graceful, out),
        Command::RefreshCerts => admin::refresh_certs(x, out),
        Command::Snapshot => admin::snapshot(x, out),
        Command::LruCrawler(ref crawler) => return admin::crawler(x, crawler, out),
        Command::Lru { .. } => admin::lru(out),
        Command::Slabs(ref slabs) => admin::slabs(slabs, out),
        Command::Stats { args } => return admin::stats(x, args, out),
        Command::Cachedump { class, keys_max } => return admin::cachedump(x, class, keys_max, out),
    }
    GO_ON
}

/// Whether a command changes what the store has, or makes it change. Calls are asked for that by themselves.
pub(in crate::cache) fn writes(command: &Command<'_>) -> bool {
    match command {
        Command::Store(_)
        | Command::Arith(_)
        | Command::Delete { .. }
        | Command::Touch { .. }
        | Command::FlushAll { .. }
        | Command::MetaSet { .. }
        | Command::MetaDelete(_)
        | Command::MetaArith(_) => true,
        Command::Get(get) => get.touch.is_some(),
        Command::MetaGet(meta) => meta.flags.ttl().is_some() || meta.flags.vivify().is_some(),
        Command::MetaDebug { .. }
        | Command::MetaNoop
        | Command::Quit
        | Command::Watch { .. }
        | Command::Version
        | Command::Verbosity { .. }
        | Command::CacheMemlimit { .. }
        | Command::Shutdown { .. }
        | Command::RefreshCerts
        | Command::Snapshot
        | Command::LruCrawler(_)
        | Command::Lru { .. }
        | Command::Slabs(_)
        | Command::Stats { .. }
        | Command::Cachedump { .. } => false,
    }
}

/// Whether a command must wait for calls of its connection that run elsewhere. A `get` of several keys asks for each of
/// them.
pub(in crate::cache) fn must_wait(
    x: &mut Executor<'_>,
    command: &Command<'_>,
    found: Option<&Aim<'_>>,
) -> bool {
    if x.waiting.is_empty() {
        return false;
    }
    if let Some((_, target)) = found {
        return x.must_wait(target);
    }
    let of_meta = |key: MetaKey<'_>| {
        let mut buffer = KeyBuffer::default();
        x.key_must_wait(x.ops.key(key.bytes(&mut buffer)))
    };
    match command {
        Command::Get(_) | Command::MetaNoop | Command::Version => false,
        Command::Delete { key, .. } | Command::Touch { key, .. } => x.key_must_wait(x.ops.key(key)),
        Command::MetaDelete(meta) | Command::MetaArith(meta) => of_meta(meta.key),
        Command::MetaDebug { key } => of_meta(*key),
        _ => x.meets_waiting(Footprint::All),
    }
}

/// A command in the words of a script.
#[derive(Debug, Default)]
pub(in crate::cache) struct About<'a> {
    pub(in crate::cache) name: &'static str,
    pub(in crate::cache) key: Option<&'a [u8]>,
    pub(in crate::cache) data: Option<&'a [u8]>,
    pub(in crate::cache) numbers: Numbers,
}

impl<'a> About<'a> {
    /// What scripts are told of `command`. A key in base64 is decoded into `buffer`.
    pub(in crate::cache) fn new(command: &Command<'a>, buffer: &'a mut KeyBuffer) -> About<'a> {
        let name = command.name();
        let mut about = About {
            name,
            ..About::default()
        };
        let numbers = &mut about.numbers;
        match *command {
            Command::Get(_)
            | Command::Version
            | Command::Quit
            | Command::Stats { .. }
            | Command::Cachedump { .. }
            | Command::Shutdown { .. }
            | Command::Watch { .. }
            | Command::LruCrawler(_)
            | Command::Lru { .. }
            | Command::Slabs(_)
            | Command::RefreshCerts
            | Command::Snapshot
            | Command::MetaNoop => {}
            Command::Store(store) => {
                about.key = Some(store.key);
                about.data = Some(store.value);
                numbers.flags = store.flags;
                numbers.exptime = store.exptime;
                numbers.noreply = store.noreply;
            }
            Command::Delete { key, noreply } => {
                about.key = Some(key);
                numbers.noreply = noreply;
            }
            Command::Arith(arith) => {
                about.key = Some(arith.key);
                numbers.delta = arith.delta;
                numbers.noreply = arith.noreply;
            }
            Command::Touch {
                key,
                exptime,
                noreply,
            } => {
                about.key = Some(key);
                numbers.exptime = exptime;
                numbers.noreply = noreply;
            }
            Command::FlushAll { delay, noreply } => {
                numbers.exptime = delay.unwrap_or(0);
                numbers.noreply = noreply;
            }
            Command::Verbosity {
                level: number,
                noreply,
            }
            | Command::CacheMemlimit {
                megabytes: number,
                noreply,
            } => {
                numbers.delta = number.into();
                numbers.noreply = noreply;
            }
            Command::MetaGet(_)
            | Command::MetaDelete(_)
            | Command::MetaArith(_)
            | Command::MetaSet { .. }
            | Command::MetaDebug { .. } => about.meta(command, buffer),
        }
        about
    }

    /// Takes over the key and the flags of a meta command.
    fn meta(&mut self, command: &Command<'a>, buffer: &'a mut KeyBuffer) {
        let key = match *command {
            Command::MetaSet { meta, value } => {
                self.data = Some(value);
                self.numbers.flags = meta.flags.client_flags();
                self.numbers.exptime = meta.flags.ttl().unwrap_or(0);
                meta.key
            }
            Command::MetaArith(meta) => {
                self.numbers.delta = meta.flags.delta();
                meta.key
            }
            Command::MetaGet(meta) | Command::MetaDelete(meta) => meta.key,
            Command::MetaDebug { key } => key,
            _ => return,
        };
        self.key = Some(key.bytes(buffer));
    }
}
