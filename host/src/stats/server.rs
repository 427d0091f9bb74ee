//! What the server room counts and knows, for those who ask.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::Connections;
use crate::metrics::{ConnectionCells, Line, PerThread, ServingCells, Single, TrafficCells};

/// The state of the whole server room.
#[derive(Debug)]
pub struct ServerStats {
    /// Connections, counted.
    pub counts: Single<ConnectionCells>,
    /// Bytes and turns of each worker.
    pub traffic: PerThread<TrafficCells>,
    /// Accepting and working, counted.
    pub serving: Single<ServingCells>,
    /// Who is connected.
    pub connections: Connections,
    started: Instant,
    clock_s: AtomicU64,
}

impl Default for ServerStats {
    fn default() -> ServerStats {
        let stats = ServerStats {
            counts: Single::default(),
            traffic: PerThread::default(),
            serving: Single::default(),
            connections: Connections::default(),
            started: Instant::now(),
            clock_s: AtomicU64::new(0),
        };
        stats.set_accepting(true);
        stats
    }
}

impl ServerStats {
    /// Seconds since the start.
    pub fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Seconds since the start as of the last [`ServerStats::tick`]: for what needn't be exact but must be cheap.
    pub fn clock_s(&self) -> u64 {
        self.clock_s.load(Relaxed)
    }

    /// Sets the cheap clock; called once a second.
    pub fn tick(&self) {
        self.clock_s.store(self.uptime_s(), Relaxed);
    }

    /// Whether new connections are accepted.
    pub fn accepting(&self) -> bool {
        self.serving.accepting_conns.get() != 0
    }

    /// Says whether new connections are accepted.
    pub fn set_accepting(&self, accepting: bool) {
        self.serving.accepting_conns.set(u64::from(accepting));
    }

    /// The lines of `stats`.
    pub fn lines(&self, line: &mut Line<'_>) {
        self.counts.lines(line);
        self.traffic.lines(line);
        self.serving.lines(line);
    }

    /// `stats reset`: counters begin again at zero, present numbers stay.
    pub fn reset(&self) {
        self.counts.reset();
        self.traffic.reset();
        self.serving.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_begins_counters_at_zero_and_leaves_what_is() {
        let stats = ServerStats::default();
        stats.counts.total_connections.add(2);
        stats.counts.curr_connections.add(1);
        stats.traffic.join().read(3);
        stats.serving.idle_kicks.add(1);
        let shown = || {
            let mut shown = Vec::new();
            stats.lines(&mut |name, value| shown.push((name.to_owned(), value.to_string())));
            shown.retain(|(_, value)| value != "0");
            shown
        };
        assert_eq!(shown().len(), 5, "{:?}", shown());
        stats.reset();
        let left = [("curr_connections", "1"), ("accepting_conns", "1")];
        assert_eq!(
            shown(),
            left.map(|(name, value)| (name.into(), value.into()))
        );
    }
}
