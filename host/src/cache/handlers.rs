//! `--lua-main`: every text command is given to the scripts' `mainVirtualKey`, as in the original. The server
//! executes what they leave to it, and what is not theirs: objects that are no script's.

use super::calls::handler::{HandlerJob, Run};
use super::calls::{LaneJob, Target};
use super::connection::{Flow, Halt};
use super::text::{OUT_BYTES_MAX, RestOfGet};
use super::worker::Worker;
use crate::protocol::{Command, Get, KeyBuffer, Tokens, VirtualKey, reply};

/// Names of commands as scripts read them. Each has a pace of its own.
pub(super) const COMMANDS: &[&str] = &[
    "get",
    "gets",
    "gat",
    "gats",
    "set",
    "add",
    "replace",
    "append",
    "prepend",
    "cas",
    "delete",
    "incr",
    "decr",
    "touch",
    "flush_all",
    "version",
    "verbosity",
    "quit",
    "stats",
    "watch",
    "cache_memlimit",
    "shutdown",
    "lru_crawler",
    "lru",
    "slabs",
    "refresh_certs",
    "mg",
    "ms",
    "md",
    "ma",
    "mn",
    "me",
];

/// What the scripts made of a command. Bytes for the client are in `Worker::reply`.
enum Handled {
    /// The whole reply.
    Reply,
    /// The whole reply, after which the connection ends.
    Close,
    /// The server is to execute it.
    Native,
    /// Text for `SERVER_ERROR`.
    Error(String),
    Lane(Box<LaneJob>),
}

/// A command in the words of a script.
#[derive(Debug, Default)]
struct About<'a> {
    name: &'static str,
    key: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    flags: u32,
    exptime: i64,
    delta: u64,
    noreply: bool,
}

impl Worker {
    /// `get` and its kin. Keys that are the server's business are answered in their places among the others.
    pub(super) fn get_by_scripts(&mut self, get: &Get<'_>, out: &mut Vec<u8>) -> Flow {
        let mut keys = get.keys;
        loop {
            let here = keys.rest();
            let Some(first) = keys.next() else {
                out.extend_from_slice(reply::END.as_bytes());
                return Flow::Next;
            };
            if out.len() > OUT_BYTES_MAX {
                return RestOfGet::stopped(get, here, Box::new(Halt::Write), out);
            }
            let mut count = 1;
            let native = self.resumes_own() || self.is_own(first);
            if !native {
                count += keys.take_while(|key| !self.is_own(key)).count();
                match self.handle_get(get, Tokens::new(here), count, out) {
                    Handled::Native => {}
                    Handled::Lane(job) => {
                        let halt = Box::new(Halt::Lane(job));
                        return RestOfGet::stopped(get, here, halt, out);
                    }
                    Handled::Close => return Halt::Close.into(),
                    // The reply is complete only when the script has ended it.
                    Handled::Error(_) => return Flow::Next,
                    Handled::Reply if !self.reply.ends_with(reply::END.as_bytes()) => {
                        return Flow::Next;
                    }
                    Handled::Reply => {
                        keys = Tokens::new(here);
                        keys.by_ref().take(count).for_each(drop);
                        continue;
                    }
                }
            }
            keys = Tokens::new(here);
            if let Some(ended) = self.values(get, &mut keys, count, out) {
                return ended;
            }
        }
    }

    /// Has the scripts answer the first `count` of `keys`; what they wrote is in `out`, but for the END.
    fn handle_get(
        &mut self,
        get: &Get<'_>,
        keys: Tokens<'_>,
        count: usize,
        out: &mut Vec<u8>,
    ) -> Handled {
        let about = About {
            name: get.name(),
            exptime: get.touch.unwrap_or(0),
            ..About::default()
        };
        let handled = self.handle(&about, keys.take(count));
        match &handled {
            Handled::Reply | Handled::Close => {
                let end = reply::END.as_bytes();
                let block = match handled {
                    Handled::Reply => self.reply.strip_suffix(end),
                    _ => None,
                };
                out.extend_from_slice(block.unwrap_or(&self.reply));
                self.counters.cmd_get.add_alone(count as u64);
            }
            Handled::Error(text) => reply::server_error(out, text),
            Handled::Native | Handled::Lane(_) => {}
        }
        handled
    }

