//! The log's thread against disks that fail, with a clock that is moved by hand.

mod crashes;
mod disk;
mod gaps;
mod lives;
mod rhythm;
mod wakes;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use cacheismo_store::Effect;

use super::machine::{Machine, Rest};
use super::requests::SnapshotStart;
use super::*;
use crate::record;
use crate::status::State;
use crate::tap::intake::Sleep;
use crate::tap::local::Local;
use disk::{Disk, Script};

/// A log with a scripted disk, whose steps the test makes.
struct World {
    shared: Arc<Shared>,
    machine: Machine<Disk, Box<dyn Fn() -> Duration>>,
    /// The store's clock.
    clock: Arc<AtomicU64>,
    now: Rc<Cell<Duration>>,
    disk: Rc<RefCell<Script>>,
    wanted: Arc<AtomicUsize>,
    local: Local,
}

/// Counts how often it was woken.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Calls {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn calls() -> (Arc<Calls>, Waker) {
    let calls = Arc::new(Calls::default());
    (Arc::clone(&calls), Waker::from(calls))
}

const KEY: &[u8] = b"k";
/// Bytes that may wait in these tests.
const QUEUE_BYTES_MAX: usize = 1000;

impl World {
    fn new(fsync: Fsync) -> World {
        let clock = Arc::new(AtomicU64::new(1));
        let hash = Box::new(|key: &[u8]| u64::from(key[0]));
        let shared = Arc::new(Shared::new(fsync, QUEUE_BYTES_MAX, 1, hash));
        let (now, disk) = (Rc::new(Cell::new(Duration::ZERO)), Rc::default());
        let wanted = Arc::new(AtomicUsize::new(0));
        let (read, count, time) = (Arc::clone(&clock), Arc::clone(&wanted), Rc::clone(&now));
        let machine = Machine::new(
            Arc::clone(&shared),
            Disk::new(Rc::clone(&disk)),
            Box::new(move || read.load(SeqCst)),
            Box::new(move || {
                count.fetch_add(1, SeqCst);
            }),
            Box::new(move || time.get()) as Box<dyn Fn() -> Duration>,
        );
        let local = Local::new(Arc::clone(&shared));
        World {
            shared,
            machine,
            clock,
            now,
            disk,
            wanted,
            local,
        }
    }

    /// A turn that changes the key once.
    fn write(&mut self) -> u64 {
        let mut local = std::mem::replace(&mut self.local, Local::new(Arc::clone(&self.shared)));
        let tick = self.write_as(&mut local);
        self.local = local;
        tick
    }

    fn write_as(&self, local: &mut Local) -> u64 {
        local.turn_begins(self.clock.load(SeqCst));
        let tick = self.tell(local);
        local.turn_ends();
        tick
    }

    /// A change in the turn of `local`.
    fn tell(&self, local: &mut Local) -> u64 {
        let tick = self.clock.fetch_add(1, SeqCst);
        local.change(tick, Some(KEY), |out, open| {
            record::add(out, open, &Effect::Deleted { key: KEY });
        });
        tick
    }

    fn other(&self) -> Local {
        Local::new(Arc::clone(&self.shared))
    }

    fn durable(&self) -> u64 {
        self.shared.durable.below()
    }

    fn poll(&self, tick: u64, waker: &Waker) -> Poll<Result<(), NotDurable>> {
        self.shared.durable.poll(tick, waker)
    }

    fn pass(&self, millis: u64) {
        self.now.set(self.now.get() + Duration::from_millis(millis));
    }

    /// Steps until there is nothing to do now. Returns for what the thread would sleep.
    fn run(&mut self) -> (Sleep, Option<Duration>) {
        for _ in 0..100 {
            if let Rest::Until { sleep, until } = self.machine.step()
                && sleep != Sleep::Gathering
                && !self.machine.is_time(until)
                && self.machine.may_sleep(sleep)
            {
                return (sleep, until);
            }
        }
        panic!("there is always something to do");
    }

    fn state(&self) -> State {
        self.shared.status.lock().state.clone()
    }

    fn is_ok(&self) -> bool {
        self.state() == State::Ok
    }

    fn wanted(&self) -> usize {
        self.wanted.load(SeqCst)
    }

    /// A snapshot begins now.
    fn snapshot(&self) -> SnapshotStart {
        self.shared.requests.snapshot_starts()
    }

    fn refuses_writes(&self) -> bool {
        self.shared.refuses_writes()
    }
}
