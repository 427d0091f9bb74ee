//! One connection: read, execute all that is there, one write.
//!
//! A connection that waits keeps no buffers. Nothing is allocated for a request: input goes to the worker's read
//! buffer, answers to the worker's output buffer, and both are empty again before another task runs.

mod calls;
mod gate;
mod input;
mod output;
mod watching;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use super::acceptor::Admission;
use super::buffers::{Place, Rest};
use super::link::{Link, Wish};
use super::service::Service;
use super::socket::Socket;
use super::worker_state::{CloseReason, WorkerState};
use crate::cache::{Next, Step};
use crate::stats::{ConnectionState, log};
use calls::Calls;
use input::{Source, poll_read};

/// Reads that throw away what a client has sent, when its connection is closed.
const DRAIN_READS_MAX: usize = 16;

/// Bytes of a command that are read first, on a connection that sends large values.
const FRONT_BYTES: usize = 4 << 10;

/// A connection over any stream.
pub(super) struct Session<S: Service, T> {
    worker: Rc<WorkerState<S>>,
    stream: T,
    link: Rc<Link>,
    state: S::Connection,
    /// The beginning of the next command.
    rest: Rest,
    /// What stands before the service: nothing passes until it is open.
    gate: Gate,
    /// Whether the last input of some length began a value that was read to its place. Then little of the next input is
    /// read first, so that little of a value is copied.
    fronts: bool,
    /// Calls that run elsewhere.
    calls: Calls<S::Outcome>,
    /// Whether what was executed last may have taken long, so that the next is measured.
    measured: bool,
    /// Whether the connection ended by an error: of its socket, or of what the client sent.
    failed: bool,
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

impl<S: Service, T: Socket> Session<S, T> {
    pub(super) fn new(
        worker: Rc<WorkerState<S>>,
        stream: T,
        link: Link,
        admission: Admission,
    ) -> Self {
        let link = Rc::new(link);
        worker.register(&link);
        let mut state = S::Connection::default();
        worker
            .service
            .borrow_mut()
            .opened(&mut state, link.entry.id);
        Session {
            worker,
            stream,
            link,
            state,
            fronts: false,
            calls: Calls::default(),
            measured: false,
            failed: false,
            rest: Rest::default(),
            gate: Gate::Protocol,
            _admission: admission,
        }
    }

    /// Serves until either side closes.
    pub(super) async fn run(mut self) {
        // A connection that breaks is the client's affair; nothing is left to say to it.
        self.failed |= self.serve().await.is_err();
    }

    async fn serve(&mut self) -> io::Result<()> {
        let mut needed = 0;
        let (mut filling, mut went_on) = (false, false);
        loop {
            let (received, source) = match self.holds() {
                true => self.receive(needed).await?,
                false => (0, Source::Scarce),
            };
            if matches!(source, Source::Outcome | Source::Scarce) {
                match self.answer(source).await? {
                    Some(more) => needed = more,
                    None => return self.close().await,
                }
                continue;
            }
            if received == 0 {
                self.answer_all().await?;
                return self.close().await;
            }
            self.worker.counters.read(received);
            self.link.entry.set_active(self.worker.now_s());
            self.link.entry.set_state(ConnectionState::Executing);
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
            if received >= self.worker.turn_bytes / 2 {
                // A value that is being filled goes on at once every other time: whenever it gives way, all connections
                // have a turn.
                went_on = filling && !went_on;
                if !went_on {
                    self.give_way().await;
                }
            }
        }
    }

    /// Executes what has come and writes the answers. `None`: close. Otherwise the length to read up to.
    async fn answer(&mut self, source: Source) -> io::Result<Option<usize>> {
        let mut next = match source {
            Source::Shared => self.execute_shared(),
            Source::Rest | Source::Placed | Source::Outcome => self.execute_rest(),
            Source::Gathered(place) => self.execute_gathered(place),
            Source::Scarce => self.give_back(),
        };
        loop {
            match next {
                Next::Read { needed } => {
                    self.flush_with_others().await?;
                    return Ok(Some(needed));
                }
                Next::Write => {
                    self.flush().await?;
                    self.give_way().await;
                }
                Next::Send { at, value } => {
                    self.flush_around(at, value).await?;
                    self.give_way().await;
                }
                Next::Run(job) => self.submit(job).await?,
                Next::Wait => {
                    self.flush().await?;
                    self.outcome().await?;
                }
                Next::Close => {
                    self.flush().await?;
                    return Ok(None);
                }
                Next::Refuse => {
                    self.failed = true;
                    self.flush().await?;
                    return Ok(None);
                }
                Next::Watch(streams) => {
                    if self.watch(&streams).await? {
                        return Ok(None);
                    }
                }
            }
            next = self.execute_rest();
        }
    }

