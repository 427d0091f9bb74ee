//! Accepting connections and dealing them out to the workers in turn.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::listener::{Tcp, Unix};
use super::options::Security;
use super::worker::{Arrival, Message, Transport};
use crate::stats::{ServerStats, log};

/// Pause when the system has no more descriptors or memory.
const PAUSE: Duration = Duration::from_millis(20);
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// The acceptors' common part.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) stats: Arc<ServerStats>,
    pub(super) connections_max: u64,
    /// Whether connections over the limit get an answer and are closed; else they wait outside.
    pub(super) refuse: bool,
    pub(super) workers: Vec<UnboundedSender<Message>>,
    next: std::cell::Cell<usize>,
    left: Arc<Notify>,
}

/// An open connection's place under the limit.
#[derive(Debug)]
pub(super) struct Admission {
    stats: Arc<ServerStats>,
    left: Arc<Notify>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.stats.counts.curr_connections.sub(1);
        if !self.stats.accepting() {
            self.left.notify_waiters();
        }
    }
}

impl Door {
    pub(super) fn new(
        stats: Arc<ServerStats>,
        connections_max: usize,
        refuse: bool,
        workers: Vec<UnboundedSender<Message>>,
    ) -> Door {
        Door {
            stats,
            connections_max: connections_max as u64,
            refuse,
            workers,
            next: std::cell::Cell::new(0),
            left: Arc::new(Notify::new()),
        }
    }

    /// Accepts on a TCP socket for ever.
    pub(super) async fn tcp(self: Rc<Self>, tcp: Tcp, tls: bool) -> io::Result<()> {
        let Tcp {
            socket,
            address,
            security,
        } = tcp;
        let listener = TcpListener::from_std(socket)?;
        let local: Arc<str> = format!("tcp:{address}").into();
        self.stats.connections.listen(Arc::clone(&local));
        let transport = |stream| match security {
            _ if !tls => Ok(Transport::Tcp(stream)),
            Security::Plain => Ok(Transport::Tcp(stream)),
            Security::Default => Ok(Transport::Tls(stream, false)),
            Security::Mutual => Ok(Transport::Tls(stream, true)),
        };
        let encrypted = tls && security != Security::Plain;
        loop {
            self.room().await;
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.trouble(&error).await;
                    continue;
                }
            };
            if self.full() {
                self.turn_away(stream, encrypted);
                continue;
            }
            let prepared = prepare(stream).and_then(transport);
            self.let_in(prepared, || format!("tcp:{peer}"), &local);
        }
    }

    /// Accepts on a unix socket for ever.
    pub(super) async fn unix(self: Rc<Self>, unix: Unix) -> io::Result<()> {
        let listener = UnixListener::from_std(unix.socket.try_clone()?)?;
        let local: Arc<str> = format!("unix:{}", unix.file.path().display()).into();
        self.stats.connections.listen(Arc::clone(&local));
        loop {
            self.room().await;
            match listener.accept().await {
                Ok((mut stream, _)) if self.full() => {
                    self.stats.counts.rejected_connections.add(1);
                    let _ = stream.write_all(TOO_MANY).await;
                }
                Ok((stream, _)) => {
                    self.let_in(
                        stream.into_std().map(Transport::Unix),
                        || local.to_string(),
                        &local,
                    );
                }
                Err(error) => self.trouble(&error).await,
            }
        }
    }

    fn full(&self) -> bool {
        self.stats.counts.curr_connections.get() >= self.connections_max
    }

    /// Waits until there is room under the limit, unless clients over it get an answer.
    async fn room(&self) {
        if self.refuse || !self.full() {
            return;
        }
        let since = Instant::now();
        self.stats.serving.listen_disabled_num.add(1);
        self.stats.set_accepting(false);
        loop {
            let left = self.left.notified();
            if !self.full() {
                break;
            }
            left.await;
        }
        self.stats.set_accepting(true);
        let passed = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.stats.serving.time_in_listen_disabled_us.add(passed);
    }

    /// Tells a client that there is no room for it; encrypted clients would take the line for garbage.
    fn turn_away(&self, stream: TcpStream, encrypted: bool) {
        self.stats.counts.rejected_connections.add(1);
        if !encrypted {
            // The socket's buffer is empty, so this never waits.
            let _ = stream.try_write(TOO_MANY);
        }
    }

    fn let_in(
        &self,
        transport: io::Result<Transport>,
        peer: impl FnOnce() -> String,
        local: &Arc<str>,
    ) {
        let Ok(transport) = transport else {
            return;
        };
        self.stats.counts.total_connections.add(1);
        let open = self.stats.counts.curr_connections.add(1);
        self.stats.counts.connection_structures.raise(open);
        let admission = Admission {
            stats: Arc::clone(&self.stats),
            left: Arc::clone(&self.left),
        };
        let at = self.next.get();
        self.next.set((at + 1) % self.workers.len());
        let arrival = Arrival {
            transport,
            peer: peer(),
            local: Arc::clone(local),
            admission,
        };
        // A worker that is gone drops the connection, which closes it.
        let _ = self.workers[at].send(Message::Connection(Box::new(arrival)));
    }

    async fn trouble(&self, error: &io::Error) {
        const NOFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
        if error.raw_os_error() == Some(NOFILE) {
            self.stats.serving.listen_disabled_num.add(1);
        }
        log::client(1, format_args!("cannot accept a connection: {error}"));
        tokio::time::sleep(PAUSE).await;
    }
}

fn prepare(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(&stream).set_keepalive(true)?;
    stream.into_std()
}
