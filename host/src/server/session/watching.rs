//! A connection that turned to `watch`: log lines until it leaves.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::Session;
use super::input::poll_read;
use crate::protocol::reply;
use crate::server::link::Wish;
use crate::server::service::Service;
use crate::server::socket::Socket;
use crate::stats::{ConnectionState, WatchError, Watcher};

impl<S: Service, T: Socket> Session<S, T> {
    /// Sends log lines until the client leaves. False when there is no such stream: the connection goes on.
    pub(super) async fn watch(&mut self, streams: &[u8]) -> io::Result<bool> {
        let hub = Arc::clone(&self.worker.process.hub);
        if !self.worker.process.config.watch {
            self.worker
                .output()
                .extend_from_slice(reply::WATCH_NOT_ALLOWED.as_bytes());
            return Ok(false);
        }
        let watcher = match hub.watch(streams) {
            Ok(watcher) => watcher,
            Err(refusal) => {
                let line = match refusal {
                    WatchError::UnknownStream => reply::ERROR,
                    WatchError::TooMany => reply::WATCHER_TOO_MANY,
                };
                self.worker.output().extend_from_slice(line.as_bytes());
                return Ok(false);
            }
        };
        self.worker.output().extend_from_slice(reply::OK.as_bytes());
        let result = self.watch_lines(&watcher).await;
        hub.unwatch(&watcher);
        result.map(|()| true)
    }

    async fn watch_lines(&mut self, watcher: &Watcher) -> io::Result<()> {
        self.flush().await?;
        let mut lines = Vec::new();
        loop {
            self.link.entry.set_state(ConnectionState::Watching);
            let Session {
                worker,
                stream,
                link,
                ..
            } = self;
            let more = poll_fn(|context| {
                // What a watching client sends is of no interest, but its leaving is.
                loop {
                    let mut input = worker.fresh_input();
                    match poll_read(stream, context, &mut *input) {
                        Poll::Ready(Ok(1..)) => {}
                        Poll::Ready(_) => return Poll::Ready(false),
                        Poll::Pending => break,
                    }
                }
                if link.wish() != Wish::Stay {
                    return Poll::Ready(false);
                }
                link.sleeps(context);
                watcher.poll_lines(context, &mut lines).map(|()| true)
            })
            .await;
            if !more {
                return Ok(());
            }
            self.write(lines.as_slice(), lines.capacity()).await?;
            lines.clear();
        }
    }
}