    /// Executes what is in the worker's read buffer and keeps what is left of it.
    fn execute_shared(&mut self) -> Next<S::Job> {
        let input = self.worker.input.take();
        let next = self.execute_and_keep(&input);
        self.worker.input.replace(input);
        next
    }

    fn execute_gathered(&mut self, place: Place) -> Next<S::Job> {
        let worker = Rc::clone(&self.worker);
        let gathered = worker.gathered.borrow();
        self.execute_and_keep(gathered.get(place))
    }

    fn execute_and_keep(&mut self, input: &[u8]) -> Next<S::Job> {
        let Step { consumed, next } = self.execute(input);
        let needed = match next {
            Next::Read { needed } => needed,
            _ => 0,
        };
        let mut spares = self.worker.spares.borrow_mut();
        self.rest.keep(&input[consumed..], needed, &mut spares);
        next
    }

    /// Executes the kept rest of the input, even if it is empty.
    fn execute_rest(&mut self) -> Next<S::Job> {
        self.use_rest(Self::execute)
    }

    /// Has `run` use up some of the kept rest.
    fn use_rest(&mut self, run: impl FnOnce(&mut Self, &[u8]) -> Step<S::Job>) -> Next<S::Job> {
        let rest = std::mem::take(&mut self.rest);
        let Step { consumed, next } = run(self, rest.bytes());
        self.rest = rest;
        self.rest
            .consume(consumed, &mut self.worker.spares.borrow_mut());
        next
    }

    /// Counts the memory that the connection holds between two reads. False when there is none left for it.
    fn holds(&self) -> bool {
        let Session { worker, link, .. } = self;
        worker.hold_input(link, self.rest.capacity())
            && worker.hold(link, &link.answers, S::kept_bytes(&self.state))
    }

    /// Refuses the command that has come in part, so that its memory is free again.
    #[cold]
    fn give_back(&mut self) -> Next<S::Job> {
        self.link.gave_back();
        if self.rest.is_empty() && S::kept_bytes(&self.state) == 0 {
            // It was given back before this was asked for.
            return Next::Read { needed: 1 };
        }
        let next = self.use_rest(|session, input| {
            let mut out = session.worker.output();
            let mut service = session.worker.service.borrow_mut();
            match session.gate {
                Gate::Open => service.out_of_memory(&mut session.state, input, &mut out),
                _ => Next::Refuse.after(0),
            }
        });
        if matches!(next, Next::Refuse) {
            log::client(
                1,
                format_args!("no memory for {}: closed", self.link.entry.peer),
            );
        }
        self.holds();
        next
    }

    fn execute(&mut self, input: &[u8]) -> Step<S::Job> {
        let worker = Rc::clone(&self.worker);
        let mut out = worker.output();
        let mut opened = 0;
        if self.gate != Gate::Open {
            let (consumed, next) = self.pass_gate(input, &mut out);
            if let Some(next) = next {
                return next.after(consumed);
            }
            opened = consumed;
        }
        let began = self.measured.then(Instant::now);
        let mut service = worker.service.borrow_mut();
        let mut step = service.execute(&mut self.state, &input[opened..], &mut out);
        self.measured = service.may_have_been_long();
        if let Some(began) = began {
            worker.turns.took(began.elapsed());
        }
        step.consumed += opened;
        step
    }

    /// Lets the worker's other connections have their turn.
    async fn give_way(&self) {
        self.worker.counters.yielded();
        tokio::task::yield_now().await;
    }

    /// Ends the connection so that the answers arrive: the system resets a connection that is closed with input
    /// unread, and a reset overtakes data.
    async fn close(&mut self) -> io::Result<()> {
        let Session { worker, stream, .. } = self;
        poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context)).await?;
        poll_fn(|context| {
            for _ in 0..DRAIN_READS_MAX {
                let mut input = worker.fresh_input();
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
            Wish::Stay | Wish::GiveBack if self.failed => CloseReason::Error,
            Wish::Stay | Wish::GiveBack => CloseReason::Normal,
        };
        self.worker.process.closed(&self.link.entry, reason);
        self.worker.unregister(&self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::EchoService;
    use super::*;

    /// Beside its task, an open connection costs its entry, its link and its place in the runtime: some hundred bytes.
    #[test]
    fn a_connection_is_small() {
        fn task_bytes<S: Service, T, F>(_: fn(Session<S, T>) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = task_bytes(Session::<EchoService, tokio::net::TcpStream>::run);
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
