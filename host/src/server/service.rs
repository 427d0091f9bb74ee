//! What the server asks of the room behind it, so that sockets can be tested without a cache.

use std::io;
use std::os::fd::BorrowedFd;

use bytes::Buf;

use crate::store::Taken;

/// What all workers share.
pub trait Application: Send + Sync + 'static {
    /// One worker's part. It stays on its thread.
    type Service: Service;

    /// A worker's part, made on the worker's thread.
    fn service(&self) -> Self::Service;

    /// A step of work that nobody waits for. True when there is more to do at once.
    fn maintain(&self) -> bool {
        false
    }
}

/// Turns bytes of a connection into replies.
pub trait Service: 'static {
    /// What is remembered of a connection.
    type Connection: Default;
    /// A call that has to run where it may wait.
    type Job: Send + 'static;
    /// What came of it.
    type Outcome: Send + 'static;

    /// A connection was opened. `id` is its number in `stats conns` and in log lines.
    fn opened(&mut self, _connection: &mut Self::Connection, _id: u64) {}

    /// Executes every complete command of `input`, appending replies to `out`. Never waits.
    fn execute(
        &mut self,
        connection: &mut Self::Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Self::Job>;

    /// True while the connection has a place for what comes: try [`Service::fill_from`] first.
    fn is_filling(_connection: &Self::Connection) -> bool {
        false
    }

    /// Reads from a file straight to that place, and what comes after it into `after`, then `execute` goes on with that.
    /// `None`: there is no place; read as always.
    ///
    /// # Errors
    /// Those of the file, also that there is nothing to read now.
    fn fill_from(
        _connection: &mut Self::Connection,
        _file: BorrowedFd<'_>,
        _after: &mut [u8],
    ) -> io::Result<Option<Taken>> {
        Ok(None)
    }

    /// Looks at input that is to be executed a little later. True when that gives time to fetch what it will need.
    fn look_ahead(&mut self, _connection: &Self::Connection, _input: &[u8]) -> bool {
        false
    }

    /// Fetches what all input looked at since the last time will need.
    fn fetch_ahead(&mut self) {}

    /// A number for what kind of call a job is: lanes are shared fairly among kinds, as among clients.
    fn kind(_job: &Self::Job) -> u64 {
        0
    }

    /// What comes of a job for which no lane has room; `why` is for the client.
    fn refuse(job: Self::Job, why: &str) -> Self::Outcome;

    /// Runs a job, on a lane thread.
    fn run(job: Self::Job) -> Self::Outcome;

    /// Takes the outcome of a job; the next `execute` goes on from there.
    fn resume(&mut self, connection: &mut Self::Connection, outcome: Self::Outcome);
}

/// Where a connection stands after `execute`. `consumed` bytes of the input are done with.
pub enum Step<Job> {
    /// Read more; it makes sense to come again with at least `needed` bytes of which the rest is the beginning.
    Read {
        /// Bytes done with.
        consumed: usize,
        /// Bytes to come with.
        needed: usize,
    },
    /// Write the output, then come again with the rest of the input, be it empty.
    Write {
        /// Bytes done with.
        consumed: usize,
    },
    /// Write the output with a value put in, then come again with the rest of the input, be it empty.
    Send {
        /// Bytes done with.
        consumed: usize,
        /// Bytes of the output before the value.
        at: usize,
        /// The value, which nobody has copied.
        value: Box<dyn Buf>,
    },
    /// Have the job run, hand in its outcome, then come again with the rest of the input, be it empty.
    Lane {
        /// Bytes done with.
        consumed: usize,
        /// The work.
        job: Job,
    },
    /// Write the output, then close.
    Close,
    /// From now on the connection gets log lines.
    Watch {
        /// Bytes done with.
        consumed: usize,
        /// The streams, named as in the command.
        streams: Vec<u8>,
    },
}
