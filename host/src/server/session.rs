//! One connection: read, execute all that is there, one write.
//!
//! A connection that waits keeps no buffers. Nothing is allocated for a request: input goes to the worker's read
//! buffer, answers to the worker's output buffer, and both are empty again before another task runs.

mod gate;
mod input;
mod output;
mod watching;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Buf;
use tokio::sync::oneshot;

use super::acceptor::Admission;
use super::buffers::{Place, Rest};
use super::lanes::Fair;
use super::link::{Link, Wish};
use super::service::{Service, Step};
use super::shard::{CloseReason, Shard};
use super::socket::Socket;
use crate::stats::ConnectionState;
use input::{Source, poll_read};

/// Reads that throw away what a client sent after its connection was closed for it.
const DRAIN_READS_MAX: usize = 16;

/// Bytes read first of a command on a connection that sends large values.
const FRONT_BYTES: usize = 4 << 10;

/// A connection over any stream.
pub(super) struct Session<S: Service, T> {
    shard: Rc<Shard<S>>,
    stream: T,
    link: Rc<Link>,
    state: S::Connection,
    /// The beginning of the next command.
    rest: Rest,
    /// Nothing reaches the service before this was looked at.
    gate: Gate,
    /// Its last input of some length began a value that was read to its place. Of the next one little is read before that is
    /// known again, so that little of a value is copied.
    fronts: bool,
    /// It ended by an error of its socket.
    broken: bool,
    /// Counts the connection as open for as long as it is.
    _admission: Admission,
}

/// What stands between a connection and the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// The first byte decides about the protocol.
    Protocol,
    /// A text client has to give its password.
    Password,
    Open,
}

/// What to do between two executions.
enum Turn<Job> {
    Read { needed: usize },
    Write,
    Send(usize, Box<dyn Buf>),
    Lane(Job),
    Close,
    Watch(Vec<u8>),
}

impl<S: Service, T: Socket> Session<S, T> {
    pub(super) fn new(shard: Rc<Shard<S>>, stream: T, link: Link, admission: Admission) -> Self {
        let link = Rc::new(link);
        shard.register(&link);
        let mut state = S::Connection::default();
        shard.service.borrow_mut().opened(&mut state, link.entry.id);
        Session {
            shard,
            stream,
            link,
            state,
            fronts: false,
            broken: false,
            rest: Rest::default(),
            gate: Gate::Protocol,
            _admission: admission,
        }
    }

    /// Serves until either side closes.
    pub(super) async fn run(mut self) {
        // A connection that breaks is the client's affair; nothing is left to say to it.
        self.broken = self.serve().await.is_err();
    }

