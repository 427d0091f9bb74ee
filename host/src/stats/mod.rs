//! Who is connected, the log, the streams of `watch`, and what the server counts. Knows metrics only.

mod connections;
pub mod log;
mod server;
mod watch;

pub use connections::{ConnectionEntry, ConnectionState, Connections, Endpoint, Listening, Login};
pub use server::ServerStats;
pub use watch::{Stream, WatchError, WatchHub, Watched, Watcher};
