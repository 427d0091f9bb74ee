//! The log's thread: steps, and sleep between them.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::machine::{Machine, Rest};
use super::{Shared, Sink};
use crate::status::State;
use crate::tap::intake::Sleep;

/// Starts the thread.
pub(super) fn spawn<S>(
    shared: Arc<Shared>,
    sink: S,
    clock: Box<dyn Fn() -> u64 + Send>,
    want_snapshot: Box<dyn FnMut() + Send>,
) -> io::Result<JoinHandle<()>>
where
    S: Sink + Send + 'static,
{
    let begun = Instant::now();
    let body = move || {
        let thread = std::thread::current();
        shared.intake.set_alarm(Box::new(move || thread.unpark()));
        let now = move || begun.elapsed();
        let mut machine = Machine::new(Arc::clone(&shared), sink, clock, want_snapshot, now);
        let _closing = Closing(shared);
        run(&mut machine, |until| match until {
            Some(until) => std::thread::park_timeout(until.saturating_sub(now())),
            None => std::thread::park(),
        });
    };
    std::thread::Builder::new().name("log".into()).spawn(body)
}

/// Steps until the log ends. `park` returns at that time, or when the alarm was raised since it returned last, or
/// earlier.
pub(super) fn run<S: Sink, N: Fn() -> Duration>(
    machine: &mut Machine<S, N>,
    park: impl Fn(Option<Duration>),
) {
    loop {
        match machine.step() {
            Rest::None => {}
            Rest::Over => return,
            Rest::Until { sleep, until } => {
                machine.shared().intake.prepare_to_sleep(sleep);
                if machine.may_sleep(sleep) {
                    while machine.shared().intake.sleeps() && !machine.is_time(until) {
                        park(until);
                    }
                }
                machine.shared().intake.prepare_to_sleep(Sleep::Awake);
            }
        }
    }
}

/// However the thread ends, nobody waits for it any more.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.intake.close();
        self.0.durable.fail();
        self.0.status.lock().state = State::Stopped;
        // Whoever waits for an answer gets none, and so an error.
        drop(self.0.requests.take());
    }
}
