//! Sockets, threads, signals, options. The only room that uses tokio.

pub mod options;
