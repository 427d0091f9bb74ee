//! `--lua-main`: every text command is given to the scripts' `mainVirtualKey`, as in the original. The server executes
//! what the scripts leave to it, and calls of objects that are no script's.

use cacheismo_lua_contract::{Main, Tag};

use crate::cache::calls::{Failure, LaneJob, LaneResult, Run, Target, there};
use crate::cache::flow::{Executor, Flow, GO_ON, Halt, Unfinished};
use crate::cache::object_name;
use crate::cache::scripts::{Keys, Numbers, Request};
use crate::cache::wire::OUT_BYTES_MAX;
use crate::cache::wire::commands::{self, About};
use crate::cache::wire::get::{Ending, values};
use crate::protocol::{Command, Get, KeyBuffer, Parsed, Tokens, VirtualKey, parse_text, reply};
use crate::runtime::FunctionRef;

/// Names a handler locks before it starts; it joins the locks of further ones as it comes to them.
const LOCKS_MAX: usize = 64;
/// What the scripts made of a command.
enum Handled {
    /// The whole reply.
    Reply(Vec<u8>),
    /// The whole reply, after which the connection ends.
    Close(Vec<u8>),
    /// The server is to execute the command.
    Native,
    /// Text for `SERVER_ERROR`.
    Error(String),
}

/// How far a handler came.
enum Progress {
    Done(Handled),
    /// The handler has to run where it may wait.
    Waits(Box<LaneJob>),
}

/// Has the scripts handle any command but a `get`; `None` when the server is to execute it. `raw` are the command's
/// bytes.
pub(in crate::cache) fn by_scripts(
    x: &mut Executor<'_>,
    command: &Command<'_>,
    raw: &[u8],
    out: &mut Vec<u8>,
) -> Option<Flow> {
    let mut buffer = KeyBuffer::default();
    let about = About::new(command, &mut buffer);
    let forbidden = about.name == "flush_all" && !x.ops.shared.host.flush_enabled();
    if forbidden || about.key.is_some_and(|key| is_own(x, key)) {
        return None;
    }
    let rest = RestOfCommand {
        raw: Vec::new(),
        noreply: about.numbers.noreply,
        key: about.data.and(about.key).map(<[u8]>::to_vec),
    };
    let keys = about.key.map_or(Keys::None, Keys::One);
    match handle(x, &about, keys) {
        Progress::Done(handled) => rest.answer(x, handled, out),
        Progress::Waits(job) => {
            let rest = RestOfCommand {
                raw: raw.to_vec(),
                ..rest
            };
            Some(Halt::Await(job, Box::new(rest)).now())
        }
    }
}

/// A command whose handler runs elsewhere.
#[derive(Debug)]
struct RestOfCommand {
    /// The command's bytes, for the case that the scripts leave it to the server.
    raw: Vec<u8>,
    noreply: bool,
    /// The command's key, if it stores data.
    key: Option<Vec<u8>>,
}

impl RestOfCommand {
    /// Writes what the scripts answered; `None` when the server is to execute the command.
    fn answer(&self, x: &mut Executor<'_>, handled: Handled, out: &mut Vec<u8>) -> Option<Flow> {
        let (reply, flow) = match handled {
            Handled::Native => return None,
            Handled::Error(text) => {
                if !self.noreply {
                    reply::server_error(out, &text);
                }
                return Some(GO_ON);
            }
            Handled::Reply(reply) => (reply, GO_ON),
            Handled::Close(reply) => (reply, Halt::Close.now()),
        };
        if !self.noreply {
            out.extend_from_slice(&reply);
        }
        if let Some(key) = &self.key {
            x.ops.count_set(key);
        }
        Some(flow)
    }
}

impl Unfinished for RestOfCommand {
    fn resume(
        self: Box<Self>,
        x: &mut Executor<'_>,
        outcome: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let handled = handled(outcome.map_or(Ok(Vec::new()), LaneResult::bytes));
        if let Some(flow) = self.answer(x, handled, out) {
            return flow;
        }
        let limits = x.ops.shared.protocol_limits;
        match parse_text(&self.raw, &limits) {
            Parsed::Command { command, .. } => commands::execute(x, &command, None, out),
            _ => unreachable!("the command was parsed before"),
        }
    }
}

