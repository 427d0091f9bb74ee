//! What other threads ask the log's thread for.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

use super::NotDurable;
use crate::point::point;
use crate::segment::Position;

/// What is asked for, and where the log is.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    any: AtomicBool,
    asked: Mutex<Asked>,
    place: Mutex<SnapshotStart>,
}

#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) flushes: Vec<Answer>,
    pub(super) snapshot: Option<SnapshotStart>,
    pub(super) stop: bool,
}

/// Where the answer to a flush goes.
pub(super) type Answer = SyncSender<Result<Position, NotDurable>>;

/// Where a snapshot began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotStart {
    /// Replay begins here.
    pub position: Position,
    /// How often a snapshot was wanted for a gap before.
    pub(super) round: u64,
}

impl Requests {
    pub(super) fn flush(&self) -> Receiver<Result<Position, NotDurable>> {
        let (answer, receiver) = sync_channel(1);
        self.ask(|asked| asked.flushes.push(answer));
        receiver
    }

    pub(super) fn snapshot_starts(&self) -> SnapshotStart {
        *self.place.lock()
    }

    pub(super) fn snapshot_is_durable(&self, start: SnapshotStart) {
        self.ask(|asked| {
            let newest = asked
                .snapshot
                .is_none_or(|known| known.round <= start.round);
            if newest {
                asked.snapshot = Some(start);
            }
        });
    }

    pub(super) fn stop(&self) {
        self.ask(|asked| asked.stop = true);
    }

    fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        point();
        ask(&mut self.asked.lock());
        point();
        self.any.store(true, SeqCst);
    }

    /// Whether there is something that was not taken.
    pub(super) fn any(&self) -> bool {
        point();
        self.any.load(SeqCst)
    }

    /// Takes what was asked for.
    pub(super) fn take(&self) -> Asked {
        point();
        match self.any.swap(false, SeqCst) {
            true => std::mem::take(&mut self.asked.lock()),
            false => Asked::default(),
        }
    }

    /// Tells where snapshots begin from now on.
    pub(super) fn place(&self, place: SnapshotStart) {
        *self.place.lock() = place;
    }
}
