//! Where a connection stands: what is left of its input, and what it waits for.

use super::NextStep;
use super::answers::Answers;
use super::upload::Upload;
use crate::cache::calls::LaneResult;
use crate::cache::flow::{Executor, Flow, Halt, Unfinished};
use crate::cache::next::Next;

/// Ticket of a call that its command awaits before anything else goes on.
const AWAITED: u64 = 0;

/// What the cache remembers of a connection between reads.
#[derive(Debug, Default)]
pub struct Connection {
    /// What the answers written so far have to wait for, 0 for nothing.
    pub(super) unsaved: u64,
    /// Bytes at the front of the input that are known to hold no end of a line, 0 for unknown.
    pub(super) unended: usize,
    /// Bytes of a refused data block still to come.
    pub(super) swallow: u64,
    /// A value that is on its way.
    pub(super) upload: Option<Box<Upload>>,
    /// A command that is not finished.
    pub(super) unfinished: Option<Box<dyn Unfinished>>,
    /// Outcome of the call that the unfinished command waits for, if it waits for one; `Some(None)` until that is
    /// there.
    awaited: Option<Option<Box<LaneResult>>>,
    /// Answers that wait for calls, and the answers behind them.
    pub(super) answers: Option<Box<Answers>>,
    /// Number of the connection in `stats conns` and in the log lines of `watch`.
    pub(crate) id: u64,
    /// Whether the client speaks the binary protocol; its first byte decides.
    pub(super) binary: Option<bool>,
    /// Whether the client has logged in by SASL.
    pub(super) authenticated: bool,
}

impl Connection {
    /// Bytes of answers that wait for calls before them.
    #[inline]
    pub fn kept_bytes(&self) -> usize {
        self.answers
            .as_ref()
            .map_or(0, |answers| answers.kept_bytes())
    }

    /// Whether answers have to wait for the disk.
    #[inline]
    pub fn is_unsaved(&self) -> bool {
        self.unsaved > 0
    }

    /// Takes the outcome of a job.
    pub(super) fn resume(&mut self, result: LaneResult) {
        self.unsaved = self.unsaved.max(result.unsaved);
        match (&mut self.awaited, &mut self.answers) {
            (Some(awaited), _) if result.ticket == AWAITED => *awaited = Some(Box::new(result)),
            (_, Some(answers)) => answers.fill(result),
            _ => {}
        }
    }

    /// Keeps answers without a hole for a command that is not finished, if there is one.
    pub(super) fn keep(&mut self, answers: Box<Answers>) {
        if self.unfinished.is_some() {
            self.answers = Some(answers);
        }
    }

    /// Goes on with the unfinished command. `Some`: it is not finished yet.
    #[cold]
    pub(super) fn go_on(&mut self, x: &mut Executor<'_>, out: &mut Vec<u8>) -> Option<NextStep> {
        let outcome = match self.awaited.take() {
            Some(None) => {
                self.awaited = Some(None);
                return Some(Next::Wait);
            }
            awaited => awaited.flatten(),
        };
        let unfinished = self.unfinished.take()?;
        let flow = unfinished.resume(x, outcome.map(|outcome| *outcome), out);
        self.stop(flow, x, out)
    }

    /// Turns what a command left into what is to be done; `None`: the next command.
    #[inline]
    pub(super) fn stop(
        &mut self,
        flow: Flow,
        x: &Executor<'_>,
        out: &mut Vec<u8>,
    ) -> Option<NextStep> {
        match flow {
            Flow::Continue(()) => None,
            Flow::Break(halt) => self.halt(*halt, x, out),
        }
    }

    #[cold]
    fn halt(&mut self, halt: Halt, x: &Executor<'_>, out: &mut Vec<u8>) -> Option<NextStep> {
        Some(match halt {
            Halt::Write => Next::Write,
            Halt::Send(at, value) => Next::Send { at, value },
            Halt::Wait => Next::Wait,
            Halt::Close => Next::Close,
            Halt::Refuse => Next::Refuse,
            Halt::Watch(streams) => Next::Watch(streams),
            Halt::Call(mut job, answer, footprint) => {
                job.ticket = self.hole(x, out).leave_hole(answer, footprint);
                Next::Run(job)
            }
            Halt::Await(mut job, unfinished) => {
                job.ticket = AWAITED;
                self.awaited = Some(None);
                self.unfinished = Some(unfinished);
                Next::Run(job)
            }
            Halt::EndOfGet(failed) => {
                let answers = self.hole(x, out);
                answers.end_get(failed);
                answers.settle(x.ops, out);
                return None;
            }
            Halt::Then(halt, left) => {
                let next = self.halt(*halt, x, out);
                self.unfinished = Some(left);
                return next;
            }
        })
    }

    /// The answers that wait. If there are some already, `out` becomes the last of them.
    fn hole(&mut self, x: &Executor<'_>, out: &mut Vec<u8>) -> &mut Answers {
        let answers = self.answers.get_or_insert_default();
        if !x.waiting.is_empty() {
            answers.push(std::mem::take(out));
        }
        answers
    }

    /// Skips `bytes` of the input from `at` on, the rest of them when they arrive.
    pub(super) fn skip(&mut self, bytes: u64, input: &[u8], at: usize) -> usize {
        let here = usize::try_from(bytes)
            .unwrap_or(usize::MAX)
            .min(input.len() - at);
        self.swallow = bytes - here as u64;
        at + here
    }
}
