//! How far the log is on disk, and who waits for that.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Poll, Waker};

use parking_lot::Mutex;

use crate::point::point;

/// A change was made, and may be lost when the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk failed: the change was made, but it may be lost")]
pub struct NotDurable;

/// The durable watermark and its waiters.
#[derive(Debug)]
pub(crate) struct Durable {
    /// All changes with a lower tick are on disk.
    below: AtomicU64,
    /// The log has a gap, so nothing more becomes durable for now.
    failed: AtomicBool,
    waiters: Mutex<Vec<Waiter>>,
}

/// Somebody to wake. Who waits for several ticks has one entry.
#[derive(Debug)]
struct Waiter {
    /// The least that was asked for.
    tick: u64,
    waker: Waker,
}

impl Durable {
    pub(crate) fn new(below: u64) -> Durable {
        Durable {
            below: AtomicU64::new(below),
            failed: AtomicBool::new(false),
            waiters: Mutex::default(),
        }
    }

    /// All changes with a lower tick are on disk.
    #[inline]
    pub(crate) fn below(&self) -> u64 {
        self.below.load(Acquire)
    }

    /// Whether nothing more becomes durable for now.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Acquire)
    }

    /// Whether the change with this tick is on disk. If that is not known yet, `waker` is called when it is.
    pub(crate) fn poll(&self, tick: u64, waker: &Waker) -> Poll<Result<(), NotDurable>> {
        let known = self.known(tick);
        if known.is_ready() {
            return known;
        }
        self.add(tick, waker);
        // What was published before the waiter was there has woken nobody.
        self.known(tick)
    }

    fn known(&self, tick: u64) -> Poll<Result<(), NotDurable>> {
        point();
        if tick < self.below() {
            return Poll::Ready(Ok(()));
        }
        point();
        match self.has_failed() {
            true => Poll::Ready(Err(NotDurable)),
            false => Poll::Pending,
        }
    }

    fn add(&self, tick: u64, waker: &Waker) {
        point();
        let mut waiters = self.waiters.lock();
        match waiters
            .iter_mut()
            .find(|known| known.waker.will_wake(waker))
        {
            Some(known) => known.tick = known.tick.min(tick),
            None => waiters.push(Waiter {
                tick,
                waker: waker.clone(),
            }),
        }
    }

    /// All changes with a tick below this one are on disk.
    pub(crate) fn publish(&self, below: u64) {
        if below > self.below() {
            point();
            self.below.store(below, Release);
            self.wake(|waiter| waiter.tick < below);
        }
    }

    /// Nothing more becomes durable for now: whoever waits is told.
    pub(crate) fn fail(&self) {
        point();
        self.failed.store(true, Release);
        self.wake(|_| true);
    }

    /// All changes with a tick below this one are on disk, and those to come will be.
    pub(crate) fn recover(&self, below: u64) {
        self.publish(below);
        point();
        self.failed.store(false, Release);
    }

    fn wake(&self, is_due: impl Fn(&Waiter) -> bool) {
        point();
        let due: Vec<Waiter> = self
            .waiters
            .lock()
            .extract_if(.., |waiter| is_due(waiter))
            .collect();
        // With no lock held, as a waker may do anything.
        due.into_iter().for_each(|waiter| waiter.waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn waiter() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn a_waiter_is_called_once_and_when_the_first_it_waits_for_is_there() {
        let durable = Durable::new(5);
        let (count, waker) = waiter();
        assert_eq!(durable.poll(4, &waker), Poll::Ready(Ok(())));
        for tick in [9, 7, 8] {
            assert_eq!(durable.poll(tick, &waker), Poll::Pending);
        }
        durable.publish(7);
        assert_eq!(count.0.load(SeqCst), 0);
        durable.publish(8);
        durable.publish(100);
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(durable.poll(9, &waker), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_failure_calls_all_and_lasts_until_the_log_recovers() {
        let durable = Durable::new(5);
        let ((a, first), (b, second)) = (waiter(), waiter());
        assert_eq!(durable.poll(5, &first), Poll::Pending);
        assert_eq!(durable.poll(500, &second), Poll::Pending);
        durable.fail();
        assert_eq!((a.0.load(SeqCst), b.0.load(SeqCst)), (1, 1));
        assert_eq!(durable.poll(5, &first), Poll::Ready(Err(NotDurable)));
        assert_eq!(durable.poll(4, &first), Poll::Ready(Ok(())));
        durable.recover(6);
        assert_eq!(durable.poll(5, &first), Poll::Ready(Ok(())));
        assert_eq!(durable.poll(6, &first), Poll::Pending);
    }
}
