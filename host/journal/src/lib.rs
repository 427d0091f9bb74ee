//! The operation log and the snapshots of the store: what keeps its content over the end of the process.
//!
//! - `record`: changes of the store as bytes. `segment`: the files of the log, which hold records. `snapshot`: all items
//!   in one file.
//! - `tap`: takes down what the store tells, on each of its threads. `sequence`: puts that into one order. `log`: writes
//!   it to the segments, and knows what is on disk. `status`: how the log is.
//! - `recover`: from files to what the store held.
//! - `inspect`: what operators ask of the files.
//! - `files`: the one way to all files, and a simulated disk for tests.
//!
//! `docs/JOURNAL-FORMAT.md` draws every byte. There is no store here that is filled: callers bring it. Only `log` has a
//! thread and reads a clock.

mod error;
pub mod files;
pub mod inspect;
pub mod log;
mod point;
pub mod record;
pub mod recover;
#[cfg(test)]
mod samples;
pub mod segment;
mod sequence;
pub mod snapshot;
pub mod status;
mod tap;

pub use error::Error;
pub use tap::Tap;

/// Checksums are looked at. A fuzzer would find none that fits.
pub(crate) const CHECKSUMS: bool = !cfg!(fuzzing);
