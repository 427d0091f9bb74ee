//! The loop over the commands of one connection's input.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use arrayvec::ArrayVec;

use super::calls::{LaneJob, LaneResult, Told};
use super::counters::Counters;
use super::scripts::Scripts;
use super::shared::Shared;
use super::text::{OUT_BYTES_MAX, RestOfGet};
use super::transaction::Transaction;
use crate::protocol::{self, Command, Parsed, parse_text};
use crate::runtime::{Instances, TypesReader};
use crate::store::Now;

/// Commands parsed ahead, so that their keys are looked up together.
const COMMAND_BATCH: usize = 32;
/// First byte of a binary request.
const BINARY_MAGIC: u8 = 0x80;

/// One worker thread's part: warm instances, scratch buffers, counters. Not shared.
#[derive(Debug)]
pub struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) types: TypesReader,
    pub(super) scripts: arc_swap::Cache<Arc<ArcSwapOption<Scripts>>, Option<Arc<Scripts>>>,
    pub(super) instances: Instances<Transaction>,
    /// Always there between calls.
    pub(super) transaction: Option<Transaction>,
    pub(super) counters: Arc<Counters>,
    /// Of the batch being executed.
    pub(super) now: Now,
    /// Reply of the call just made.
    pub(super) reply: Vec<u8>,
    /// What scripts are told of the command being executed.
    pub(super) told: Told,
    /// Result of a call that ran on a lane: what the next `call` returns.
    pub(super) ready: Option<LaneResult>,
}

/// What the cache remembers of a connection between reads.
#[derive(Debug, Default)]
pub struct Connection {
    /// Bytes of a refused data block still to come.
    swallow: u64,
    /// A command that is not finished.
    pending: Option<Pending>,
    /// Decided by the first byte.
    pub(super) binary: Option<bool>,
    /// Logged in by SASL.
    pub(super) authenticated: bool,
}

#[derive(Debug)]
struct Pending {
    what: Unfinished,
    result: Option<LaneResult>,
}

#[derive(Debug)]
enum Unfinished {
    Get(RestOfGet),
    /// The whole command, to be executed again with the result at hand.
    Command(Vec<u8>),
}

/// Where a connection stands after `execute`. `consumed` bytes of the input are done with.
#[derive(Debug)]
pub enum Progress {
    /// Every complete command is answered. Read more; parsing again makes sense once the rest of the input is `needed` bytes long.
    Read {
        /// Bytes done with.
        consumed: usize,
        /// Expected length of the next command, at least.
        needed: usize,
    },
    /// `out` has grown past the bound: write it, then call again with the rest.
    Write {
        /// Bytes done with.
        consumed: usize,
    },
    /// A call has to run on a thread that may wait. Run `job.run()` there, give its result to [`Worker::resume`], then call again with the rest.
    Lane {
        /// Bytes done with.
        consumed: usize,
        /// The work.
        job: LaneJob,
    },
    /// Write `out`, then close.
    Close {
        /// Bytes done with.
        consumed: usize,
    },
    /// Write `out`; from now on the connection receives log lines (`watch`), those of `streams`, words separated by spaces.
    Watch {
        /// Bytes done with.
        consumed: usize,
        /// What to watch.
        streams: Vec<u8>,
    },
}

