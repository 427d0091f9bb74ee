//! What a connection needs of its stream.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A stream of bytes, perhaps with a file behind it from which they can be read as they are.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Calls `read` with the file when there is something to read; `read` also tells whether that was all. `None` when
    /// the stream has no such file, as what comes is encrypted.
    fn poll_file<R>(
        &mut self,
        context: &mut Context<'_>,
        read: &mut impl FnMut(BorrowedFd<'_>) -> io::Result<(R, bool)>,
    ) -> Option<Poll<io::Result<R>>>;
}

macro_rules! plain {
    ($($stream:ty),*) => {
        $(impl Socket for $stream {
            fn poll_file<R>(
                &mut self,
                context: &mut Context<'_>,
                read: &mut impl FnMut(BorrowedFd<'_>) -> io::Result<(R, bool)>,
            ) -> Option<Poll<io::Result<R>>> {
                let mut poll = || loop {
                    ready!(self.poll_read_ready(context))?;
                    let mut taken = None;
                    let tried = self.try_io(Interest::READABLE, || {
                        let (some, all) = read(self.as_fd())?;
                        taken = Some(some);
                        // This error keeps everybody from reading again before more has come.
                        match all {
                            true => Err(io::ErrorKind::WouldBlock.into()),
                            false => Ok(()),
                        }
                    });
                    match (taken, tried) {
                        (Some(taken), _) => return Poll::Ready(Ok(taken)),
                        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                            return Poll::Ready(Err(error));
                        }
                        (None, _) => {}
                    }
                };
                Some(poll())
            }
        })*
    };
}

plain!(TcpStream, UnixStream);

impl<T> Socket for Box<TlsStream<T>>
where
    TlsStream<T>: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_file<R>(
        &mut self,
        _: &mut Context<'_>,
        _: &mut impl FnMut(BorrowedFd<'_>) -> io::Result<(R, bool)>,
    ) -> Option<Poll<io::Result<R>>> {
        None
    }
}
