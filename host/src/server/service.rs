//! What the server asks of the room behind it, so that sockets can be tested without a cache.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use crate::account::Scarce;
use crate::cache::{Next, NotSaved, Step};
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
    /// How a call ended.
    type Outcome: Send + 'static;

    /// A connection was opened. `id` is its number in `stats conns` and in log lines.
    fn opened(&mut self, _connection: &mut Self::Connection, _id: u64) {}

    /// A client of the text protocol has given a password.
    fn login_tried(&mut self, _granted: bool) {}

    /// Whether the answers written so far have to wait for the disk.
    fn is_unsaved(_connection: &Self::Connection) -> bool {
        false
    }

    /// Waits until what they tell is on disk.
    ///
    /// # Errors
    /// When it may never be. The answers must not go out.
    fn poll_saved(
        &mut self,
        _connection: &mut Self::Connection,
        _context: &mut Context<'_>,
    ) -> Poll<Result<(), NotSaved>> {
        Poll::Ready(Ok(()))
    }

    /// Executes every complete command of `input`, appending replies to `out`. Never waits.
    fn execute(
        &mut self,
        connection: &mut Self::Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Self::Job>;

    /// There is no memory for the rest of the command that `input` begins, or none for the answers the connection keeps:
    /// says so to the client, and what is to be done next.
    fn out_of_memory(
        &mut self,
        _connection: &mut Self::Connection,
        _input: &[u8],
        _out: &mut Vec<u8>,
    ) -> Step<Self::Job> {
        Next::Refuse.after(0)
    }

    /// Bytes of answers that the connection keeps.
    fn kept_bytes(_connection: &Self::Connection) -> usize {
        0
    }

    /// Whether anything was executed, since this was last asked, that may have taken long.
    fn may_have_been_long(&mut self) -> bool {
        false
    }

    /// Gives back memory that was not used for so many milliseconds.
    fn rest(&mut self, _idle_ms: u64) {}

    /// Counts the memory of a job.
    ///
    /// # Errors
    /// When there is none.
    fn hold(_job: &Self::Job) -> Result<(), Scarce> {
        Ok(())
    }

    /// True while the connection has a place for what comes: try [`Service::fill_from`] first.
    fn is_filling(_connection: &Self::Connection) -> bool {
        false
    }

    /// Reads from a file straight to that place, and what comes after the value into `after`; then `execute` goes on
    /// with `after`. `None`: there is no place; read as always.
    ///
    /// # Errors
    /// Errors of the file, also the one that says that there is nothing to read now.
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

    /// Fetches the memory that all input looked at since the last time will need.
    fn fetch_ahead(&mut self) {}

    /// A number for what kind of call a job is: lanes are shared fairly among kinds, as among clients.
    fn kind(_job: &Self::Job) -> u64 {
        0
    }

    /// The outcome of a job for which no lane has room; `why` is for the client.
    fn refuse(job: Self::Job, why: &str) -> Self::Outcome;

    /// Runs a job, on a lane thread.
    fn run(job: Self::Job) -> Self::Outcome;

    /// Takes the outcome of a job; the next `execute` writes its answer.
    fn resume(connection: &mut Self::Connection, outcome: Self::Outcome);
}
