//! The log: one thread that writes down what the store tells, and what others ask of it.
//!
//! ```text
//! store -> Tap, on each thread -> Intake -> Sequencer -> Sink (segments)      then: Durable, and its waiters
//!                                           `------ the log's thread ------'
//! ```
//! - [`Log::start`] makes the [`Tap`] that the store tells, and the thread.
//! - `machine`: what the thread does, step by step, without a thread or a clock of its own. `thread`: runs that.
//! - `durable`: how far the log is on disk, and who waits. `undurable`: which keys it concerns.
//! - `requests`: what others ask the thread for. `sink`: what it needs of the files.
//!
//! **Gaps.** After an error of the disk, or when more waits than is allowed, the log must not go on: what follows would
//! be replayed on a state that misses something. So the segment is given up, what waited is dropped, and each second a
//! new segment is tried. When there is one, all turns that began before it have to end, so that the store holds all
//! that was dropped. From then on a snapshot makes up for the gap, and [`Options::want_snapshot`] is called. When that
//! snapshot is on disk the log is whole again.

mod durable;
mod machine;
mod requests;
mod sink;
#[cfg(test)]
mod tests;
mod thread;
mod undurable;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use durable::NotDurable;
pub use requests::SnapshotStart;
pub use sink::{Segments, Sink};
pub use undurable::KeyHash;

use crate::segment::Position;
use crate::status::Status;
use crate::tap::intake::{Gap, Intake};
use crate::tap::{Tap, with_local};
use durable::Durable;
use requests::Requests;
use undurable::Undurable;

/// When what was appended is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// At once. Answers wait for it, and nobody sees what can still be lost.
    Always,
    /// So often that nothing is at risk for more than a second, as long as the disk keeps up. Nobody waits.
    EverySecond,
    /// When the system likes to.
    Off,
}

/// How a log works, and what it needs to know of the store.
pub struct Options {
    /// When to sync.
    pub fsync: Fsync,
    /// Most bytes of records that may wait for the disk. One turn's may be more.
    pub queue_bytes_max: usize,
    /// The store's published clock: `Store::clock_now`.
    pub clock: Box<dyn Fn() -> u64 + Send>,
    /// `Store::hash`.
    pub hash: KeyHash,
    /// A snapshot that begins from now on will close a gap. Called by the log's thread, each second until that snapshot
    /// is on disk; it must return at once. A snapshot under way that began after the first call is enough.
    pub want_snapshot: Box<dyn FnMut() + Send>,
}

impl Options {
    /// Default for `queue_bytes_max`.
    pub const QUEUE_BYTES_MAX: usize = 64 << 20;
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("fsync", &self.fsync)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .finish_non_exhaustive()
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    fsync: Fsync,
    pub(crate) intake: Intake,
    durable: Durable,
    /// Only where answers wait for the disk.
    pub(crate) undurable: Option<Undurable>,
    requests: Requests,
    status: Mutex<Status>,
}

impl Shared {
    pub(crate) fn new(fsync: Fsync, queue_bytes_max: usize, below: u64, hash: KeyHash) -> Shared {
        Shared {
            fsync,
            intake: Intake::new(queue_bytes_max),
            durable: Durable::new(below),
            undurable: (fsync == Fsync::Always).then(|| Undurable::new(hash)),
            requests: Requests::default(),
            status: Mutex::default(),
        }
    }

    /// The log must not go on. Called by whoever notices, while his turn is open: nothing behind it can be emitted.
    pub(crate) fn break_off(&self, gap: Gap) {
        if self.intake.break_off(gap) {
            self.durable.fail();
        }
        self.intake.wake();
    }

    fn refuses_writes(&self) -> bool {
        self.fsync == Fsync::Always && self.durable.has_failed()
    }

    /// What so many turns told was dropped or is on disk.
    pub(crate) fn drop_turns(&self, turns: u64) {
        if let Some(undurable) = &self.undurable {
            undurable.turns_done(turns);
        }
    }
}

/// The log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Log {
    /// Starts the log's thread, which appends to `sink`. The store must be told to listen to the tap before it changes.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start<S>(options: Options, sink: S) -> io::Result<(Log, Tap)>
    where
        S: Sink + Send + 'static,
    {
        let below = (options.clock)();
        let shared = Shared::new(options.fsync, options.queue_bytes_max, below, options.hash);
        let shared = Arc::new(shared);
        let thread = thread::spawn(
            Arc::clone(&shared),
            sink,
            options.clock,
            options.want_snapshot,
        )?;
        let log = Log {
            shared: Arc::clone(&shared),
            thread: Arc::new(Mutex::new(Some(thread))),
        };
        Ok((log, Tap::new(shared)))
    }

    /// Highest tick that this thread has told since it asked last: what answers have to wait for.
    pub fn take_told(&self) -> Option<u64> {
        with_local(&self.shared, |local| local.take_told())
    }

    /// All changes with a lower tick are on disk.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.shared.durable.below()
    }

    /// Whether the change with this tick is on disk. If that is not known yet, `waker` is called once when it is. For
    /// one waker that polled with several ticks, that is when the least of them is known: it polls again with the
    /// others.
    ///
    /// # Errors
    /// While the log has a gap.
    pub fn poll_durable(&self, tick: u64, waker: &Waker) -> Poll<Result<(), NotDurable>> {
        self.shared.durable.poll(tick, waker)
    }

    /// The tick that the answer has to wait for, of somebody who has just read the key with this hash. `None` if it may
    /// go out.
    #[inline]
    pub fn must_wait_for(&self, hash: u64) -> Option<u64> {
        let undurable = self.shared.undurable.as_ref()?;
        let tick = undurable.must_wait_for(hash, || self.durable())?;
        // While nothing becomes durable reads go on.
        (!self.shared.durable.has_failed()).then_some(tick)
    }

    /// Whether what is written now would be answered with [`NotDurable`], so that it is better not written.
    #[inline]
    pub fn refuses_writes(&self) -> bool {
        self.shared.refuses_writes()
    }

    /// Returns when all that was told before the call is on disk, with a place in the log that is behind all of it.
    ///
    /// # Errors
    /// When the disk fails meanwhile, or has failed and there is no new segment yet.
    pub fn flush(&self) -> Result<Position, NotDurable> {
        let answer = self.shared.requests.flush();
        if self.shared.intake.gap() == Gap::Closed {
            // Nobody is there to answer.
            drop(self.shared.requests.take());
        }
        self.shared.intake.wake();
        answer.recv().unwrap_or(Err(NotDurable))
    }

    /// Begins a snapshot: the place in the log from which it is replayed onto. The scan begins after this call.
    ///
    /// The snapshot is valid as long as the log reaches the place that [`Log::flush`] returns after the scan.
    pub fn snapshot_starts(&self) -> SnapshotStart {
        self.shared.requests.snapshot_starts()
    }

    /// The snapshot is on disk. If it began after the last gap, the log is whole again.
    pub fn snapshot_is_durable(&self, start: SnapshotStart) {
        self.shared.requests.snapshot_is_durable(start);
        self.shared.intake.wake();
    }

    /// How the log is.
    pub fn status(&self) -> Status {
        let mut status = self.shared.status.lock().clone();
        status.queue_bytes = self.shared.intake.waiting() as u64;
        status
    }

    /// Writes what was told, and ends the thread. What is told from now on is lost: the store's users have stopped.
    pub fn stop(&self) {
        self.shared.requests.stop();
        self.shared.intake.wake();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the thread was reported, and whoever waited has an error.
            let _reported = thread.join();
        }
    }
}
