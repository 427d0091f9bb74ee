//! Threads for calls that may wait. Threads start as calls come, up to a limit, and end when idle.
//!
//! Which of the waiting calls is next is decided in [`queue`]: nobody's slow calls keep those of others from the
//! threads. The threads run below the workers' priority: calls that only compute take what is left by the workers, and
//! by the thread that ends calls at their deadline.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::process::setpriority_process;

mod queue;

pub(super) use queue::Fair;
use queue::{Full, Job, Queue};

/// An idle lane thread ends after this time.
const IDLE: Duration = Duration::from_secs(10);
/// How nice lane threads are: at 10 they get about a tenth of a processor that a worker wants for itself.
const NICE: i32 = 10;

/// The pool of lane threads.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    threads_max: usize,
}

#[derive(Default)]
struct State {
    queue: Queue,
    threads: usize,
    idle: usize,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("Lanes")
            .field("threads", &state.threads)
            .field("waiting", &state.queue.waiting())
            .finish()
    }
}

impl Lanes {
    /// A pool without threads as yet.
    pub(super) fn new(threads_max: usize) -> Lanes {
        let shared = Shared {
            state: Mutex::default(),
            arrived: Condvar::new(),
            threads_max: threads_max.max(1),
        };
        Lanes {
            shared: Arc::new(shared),
        }
    }

    /// Has `run` work on `work` on a lane thread, in its client's and type's turn.
    ///
    /// # Errors
    /// When too many wait. The work comes back.
    pub(super) fn submit_for<W: Send + 'static>(
        &self,
        fair: Fair,
        work: W,
        run: impl FnOnce(W) + Send + 'static,
    ) -> Result<(), (Full, W)> {
        let mut state = self.shared.state.lock();
        if let Err(full) = state.queue.room_for(fair) {
            return Err((full, work));
        }
        state.queue.push(fair, Box::new(move || run(work)));
        self.start(state);
        Ok(())
    }

    /// Whether so many jobs wait that a connection which has some among them had better wait for them first.
    pub(super) fn is_crowded(&self, fair: Fair) -> bool {
        self.shared.state.lock().queue.is_crowded(fair)
    }

    /// Finds a thread for a job that has just come.
    fn start(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.idle >= state.queue.waiting() || state.threads >= self.shared.threads_max {
            self.shared.arrived.notify_one();
            return;
        }
        state.threads += 1;
        let name = format!("lane-{}", state.threads);
        drop(state);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || shared.work());
        if thread.is_err() {
            // The system is out of threads. Others take the job; without any, this one does.
            let mut state = self.shared.state.lock();
            state.threads -= 1;
            let job = if state.threads == 0 {
                state.queue.next()
            } else {
                None
            };
            drop(state);
            if let Some((fair, job)) = job {
                self.shared.run(fair, job);
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        // Where the lower priority is refused, lanes only compete harder.
        let _ = setpriority_process(None, NICE);
        let mut state = self.state.lock();
        loop {
            if let Some((fair, job)) = state.queue.next() {
                drop(state);
                self.run(fair, job);
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let timeout = self.arrived.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if timeout && state.queue.waiting() == 0 {
                state.threads -= 1;
                return;
            }
        }
    }

    fn run(&self, fair: Fair, job: Job) {
        // A panic of a job is the job's; the hook has reported it, the waiting connection sees its end dropped.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        self.state.lock().queue.done(fair);
    }
}

#[cfg(test)]
mod tests;
