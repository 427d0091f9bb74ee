//! Threads for calls that may wait. They come as calls come, up to a limit, and go when idle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// An idle lane thread ends after this time.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Jobs wait in order of arrival when all threads are busy.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    threads_max: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queue = self.shared.queue.lock();
        f.debug_struct("Lanes")
            .field("threads", &queue.threads)
            .field("waiting", &queue.jobs.len())
            .finish()
    }
}

impl Lanes {
    /// A pool without threads as yet.
    pub(super) fn new(threads_max: usize) -> Lanes {
        let shared = Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            threads_max: threads_max.max(1),
        };
        Lanes {
            shared: Arc::new(shared),
        }
    }

    /// Has `job` run on a lane thread.
    pub(super) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.queue.lock();
        queue.jobs.push_back(Box::new(job));
        if queue.idle >= queue.jobs.len() || queue.threads >= self.shared.threads_max {
            self.shared.arrived.notify_one();
            return;
        }
        queue.threads += 1;
        let name = format!("lane-{}", queue.threads);
        drop(queue);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || shared.work());
        if thread.is_err() {
            // The system is out of threads. Others take the job; without any, this one does.
            let mut queue = self.shared.queue.lock();
            queue.threads -= 1;
            let job = if queue.threads == 0 {
                queue.jobs.pop_front()
            } else {
                None
            };
            drop(queue);
            if let Some(job) = job {
                job();
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // A panic of a job is the job's; the hook has reported it, the waiting connection sees its end dropped.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                queue = self.queue.lock();
                continue;
            }
            queue.idle += 1;
            let timeout = self.arrived.wait_for(&mut queue, IDLE).timed_out();
            queue.idle -= 1;
            if timeout && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn threads_grow_to_the_limit_and_no_further() {
        let lanes = Lanes::new(3);
        let (started, starts) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock();
        for n in 0..10 {
            let (started, gate) = (started.clone(), Arc::clone(&gate));
            lanes.submit(move || {
                started.send(n).expect("the test listens");
                drop(gate.lock());
            });
        }
        let first: Vec<i32> = starts.iter().take(3).collect();
        assert_eq!(lanes.shared.queue.lock().threads, 3);
        assert_eq!(lanes.shared.queue.lock().jobs.len(), 7);
        drop(closed);
        let mut all: Vec<i32> = first.into_iter().chain(starts.iter().take(7)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_costs_neither_thread_nor_order() {
        let lanes = Lanes::new(1);
        let (done, finished) = mpsc::channel();
        lanes.submit(|| panic!("this panic belongs to the test"));
        lanes.submit(move || done.send(7).expect("the test listens"));
        assert_eq!(finished.recv(), Ok(7));
        assert_eq!(lanes.shared.queue.lock().threads, 1);
    }
}
