//! The loop over text commands.

use arrayvec::ArrayVec;

use super::Connection;
use super::upload::{self, BLOCK_END};
use crate::cache::calls::LaneJob;
use crate::cache::flow::{Executor, Flow, GO_ON};
use crate::cache::lua::{by_scripts, get_by_scripts};
use crate::cache::next::{Next, Step};
use crate::cache::wire::commands::{self, Aim};
use crate::cache::wire::{OUT_BYTES_MAX, text};
use crate::protocol::{Command, Limits, Parsed, parse_text, reply};

/// Commands parsed ahead, so that their keys are looked up together.
const COMMAND_BATCH: usize = 32;

/// Length from which on it is remembered that a line has no end yet, in bytes.
const LONG_LINE_BYTES: usize = 4 << 10;

/// A command of a batch.
struct Ready<'a> {
    command: Command<'a>,
    /// Where the command ends in the input.
    end: usize,
    aim: Option<Aim<'a>>,
}

/// Hashes of the keys of a batch.
fn hashes(batch: &[Ready<'_>]) -> ArrayVec<u64, COMMAND_BATCH> {
    let aims = batch.iter().filter_map(|ready| ready.aim.as_ref());
    aims.map(|(_, target)| target.hash()).collect()
}

/// Executes the commands of `input` from `at` on.
pub(super) fn execute(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    input: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
) -> Step<Box<LaneJob>> {
    let limits = x.ops.shared.protocol_limits;
    if connection.unended > 0 && is_unended(connection, input, &limits) {
        let needed = input.len() + 1;
        return Next::Read { needed }.after(at);
    }
    let refuses_writes = x.ops.disk.refuses_writes();
    loop {
        let mut batch = ArrayVec::<Ready<'_>, COMMAND_BATCH>::new();
        x.calls.forget_names();
        let mut end = at;
        let stop = loop {
            match parse_text(&input[end..], &limits) {
                Parsed::Command { command, consumed } => {
                    end += consumed;
                    let aim = commands::aim(x, &command);
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
                x.ops.shared.store.prefetch_ahead(&hashes, keys);
                keys += 1;
            }
            if commands::must_wait(x, &ready.command, ready.aim.as_ref()) {
                return Next::Wait.after(at);
            }
            let raw = &input[at..ready.end];
            at = ready.end;
            let flow = match refuses_writes && commands::writes(&ready.command) {
                true => not_saved(out),
                false => command(x, ready, raw, out),
            };
            if let Some(next) = connection.stop(flow, x, out) {
                return next.after(at);
            }
            if out.len() > OUT_BYTES_MAX || at < input.len() && x.calls.turn.is_over() {
                return Next::Write.after(at);
            }
        }
        if let Some(stop) = stop {
            match stopped(x, connection, stop, (input, at), out) {
                Ok(next) => at = next,
                Err(step) => return step,
            }
        }
        if at == input.len() {
            return Next::Read { needed: 1 }.after(at);
        }
    }
}

#[cold]
fn not_saved(out: &mut Vec<u8>) -> Flow {
    out.extend_from_slice(reply::NOT_SAVED.as_bytes());
    GO_ON
}

#[inline]
fn command(x: &mut Executor<'_>, ready: &Ready<'_>, raw: &[u8], out: &mut Vec<u8>) -> Flow {
    if x.ops.shared.lua_main
        && let Some(flow) = scripted(x, &ready.command, raw, out)
    {
        return flow;
    }
    commands::execute(x, &ready.command, ready.aim.as_ref(), out)
}

/// Has the scripts handle a command; `None`: the server is to execute it.
#[cold]
fn scripted(
    x: &mut Executor<'_>,
    command: &Command<'_>,
    raw: &[u8],
    out: &mut Vec<u8>,
) -> Option<Flow> {
    match command {
        Command::Get(get) => Some(get_by_scripts(x, get, out)),
        other => by_scripts(x, other, raw, out),
    }
}

/// Whether the long line that `input` begins still has no end. Only what is new is looked at: a line that comes byte by
/// byte would be read as often as it has bytes.
#[cold]
fn is_unended(connection: &mut Connection, input: &[u8], limits: &Limits) -> bool {
    let seen = std::mem::take(&mut connection.unended);
    let new = input.get(seen..).unwrap_or(b"\n");
    let unended = input.len() <= limits.get_line_bytes_max && memchr::memchr(b'\n', new).is_none();
    if unended {
        connection.unended = input.len();
    }
    unended
}

/// Deals with what is no complete command at `at` of the input. Returns where the input goes on; `Err`: nowhere yet.
fn stopped(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    stop: Parsed<'_>,
    (input, at): (&[u8], usize),
    out: &mut Vec<u8>,
) -> Result<usize, Step<Box<LaneJob>>> {
    let behind = !x.waiting.is_empty();
    match stop {
        Parsed::Incomplete { needed } => {
            let line = &input[at..];
            if line.len() >= LONG_LINE_BYTES && memchr::memchr(b'\n', line).is_none() {
                connection.unended = line.len();
            }
            Err(Next::Read { needed }.after(at))
        }
        Parsed::Announced { .. } | Parsed::TooLarge(_) if behind => Err(Next::Wait.after(at)),
        Parsed::Announced {
            command,
            consumed,
            len,
        } => {
            if !upload::begin_text(x, connection, &command, len) {
                let needed = consumed + len + BLOCK_END.len();
                return Err(Next::Read { needed }.after(at));
            }
            upload::go_on(x, connection, input, at + consumed, out)
        }
        Parsed::Error(refusal) if refusal.close && behind => Err(Next::Wait.after(at)),
        Parsed::Error(refusal) => {
            out.extend_from_slice(refusal.reply.as_bytes());
            let at = at + refusal.consumed;
            match refusal.close {
                true => Err(Next::Refuse.after(at)),
                false => Ok(connection.skip(refusal.swallow, input, at)),
            }
        }
        Parsed::TooLarge(refused) => {
            text::too_large(x, &refused, out);
            Ok(connection.skip(refused.swallow, input, at + refused.consumed))
        }
        Parsed::Command { .. } => unreachable!("commands go into the batch"),
    }
}
