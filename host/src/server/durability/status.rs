//! `stats persistence`: how the log and the snapshots are.

use std::time::Duration;

use cacheismo_journal::status::{State, Status};

use super::Durability;
use super::snapshots::Told;
use crate::metrics::table;
use crate::server::options::FsyncMode;

/// The log, the snapshots, and how they are asked for.
#[derive(Debug)]
pub(in crate::server) struct Sample {
    log: Status,
    snapshots: Told,
    fsync: FsyncMode,
    directory: String,
}

impl Durability {
    /// How the log and the snapshots are now.
    pub(in crate::server) fn sample(&self) -> Sample {
        Sample {
            log: self.log.status(),
            snapshots: self.snapshots.told(),
            fsync: self.options.fsync,
            directory: self.options.directory.display().to_string(),
        }
    }
}

table! {
    /// `stats persistence`.
    pub(in crate::server) static PERSISTENCE: Table<Sample> in Persistence {
        /// Directory of the log and the snapshots (--data-dir).
        data_dir: Info(None) = |s| s.directory.clone(),
        /// When the log is synced (--fsync).
        fsync: Info(None) = |s| s.fsync.name(),
        /// How the log is: ok; failed, while the disk refuses it; recovering, until a snapshot makes up for what was lost.
        log_state: Info(None) = |s| state(&s.log.state),
        /// The last error of the disk, or another cause why the log broke off.
        log_last_error: Info(None) = |s| s.log.last_error.clone().unwrap_or_default(),
        /// Errors of the disk, and other causes why the log broke off.
        log_errors: Gauge(Times) = |s| s.log.errors,
        /// How often the log broke off.
        log_gaps: Gauge(Times) = |s| s.log.gaps,
        /// Bytes of records written to the log.
        log_bytes: Gauge(Bytes) = |s| s.log.appended_bytes,
        /// Records written to the log.
        log_records: Gauge(Times) = |s| s.log.appended_records,
        /// Bytes of records that wait to be written.
        log_queue_bytes: Gauge(Bytes) = |s| s.log.queue_bytes,
        /// Bytes of records that never came to the log, ever; a snapshot made up for them.
        log_lost_bytes: Gauge(Bytes) = |s| s.log.lost_bytes,
        /// Bytes of changes that would be lost if the machine failed now.
        at_risk_bytes: Gauge(Bytes) = |s| s.log.at_risk.bytes,
        /// Age of the oldest change that would be lost.
        at_risk_ms: Gauge(Milliseconds) = |s| milliseconds(s.log.at_risk.age),
        /// How often the log was synced.
        syncs: Gauge(Times) = |s| s.log.syncs,
        /// Time of the last sync.
        sync_last_us: Gauge(Microseconds) = |s| microseconds(s.log.sync_last),
        /// Time of the longest sync.
        sync_max_us: Gauge(Microseconds) = |s| microseconds(s.log.sync_max),
        /// Number of the segment that is written.
        segment: Gauge(None) = |s| s.log.position.segment,
        /// Whether a snapshot is being written.
        snapshot_running: Gauge(None) = |s| s.snapshots.running,
        /// Snapshots written since the start.
        snapshots: Gauge(Times) = |s| s.snapshots.taken,
        /// Snapshots that failed.
        snapshots_failed: Gauge(Times) = |s| s.snapshots.failed,
        /// Why the last one failed.
        snapshot_last_error: Info(None) = |s| s.snapshots.last_error.clone().unwrap_or_default(),
        /// When the newest snapshot was finished, in seconds since 1970.
        snapshot_unix_s: Gauge(Seconds) = |s| s.snapshots.last.map_or(0, |about| about.ended_unix_ms / 1000),
        /// Items in the newest snapshot.
        snapshot_items: Gauge(Items) = |s| s.snapshots.last.map_or(0, |about| about.items),
        /// Bytes of changes in the newest snapshot.
        snapshot_bytes: Gauge(Bytes) = |s| s.snapshots.last.map_or(0, |about| about.bytes),
        /// Time that the last snapshot took.
        snapshot_last_ms: Gauge(Milliseconds) = |s| milliseconds(s.snapshots.last_time),
    }
}

fn state(state: &State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Failed { .. } => "failed",
        State::Recovering { .. } => "recovering",
        State::Stopped => "stopped",
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
