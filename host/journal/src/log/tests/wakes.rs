//! Sleeping and waking under a model checker for threads: a lost call would be a deadlock, which the checker reports.

use std::task::Context;

use super::*;
use crate::log::thread::run;
use crate::point::{model, point};

/// A disk that only knows how far it is synced.
#[derive(Default)]
struct Memory {
    appended: u64,
    synced: Arc<AtomicU64>,
}

impl Sink for Memory {
    type Error = std::io::Error;

    fn append(&mut self, sealed: &[u8]) -> Result<Position, Self::Error> {
        let ticks = record::iter(sealed).map(|record| record.expect("records are sealed").tick);
        self.appended = ticks.max().unwrap_or(self.appended);
        Ok(Position::default())
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        point();
        self.synced.store(self.appended, SeqCst);
        point();
        Ok(())
    }

    fn position(&self) -> Position {
        Position::default()
    }

    fn begin_after_gap(&mut self) -> Result<Position, Self::Error> {
        unreachable!("nothing fails")
    }

    fn finish(&mut self) -> Result<(), Self::Error> {
        self.sync()
    }
}

struct Unpark(shuttle::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as an async worker does: polls when it is woken.
fn wait(shared: &Shared, tick: u64) {
    let waker = Waker::from(Arc::new(Unpark(shuttle::thread::current())));
    let context = Context::from_waker(&waker);
    while shared.durable.poll(tick, context.waker()).is_pending() {
        shuttle::thread::park();
    }
}

fn writers_wait_for_the_log() {
    let clock = Arc::new(AtomicU64::new(1));
    let shared = Arc::new(Shared::new(Fsync::Always, usize::MAX, 1, Box::new(|_| 0)));
    let synced = Arc::new(AtomicU64::new(0));
    let sink = Memory {
        appended: 0,
        synced: Arc::clone(&synced),
    };
    let (log_shared, log_clock) = (Arc::clone(&shared), Arc::clone(&clock));
    let log = shuttle::thread::spawn(move || {
        let thread = shuttle::thread::current();
        log_shared
            .intake
            .set_alarm(Box::new(move || thread.unpark()));
        let clock = move || {
            point();
            log_clock.load(SeqCst)
        };
        let now = || Duration::ZERO;
        let mut machine = Machine::new(log_shared, sink, Box::new(clock), Box::new(|| {}), now);
        run(&mut machine, |_| shuttle::thread::park());
    });
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (shared, clock, synced) =
                (Arc::clone(&shared), Arc::clone(&clock), Arc::clone(&synced));
            shuttle::thread::spawn(move || {
                let mut local = Local::new(Arc::clone(&shared));
                for writes in [true, false, true] {
                    point();
                    local.turn_begins(clock.load(SeqCst));
                    let tick = writes.then(|| {
                        point();
                        let tick = clock.fetch_add(1, SeqCst);
                        local.change(tick, Some(KEY), |out, open| {
                            record::add(out, open, &Effect::Deleted { key: KEY });
                        });
                        tick
                    });
                    local.turn_ends();
                    if let Some(tick) = tick {
                        wait(&shared, tick);
                        assert!(synced.load(SeqCst) >= tick, "{tick} was called durable");
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("writers do not panic");
    }
    shared.requests.stop();
    shared.intake.wake();
    log.join().expect("the log does not panic");
}

#[test]
fn no_call_is_lost_however_threads_interleave() {
    model::checked(|| shuttle::check_random(writers_wait_for_the_log, 2_000));
    model::checked(|| shuttle::check_pct(writers_wait_for_the_log, 1_000, 4));
}
