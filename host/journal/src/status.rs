//! How the log is: what `stats persistence` shows.

use std::time::Duration;

use crate::segment::Position;

/// Whether the log is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is.
    #[default]
    Ok,
    /// There is a gap, and no new segment yet.
    Failed {
        /// When the gap began, since the start of the log.
        since: Duration,
        /// Why.
        why: String,
    },
    /// There is a new segment behind the gap, and a snapshot is to be taken.
    Recovering {
        /// When the gap began, since the start of the log.
        since: Duration,
        /// Why.
        why: String,
    },
    /// The log has ended.
    Stopped,
}

/// What is not on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtRisk {
    /// Bytes of records: waiting, written but not synced, and dropped in a gap.
    pub bytes: u64,
    /// How long the oldest of them has been told.
    pub age: Duration,
}

/// How the log is, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it is whole.
    pub state: State,
    /// Bytes appended.
    pub appended_bytes: u64,
    /// Records appended.
    pub appended_records: u64,
    /// How often all appended was synced.
    pub syncs: u64,
    /// How long the last sync took.
    pub sync_last: Duration,
    /// How long the longest sync took.
    pub sync_max: Duration,
    /// What is not on disk.
    pub at_risk: AtRisk,
    /// Bytes that threads have handed over and that are not in the log yet.
    pub queue_bytes: u64,
    /// Bytes that gaps have kept from the disk, ever.
    pub lost_bytes: u64,
    /// Number of gaps.
    pub gaps: u64,
    /// Where the next record goes, or before. Its segment is the number of segments ever begun.
    pub position: Position,
    /// Errors of the disk, and other causes of gaps.
    pub errors: u64,
    /// The last of them.
    pub last_error: Option<String>,
}
