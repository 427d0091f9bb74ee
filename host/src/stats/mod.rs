//! Counters of sockets and process, the log, the streams of `watch`. Knows nothing of the other rooms.

mod connections;
mod counters;
pub mod log;
mod usage;
mod watch;

pub use connections::{ConnectionEntry, ConnectionState, Connections, Endpoint, Listening, Login};
pub use counters::{Counter, ServerStats, WorkerCounters, WorkerTotals};
pub use usage::{Usage, usage};
pub use watch::{Stream, WatchError, WatchHub, Watched, Watcher};
