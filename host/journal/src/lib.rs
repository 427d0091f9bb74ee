//! The operation log and the snapshots of the store: what keeps its content over the end of the process.
//!
//! - `record`: changes of the store as bytes. `segment`: the files of the log, which hold records. `snapshot`: all items
//!   in one file.
//! - `recover`: from files to what the store held.
//! - `inspect`: what operators ask of the files.
//! - `files`: the one way to all files, and a simulated disk for tests.
//!
//! `docs/JOURNAL-FORMAT.md` draws every byte. No clock here, no thread, no store that is filled: callers bring them.

mod error;
pub mod files;
pub mod inspect;
pub mod record;
pub mod recover;
#[cfg(test)]
mod samples;
pub mod segment;
pub mod snapshot;

pub use error::Error;

/// Checksums are looked at. A fuzzer would find none that fits.
pub(crate) const CHECKSUMS: bool = !cfg!(fuzzing);
