//! How a command ends, and what it leaves: the values that wait.

use std::fmt::Debug;
use std::ops::ControlFlow;

use bytes::Buf;

use super::calls::{Asked, Call, Called, Calls, LaneJob, LaneResult, Target};
use super::footprint::Footprint;
use super::ops::Ops;
use super::reply::CallResult;
use crate::store::{Key, SetOutcome};

/// What to do after a command: nearly always the next one. Everything else is boxed, so that a `Flow` fits in
/// registers.
pub(super) type Flow = ControlFlow<Box<Halt>>;

/// The next command.
pub(super) const GO_ON: Flow = ControlFlow::Continue(());

/// Why the next command has to wait.
pub(super) enum Halt {
    /// The output has to be written.
    Write,
    /// The output has to be written with a value put in, behind so many bytes of it.
    Send(usize, Box<dyn Buf>),
    /// A call runs elsewhere and leaves a hole here. What follows may go on if it touches nothing that the call
    /// touches.
    Call(Box<LaneJob>, Box<dyn Answer>, Footprint),
    /// A call runs elsewhere, and nothing goes on before its outcome is known.
    Await(Box<LaneJob>, Box<dyn Unfinished>),
    /// The command must not overtake one that waits.
    Wait,
    /// The end of a `get` of which some calls wait: `END`, or the error line of a call that failed.
    EndOfGet(Option<String>),
    Close,
    /// The same, as the client may go no further.
    Refuse,
    Watch(Vec<u8>),
    /// The command is halted for this reason, and has something left to do.
    Then(Box<Halt>, Box<dyn Unfinished>),
}

impl Halt {
    /// Halts a command.
    #[cold]
    pub(super) fn now(self) -> Flow {
        ControlFlow::Break(Box::new(self))
    }

    /// Halts a command of which something is left.
    #[cold]
    pub(super) fn then(self: Box<Halt>, left: impl Unfinished + 'static) -> Flow {
        Halt::Then(self, Box::new(left)).now()
    }
}

/// What is left of a command that was halted.
pub(super) trait Unfinished: Debug {
    /// Goes on with the command. `outcome` is how the call ended that the command awaited, if it awaited one.
    fn resume(
        self: Box<Self>,
        x: &mut Executor<'_>,
        outcome: Option<LaneResult>,
        out: &mut Vec<u8>,
    ) -> Flow;
}

/// How the client of a call wants to be answered: what the answer needs of the request once the reply is there.
pub(super) trait Answer: Debug {
    /// Counts the call and writes its answer. The text of an error that ends a `get` is returned instead.
    fn write(&self, ops: &Ops, result: &CallResult<'_>, out: &mut Vec<u8>) -> Option<String>;
}

/// How the client of a storing command wants to be answered.
pub(super) trait StoreAnswer: Debug {
    /// Writes how the command ended; the client sent `sent` bytes.
    fn stored(&self, outcome: SetOutcome, sent: usize, out: &mut Vec<u8>);
    /// Refuses a data block that does not end where its length says.
    fn bad_end(&self, out: &mut Vec<u8>);
}

/// What it takes to execute a command.
pub(super) struct Executor<'w> {
    pub(super) ops: &'w Ops,
    pub(super) calls: &'w mut Calls,
    /// Footprints of the calls of this connection that wait.
    pub(super) waiting: &'w [Footprint],
}

impl Executor<'_> {
    /// Makes a call. `write` answers the call; if it runs elsewhere, `detach` makes what will answer it later.
    ///
    /// # Errors
    /// The halt of the command, when the call runs elsewhere.
    #[inline]
    pub(super) fn call<R>(
        &mut self,
        call: &Call<'_>,
        asked: &Asked<'_>,
        write: impl FnOnce(&Ops, &CallResult<'_>) -> R,
        detach: impl FnOnce() -> Box<dyn Answer>,
    ) -> Result<R, Box<Halt>> {
        self.ops.call_begins();
        match self.calls.call(self.ops.now, call, asked) {
            Called::Done(result) => Ok(write(self.ops, &result)),
            Called::Waits(job) => {
                let footprint = self.calls.footprint(call);
                Err(Box::new(Halt::Call(job, detach(), footprint)))
            }
        }
    }

    /// As [`Executor::call`], for a command whose whole answer is that of the call.
    #[inline]
    pub(super) fn only_call(
        &mut self,
        call: &Call<'_>,
        asked: &Asked<'_>,
        write: impl FnOnce(&Ops, &CallResult<'_>),
        detach: impl FnOnce() -> Box<dyn Answer>,
    ) -> Flow {
        match self.call(call, asked, write, detach) {
            Ok(()) => GO_ON,
            Err(halt) => Flow::Break(halt),
        }
    }

    /// Whether a command on that target must wait for calls before it.
    #[inline]
    pub(super) fn must_wait(&mut self, target: &Target<'_>) -> bool {
        !self.waiting.is_empty() && {
            let own = self.footprint(target);
            self.meets_waiting(own)
        }
    }

    /// Whether a command on the item or object of that name must wait for calls before it.
    #[inline]
    pub(super) fn key_must_wait(&self, key: Key<'_>) -> bool {
        !self.waiting.is_empty() && self.meets_waiting(Footprint::of_key(&self.ops.shared, key))
    }

    /// What a command on that target touches.
    pub(super) fn footprint(&mut self, target: &Target<'_>) -> Footprint {
        match target {
            Target::Item(key) => Footprint::of_key(&self.ops.shared, *key),
            Target::Call(call) => self.calls.footprint(call),
        }
    }

    #[cold]
    pub(super) fn meets_waiting(&self, own: Footprint) -> bool {
        self.waiting.iter().any(|waiting| waiting.meets(own))
    }
}
