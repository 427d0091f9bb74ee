//! Writes that nobody waits for.
//!
//! A posted write is put into the buffer of its node at once, also while the node is being connected to, and is sent when that
//! is possible. [`Client::flush`] waits until all of them have an end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::answer::Answer;
use crate::command::{self, Command};
use crate::dispatch::{Placed, repeats};
use crate::error::Failure;
use crate::node::{Node, Pending};
use crate::{Cause, Client, Error, Store};

/// How the posted writes of a client go.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    failures: u64,
    first: Option<Error>,
}

/// What became of posted writes that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failures} posted writes failed, the first one so: {first}")]
pub struct PostError {
    /// How many failed since the last [`Client::flush`].
    pub failures: u64,
    /// Why the first of them did.
    pub first: Error,
}

impl Client {
    /// Stores a value without waiting. An answer of the server that it was not stored, because of the mode or the CAS, is
    /// not counted as a failure.
    ///
    /// # Errors
    /// When the request cannot be made or has no room in its node's buffer, or no node is up. Later failures are told by
    /// [`flush`](Self::flush).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn post_store(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        how: &Store,
    ) -> Result<(), Error> {
        let key = key.as_ref();
        let max = self.inner.options.value_bytes_max;
        self.post(key, command::store(key, value.as_ref(), how, max)?)
    }

    /// Removes an item without waiting.
    ///
    /// # Errors
    /// As [`post_store`](Self::post_store).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn post_delete(&self, key: impl AsRef<[u8]>) -> Result<(), Error> {
        let key = key.as_ref();
        self.post(key, command::delete(key, None)?)
    }

    /// Waits until every posted write was answered or has failed. That takes at most twice
    /// [`Options::request_ms`](crate::Options::request_ms) when no more are posted meanwhile.
    ///
    /// # Errors
    /// When some failed since the last flush.
    pub async fn flush(&self) -> Result<(), PostError> {
        let posted = &self.inner.posted;
        loop {
            let changed = posted.changed.notified();
            if posted.lock().open == 0 {
                break;
            }
            changed.await;
        }
        let mut state = posted.lock();
        let failures = std::mem::take(&mut state.failures);
        match state.first.take() {
            Some(first) => Err(PostError { failures, first }),
            None => Ok(()),
        }
    }

    fn post(&self, key: &[u8], command: Command) -> Result<(), Error> {
        let place = self.place(key);
        let options = &self.inner.options;
        let cluster = self.cluster();
        let picked = cluster.pick(&place).ok_or_else(|| cluster.no_nodes())?;
        let node = &cluster.nodes()[picked];
        let link = cluster.link(&place, options.connections_per_node);
        let pending = node
            .try_begin(link, vec![command.bytes.clone()])
            .map_err(|failure| failure.into_error(&node.name, options.buffer_bytes_max))?;
        self.inner.posted.lock().open += 1;
        let (client, node) = (self.clone(), node.clone());
        tokio::spawn(async move {
            let _open = IsOpen(client.clone());
            let request = Placed { place, command };
            let result = client.settle(pending, &request, &node).await;
            if let Err(error) = result {
                client.inner.posted.failed(error);
            }
        });
        Ok(())
    }

    /// Waits for a posted write, and sends it to the next node when it was not sent to its own.
    async fn settle(
        &self,
        pending: Pending,
        request: &Placed,
        node: &Arc<Node>,
    ) -> Result<Answer, Error> {
        let options = &self.inner.options;
        let limit = Duration::from_millis(options.request_ms);
        let answers = pending
            .wait(Instant::now() + limit, options.request_ms)
            .await;
        if let Some(reply) = answers.replies.into_iter().next() {
            return Answer::new(reply, node);
        }
        let failure = answers.failure.unwrap_or(Failure::Lost(Cause::Runtime));
        match repeats(&failure, &request.command, options) {
            true => {
                self.at(request.place.clone(), request.command.clone())
                    .await
            }
            false => Err(failure.into_error(&node.name, options.buffer_bytes_max)),
        }
    }
}

/// Counts a posted write as open until it is dropped, also when its task is aborted.
struct IsOpen(Client);

impl Drop for IsOpen {
    fn drop(&mut self) {
        let posted = &self.0.inner.posted;
        posted.lock().open -= 1;
        posted.changed.notify_waiters();
    }
}

impl Posted {
    fn failed(&self, error: Error) {
        let mut state = self.lock();
        state.failures += 1;
        state.first.get_or_insert(error);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are right after every statement, so also when a holder panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
