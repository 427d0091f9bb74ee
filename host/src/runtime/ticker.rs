//! Time as guests see it: a thread that counts ticks while calls may be running, and sleeps otherwise.
//!
//! A call says how long it may take ([`Ticker::tick_for`]), which costs it two loads. The thread sleeps when all
//! calls that said so are over their time, and some more, so that it need not be woken for each call of a few.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::thread::set_current_timer_slack;

/// How long a tick is. Deadlines have this resolution. Measured on a virtual machine, where timers are dear: ticks of 1 ms
/// cost a busy worker 3 % of its processor when the thread shares it.
pub(super) const TICK_MS: u64 = 4;
/// The thread asks to be woken so much before the tick ends,
const EARLY: Duration = Duration::from_micros(100);
/// and may be woken so much later than it asks. Then a kernel that interrupts a busy processor every 4 ms wakes it at that
/// occasion: on a virtual machine an interrupt of its own costs 20 us, and this one 3.
const SLACK: Duration = Duration::from_micros(400);
/// How long the thread stays awake when no call needs it any more.
pub(super) const LINGER_MS: u64 = 1000;

/// Calls a function once a tick, on a thread of its own: a timer of the workers' runtime would stand still while a
/// guest holds the worker.
///
/// It does not catch up after it was starved itself, so on a loaded machine a deadline is longer. Shorter it is by a
/// fortieth at most.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    ticks_ms: AtomicU64,
    /// Until then no call misses the thread if it sleeps. Changes under the lock.
    awake_until_ms: AtomicU64,
    linger_ms: u64,
    sleep: Mutex<Sleep>,
    woken: Condvar,
}

#[derive(Default)]
struct Sleep {
    since: Option<Instant>,
    stop: bool,
}

impl Ticker {
    /// Starts the thread; it sleeps when nobody wanted it for `linger_ms`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        linger_ms: u64,
        tick: impl Fn() + Send + 'static,
    ) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared {
            ticks_ms: AtomicU64::new(0),
            awake_until_ms: AtomicU64::new(linger_ms),
            linger_ms,
            sleep: Mutex::default(),
            woken: Condvar::new(),
        });
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("wasm-ticker".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || seen.run(tick))?;
        Ok(Ticker {
            shared,
            thread: Some(thread),
        })
    }

    /// Milliseconds counted, those slept through included.
    #[inline]
    pub(super) fn ticks_ms(&self) -> u64 {
        self.shared.ticks_ms.load(Relaxed)
    }

    /// Has the thread tick for so many milliseconds from now on; gives the milliseconds counted.
    #[inline]
    pub(super) fn tick_for(&self, ms: u64) -> u64 {
        let now_ms = self.ticks_ms();
        if now_ms.saturating_add(ms) <= self.shared.awake_until_ms.load(Relaxed) {
            return now_ms;
        }
        self.shared.stay_awake(ms)
    }
}

impl Shared {
    fn run(&self, tick: impl Fn()) {
        // Where it is refused, ticks only cost more.
        let _ = set_current_timer_slack(NonZeroU64::new(SLACK.as_nanos() as u64));
        let mut sleep = self.sleep.lock();
        while !sleep.stop {
            if self.ticks_ms.load(Relaxed) < self.awake_until_ms.load(Relaxed) {
                self.woken
                    .wait_for(&mut sleep, Duration::from_millis(TICK_MS) - EARLY);
                tick();
                self.ticks_ms.fetch_add(TICK_MS, Relaxed);
            } else {
                sleep.since.get_or_insert_with(Instant::now);
                self.woken.wait(&mut sleep);
            }
        }
    }

    /// Rare: about once in the time the thread lingers.
    #[cold]
    fn stay_awake(&self, ms: u64) -> u64 {
        let mut sleep = self.sleep.lock();
        if let Some(since) = sleep.since.take() {
            let slept_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.ticks_ms.fetch_add(slept_ms, Relaxed);
            self.woken.notify_one();
        }
        let now_ms = self.ticks_ms.load(Relaxed);
        let until_ms = now_ms.saturating_add(ms).saturating_add(self.linger_ms);
        self.awake_until_ms.fetch_max(until_ms, Relaxed);
        now_ms
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.sleep.lock().stop = true;
        self.shared.woken.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER_MS: u64 = 5;

    fn is_asleep(ticker: &Ticker) -> bool {
        ticker.shared.sleep.lock().since.is_some()
    }

    fn wait_for_sleep(ticker: &Ticker) {
        while !is_asleep(ticker) {
            thread::yield_now();
        }
    }

    #[test]
    fn it_ticks_as_long_as_a_call_may_take_and_then_sleeps() {
        let counted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&counted);
        let tick = move || {
            count.fetch_add(1, Relaxed);
        };
        let ticker = Ticker::start(LINGER_MS, tick).unwrap();
        for ms in [1, 30, 3] {
            let before = counted.load(Relaxed);
            let start_ms = ticker.tick_for(ms);
            assert!(!is_asleep(&ticker) || ticker.ticks_ms() >= start_ms + ms);
            wait_for_sleep(&ticker);
            let ticks = counted.load(Relaxed) - before;
            assert!(ticks * TICK_MS >= ms, "{ticks} ticks in {ms} ms");
            let asleep = counted.load(Relaxed);
            thread::yield_now();
            assert_eq!(counted.load(Relaxed), asleep);
        }
    }

    #[test]
    fn time_slept_through_counts() {
        let ticker = Ticker::start(LINGER_MS, || {}).unwrap();
        wait_for_sleep(&ticker);
        let before_ms = ticker.ticks_ms();
        let asleep = Instant::now();
        while asleep.elapsed() < Duration::from_millis(20) {
            thread::yield_now();
        }
        assert_eq!(ticker.ticks_ms(), before_ms);
        assert!(ticker.tick_for(1) >= before_ms + 20);
        assert!(!is_asleep(&ticker));
    }

    #[test]
    fn calls_that_may_take_for_ever_keep_it_awake() {
        let ticker = Ticker::start(LINGER_MS, || {}).unwrap();
        ticker.tick_for(u64::MAX);
        while ticker.ticks_ms() < 4 * LINGER_MS {
            thread::yield_now();
        }
        assert!(!is_asleep(&ticker));
    }
}
