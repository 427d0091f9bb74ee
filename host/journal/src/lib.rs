//! The operation log and the snapshots of the store: what keeps its content over the end of the process.
//!
//! - `record`: changes of the store as bytes. `segment`: the files of the log, which hold records.
//! - `files`: the one way to all files, and a simulated disk for tests.

mod error;
pub mod files;
pub mod inspect;
pub mod record;
pub mod recover;
pub mod segment;
pub mod snapshot;

pub use error::Error;
