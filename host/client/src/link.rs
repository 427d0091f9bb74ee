//! A connection to a node: requests go out as they come, answers come back in the same order.
//!
//! A link is a task. It connects when the first request waits for it, and again when a request comes after the connection
//! broke. Meanwhile requests wait in its queue, which is part of the node's buffer.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::Failure;
use crate::node::Shared;
use crate::reply::{self, Reply};
use crate::{Cause, connect};

/// Bytes that may wait for the socket before further requests are taken from the queue.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;

/// Some commands that travel together.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commands: Vec<Bytes>,
    /// Whoever sets it first has the request: the link, which then sends it, or the caller, who gave up.
    pub(crate) is_taken: Arc<AtomicBool>,
    pub(crate) answer: oneshot::Sender<Answers>,
    /// The request's part of the node's buffer.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The answers to a request's first commands, and why the others have none.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) replies: Vec<Reply>,
    pub(crate) failure: Option<Failure>,
}

impl Request {
    fn fail(self, failure: Failure) {
        finish(self.answer, Vec::new(), Some(failure));
    }
}

/// Tells the caller, who may have gone.
fn finish(answer: oneshot::Sender<Answers>, replies: Vec<Reply>, failure: Option<Failure>) {
    let _ = answer.send(Answers { replies, failure });
}

/// Runs a link until the client is dropped.
pub(crate) async fn run(node: Arc<Shared>, mut requests: UnboundedReceiver<Request>) {
    while let Some(first) = requests.recv().await {
        let cause = match connect::connect(&node.host, node.port, &node.options).await {
            Ok(stream) => {
                let mut connection = Connection::new(stream, &node, &mut requests);
                connection.take(first);
                connection.serve().await
            }
            Err(cause) => {
                node.take_out(cause.clone());
                first.fail(Failure::NotSent(cause.clone()));
                cause
            }
        };
        // A connection that broke is made anew for those who wait. A node that is taken out has others stand in for it.
        if node.is_out() {
            while let Ok(request) = requests.try_recv() {
                request.fail(Failure::NotSent(cause.clone()));
            }
        }
    }
}

struct Connection<'a> {
    stream: TcpStream,
    node: &'a Shared,
    requests: &'a mut UnboundedReceiver<Request>,
    output: BytesMut,
    /// Bytes that were put into the output since the connection began.
    queued_bytes: u64,
    /// Bytes of them that the system has taken.
    written_bytes: u64,
    input: BytesMut,
    open: VecDeque<Open>,
    /// When something came last, or when no answer was owed.
    heard_at: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// A request that waits for answers.
struct Open {
    replies: Vec<Reply>,
    commands: usize,
    /// Where its bytes begin and end among all that were queued.
    starts_at: u64,
    ends_at: u64,
    answer: oneshot::Sender<Answers>,
    _room: OwnedSemaphorePermit,
}

impl<'a> Connection<'a> {
    fn new(
        stream: TcpStream,
        node: &'a Shared,
        requests: &'a mut UnboundedReceiver<Request>,
    ) -> Self {
        let now = Instant::now();
        Self {
            stream,
            node,
            requests,
            output: BytesMut::new(),
            queued_bytes: 0,
            written_bytes: 0,
            input: BytesMut::new(),
            open: VecDeque::new(),
            heard_at: now,
            alarm: Box::pin(sleep_until(now)),
        }
    }

    /// Serves until the connection ends, and answers what is open then.
    async fn serve(mut self) -> Cause {
        let cause = poll_fn(|cx| self.turn(cx)).await;
        if matches!(cause, Cause::Silent(_)) {
            self.node.take_out(cause.clone());
        }
        for open in self.open {
            let failure = match open.starts_at < self.written_bytes {
                true => Failure::Lost(cause.clone()),
                false => Failure::NotSent(cause.clone()),
            };
            finish(open.answer, open.replies, Some(failure));
        }
        cause
    }

    /// Does everything that can be done now. Ready when the connection is at its end.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        loop {
            let results = [
                self.poll_requests(cx),
                self.poll_write(cx),
                self.poll_read(cx),
            ];
            let mut has_moved = false;
            for result in results {
                match result {
                    Poll::Ready(Ok(())) => has_moved = true,
                    Poll::Ready(Err(cause)) => return Poll::Ready(cause),
                    Poll::Pending => (),
                }
            }
            if !has_moved {
                return self.poll_silence(cx);
            }
        }
    }

    /// Takes requests from the queue while there is room for them.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let mut has_moved = false;
        while self.output.len() < OUTPUT_BYTES_MAX
            && self.open.len() < self.node.options.in_flight_max
        {
            match self.requests.poll_recv(cx) {
                Poll::Ready(Some(request)) => self.take(request),
                // The client was dropped. What it still waits for is answered first.
                Poll::Ready(None) if self.open.is_empty() => {
                    return Poll::Ready(Err(Cause::Closed));
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
            has_moved = true;
        }
        match has_moved {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    /// Queues a request, unless its caller has given up.
    fn take(&mut self, request: Request) {
        if request.is_taken.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.open.is_empty() {
            self.heard_at = Instant::now();
        }
        let starts_at = self.queued_bytes;
        for command in &request.commands {
            self.output.extend_from_slice(command);
            self.queued_bytes += command.len() as u64;
        }
        self.open.push_back(Open {
            replies: Vec::with_capacity(request.commands.len()),
            commands: request.commands.len(),
            starts_at,
            ends_at: self.queued_bytes,
            answer: request.answer,
            _room: request.room,
        });
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        if self.output.is_empty() {
            return Poll::Pending;
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output));
        let written = written.map_err(broken)?;
        self.output.advance(written);
        // A request that is not written yet is owed no answer: a long value may take its time.
        let oldest = self.open.front();
        if oldest.is_some_and(|open| open.ends_at > self.written_bytes) {
            self.heard_at = Instant::now();
        }
        self.written_bytes += written as u64;
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.input.reserve(READ_BYTES);
        loop {
            ready!(self.stream.poll_read_ready(cx)).map_err(broken)?;
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Poll::Ready(Err(Cause::Closed)),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                Err(error) => return Poll::Ready(Err(broken(error))),
            }
        }
        self.heard_at = Instant::now();
        Poll::Ready(self.deliver())
    }

    /// Gives the answers that have come to whom they belong.
    fn deliver(&mut self) -> Result<(), Cause> {
        while let Some(reply) = reply::take(&mut self.input, self.node.options.value_bytes_max)
            .map_err(Cause::Answer)?
        {
            let Some(open) = self.open.front_mut() else {
                return Err(Cause::Answer("nothing was asked".to_owned()));
            };
            open.replies.push(reply);
            if open.replies.len() == open.commands {
                let open = self.open.pop_front().expect("it was there a line ago");
                finish(open.answer, open.replies, None);
            }
        }
        Ok(())
    }

    /// Ready when the server owes answers and has been silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        if self.open.is_empty() {
            return Poll::Pending;
        }
        let dead_ms = self.node.options.dead_ms;
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            // The alarm is set anew when it rings, not with every answer: answers are many.
            let dead_at = self.heard_at + Duration::from_millis(dead_ms);
            if Instant::now() >= dead_at {
                return Poll::Ready(Cause::Silent(dead_ms));
            }
            self.alarm.as_mut().reset(dead_at);
        }
    }
}

fn broken(error: Error) -> Cause {
    Cause::Broken(error.to_string())
}