/// What to do after a command.
#[derive(Debug)]
pub(super) enum Flow {
    Next,
    /// The reply of this command ended early; go on with the next.
    Abort,
    Write,
    Lane(LaneJob),
    Close,
    Watch(Vec<u8>),
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum CallOutcome {
    /// The reply is in `Worker::reply`.
    Reply,
    /// A script wrote bytes of the protocol, which are in `Worker::reply`; none is a miss.
    Raw,
    /// Text for `SERVER_ERROR`.
    Error(String),
    Lane(LaneJob),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Worker {
        let counters = Arc::new(Counters::default());
        shared.counters.lock().push(Arc::clone(&counters));
        Worker {
            types: shared.registry.reader(),
            scripts: arc_swap::Cache::new(Arc::clone(&shared.scripts)),
            instances: Instances::new(&shared.registry, Arc::clone(&shared.log)),
            transaction: Some(Transaction::new(Arc::clone(&shared))),
            now: shared.clock.now(),
            reply: Vec::new(),
            told: Told::default(),
            ready: None,
            counters,
            shared,
        }
    }

    /// Executes every complete command of `input`, appending replies to `out`.
    pub fn execute(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Progress {
        self.now = self.shared.clock.now();
        if let Some(pending) = connection.pending.take()
            && let Some(progress) = self.finish(connection, pending, out)
        {
            return progress;
        }
        let skipped = usize::try_from(connection.swallow)
            .unwrap_or(usize::MAX)
            .min(input.len());
        connection.swallow -= skipped as u64;
        if connection.swallow > 0 || skipped == input.len() {
            let needed = usize::try_from(connection.swallow)
                .unwrap_or(usize::MAX)
                .clamp(1, OUT_BYTES_MAX);
            return Progress::Read {
                consumed: skipped,
                needed,
            };
        }
        let binary = *connection
            .binary
            .get_or_insert(input[skipped] == BINARY_MAGIC && !self.shared.lua_main);
        if binary {
            self.execute_binary(connection, input, skipped, out)
        } else {
            self.execute_text(connection, input, skipped, out)
        }
    }

    /// Takes the answer of a call that ran on a lane; the next `execute` writes it.
    pub fn resume(&mut self, connection: &mut Connection, result: LaneResult) {
        if let Some(pending) = &mut connection.pending {
            pending.result = Some(result);
        }
    }

    fn execute_text(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        mut at: usize,
        out: &mut Vec<u8>,
    ) -> Progress {
        loop {
            let mut batch = ArrayVec::<(Command<'_>, usize), COMMAND_BATCH>::new();
            let mut end = at;
            let limits = self.shared.protocol_limits;
            let stop = loop {
                match parse_text(&input[end..], &limits) {
                    Parsed::Command { command, consumed } => {
                        end += consumed;
                        batch.push((command, end));
                        if batch.is_full() || end == input.len() {
                            break None;
                        }
                    }
                    other => break Some(other),
                }
            };
            self.prefetch(&batch);
            for (command, command_end) in &batch {
                let start = at;
                at = *command_end;
                let flow = self.command(connection, command, out);
                if let Some(progress) = Worker::stop(connection, flow, &input[start..at], at) {
                    return progress;
                }
                if out.len() > OUT_BYTES_MAX {
                    return Progress::Write { consumed: at };
                }
            }
            match stop {
                None if at == input.len() => {
                    return Progress::Read {
                        consumed: at,
                        needed: 1,
                    };
                }
                None => {}
                Some(Parsed::Incomplete { needed }) => {
                    return Progress::Read {
                        consumed: at,
                        needed,
                    };
                }
                Some(Parsed::Error(refusal)) => {
                    out.extend_from_slice(refusal.reply.as_bytes());
                    at += refusal.consumed;
                    if refusal.close {
                        return Progress::Close { consumed: at };
                    }
                    at = swallow(connection, refusal.swallow, input, at);
                }
                Some(Parsed::TooLarge(refused)) => {
                    self.too_large(&refused, out);
                    at = swallow(connection, refused.swallow, input, at + refused.consumed);
                }
                Some(Parsed::Command { .. }) => unreachable!("commands go into the batch"),
            }
            if at == input.len() {
                return Progress::Read {
                    consumed: at,
                    needed: 1,
                };
            }
        }
    }

    /// Looks up the keys of a batch together, so that their memory arrives while others are waited for.
    fn prefetch(&self, batch: &[(Command<'_>, usize)]) {
        if batch.len() < 2 {
            return;
        }
        let mut hashes = ArrayVec::<u64, COMMAND_BATCH>::new();
        for (command, _) in batch {
            let key = match command {
                Command::Get(get) => get.keys.clone().next(),
                Command::Store(store) => Some(store.key),
                Command::Arith(arith) => Some(arith.key),
                Command::MetaGet(meta) | Command::MetaSet { meta, .. } => Some(meta.key.token),
                _ => None,
            };
            hashes.extend(key.map(|key| self.shared.store.hash(key)));
        }
        self.shared.store.prefetch(&hashes);
    }

    /// Turns what a command left into where the connection stands; `None`: go on.
    pub(super) fn stop(
        connection: &mut Connection,
        (flow, rest): (Flow, Option<RestOfGet>),
        raw: &[u8],
        consumed: usize,
    ) -> Option<Progress> {
        let what = match rest {
            Some(rest) => Unfinished::Get(rest),
            None if matches!(flow, Flow::Lane(_)) => Unfinished::Command(raw.to_vec()),
            None => Unfinished::Command(Vec::new()),
        };
        match flow {
            Flow::Next | Flow::Abort => None,
            Flow::Write => {
                connection.pending = Some(Pending { what, result: None });
                Some(Progress::Write { consumed })
            }
            Flow::Lane(job) => {
                connection.pending = Some(Pending { what, result: None });
                Some(Progress::Lane { consumed, job })
            }
            Flow::Close => Some(Progress::Close { consumed }),
            Flow::Watch(streams) => Some(Progress::Watch { consumed, streams }),
        }
    }

    /// Goes on with a command that had to wait; a `Some` says that it waits again.
    fn finish(
        &mut self,
        connection: &mut Connection,
        pending: Pending,
        out: &mut Vec<u8>,
    ) -> Option<Progress> {
        self.ready = pending.result;
        let limits = self.shared.protocol_limits;
        let (flow, raw) = match &pending.what {
            Unfinished::Get(rest) if self.shared.lua_main => {
                (self.get_by_scripts(&rest.get(), out), &[][..])
            }
            Unfinished::Get(rest) => (self.get(&rest.get(), out), &[][..]),
            Unfinished::Command(raw) if connection.binary == Some(true) => (
                (self.binary_again(connection, raw, out), None),
                raw.as_slice(),
            ),
            Unfinished::Command(raw) => match parse_text(raw, &limits) {
                Parsed::Command { command, .. } => {
                    (self.command(connection, &command, out), raw.as_slice())
                }
                _ => unreachable!("the command was parsed before"),
            },
        };
        self.ready = None;
        Worker::stop(connection, flow, raw, 0)
    }

    /// One text command.
    fn command(
        &mut self,
        connection: &mut Connection,
        command: &Command<'_>,
        out: &mut Vec<u8>,
    ) -> (Flow, Option<RestOfGet>) {
        if self.shared.lua_main {
            match command {
                Command::Get(get) => return self.get_by_scripts(get, out),
                other => {
                    if let Some(flow) = self.by_scripts(other, out) {
                        return (flow, None);
                    }
                }
            }
        }
        let flow = match command {
            Command::Get(get) => return self.get(get, out),
            Command::Store(store) => self.store(store, out),
            Command::MetaGet(meta) => self.meta_get(meta, out),
            Command::MetaSet { meta, value } => self.meta_set(meta, value, out),
            Command::Quit => Flow::Close,
            Command::Watch { args } => Flow::Watch(args.rest().to_vec()),
            other => {
                self.simple(connection, other, out);
                Flow::Next
            }
        };
        (flow, None)
    }

    /// Commands after which the connection simply goes on.
    fn simple(&mut self, _connection: &mut Connection, command: &Command<'_>, out: &mut Vec<u8>) {
        match command {
            Command::Delete { key, noreply } => self.delete(key, *noreply, out),
            Command::Arith(arith) => self.arith(arith, out),
            Command::Touch {
                key,
                exptime,
                noreply,
            } => self.touch(key, *exptime, *noreply, out),
            Command::MetaDelete(meta) => self.meta_delete(meta, out),
            Command::MetaArith(meta) => self.meta_arith(meta, out),
            Command::MetaNoop => out.extend_from_slice(b"MN\r\n"),
            Command::MetaDebug { key } => self.meta_debug(*key, out),
            other => self.admin(other, out),
        }
    }

    /// A value over the limit: the old one must not be taken for it.
    fn too_large(&mut self, refused: &protocol::TooLarge<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_set.add_alone(1);
        self.counters.store_too_large.add_alone(1);
        let mut buffer = protocol::KeyBuffer::default();
        let bytes = refused.key.bytes(&mut buffer);
        if refused.drop_old && !self.shared.is_object_name(bytes) {
            let key = self.shared.store.key(bytes);
            self.shared
                .store
                .delete(key, self.now, &crate::store::DeleteOptions::default());
        }
        if !refused.noreply {
            out.extend_from_slice(protocol::reply::TOO_LARGE.as_bytes());
        }
    }
}

/// Skips `bytes` of the input from `at` on, the rest of them when they arrive.
pub(super) fn swallow(connection: &mut Connection, bytes: u64, input: &[u8], at: usize) -> usize {
    let here = usize::try_from(bytes)
        .unwrap_or(usize::MAX)
        .min(input.len() - at);
    connection.swallow = bytes - here as u64;
    at + here
}
