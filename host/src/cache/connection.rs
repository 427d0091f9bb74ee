//! Where a connection stands: what is left of its input, and what it waits for.

use super::calls::{LaneJob, LaneResult};
use super::dump::Dump;
use super::sent::Sent;
use super::text::RestOfGet;
use super::upload::Upload;

/// What the cache remembers of a connection between reads.
#[derive(Debug, Default)]
pub struct Connection {
    /// Bytes of a refused data block still to come.
    pub(super) swallow: u64,
    /// A value that is on its way.
    pub(super) upload: Option<Box<Upload>>,
    /// A command that is not finished.
    pub(super) pending: Option<Pending>,
    /// As `stats conns` and the log lines of `watch` call it.
    pub(crate) id: u64,
    /// Decided by the first byte.
    pub(super) binary: Option<bool>,
    /// Logged in by SASL.
    pub(super) authenticated: bool,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) what: Unfinished,
    pub(super) result: Option<LaneResult>,
}

#[derive(Debug)]
pub(super) enum Unfinished {
    Get(RestOfGet),
    Dump(Box<Dump>),
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
    /// Write `out` with a value put in, then call again with the rest.
    Send {
        /// Bytes done with.
        consumed: usize,
        /// The value and its place.
        sent: Sent,
    },
    /// A call has to run on a thread that may wait. Run `job.run()` there, give its result to [`Worker::resume`](super::Worker::resume), then call again with the rest.
    Lane {
        /// Bytes done with.
        consumed: usize,
        /// The work.
        job: Box<LaneJob>,
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

/// What to do after a command: nearly always the next one. Everything else is boxed, so that this comes back in registers.
#[derive(Debug)]
pub(super) enum Flow {
    Next,
    /// The reply of this command ended early; go on with the next.
    Abort,
    Halt(Box<Halt>),
}

/// Why the next command has to wait.
#[derive(Debug)]
pub(super) enum Halt {
    Write,
    Send(Sent),
    Lane(Box<LaneJob>),
    Close,
    Watch(Vec<u8>),
    /// A list that is written in pieces.
    Dump(Box<Dump>),
    /// A `get` is halted, and this is left of it.
    Get(Box<Halt>, RestOfGet),
}

impl From<Halt> for Flow {
    #[cold]
    fn from(halt: Halt) -> Flow {
        Flow::Halt(Box::new(halt))
    }
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
    Lane(Box<LaneJob>),
}

impl Connection {
    /// Turns what a command left into where the connection stands; `None`: go on.
    #[inline]
    pub(super) fn stop(&mut self, flow: Flow, raw: &[u8], consumed: usize) -> Option<Progress> {
        match flow {
            Flow::Next | Flow::Abort => None,
            Flow::Halt(halt) => Some(self.halt(*halt, raw, consumed)),
        }
    }

    #[cold]
    fn halt(&mut self, halt: Halt, raw: &[u8], consumed: usize) -> Progress {
        let mut wait = |what| self.pending = Some(Pending { what, result: None });
        match halt {
            Halt::Write => {
                wait(Unfinished::Command(Vec::new()));
                Progress::Write { consumed }
            }
            Halt::Send(sent) => Progress::Send { consumed, sent },
            Halt::Lane(job) => {
                wait(Unfinished::Command(raw.to_vec()));
                Progress::Lane { consumed, job }
            }
            Halt::Dump(dump) => {
                wait(Unfinished::Dump(dump));
                Progress::Write { consumed }
            }
            Halt::Close => Progress::Close { consumed },
            Halt::Watch(streams) => Progress::Watch { consumed, streams },
            Halt::Get(halt, rest) => {
                let progress = self.halt(*halt, &[], consumed);
                let what = Unfinished::Get(rest);
                self.pending = Some(Pending { what, result: None });
                progress
            }
        }
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
