//! Snapshots: all items of a store in one file.
//!
//! ```text
//! header | chunk | chunk | ... | index | footer
//! ```
//! Items come in any order, each with a *class* from 0, the longest unused, to 63. A chunk holds items of one class.
//! The reader goes through the classes and sorts each by tick, so items come back in the order of their last use, and
//! neither side holds more than a part of them in memory.
//!
//! A snapshot is taken while the store changes. The log from `position` on is applied after it, and it is of use only
//! with a log that reaches `end`: items seen late hold effects up to there.

mod format;
mod reader;
mod salvage;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

use crate::Error;
use crate::files::Files;
use crate::segment::{self, Position};

pub use reader::SnapshotReader;
pub use writer::{SnapshotStart, SnapshotWriter};

/// Number of classes.
pub const CLASSES: usize = 64;

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".snap";
const UNFINISHED: &str = ".tmp";

/// Name of the snapshot with that number.
pub fn name(number: u64) -> String {
    format!("{PREFIX}{number:020}{SUFFIX}")
}

/// Number of the snapshot with that name.
pub fn number(name: &str) -> Option<u64> {
    number_with(name, SUFFIX)
}

/// Number of a snapshot that is put aside, or not finished.
pub(crate) fn number_of_other(name: &str) -> Option<u64> {
    number_with(name, segment::ASIDE).or_else(|| number_unfinished(name))
}

pub(crate) fn number_unfinished(name: &str) -> Option<u64> {
    number_with(name, UNFINISHED)
}

fn number_with(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(suffix)?;
    segment::number_of_digits(digits)
}

fn name_unfinished(number: u64) -> String {
    format!("{PREFIX}{number:020}{UNFINISHED}")
}

/// Name for a snapshot that is of no use.
pub(crate) fn name_aside(number: u64) -> String {
    format!("{PREFIX}{number:020}{}", segment::ASIDE)
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Who wrote it.
    pub node: segment::NodeId,
    /// Its number: later is greater.
    pub number: u64,
    /// When it was begun, in milliseconds since 1970.
    pub begun_unix_ms: u64,
    /// When it was finished.
    pub ended_unix_ms: u64,
    /// Where the log is applied from.
    pub position: Position,
    /// What the log must reach.
    pub end: Position,
    /// Above all ticks and CAS tokens in it.
    pub next_tick: u64,
    /// The seed of the hash that the store had.
    pub hash_seed: u64,
    /// How many changes there are: one for each item, and deletions.
    pub items: u64,
    /// Their bytes, with ticks.
    pub bytes: u64,
}

/// Removes older snapshots, and the segments that are not needed with this one. The snapshot is on disk: its writer
/// returned. Returns how many files were removed.
///
/// # Errors
/// When the disk fails. The next snapshot removes what is still there.
pub fn remove_superseded<F: Files>(
    files: &F,
    number: u64,
    position: Position,
) -> Result<usize, Error> {
    let names = files.list();
    let mut names = names.map_err(Error::system(files, "", "list the directory"))?;
    // Oldest first: what is left is one piece, wherever this ends.
    names.sort_unstable();
    names.retain(|name| {
        self::number(name).is_some_and(|older| older < number)
            || segment::number(name).is_some_and(|segment| segment < position.segment)
    });
    for name in &names {
        let removed = files.remove(name);
        removed.map_err(Error::system(files, name, "remove"))?;
    }
    let synced = files.sync_directory();
    synced.map_err(Error::system(files, "", "sync the directory"))?;
    Ok(names.len())
}
