//! Answers that wait until what they tell is on disk.

use std::cell::Cell;
use std::task::{Context, Poll};

use cacheismo_journal::log::Log;

use crate::cache::{NotSaved, Saves};

thread_local! {
    /// The last change, among those that this thread has read since it was asked, that was not on disk; 0 for none.
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// The log, as far as answers wait for it. Numbers are ticks.
#[derive(Debug)]
pub(super) struct Saved(Log);

impl Saved {
    pub(super) fn new(log: Log) -> Saved {
        Saved(log)
    }
}

impl Saves for Saved {
    #[inline]
    fn has_read(&self, hash: u64) {
        if let Some(tick) = self.0.must_wait_for(hash) {
            READ.set(READ.get().max(tick));
        }
    }

    fn take_unsaved(&self) -> u64 {
        READ.take().max(self.0.take_told().unwrap_or(0))
    }

    fn poll_saved(&self, tick: u64, context: &mut Context<'_>) -> Poll<Result<(), NotSaved>> {
        let polled = self.0.poll_durable(tick, context.waker());
        polled.map_err(|_gap| NotSaved)
    }

    fn refuses_writes(&self) -> bool {
        self.0.refuses_writes()
    }
}
