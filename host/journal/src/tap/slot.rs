//! What one thread shares with the log's thread.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, fence};

use parking_lot::Mutex;

use crate::point::point;

/// What `open` is between turns.
const CLOSED: u64 = u64::MAX;

/// The place of one thread, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Slot {
    /// No other slot has it.
    pub(crate) id: u64,
    /// Tick at which the thread's turn began.
    open: AtomicU64,
    /// How many turns have ended.
    ended: AtomicU64,
    /// The thread is no more.
    gone: AtomicBool,
    queue: Mutex<Queue>,
}

/// Records that a thread has handed over, in the order of their ticks.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) records: Vec<u8>,
    /// Tick of the last of them.
    pub(crate) last: u64,
    /// How many turns they are of.
    pub(crate) turns: u64,
}

impl Slot {
    pub(crate) fn new(id: u64) -> Slot {
        Slot {
            id,
            open: AtomicU64::new(CLOSED),
            ended: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            queue: Mutex::default(),
        }
    }

    /// The thread begins a turn, and reads the store's clock after that.
    ///
    /// Whoever reads the clock before the slot, with a fence between, either sees the turn, or the turn sees what the
    /// clock was, and has no tick below.
    pub(crate) fn begin(&self, tick: u64) {
        point();
        self.open.store(tick, Release);
        fence(SeqCst);
        point();
    }

    /// The thread has handed over what the turn told.
    pub(crate) fn end(&self) {
        point();
        // The thread itself is the only one to count.
        self.ended.store(self.ended.load(Relaxed) + 1, Release);
        self.open.swap(CLOSED, SeqCst);
    }

    /// The tick at which the turn under way began, `u64::MAX` if there is none.
    pub(crate) fn open(&self) -> u64 {
        point();
        self.open.load(SeqCst)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open() != CLOSED
    }

    /// How many turns have ended. What they told was handed over before.
    pub(crate) fn ended(&self) -> u64 {
        point();
        self.ended.load(Acquire)
    }

    /// Nobody will begin a turn any more.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }

    /// What the thread has handed over.
    pub(crate) fn with_queue<R>(&self, act: impl FnOnce(&mut Queue) -> R) -> R {
        point();
        act(&mut self.queue.lock())
    }
}
