//! One worker's part of the cache: a loop over the commands of its connections.

mod answers;
mod binary;
mod connection;
mod prefetch;
mod scarce;
mod text;
mod upload;

use std::sync::Arc;
use std::task::{Context, Poll};

pub use connection::Connection;
pub(super) use upload::UPLOAD_BYTES_MIN;

use self::answers::Answers;
use self::prefetch::Prefetch;
use super::calls::{Calls, LaneJob, LaneResult, Lanes};
use super::flow::Executor;
use super::footprint::Footprint;
use super::next::{Next, Step};
use super::ops::Ops;
use super::saves::NotSaved;
use super::shared::Shared;
use crate::protocol::binary::REQUEST_MAGIC;

/// What a connection of the cache does next.
type NextStep = Next<Box<LaneJob>>;

/// One worker thread's part: operations, calls, and what its connections are about to ask for. Not shared.
#[derive(Debug)]
pub struct Worker {
    ops: Ops,
    calls: Calls,
    prefetch: Prefetch,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, lanes: Arc<Lanes>) -> Worker {
        Worker {
            calls: Calls::new(&shared, lanes),
            ops: Ops::new(shared),
            prefetch: Prefetch::default(),
        }
    }

    /// Executes the complete commands of `input`, appending replies to `out`.
    pub fn execute(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        // Nobody sees an answer, and no lane gets a job, before this returns.
        self.ops.shared.store.begin_turn();
        self.ops.begin(connection.id);
        self.calls.turn.begin();
        let step = match connection.answers.take() {
            None => self.run(connection, &[], input, out),
            Some(answers) => self.run_behind(connection, answers, input, out),
        };
        self.ops.shared.store.end_turn();
        let unsaved = self.ops.disk.take_unsaved();
        if unsaved > 0 {
            connection.unsaved = connection.unsaved.max(unsaved);
        }
        step
    }

    /// There is no memory for the rest of the command that `input` begins: refuses it.
    pub fn out_of_memory(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        if input.is_empty() || connection.answers.is_some() {
            // What fills the memory are answers to commands that were executed: they can't be refused any more.
            return Next::Refuse.after(0);
        }
        self.ops.begin(connection.id);
        let mut x = Executor {
            ops: &self.ops,
            calls: &mut self.calls,
            waiting: &[],
        };
        scarce::refuse(&mut x, connection, input, out)
    }

    /// Waits until what a connection's answers tell is on disk.
    ///
    /// # Errors
    /// When it is not known whether it ever will be. The answers must not go out.
    pub fn poll_saved(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), NotSaved>> {
        let polled = self.ops.disk.poll_saved(connection.unsaved, context);
        if polled.is_ready() {
            connection.unsaved = 0;
        }
        polled
    }

    /// Counts a login that was decided elsewhere.
    pub fn login_tried(&mut self, granted: bool) {
        self.ops.counters.auth_cmds.add_alone(1);
        self.ops.counters.auth_errors.add_alone((!granted).into());
    }

    /// Whether calls ran since this was last asked: only they take long.
    #[inline]
    pub fn has_called(&mut self) -> bool {
        self.calls.turn.has_called()
    }

    /// Gives back memory that was not used for so many milliseconds.
    pub fn rest(&mut self, idle_ms: u64) {
        self.calls.drop_idle(idle_ms);
    }

    /// Takes the outcome of a job; the next `execute` writes the answer.
    pub fn resume(connection: &mut Connection, result: LaneResult) {
        connection.resume(result);
    }

    /// Executes commands of a connection whose client waits for answers.
    #[cold]
    fn run_behind(
        &mut self,
        connection: &mut Connection,
        mut answers: Box<Answers>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        answers.settle(&self.ops, out);
        if answers.is_empty() {
            connection.keep(answers);
            return self.run(connection, &[], input, out);
        }
        // Scripts may do anything, so none of their commands overtakes another.
        let full = answers.is_full() || self.ops.shared.lua_main;
        let waiting = answers.footprints();
        connection.answers = Some(answers);
        if full {
            return Next::Wait.after(0);
        }
        let mut kept = Vec::new();
        let mut step = self.run(connection, &waiting, input, &mut kept);
        match step.next {
            Next::Write => step.next = Next::Wait,
            Next::Send { at, mut value } => {
                let after = kept.split_off(at);
                while value.has_remaining() {
                    let some = value.chunk();
                    let len = some.len();
                    kept.extend_from_slice(some);
                    value.advance(len);
                }
                kept.extend_from_slice(&after);
                step.next = Next::Wait;
            }
            _ => {}
        }
        connection.answers.get_or_insert_default().push(kept);
        step
    }

    /// Executes commands up to the first that has to wait for a call before it, as their footprints say.
    fn run(
        &mut self,
        connection: &mut Connection,
        waiting: &[Footprint],
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        self.calls.forget_names();
        let mut x = Executor {
            ops: &self.ops,
            calls: &mut self.calls,
            waiting,
        };
        if connection.unfinished.is_some()
            && let Some(next) = connection.go_on(&mut x, out)
        {
            return next.after(0);
        }
        let mut skipped = 0;
        if connection.upload.is_some() {
            match upload::go_on(&mut x, connection, input, 0, out) {
                Ok(at) => skipped = at,
                Err(step) => return step,
            }
        }
        skipped = connection.skip(connection.swallow, input, skipped);
        if connection.swallow > 0 || skipped == input.len() {
            return Next::Read { needed: 1 }.after(skipped);
        }
        let binary = *connection
            .binary
            .get_or_insert(input[skipped] == REQUEST_MAGIC && !x.ops.shared.lua_main);
        match binary {
            true => binary::execute(&mut x, connection, input, skipped, out),
            false => text::execute(&mut x, connection, input, skipped, out),
        }
    }
}
