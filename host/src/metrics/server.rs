//! Connections, bytes and threads of the server.

use super::cells::metrics;

metrics! {
    /// Connections of all listeners.
    pub struct ConnectionCells => ConnectionTotals, CONNECTIONS {
        /// Connections that may be open at once (-c).
        max_connections: Gauge(Connections),
        /// Connections that are open.
        curr_connections: Gauge(Connections),
        /// Connections accepted.
        total_connections: Counter(Connections),
        /// Connections refused because as many as may be were open.
        rejected_connections: Counter(Connections),
        /// The most connections that were open at once.
        connection_structures: Gauge(Connections),
    }
}

metrics! {
    /// What one worker reads and writes. Only its thread counts.
    pub struct TrafficCells => TrafficTotals, TRAFFIC {
        /// Bytes received from clients.
        bytes_read: Counter(Bytes),
        /// Bytes sent to clients.
        bytes_written: Counter(Bytes),
        /// Turns that ended before a connection's input was used up, to let others have theirs (-R).
        conn_yields: Counter(Times),
    }
}

impl TrafficCells {
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
        self.conn_yields.add_alone(1);
    }
}

metrics! {
    /// How the server takes connections and works for them.
    pub struct ServingCells => ServingTotals, SERVING {
        /// Whether new connections are accepted: 1, or 0 while as many as may be are open.
        accepting_conns: Gauge(None),
        /// Times that accepting stopped because as many connections as may be were open.
        listen_disabled_num: Counter(Times),
        /// Time during which accepting was stopped.
        time_in_listen_disabled_us: Counter(Microseconds),
        /// Connections closed because they were idle for too long.
        idle_kicks: Counter(Connections),
        /// Times that a connection was made to give back memory, because others needed it: its command was refused, or it was closed.
        client_memory_kicks: Counter(Times),
        /// Worker threads (-t).
        threads: Gauge(Threads),
        /// Calls that were run on a lane thread.
        lane_jobs: Counter(Calls),
        /// TLS handshakes that failed or took too long.
        ssl_handshake_errors: Counter(Connections),
    }
}