/// Has the scripts handle `get` and its kin. Keys that the server answers itself are answered in their places among the
/// others.
pub(in crate::cache) fn get_by_scripts(
    x: &mut Executor<'_>,
    get: &Get<'_>,
    out: &mut Vec<u8>,
) -> Flow {
    let rest = RestOfGet {
        keys: get.keys.rest().into(),
        at: 0,
        cas: get.cas,
        touch: get.touch,
        ending: Ending::default(),
    };
    Box::new(rest).go_on(x, None, out)
}

/// What is left of a `get`: its keys from the next one on.
#[derive(Debug)]
struct RestOfGet {
    keys: Box<[u8]>,
    /// Offset of the next key in the list of keys, in bytes.
    at: usize,
    cas: bool,
    touch: Option<i64>,
    ending: Ending,
}

impl RestOfGet {
    /// A `get` of the keys from `at` on.
    fn get(&self) -> Get<'_> {
        Get {
            keys: Tokens::new(&self.keys[self.at..]),
            only: None,
            cas: self.cas,
            touch: self.touch,
        }
    }

    /// How many of the next keys the scripts are asked about; none when the first is the server's own.
    fn for_scripts(&self, x: &mut Executor<'_>) -> usize {
        let mut keys = self.get().keys;
        keys.by_ref().take_while(|key| !is_own(x, key)).count()
    }

    /// Where the list goes on after so many keys.
    fn end_of(&self, count: usize) -> usize {
        let mut keys = self.get().keys;
        keys.by_ref().take(count).for_each(drop);
        self.keys.len() - keys.rest().len()
    }

    /// Goes on from the next key. `outcome` is how the handler ended that was asked about it.
    fn go_on(
        mut self: Box<Self>,
        x: &mut Executor<'_>,
        mut outcome: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow {
        loop {
            let get = self.get();
            let mut keys = get.keys;
            let Some(first) = keys.next() else {
                return self.ending.end(out);
            };
            if out.len() > OUT_BYTES_MAX {
                return Box::new(Halt::Write).then(*self);
            }
            let count = self.for_scripts(x).max(1);
            let native = is_own(x, first);
            let progress = match outcome.take() {
                Some(outcome) => Progress::Done(handled(outcome.bytes())),
                None if native => Progress::Done(Handled::Native),
                None => {
                    let about = About {
                        name: get.name(),
                        numbers: Numbers {
                            exptime: get.touch.unwrap_or(0),
                            ..Numbers::default()
                        },
                        ..About::default()
                    };
                    handle(x, &about, Keys::List(get.keys, count))
                }
            };
            match progress {
                Progress::Waits(job) => return Halt::Await(job, self).now(),
                Progress::Done(Handled::Native) => {
                    let end = self.end_of(count);
                    let some = Get {
                        keys: Tokens::new(&self.keys[self.at..end]),
                        only: None,
                        cas: self.cas,
                        touch: self.touch,
                    };
                    if let Err((halt, left)) = values(x, &some, &mut self.ending, out) {
                        self.at = end - left;
                        return halt.then(*self);
                    }
                    self.at = end;
                }
                Progress::Done(handled) => {
                    if let Some(flow) = self.answer(x, handled, count, out) {
                        return flow;
                    }
                    self.at = self.end_of(count);
                }
            }
        }
    }

    /// Writes what the scripts answered to so many keys, but for the END. `Some`: the reply ends here.
    fn answer(
        &self,
        x: &mut Executor<'_>,
        handled: Handled,
        count: usize,
        out: &mut Vec<u8>,
    ) -> Option<Flow> {
        let end = reply::END.as_bytes();
        let flow = match handled {
            Handled::Native => return None,
            Handled::Error(text) => {
                reply::server_error(out, &text);
                return Some(GO_ON);
            }
            Handled::Close(reply) => {
                out.extend_from_slice(&reply);
                Some(Halt::Close.now())
            }
            Handled::Reply(reply) => match reply.strip_suffix(end) {
                Some(block) => {
                    out.extend_from_slice(block);
                    None
                }
                // The reply is complete only when the script has ended it.
                None => {
                    out.extend_from_slice(&reply);
                    Some(GO_ON)
                }
            },
        };
        x.ops.counters.cmd_get.add_alone(count as u64);
        flow
    }
}

impl Unfinished for RestOfGet {
    fn resume(
        self: Box<Self>,
        x: &mut Executor<'_>,
        outcome: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.go_on(x, outcome, out)
    }
}

