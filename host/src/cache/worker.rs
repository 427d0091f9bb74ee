//! The loop over the commands of one connection's input.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use arrayvec::ArrayVec;

use super::ahead::Ahead;
use super::calls::{LaneResult, Target, Told};
use super::connection::{Connection, Flow, Halt, Pending, Progress, Unfinished};
use super::scripts::Scripts;
use super::shared::Shared;
use super::text::OUT_BYTES_MAX;
use super::transaction::Transaction;
use super::upload::{BLOCK_END, Uploaded};
use crate::metrics::CommandCounters;
use crate::protocol::{self, Command, Parsed, parse_text};
use crate::runtime::{Instances, TypesReader};
use crate::stats::Watched;
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
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) counters: Arc<CommandCounters>,
    /// Of the batch being executed.
    pub(super) now: Now,
    /// Streams that somebody watches while the batch is executed.
    pub(super) watched: Watched,
    /// Number of the connection the batch came from.
    pub(super) client: u64,
    /// Names of the objects that the calls of the batch are about.
    pub(super) names: Vec<u8>,
    /// Reply of the call just made.
    pub(super) reply: Vec<u8>,
    /// What scripts are told of the command being executed.
    pub(super) told: Told,
    /// Result of a call that ran on a lane: what the next `call` returns.
    pub(super) ready: Option<LaneResult>,
    /// The value of the command being executed, if it is in the store already.
    pub(super) uploaded: Option<Uploaded>,
    /// Hashes of keys that are going to be asked for.
    pub(super) ahead: Ahead,
}

/// A command of a batch.
struct Ready<'a> {
    command: Command<'a>,
    /// Where it ends in the input.
    end: usize,
    aim: Option<(&'a [u8], Target<'a>)>,
}

