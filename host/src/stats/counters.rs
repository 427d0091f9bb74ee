//! Counters of the server room.
//!
//! What happens for every request is counted by each worker on a cache line of its own and added up when
//! somebody asks; what happens for every connection is counted in shared atomics. All are relaxed: they are
//! read for people, and order nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::Connections;

/// A number that any thread may add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n` and returns the sum.
    pub fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed).wrapping_add(n)
    }

    /// Takes `n` away and returns what is left.
    pub fn sub(&self, n: u64) -> u64 {
        self.0.fetch_sub(n, Ordering::Relaxed).wrapping_sub(n)
    }

    /// Adds `n` where only one thread ever adds: no locked instruction.
    pub fn add_alone(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counts. Only its thread may call the methods that count.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    bytes_read: Counter,
    bytes_written: Counter,
    yields: Counter,
}

impl WorkerCounters {
    /// `n` bytes came in.
    pub fn read(&self, n: usize) {
        self.bytes_read.add_alone(n as u64);
    }

    /// `n` bytes went out.
    pub fn wrote(&self, n: usize) {
        self.bytes_written.add_alone(n as u64);
    }

    /// A connection gave way to others before its input was used up.
    pub fn yielded(&self) {
        self.yields.add_alone(1);
    }
}

/// The workers' counters added up, since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerTotals {
    /// Bytes received.
    pub bytes_read: u64,
    /// Bytes sent.
    pub bytes_written: u64,
    /// Turns given up.
    pub conn_yields: u64,
}

/// Counters of the whole server room.
#[derive(Debug)]
pub struct ServerStats {
    /// Connections open now.
    pub curr_connections: Counter,
    /// Connections ever accepted.
    pub total_connections: Counter,
    /// Connections refused over the limit.
    pub rejected_connections: Counter,
    /// Times that accepting was stopped over the limit.
    pub listen_disabled_num: Counter,
    /// Microseconds during which accepting was stopped.
    pub time_in_listen_disabled_us: Counter,
    /// Connections closed for being idle.
    pub idle_kicks: Counter,
    /// Calls handed to lane threads.
    pub lane_jobs: Counter,
    /// TLS handshakes that failed or took too long.
    pub ssl_handshake_errors: Counter,
    /// Who is connected.
    pub connections: Connections,
    accepting: AtomicBool,
    started: Instant,
    clock_s: AtomicU64,
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    base: Mutex<Base>,
}

/// What the counters stood at when `stats reset` came.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    workers: WorkerTotals,
    total_connections: u64,
    rejected_connections: u64,
}

impl Default for ServerStats {
    fn default() -> ServerStats {
        ServerStats {
            curr_connections: Counter::default(),
            total_connections: Counter::default(),
            rejected_connections: Counter::default(),
            listen_disabled_num: Counter::default(),
            time_in_listen_disabled_us: Counter::default(),
            idle_kicks: Counter::default(),
            lane_jobs: Counter::default(),
            ssl_handshake_errors: Counter::default(),
            connections: Connections::default(),
            accepting: AtomicBool::new(true),
            started: Instant::now(),
            clock_s: AtomicU64::new(0),
            workers: Mutex::default(),
            base: Mutex::default(),
        }
    }
}

impl ServerStats {
    /// Counters for one more worker.
    pub fn worker(&self) -> Arc<WorkerCounters> {
        let counters = Arc::new(WorkerCounters::default());
        self.workers.lock().push(Arc::clone(&counters));
        counters
    }

    /// Seconds since the start.
    pub fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Seconds since the start as of the last [`ServerStats::tick`]: for what needn't be exact but must be cheap.
    pub fn clock_s(&self) -> u64 {
        self.clock_s.load(Ordering::Relaxed)
    }

    /// Sets the cheap clock; called once a second.
    pub fn tick(&self) {
        self.clock_s.store(self.uptime_s(), Ordering::Relaxed);
    }

    /// Whether new connections are accepted.
    pub fn accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// Says whether new connections are accepted.
    pub fn set_accepting(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Relaxed);
    }

    /// The workers' counters since the last reset.
    pub fn worker_totals(&self) -> WorkerTotals {
        let base = self.base.lock().workers;
        let now = self.sum();
        WorkerTotals {
            bytes_read: now.bytes_read - base.bytes_read,
            bytes_written: now.bytes_written - base.bytes_written,
            conn_yields: now.conn_yields - base.conn_yields,
        }
    }

    /// Connections accepted and refused since the last reset.
    pub fn connection_totals(&self) -> (u64, u64) {
        let base = *self.base.lock();
        let since = |counter: &Counter, base: u64| counter.get() - base;
        (
            since(&self.total_connections, base.total_connections),
            since(&self.rejected_connections, base.rejected_connections),
        )
    }

    /// `stats reset`: totals begin again at zero, present numbers stay.
    pub fn reset(&self) {
        let workers = self.sum();
        *self.base.lock() = Base {
            workers,
            total_connections: self.total_connections.get(),
            rejected_connections: self.rejected_connections.get(),
        };
    }

    fn sum(&self) -> WorkerTotals {
        let mut totals = WorkerTotals::default();
        for worker in self.workers.lock().iter() {
            totals.bytes_read += worker.bytes_read.get();
            totals.bytes_written += worker.bytes_written.get();
            totals.conn_yields += worker.yields.get();
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up_and_reset_together() {
        let stats = ServerStats::default();
        let (a, b) = (stats.worker(), stats.worker());
        a.read(3);
        b.read(4);
        b.wrote(5);
        b.yielded();
        let totals = stats.worker_totals();
        assert_eq!(
            (totals.bytes_read, totals.bytes_written, totals.conn_yields),
            (7, 5, 1)
        );
        stats.total_connections.add(2);
        stats.curr_connections.add(1);
        stats.reset();
        assert_eq!(stats.worker_totals(), WorkerTotals::default());
        assert_eq!(stats.connection_totals(), (0, 0));
        assert_eq!(stats.curr_connections.get(), 1);
        a.read(1);
        assert_eq!(stats.worker_totals().bytes_read, 1);
    }
}
