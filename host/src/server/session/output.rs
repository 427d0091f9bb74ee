//! What a connection writes: the worker's output buffer, with values in it that nobody copied.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use tokio::io::AsyncWrite;

use super::Session;
use crate::protocol::reply::NOT_SAVED;
use crate::server::link::Wish;
use crate::server::service::Service;
use crate::server::socket::Socket;
use crate::stats::ConnectionState;

/// Lengths of answers that wait for those of other connections: more than one small value, less than a socket takes.
const DEFERRED_BYTES: std::ops::Range<usize> = 512..64 << 10;
/// Parts written at once: a value of a mebibyte in pieces of whole regions, and what stands around it.
const SLICES_MAX: usize = 68;

impl<S: Service, T: Socket> Session<S, T> {
    /// Writes the worker's output buffer; answers to a pipeline together with those of all connections that have input
    /// now. A client on another core is then woken once for much work, instead of by each write. Other answers wait
    /// until the group of the connection has executed.
    pub(super) async fn flush_with_others(&mut self) -> io::Result<()> {
        if self.worker.output().is_empty() {
            return Ok(());
        }
        let out = self.worker.take_output();
        match DEFERRED_BYTES.contains(&out.len()) {
            true => tokio::task::yield_now().await,
            false => self.worker.turns.after_group().await,
        }
        self.write_buffer(out).await
    }

    /// Writes the worker's output buffer.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.worker.output().is_empty() {
            return Ok(());
        }
        let out = self.worker.take_output();
        self.write_buffer(out).await
    }

    async fn write_buffer(&mut self, out: Vec<u8>) -> io::Result<()> {
        let result = self.write_saved(out.as_slice(), out.capacity()).await;
        self.worker.return_output(out);
        result
    }

    /// Writes the worker's output buffer with a value after its first `at` bytes.
    pub(super) async fn flush_around(&mut self, at: usize, value: Box<dyn Buf>) -> io::Result<()> {
        let out = self.worker.take_output();
        let (before, after) = out.split_at(at);
        let bytes = before.chain(value).chain(after);
        let result = self.write_saved(bytes, out.capacity()).await;
        self.worker.return_output(out);
        result
    }

    /// As [`Session::write`], once what the answers tell is on disk.
    async fn write_saved(&mut self, bytes: impl Buf, held: usize) -> io::Result<()> {
        if S::is_unsaved(&self.state) {
            self.saved(held).await?;
        }
        self.write(bytes, held).await
    }

    /// Waits until what the answers tell, which keep `held` bytes of memory, is on disk. If it may never be, the client is told
    /// that instead.
    #[cold]
    async fn saved(&mut self, held: usize) -> io::Result<()> {
        let Session {
            worker,
            link,
            state,
            ..
        } = self;
        link.entry.set_state(ConnectionState::Saving);
        let saved: io::Result<_> = poll_fn(|context| {
            let polled = worker.service.borrow_mut().poll_saved(state, context);
            match polled {
                Poll::Pending if matches!(link.wish(), Wish::Leave | Wish::GiveBack) => {
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                Poll::Pending if !worker.hold(link, &link.answers, held) => {
                    Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()))
                }
                Poll::Pending => {
                    link.sleeps(context);
                    Poll::Pending
                }
                Poll::Ready(saved) => Poll::Ready(Ok(saved)),
            }
        })
        .await;
        worker.hold(link, &link.answers, 0);
        let Err(error) = saved? else {
            return Ok(());
        };
        self.write(NOT_SAVED.as_bytes(), 0).await?;
        Err(io::Error::other(error))
    }

    /// Writes `bytes`, which keep `held` bytes of memory until the client has taken them.
    pub(super) async fn write(&mut self, mut bytes: impl Buf, held: usize) -> io::Result<()> {
        let Session {
            worker,
            stream,
            link,
            ..
        } = self;
        let mut written = 0;
        let result = poll_fn(|context| {
            while bytes.has_remaining() {
                match poll_write(stream, context, &bytes) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => {
                        bytes.advance(n);
                        written += n;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if matches!(link.wish(), Wish::Leave | Wish::GiveBack) => {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    Poll::Pending if !worker.hold(link, &link.answers, held) => {
                        return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
                    }
                    Poll::Pending => {
                        link.entry.set_state(ConnectionState::Writing);
                        link.sleeps(context);
                        return Poll::Pending;
                    }
                }
            }
            Pin::new(&mut *stream).poll_flush(context)
        })
        .await;
        worker.hold(link, &link.answers, 0);
        worker.counters.wrote(written);
        link.entry.set_state(ConnectionState::Executing);
        result
    }
}

/// Writes some of `bytes`, all parts of it together.
fn poll_write<T: AsyncWrite + Unpin>(
    stream: &mut T,
    context: &mut Context<'_>,
    bytes: &impl Buf,
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    let first = bytes.chunk();
    if first.len() == bytes.remaining() {
        return stream.poll_write(context, first);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let count = bytes.chunks_vectored(&mut slices);
    stream.poll_write_vectored(context, &slices[..count])
}
