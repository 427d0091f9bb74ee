//! The cache behind the sockets: where the two rooms meet.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use crate::account::Scarce;
use crate::cache::{Cache, Connection, LaneJob, LaneResult, NotSaved, Step, Worker};
use crate::store::Taken;

use super::service::{Application, Service};

impl Application for Cache {
    type Service = Worker;

    fn service(&self) -> Worker {
        self.worker()
    }

    fn maintain(&self) -> bool {
        Cache::maintain(self)
    }
}

impl Service for Worker {
    type Connection = Connection;
    type Job = Box<LaneJob>;
    type Outcome = LaneResult;

    fn opened(&mut self, connection: &mut Connection, id: u64) {
        connection.id = id;
    }

    #[inline]
    fn execute(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        Worker::execute(self, connection, input, out)
    }

    fn out_of_memory(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Step<Box<LaneJob>> {
        Worker::out_of_memory(self, connection, input, out)
    }

    #[inline]
    fn kept_bytes(connection: &Connection) -> usize {
        connection.kept_bytes()
    }

    #[inline]
    fn may_have_been_long(&mut self) -> bool {
        self.has_called()
    }

    #[inline]
    fn is_unsaved(connection: &Connection) -> bool {
        connection.is_unsaved()
    }

    fn poll_saved(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), NotSaved>> {
        Worker::poll_saved(self, connection, context)
    }

    fn login_tried(&mut self, granted: bool) {
        Worker::login_tried(self, granted);
    }

    fn rest(&mut self, idle_ms: u64) {
        Worker::rest(self, idle_ms);
    }

    fn hold(job: &Box<LaneJob>) -> Result<(), Scarce> {
        job.hold()
    }

    #[inline]
    fn is_filling(connection: &Connection) -> bool {
        connection.is_filling()
    }

    fn fill_from(
        connection: &mut Connection,
        file: BorrowedFd<'_>,
        after: &mut [u8],
    ) -> io::Result<Option<Taken>> {
        connection.fill_from(file, after)
    }

    fn look_ahead(&mut self, connection: &Connection, input: &[u8]) -> bool {
        Worker::look_ahead(self, connection, input)
    }

    fn fetch_ahead(&mut self) {
        Worker::fetch_ahead(self);
    }

    fn kind(job: &Box<LaneJob>) -> u64 {
        job.kind()
    }

    fn refuse(job: Box<LaneJob>, why: &str) -> LaneResult {
        job.refuse(why)
    }

    fn run(job: Box<LaneJob>) -> LaneResult {
        job.run()
    }

    fn resume(connection: &mut Connection, outcome: LaneResult) {
        Worker::resume(connection, outcome);
    }
}
