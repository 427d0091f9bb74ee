//! The operations on items, each once: guarded, counted, told to watchers, stored.
//!
//! Whoever speaks a protocol translates its requests to these and their outcomes back; whatever must be true of an
//! operation in every protocol stands here.

mod arith;
mod call;
mod delete;
mod flush;
mod get;
mod set;
mod touch;
mod watch;

use std::sync::Arc;

use super::clock;
use super::saves::Disk;
use super::shared::Shared;
use crate::metrics::CommandCounters;
use crate::stats::Watched;
use crate::store::{Expiry, Key, Now};

pub(super) use get::Lookup;
pub(super) use set::is_conditional;

/// What an operation needs to know: the store and what surrounds it, the moment, and who asks.
#[derive(Debug)]
pub(super) struct Ops {
    pub(super) shared: Arc<Shared>,
    /// Counters of this worker.
    pub(super) counters: Arc<CommandCounters>,
    /// The moment of the present turn.
    pub(super) now: Now,
    /// Streams that somebody watches in the present turn.
    watched: Watched,
    /// Number of the connection that asks, as log lines show it.
    client: u64,
    pub(super) disk: Disk,
}

impl Ops {
    pub(super) fn new(shared: Arc<Shared>) -> Ops {
        Ops {
            counters: shared.counters.join(),
            now: shared.clock.now(),
            watched: Watched::default(),
            client: 0,
            disk: shared.disk(),
            shared,
        }
    }

    /// Begins a turn of the connection of that number.
    #[inline]
    pub(super) fn begin(&mut self, client: u64) {
        self.now = self.shared.clock.now();
        self.watched = self.shared.hub.watched();
        self.client = client;
    }

    /// Number of the connection that asks.
    pub(super) fn client(&self) -> u64 {
        self.client
    }

    /// A key with its hash.
    #[inline]
    pub(super) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        self.shared.store.key(bytes)
    }

    /// When an item expires, for an exptime as clients send it.
    #[inline]
    pub(super) fn expiry(&self, exptime: i64) -> Expiry {
        clock::expiry(exptime, self.now)
    }
}