/// Of the keys of a batch.
fn hashes(batch: &[Ready<'_>]) -> ArrayVec<u64, COMMAND_BATCH> {
    let aims = batch.iter().filter_map(|ready| ready.aim.as_ref());
    aims.map(|(_, target)| target.hash()).collect()
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Worker {
        Worker {
            types: shared.registry.reader(),
            scripts: arc_swap::Cache::new(Arc::clone(&shared.scripts)),
            instances: Instances::new(&shared.registry, Arc::clone(&shared.log)),
            transaction: Some(Transaction::new(Arc::clone(&shared))),
            now: shared.clock.now(),
            watched: Watched::default(),
            client: 0,
            names: Vec::new(),
            reply: Vec::new(),
            told: Told::default(),
            ready: None,
            uploaded: None,
            ahead: Ahead::new(),
            counters: shared.counters.join(),
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
        // Nobody sees an answer, and no lane gets a job, before this returns.
        self.shared.store.begin_turn();
        let progress = self.execute_turn(connection, input, out);
        self.shared.store.end_turn();
        progress
    }

    fn execute_turn(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Progress {
        self.now = self.shared.clock.now();
        self.watched = self.shared.hub.watched();
        self.client = connection.id;
        self.names.clear();
        if let Some(pending) = connection.pending.take()
            && let Some(progress) = self.finish(connection, pending, out)
        {
            return progress;
        }
        let mut skipped = 0;
        if connection.upload.is_some() {
            match self.go_on(connection, input, 0, out) {
                Ok(at) => skipped = at,
                Err(progress) => return progress,
            }
        }
        skipped = connection.skip(connection.swallow, input, skipped);
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
            let mut batch = ArrayVec::<Ready<'_>, COMMAND_BATCH>::new();
            self.names.clear();
            let mut end = at;
            let limits = self.shared.protocol_limits;
            let stop = loop {
                match parse_text(&input[end..], &limits) {
                    Parsed::Command { command, consumed } => {
                        end += consumed;
                        let aim = self.aim(&command);
                        batch.push(Ready { command, end, aim });
                        if batch.is_full() || end == input.len() {
                            break None;
                        }
                    }
                    other => break Some(other),
                }
            };
            let hashes = hashes(&batch);
            let mut keys = 0;
            for ready in &batch {
                if ready.aim.is_some() {
                    self.shared.store.prefetch_ahead(&hashes, keys);
                    keys += 1;
                }
                let start = at;
                at = ready.end;
                let flow = self.command(&ready.command, ready.aim.as_ref(), out);
                if let Some(progress) = connection.stop(flow, &input[start..at], at) {
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
                Some(Parsed::Announced {
                    command,
                    consumed,
                    len,
                }) => {
                    let front = &input[at..at + consumed];
                    if !self.begin_text(connection, &command, front, len) {
                        let needed = consumed + len + BLOCK_END.len();
                        return Progress::Read {
                            consumed: at,
                            needed,
                        };
                    }
                    match self.go_on(connection, input, at + consumed, out) {
                        Ok(next) => at = next,
                        Err(progress) => return progress,
                    }
                }
                Some(Parsed::Error(refusal)) => {
                    out.extend_from_slice(refusal.reply.as_bytes());
                    at += refusal.consumed;
                    if refusal.close {
                        return Progress::Close { consumed: at };
                    }
                    at = connection.skip(refusal.swallow, input, at);
                }
                Some(Parsed::TooLarge(refused)) => {
                    self.too_large(&refused, out);
                    at = connection.skip(refused.swallow, input, at + refused.consumed);
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

    /// The key of a command that has one, and where it leads.
    // Always: its result is long, and would be waited for on its way through memory.
    #[inline(always)]
    fn aim<'a>(&mut self, command: &Command<'a>) -> Option<(&'a [u8], Target<'a>)> {
        let key = match command {
            Command::Get(get) => get.only?,
            Command::Store(store) => store.key,
            Command::Arith(arith) => {
                return Some((arith.key, Target::Item(self.shared.store.key(arith.key))));
            }
            Command::MetaGet(meta) | Command::MetaSet { meta, .. } if !meta.key.base64 => {
                meta.key.token
            }
            _ => return None,
        };
        Some((key, self.target(key)))
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
        let (flow, raw) = match pending.what {
            Unfinished::Dump(dump) => (self.dump(dump, out), Vec::new()),
            Unfinished::Get(rest) if self.shared.lua_main => {
                (self.get_by_scripts(&rest.get(), out), Vec::new())
            }
            Unfinished::Get(rest) => (self.get(&rest.get(), out), Vec::new()),
            Unfinished::Command(raw) if connection.binary == Some(true) => {
                (self.binary_again(connection, &raw, out), raw)
            }
            Unfinished::Command(raw) => match parse_text(&raw, &limits) {
                Parsed::Command { command, .. } => {
                    let aim = self.aim(&command);
                    let flow = self.command(&command, aim.as_ref(), out);
                    (flow, raw)
                }
                _ => unreachable!("the command was parsed before"),
            },
        };
        self.ready = None;
        connection.stop(flow, &raw, 0)
    }

    /// One text command. `aim` is what [`Worker::aim`] says of it.
    fn command(
        &mut self,
        command: &Command<'_>,
        aim: Option<&(&[u8], Target<'_>)>,
        out: &mut Vec<u8>,
    ) -> Flow {
        if self.shared.lua_main {
            match command {
                Command::Get(get) => return self.get_by_scripts(get, out),
                other => {
                    if let Some(flow) = self.by_scripts(other, out) {
                        return flow;
                    }
                }
            }
        }
        match (command, aim) {
            (Command::Get(get), Some((key, target))) => self.get_one(get, key, target, out),
            (Command::Store(store), Some((_, target))) => self.store(store, target, out),
            (Command::Arith(arith), Some((_, target))) => {
                self.arith(arith, target.hash(), out);
                Flow::Next
            }
            (command, aim) => self.other(command, aim, out),
        }
    }

    /// All but the most frequent ones.
    fn other(
        &mut self,
        command: &Command<'_>,
        aim: Option<&(&[u8], Target<'_>)>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let target = aim.map(|(_, target)| target);
        match command {
            Command::Get(get) => self.get(get, out),
            Command::MetaGet(meta) => self.meta_get(meta, target, out),
            Command::MetaSet { meta, value } => self.meta_set(meta, value, target, out),
            Command::Quit => Halt::Close.into(),
            Command::Watch { args } => Halt::Watch(args.rest().to_vec()).into(),
            other => self.simple(other, out),
        }
    }

    /// Commands after which the connection simply goes on.
    fn simple(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Flow {
        match command {
            Command::Delete { key, noreply } => self.delete(key, *noreply, out),
            Command::Touch {
                key,
                exptime,
                noreply,
            } => self.touch(key, *exptime, *noreply, out),
            Command::MetaDelete(meta) => self.meta_delete(meta, out),
            Command::MetaArith(meta) => self.meta_arith(meta, out),
            Command::MetaNoop => out.extend_from_slice(b"MN\r\n"),
            Command::MetaDebug { key } => self.meta_debug(*key, out),
            other => return self.admin(other, out),
        }
        Flow::Next
    }

    /// A value over the limit: the old one must not be taken for it.
    fn too_large(&mut self, refused: &protocol::TooLarge<'_>, out: &mut Vec<u8>) {
        self.counters.cmd_set.add_alone(1);
        self.counters.store_too_large.add_alone(1);
        let mut buffer = protocol::KeyBuffer::default();
        let bytes = refused.key.bytes(&mut buffer);
        if refused.drop_old && !self.shared.is_object_name(bytes) {
            let key = self.shared.store.key(bytes);
            self.watch_too_large(bytes);
            self.watch_fetch(key);
            self.shared
                .store
                .delete(key, self.now, &crate::store::DeleteOptions::default());
        }
        if !refused.noreply {
            out.extend_from_slice(protocol::reply::TOO_LARGE.as_bytes());
        }
    }
}
