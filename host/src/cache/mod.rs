//! Executes commands: the middle of the house, between the sockets and the rest.

use std::sync::Arc;

/// Everything the workers share.
#[derive(Debug)]
pub struct Cache {}

/// One worker thread's part: warm instances, scratch buffers, counters. Not shared.
#[derive(Debug)]
pub struct Worker {
    _cache: Arc<Cache>,
}

/// What the cache remembers of a connection between reads.
#[derive(Debug, Default)]
pub struct Connection {}

/// Where a connection stands after `execute`. `consumed` bytes of the input are done with.
#[derive(Debug)]
pub enum Progress {
    /// Every complete command is answered. Read more; the next command is `needed` bytes long at least (a hint for the buffer, 0 unknown).
    Read {
        /// Bytes done with.
        consumed: usize,
        /// Expected length of the next command.
        needed: usize,
    },
    /// `out` has grown past the bound: write it, then call again with the rest.
    Write {
        /// Bytes done with.
        consumed: usize,
    },
    /// A call has to run on a thread that may wait. Run `job.run()` there, give its result to `Worker::resume`, then call again with the rest.
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
    /// Write `out`; from now on the connection receives log lines (`watch`).
    Watch {
        /// Bytes done with.
        consumed: usize,
    },
}

/// A call on its way to a lane thread.
#[derive(Debug)]
pub struct LaneJob {}

/// What came of it.
#[derive(Debug)]
pub struct LaneResult {}

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl LaneJob {
    /// Runs the call to its end; may block for its deadline.
    pub fn run(self) -> LaneResult {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl Worker {
    /// Executes every complete command of `input`, appending replies to `out`.
    pub fn execute(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Progress {
        todo!()
    }
    /// Appends the answer of a call that ran on a lane.
    pub fn resume(&mut self, connection: &mut Connection, result: LaneResult, out: &mut Vec<u8>) {
        todo!()
    }
}