    async fn serve(&mut self) -> io::Result<()> {
        let mut needed = 0;
        let (mut filling, mut went_on) = (false, false);
        loop {
            let (received, source) = self.receive(needed).await?;
            if received == 0 {
                return self.close().await;
            }
            self.shard.counters.read(received);
            self.link.entry.set_active(self.shard.now_s());
            if self.is_short(source, needed)? {
                if source == Source::Rest {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let source = self.gather(source).await;
            match self.answer(source).await? {
                Some(more) => needed = more,
                None => return self.close().await,
            }
            let was_filling = std::mem::replace(&mut filling, S::is_filling(&self.state));
            if received >= FRONT_BYTES && !was_filling {
                self.fronts = filling;
            }
            if received >= self.shard.turn_bytes / 2 {
                // A value that has begun goes on at once: each turn it takes is one of all connections.
                went_on = filling && !went_on;
                if !went_on {
                    self.give_way().await;
                }
            }
        }
    }

    /// Executes what has come and writes the answers. `None`: close. Otherwise the length to read up to.
    async fn answer(&mut self, source: Source) -> io::Result<Option<usize>> {
        let mut turn = match source {
            Source::Shared => self.execute_shared(),
            Source::Rest | Source::Placed => self.execute_rest(),
            Source::Gathered(place) => self.execute_gathered(place),
        };
        loop {
            match turn {
                Turn::Read { needed } => {
                    self.flush_with_others().await?;
                    return Ok(Some(needed));
                }
                Turn::Write => {
                    self.flush().await?;
                    self.give_way().await;
                }
                Turn::Send(at, value) => {
                    self.flush_around(at, value).await?;
                    self.give_way().await;
                }
                Turn::Lane(job) => self.call(job).await?,
                Turn::Close => {
                    self.flush().await?;
                    return Ok(None);
                }
                Turn::Watch(streams) => {
                    if self.watch(&streams).await? {
                        return Ok(None);
                    }
                }
            }
            turn = self.execute_rest();
        }
    }

    /// Executes what is in the worker's read buffer and keeps what is left of it.
    fn execute_shared(&mut self) -> Turn<S::Job> {
        let input = self.shard.input.take();
        let turn = self.execute_and_keep(&input);
        self.shard.input.replace(input);
        turn
    }

    fn execute_gathered(&mut self, place: Place) -> Turn<S::Job> {
        let shard = Rc::clone(&self.shard);
        let gathered = shard.gathered.borrow();
        self.execute_and_keep(gathered.get(place))
    }

    fn execute_and_keep(&mut self, input: &[u8]) -> Turn<S::Job> {
        let (consumed, turn) = self.execute(input);
        let needed = match turn {
            Turn::Read { needed } => needed,
            _ => 0,
        };
        let mut spares = self.shard.spares.borrow_mut();
        self.rest.keep(&input[consumed..], needed, &mut spares);
        turn
    }

    /// Executes the rest, be it empty.
    fn execute_rest(&mut self) -> Turn<S::Job> {
        let rest = std::mem::take(&mut self.rest);
        let (consumed, turn) = self.execute(rest.bytes());
        self.rest = rest;
        self.rest
            .consume(consumed, &mut self.shard.spares.borrow_mut());
        turn
    }

    fn execute(&mut self, input: &[u8]) -> (usize, Turn<S::Job>) {
        let shard = Rc::clone(&self.shard);
        let mut out = shard.output();
        let mut opened = 0;
        if self.gate != Gate::Open {
            let (consumed, turn) = self.pass_gate(input, &mut out);
            if let Some(turn) = turn {
                return (consumed, turn);
            }
            opened = consumed;
        }
        let mut service = shard.service.borrow_mut();
        match service.execute(&mut self.state, &input[opened..], &mut out) {
            Step::Read { consumed, needed } => (opened + consumed, Turn::Read { needed }),
            Step::Write { consumed } => (opened + consumed, Turn::Write),
            Step::Send {
                consumed,
                at,
                value,
            } => (opened + consumed, Turn::Send(at, value)),
            Step::Lane { consumed, job } => (opened + consumed, Turn::Lane(job)),
            Step::Close => (input.len(), Turn::Close),
            Step::Watch { consumed, streams } => (opened + consumed, Turn::Watch(streams)),
        }
    }

    /// Has a call run on a lane thread, while the answers before it go out.
    async fn call(&mut self, job: S::Job) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.shard.process.stats.lane_jobs.add(1);
        let fair = Fair::of(&self.link.entry, S::kind(&job));
        // A client that left doesn't wait for the outcome.
        let run = move |job| drop(sender.send(S::run(job)));
        let submitted = self.shard.process.lanes.submit_for(fair, job, run);
        self.flush().await?;
        let outcome = match submitted {
            Ok(()) => {
                self.link.entry.set_state(ConnectionState::Calling);
                let outcome = receiver.await;
                self.link.entry.set_state(ConnectionState::Waiting);
                // A job that panicked has no outcome, and this client's stream no way on.
                outcome.map_err(|_| io::Error::from(io::ErrorKind::Other))?
            }
            Err((full, job)) => S::refuse(job, &full.to_string()),
        };
        self.shard
            .service
            .borrow_mut()
            .resume(&mut self.state, outcome);
        Ok(())
    }

    /// Lets the worker's other connections have their turn.
    async fn give_way(&self) {
        self.shard.counters.yielded();
        tokio::task::yield_now().await;
    }

    /// Ends the connection so that the answers arrive: the system resets a connection that is closed with input
    /// unread, and a reset overtakes data.
    async fn close(&mut self) -> io::Result<()> {
        let Session { shard, stream, .. } = self;
        poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context)).await?;
        poll_fn(|context| {
            for _ in 0..DRAIN_READS_MAX {
                let mut input = shard.fresh_input();
                if !matches!(
                    poll_read(stream, context, &mut *input),
                    Poll::Ready(Ok(1..))
                ) {
                    break;
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl<S: Service, T> Drop for Session<S, T> {
    fn drop(&mut self) {
        let reason = match self.link.wish() {
            Wish::Leave => CloseReason::Idle,
            Wish::Finish => CloseReason::Shutdown,
            Wish::Stay if self.broken => CloseReason::Error,
            Wish::Stay => CloseReason::Normal,
        };
        self.shard.process.closed(&self.link.entry, reason);
        self.shard.unregister(&self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::EchoService;
    use super::*;

    /// Beside this an open connection costs its entry, its link and its place in the runtime: some hundred bytes.
    #[test]
    fn a_connection_is_small() {
        fn task_bytes<S: Service, T, F>(_: fn(Session<S, T>) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = task_bytes(Session::<EchoService, tokio::net::TcpStream>::run);
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
