//! Time as guests see it: a thread that reads the clock once a tick while calls may be running, and sleeps otherwise.
//!
//! A call says how long it may take ([`Ticker::tick_for`]), which costs it two loads. The thread sleeps only some time
//! after all these calls are over, so that it need not be woken for each call of a few.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::thread::set_current_timer_slack;

/// How long a tick is. Deadlines have this resolution. Measured on a virtual machine, where timers are dear: ticks of 1
/// ms cost a busy worker 3 % of its processor when the thread shares it.
pub(super) const TICK_MS: u64 = 4;
/// How long before the tick ends the thread asks to be woken.
const EARLY: Duration = Duration::from_micros(100);
/// How much later than it asks the thread may be woken. Then a kernel that interrupts a busy processor every 4 ms wakes
/// it at that occasion: on a virtual machine an interrupt of its own costs 20 us, and this one 3.
const SLACK: Duration = Duration::from_micros(400);
/// How long the thread stays awake when no call needs it any more.
pub(super) const LINGER_MS: u64 = 1000;

/// Calls a function once a tick, on a thread of its own: a timer of the workers' runtime would stand still while a
/// guest holds the worker.
///
/// Time is read, not counted: when the thread is woken late, its next tick says how late it is.
pub(super) struct Ticker {
    clock: Clock,
    thread: Option<JoinHandle<()>>,
}

/// The time the ticker tells. Clones tell the same.
#[derive(Clone)]
pub(super) struct Clock(Arc<Shared>);

struct Shared {
    origin: Instant,
    /// Milliseconds since `origin` when the last tick was.
    ticked_ms: AtomicU64,
    /// The thread stays awake until then, in milliseconds since `origin`. Changes under the lock.
    awake_until_ms: AtomicU64,
    linger_ms: u64,
    sleep: Mutex<Sleep>,
    woken: Condvar,
}

#[derive(Default)]
struct Sleep {
    asleep: bool,
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
            origin: Instant::now(),
            ticked_ms: AtomicU64::new(0),
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
            clock: Clock(shared),
            thread: Some(thread),
        })
    }

    /// The clock alone, which does not keep the thread alive.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Has the thread tick for so many milliseconds from now on; returns the time of the last tick.
    #[inline]
    pub(super) fn tick_for(&self, ms: u64) -> u64 {
        let shared = &self.clock.0;
        let now_ms = self.clock.ticked_ms();
        if now_ms.saturating_add(ms) < shared.awake_until_ms.load(Relaxed) {
            return now_ms;
        }
        shared.stay_awake(ms)
    }
}

impl Clock {
    /// Milliseconds at the last tick: one load. The number stands still while the thread sleeps.
    #[inline]
    pub(super) fn ticked_ms(&self) -> u64 {
        self.0.ticked_ms.load(Relaxed)
    }

    /// Milliseconds now: reads the system's clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn run(&self, tick: impl Fn()) {
        // Where the slack is refused, ticks only cost more.
        let _ = set_current_timer_slack(NonZeroU64::new(SLACK.as_nanos() as u64));
        let mut sleep = self.sleep.lock();
        while !sleep.stop {
            if self.ticked_ms.load(Relaxed) < self.awake_until_ms.load(Relaxed) {
                self.woken
                    .wait_for(&mut sleep, Duration::from_millis(TICK_MS) - EARLY);
                self.ticked_ms.fetch_max(self.now_ms(), Relaxed);
                tick();
            } else {
                sleep.asleep = true;
                self.woken.wait(&mut sleep);
            }
        }
    }

    /// Wakes the thread, if it sleeps, and keeps it awake. Rare: about once in the time the thread lingers.
    #[cold]
    fn stay_awake(&self, ms: u64) -> u64 {
        let mut sleep = self.sleep.lock();
        if std::mem::take(&mut sleep.asleep) {
            self.ticked_ms.fetch_max(self.now_ms(), Relaxed);
            self.woken.notify_one();
        }
        let now_ms = self.ticked_ms.load(Relaxed);
        let until_ms = now_ms.saturating_add(ms).saturating_add(self.linger_ms);
        self.awake_until_ms.fetch_max(until_ms, Relaxed);
        now_ms
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.clock.0.sleep.lock().stop = true;
        self.clock.0.woken.notify_one();
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
        ticker.clock.0.sleep.lock().asleep
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
            assert!(!is_asleep(&ticker) || ticker.clock.ticked_ms() >= start_ms + ms);
            wait_for_sleep(&ticker);
            assert!(counted.load(Relaxed) > before);
            assert!(ticker.clock.ticked_ms() >= start_ms + ms);
            let asleep = counted.load(Relaxed);
            thread::yield_now();
            assert_eq!(counted.load(Relaxed), asleep);
        }
    }

    #[test]
    fn a_late_tick_tells_how_late_it_is() {
        let (say, said) = std::sync::mpsc::channel();
        let late = Duration::from_millis(50);
        let tick = move || {
            // A thread that gets no processor for a while.
            let begun = Instant::now();
            while begun.elapsed() < late {
                std::hint::spin_loop();
            }
            let _ = say.send(());
        };
        let ticker = Ticker::start(LINGER_MS, tick).unwrap();
        ticker.tick_for(1000);
        said.recv().unwrap();
        let before_ms = ticker.clock.ticked_ms();
        for _ in 0..3 {
            said.recv().unwrap();
        }
        // The last tick told its time before it was held up.
        let told_ms = ticker.clock.ticked_ms() - before_ms;
        assert!(told_ms >= 100, "{told_ms} ms in three ticks of 50");
    }

    #[test]
    fn time_slept_through_counts() {
        let ticker = Ticker::start(LINGER_MS, || {}).unwrap();
        wait_for_sleep(&ticker);
        let before_ms = ticker.clock.ticked_ms();
        let asleep = Instant::now();
        while asleep.elapsed() < Duration::from_millis(20) {
            thread::yield_now();
        }
        assert_eq!(ticker.clock.ticked_ms(), before_ms);
        assert!(ticker.clock.now_ms() >= before_ms + 20);
        assert!(ticker.tick_for(60_000) >= before_ms + 20);
        assert!(!is_asleep(&ticker));
    }

    #[test]
    fn calls_that_may_take_for_ever_keep_it_awake() {
        let ticker = Ticker::start(LINGER_MS, || {}).unwrap();
        ticker.tick_for(u64::MAX);
        while ticker.clock.ticked_ms() < 4 * LINGER_MS {
            thread::yield_now();
        }
        assert!(!is_asleep(&ticker));
    }
}