/// Whether the key calls a function of an object that is no script's, or names the state of an object.
fn is_own(x: &mut Executor<'_>, key: &[u8]) -> bool {
    if x.ops.shared.is_object_name(key) {
        return true;
    }
    matches!(x.calls.target(key), Target::Call(call) if !call.is_script())
}

/// Runs `mainVirtualKey`, here or on a lane.
fn handle(x: &mut Executor<'_>, about: &About<'_>, keys: Keys<'_>) -> Progress {
    let main = x
        .calls
        .scripts
        .load()
        .as_ref()
        .and_then(|scripts| scripts.main.get(about.name).copied());
    let Some(function) = main else {
        return Progress::Done(Handled::Native);
    };
    x.ops.call_begins();
    let handler = Handler {
        function,
        about,
        keys,
    };
    match handler.run(x) {
        Ok(None) => Progress::Done(handled(Ok(std::mem::take(&mut x.calls.reply)))),
        Ok(Some(job)) => Progress::Waits(job),
        Err(text) => {
            x.ops.counters.object_errors.add_alone(1);
            Progress::Done(Handled::Error(text))
        }
    }
}

/// What a handler's answer says.
fn handled(answer: Result<Vec<u8>, String>) -> Handled {
    match answer {
        Err(text) => Handled::Error(text),
        Ok(reply) => match Tag::split(&reply) {
            Some((Tag::Raw, raw)) => Handled::Reply(raw.to_vec()),
            Some((Tag::Close, raw)) => Handled::Close(raw.to_vec()),
            _ => Handled::Native,
        },
    }
}

/// The scripts' handler of one command.
struct Handler<'a> {
    function: FunctionRef,
    about: &'a About<'a>,
    keys: Keys<'a>,
}

impl Handler<'_> {
    /// The command's first key, or nothing.
    fn key(&self) -> &[u8] {
        self.keys.iter().next().unwrap_or_default()
    }

    /// The handler's name in error lines.
    fn name(&self) -> String {
        let only = self.keys.iter().nth(1).is_none() && self.about.name == "get";
        match VirtualKey::parse(self.key()).filter(|_| only) {
            Some(key) => format!("lua {}", String::from_utf8_lossy(key.call())),
            None => format!("lua main:{}", self.about.name),
        }
    }

    /// Hashes of the names the handler probably uses, which it locks first of all.
    fn wanted(&self, x: &mut Executor<'_>) -> Vec<u64> {
        let keys = self.keys.iter().take(LOCKS_MAX);
        keys.map(|key| match VirtualKey::parse(key) {
            Some(call) => x.calls.object_hash(&call),
            None => x.ops.shared.store.hash(key),
        })
        .collect()
    }

    /// Runs the handler here and leaves its answer in the room for replies, or makes the job of a lane.
    fn run(&self, x: &mut Executor<'_>) -> Result<Option<Box<LaneJob>>, String> {
        let wanted = self.wanted(x);
        let own = object_name::parts(b"", self.key()).concat();
        let calls = &mut *x.calls;
        calls.reply.clear();
        calls.told.set_for_handler(&Request {
            command: self.about.name,
            keys: self.keys,
            numbers: self.about.numbers,
        });
        let command = calls.told.command(self.about.name, self.about.data);
        let args: Vec<&[u8]> = Main { command }.arguments().collect();
        let object = calls.types.types().of(self.function);
        if !object.wants_lane(self.function) {
            let transaction = there(&mut calls.transaction);
            let key = x.ops.shared.store.key(&own);
            transaction.begin(x.ops.now, key, true, false);
            transaction.want(&wanted);
            let run = Run {
                function: self.function,
                args: &args,
                touch: None,
                budget: x.ops.shared.inline_budget,
            };
            calls.turn.count();
            match run.run(
                &mut calls.instances,
                &mut calls.transaction,
                &mut calls.reply,
            ) {
                Ok(_) => return Ok(None),
                Err(Failure::Text(text)) => return Err(format!("{}: {text}", self.name())),
                Err(Failure::Lane) => {}
            }
        }
        let args = args.iter().map(|argument| argument.to_vec()).collect();
        Ok(Some(Box::new(LaneJob {
            writes: true,
            object: own,
            name: self.name(),
            args,
            wanted,
            ..calls.blank_job(self.function)
        })))
    }
}
