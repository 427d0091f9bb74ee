//! What the end-to-end tests stand on: a real server process, raw clients and replayers.
//!
//! - [`server`]: starts the built binary on a free port and stops it; the same for Debian's memcached.
//! - [`client`]: one connection on which requests and replies are bytes.
//! - [`conversation`]: text files of requests and expected replies, replayed in several cuts.
//! - [`golden`]: recordings of the original cacheismo.
//! - [`differential`]: random command sequences and the comparison of two servers on them.
//! - [`twins`]: one operation in every dialect, and what it must come to in each.
//! - [`tools`]: where the repository, the Python environment and other programs are.
//!
//! The tests themselves are in `tests/e2e`, one binary with a module per subject.

pub mod client;
pub mod conversation;
pub mod differential;
pub mod golden;
pub mod scripts;
pub mod server;
pub mod tools;
pub mod twins;