    /// Any other command; `None` when the server is to execute it.
    pub(super) fn by_scripts(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Option<Flow> {
        if self.resumes_own() {
            return None;
        }
        let mut buffer = KeyBuffer::default();
        let about = About::new(command, &mut buffer);
        let forbidden = about.name == "flush_all" && !self.shared.host.flush_enabled();
        if forbidden || about.key.is_some_and(|key| self.is_own(key)) {
            return None;
        }
        let handled = self.handle(&about, about.key.into_iter());
        let flow = match handled {
            Handled::Native => return None,
            Handled::Lane(job) => return Some(Halt::Lane(job).into()),
            Handled::Error(text) => {
                reply::server_error(out, &text);
                return Some(Flow::Next);
            }
            Handled::Reply => Flow::Next,
            Handled::Close => Halt::Close.into(),
        };
        if !about.noreply {
            out.extend_from_slice(&self.reply);
        }
        if about.data.is_some() {
            self.counters.cmd_set.add_alone(1);
        }
        Some(flow)
    }

    /// A call that the server made itself comes back from its lane.
    fn resumes_own(&self) -> bool {
        self.ready.as_ref().is_some_and(|ready| !ready.of_handler)
    }

    /// Keys that call functions of objects which are no script's, or name the state of an object.
    fn is_own(&mut self, key: &[u8]) -> bool {
        if self.shared.is_object_name(key) {
            return true;
        }
        matches!(self.target(key), Target::Call(call) if !call.is_script())
    }

    /// Runs `mainVirtualKey`, here or on a lane.
    fn handle<'k>(
        &mut self,
        about: &About<'_>,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
    ) -> Handled {
        let main = self
            .scripts
            .load()
            .as_ref()
            .and_then(|scripts| scripts.main.get(about.name).copied());
        let Some(function) = main else {
            return Handled::Native;
        };
        self.counters.object_calls.add_alone(1);
        self.told.command(about.name, keys.clone());
        if about.flags != 0 || about.noreply || about.exptime != 0 || about.delta != 0 {
            self.told
                .numbers(about.flags, about.noreply, about.exptime, about.delta);
        }
        let first = keys.clone().next();
        let subject = match (first.and_then(VirtualKey::parse), keys.clone().nth(1)) {
            (Some(key), None) if about.name == "get" => Some(key),
            _ => None,
        };
        let job = HandlerJob {
            function,
            command: about.name,
            subject,
            key: first.unwrap_or_default(),
            data: about.data,
        };
        match self.run_handler(&job, keys) {
            Ok(Run::Done) => {}
            Ok(Run::Lane(job)) => return Handled::Lane(job),
            Err(text) => {
                self.counters.object_errors.add_alone(1);
                return Handled::Error(text);
            }
        }
        let tag = self.reply.first().copied();
        self.reply.drain(..1.min(self.reply.len()));
        match tag {
            Some(b'R') => Handled::Reply,
            Some(b'Q') => Handled::Close,
            _ => Handled::Native,
        }
    }
}

impl<'a> About<'a> {
    fn new(command: &Command<'a>, buffer: &'a mut KeyBuffer) -> About<'a> {
        let named = |name| About {
            name,
            ..About::default()
        };
        let keyed = |name, key: &'a [u8], noreply| About {
            name,
            key: Some(key),
            noreply,
            ..About::default()
        };
        match *command {
            Command::Get(get) => named(get.name()),
            Command::Store(store) => About {
                data: Some(store.value),
                flags: store.flags,
                exptime: store.exptime,
                ..keyed(store.verb.name(), store.key, store.noreply)
            },
            Command::Delete { key, noreply } => keyed("delete", key, noreply),
            Command::Arith(arith) => About {
                delta: arith.delta,
                ..keyed(
                    if arith.decrement { "decr" } else { "incr" },
                    arith.key,
                    arith.noreply,
                )
            },
            Command::Touch {
                key,
                exptime,
                noreply,
            } => About {
                exptime,
                ..keyed("touch", key, noreply)
            },
            Command::FlushAll { delay, noreply } => About {
                exptime: delay.unwrap_or(0),
                noreply,
                ..named("flush_all")
            },
            Command::Verbosity { level, noreply } => About {
                delta: level.into(),
                noreply,
                ..named("verbosity")
            },
            Command::CacheMemlimit { megabytes, noreply } => About {
                delta: megabytes.into(),
                noreply,
                ..named("cache_memlimit")
            },
            Command::Version => named("version"),
            Command::Quit => named("quit"),
            Command::Stats { .. } | Command::Cachedump { .. } => named("stats"),
            Command::Shutdown { .. } => named("shutdown"),
            Command::Watch { .. } => named("watch"),
            Command::LruCrawler(_) => named("lru_crawler"),
            Command::Lru { .. } => named("lru"),
            Command::Slabs(_) => named("slabs"),
            Command::RefreshCerts => named("refresh_certs"),
            Command::MetaNoop => named("mn"),
            Command::MetaGet(meta) => keyed("mg", meta.key.bytes(buffer), false),
            Command::MetaDelete(meta) => keyed("md", meta.key.bytes(buffer), false),
            Command::MetaArith(meta) => About {
                delta: meta.flags.delta(),
                ..keyed("ma", meta.key.bytes(buffer), false)
            },
            Command::MetaSet { meta, value } => About {
                data: Some(value),
                flags: meta.flags.client_flags(),
                exptime: meta.flags.ttl().unwrap_or(0),
                ..keyed("ms", meta.key.bytes(buffer), false)
            },
            Command::MetaDebug { key } => keyed("me", key.bytes(buffer), false),
        }
    }
}
