//! Where input goes: to the worker's read buffer, to the connection's own, or straight to where it will stay.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{FRONT_BYTES, Gate, Session};
use crate::server::buffers::{Place, Rest};
use crate::server::link::{Link, Wish};
use crate::server::service::Service;
use crate::server::socket::Socket;
use crate::server::worker_state::WorkerState;
use crate::stats::ConnectionState;

/// Longest input that waits for that of others, in bytes: longer input has the memory of its own commands fetched
/// together.
const GATHERED_BYTES_MAX: usize = 256;

/// Most bytes read together with the end of a value: the end of its block and perhaps a few commands.
const AFTER_BYTES_MAX: usize = 512;

/// Where the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In the worker's read buffer.
    Shared,
    /// In the connection's own buffer.
    Rest,
    /// In the worker's buffer for the input of several connections.
    Gathered(Place),
    /// In its place: the service has the input already.
    Placed,
    /// There is no input, but the outcome of a call.
    Outcome,
    /// There is no memory for more of it.
    Scarce,
}

impl<S: Service, T: Socket> Session<S, T> {
    /// Waits for input. 0 bytes are the end.
    ///
    /// A short rest is put in front of the input in the worker's buffer; to a long rest the input is appended. So the
    /// bytes of a large value are copied once, if the service has no place for them from the start.
    pub(super) async fn receive(&mut self, needed: usize) -> io::Result<(usize, Source)> {
        let Session {
            worker,
            stream,
            link,
            state,
            rest,
            fronts,
            calls,
            ..
        } = self;
        let (received, source) = poll_fn(|context| {
            if let Poll::Ready(outcome) = calls.poll(context) {
                S::resume(state, outcome?);
                return Poll::Ready(Ok((0, Source::Outcome)));
            }
            match link.wish() {
                Wish::Leave => return Poll::Ready(Ok((0, Source::Rest))),
                Wish::GiveBack => return Poll::Ready(Ok((0, Source::Scarce))),
                Wish::Stay | Wish::Finish => {}
            }
            let filling = rest.is_empty() && S::is_filling(state);
            let filled = match filling {
                true => poll_fill(worker, stream, state, context),
                false => None,
            };
            let bytes_max = match *fronts && !filling {
                true => FRONT_BYTES,
                false => worker.turn_bytes,
            };
            let polled = filled.unwrap_or_else(|| match source_for(worker, rest, needed) {
                Source::Rest => poll_rest(worker, stream, link, (rest, needed), context),
                source => {
                    let mut input = worker.fresh_input();
                    input.extend_from_slice(rest.bytes());
                    poll_read(stream, context, &mut (&mut *input).limit(bytes_max))
                        .map_ok(|read| (read, source))
                }
            });
            match polled {
                Poll::Pending if link.wish() == Wish::Finish && !calls.any() => {
                    Poll::Ready(Ok((0, Source::Rest)))
                }
                Poll::Pending => {
                    link.entry.set_state(match filling || !rest.is_empty() {
                        _ if calls.any() => ConnectionState::Calling,
                        true => ConnectionState::Reading,
                        false => ConnectionState::Waiting,
                    });
                    link.sleeps(context);
                    Poll::Pending
                }
                ready => ready,
            }
        })
        .await?;
        if source == Source::Shared && received > 0 {
            rest.consume(rest.len(), &mut worker.spares.borrow_mut());
        }
        Ok((received, source))
    }

    /// Whether what has come is too short to be executed; it is kept then.
    pub(super) fn is_short(&mut self, source: Source, needed: usize) -> io::Result<bool> {
        match source {
            Source::Placed | Source::Gathered(_) | Source::Outcome | Source::Scarce => Ok(false),
            Source::Rest if self.rest.len() > self.worker.input_bytes_max => {
                Err(io::ErrorKind::InvalidData.into())
            }
            Source::Rest => Ok(self.rest.len() < needed),
            Source::Shared => {
                let input = self.worker.input.borrow();
                let short = input.len() < needed;
                if short {
                    self.rest
                        .keep(&input, needed, &mut self.worker.spares.borrow_mut());
                }
                Ok(short)
            }
        }
    }

    /// Lets other connections read before this one executes, where there are others and waiting helps.
    pub(super) async fn gather(&self, source: Source) -> Source {
        let worker = &self.worker;
        if source != Source::Shared || !worker.turns.is_crowd() || self.gate != Gate::Open {
            return source;
        }
        let place = {
            let input = worker.input.borrow();
            if input.len() > GATHERED_BYTES_MAX
                || !worker.service.borrow_mut().look_ahead(&self.state, &input)
            {
                return source;
            }
            worker.gathered.borrow_mut().put(&input)
        };
        worker.turns.after_others().await;
        Source::Gathered(place)
    }
}

/// Reads to the service's place for a value, and what comes after the value to the worker's buffer. `None`: read as
/// always.
fn poll_fill<S: Service, T: Socket>(
    worker: &WorkerState<S>,
    stream: &mut T,
    state: &mut S::Connection,
    context: &mut Context<'_>,
) -> Option<Poll<io::Result<(usize, Source)>>> {
    let mut after = [0; AFTER_BYTES_MAX];
    let polled = stream.poll_file(context, &mut |file| {
        let taken = S::fill_from(state, file, &mut after)?;
        Ok((taken, taken.is_some_and(|taken| taken.drained)))
    });
    match polled? {
        Poll::Ready(Ok(taken)) => {
            let taken = taken?;
            let source = match taken.after {
                0 => Source::Placed,
                more => {
                    worker.fresh_input().extend_from_slice(&after[..more]);
                    Source::Shared
                }
            };
            Some(Poll::Ready(Ok((taken.placed + taken.after, source))))
        }
        Poll::Ready(Err(error)) => Some(Poll::Ready(Err(error))),
        Poll::Pending => Some(Poll::Pending),
    }
}

/// Reads behind the beginning of a command of `needed` bytes, if there is memory for that.
fn poll_rest<S: Service, T: AsyncRead + Unpin>(
    worker: &WorkerState<S>,
    stream: &mut T,
    link: &Link,
    (rest, needed): (&mut Rest, usize),
    context: &mut Context<'_>,
) -> Poll<io::Result<(usize, Source)>> {
    if worker.hold_input(link, rest.capacity_with_room(needed))
        && let Ok(room) = rest.room(needed)
    {
        return poll_read(stream, context, room).map_ok(|read| (read, Source::Rest));
    }
    Poll::Ready(Ok((0, Source::Scarce)))
}

/// The buffer for the next read.
fn source_for<S: Service>(worker: &WorkerState<S>, rest: &Rest, needed: usize) -> Source {
    match rest.len() {
        0 => Source::Shared,
        len if len.max(needed) <= worker.turn_bytes / 2 => Source::Shared,
        _ => Source::Rest,
    }
}

/// Reads into the spare capacity of `buffer`.
pub(super) fn poll_read<T: AsyncRead + Unpin>(
    stream: &mut T,
    context: &mut Context<'_>,
    buffer: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(buffer)).poll(context)
}
