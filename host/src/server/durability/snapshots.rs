//! The thread that writes snapshots: when asked, and when the log has grown or enough has changed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cacheismo_journal::Error;
use cacheismo_journal::files::Directory;
use cacheismo_journal::log::{Log, NotDurable};
use cacheismo_journal::recover::Recovered;
use cacheismo_journal::segment::NodeId;
use cacheismo_journal::snapshot::{self, About, SnapshotStart, SnapshotWriter};
use parking_lot::{Condvar, Mutex};

use crate::cache::Cache;
use crate::server::options::PersistenceOptions;
use crate::stats::log;

/// How often it is looked at whether a snapshot is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of log for each byte of memory, after which a snapshot makes the log shorter.
const LOG_PER_MEMORY: u64 = 2;
/// Bytes of log below which it is never too long.
const LOG_BYTES_MIN: u64 = 256 << 20;

/// When snapshots are taken, and how the last ones went.
#[derive(Debug)]
pub(super) struct Snapshots {
    directory: Directory,
    cache: Cache,
    node: NodeId,
    every: Duration,
    changes_min: u64,
    log_bytes_max: u64,
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    asked: bool,
    stop: Stop,
    /// Number of the next snapshot.
    next: u64,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    Now,
    /// After one more snapshot.
    AfterSnapshot,
    /// When that snapshot is there.
    Soon,
}

/// What `stats persistence` tells of snapshots.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) running: bool,
    pub(super) taken: u64,
    pub(super) failed: u64,
    /// The newest snapshot.
    pub(super) last: Option<About>,
    /// How long it took.
    pub(super) last_time: Duration,
    pub(super) last_error: Option<String>,
}

/// Why a snapshot was not finished.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("{0}")]
    Disk(#[from] Error),
    #[error("the log is {0}")]
    Log(#[from] NotDurable),
    #[error("the server stops")]
    Stopped,
}

impl Snapshots {
    pub(super) fn new(
        directory: Directory,
        cache: Cache,
        node: NodeId,
        options: &PersistenceOptions,
        memory_bytes: u64,
        recovered: &Recovered,
    ) -> Snapshots {
        Snapshots {
            directory,
            cache,
            node,
            every: options.snapshot_every,
            changes_min: options.snapshot_changes,
            log_bytes_max: (memory_bytes * LOG_PER_MEMORY).max(LOG_BYTES_MIN),
            state: Mutex::new(State {
                asked: false,
                stop: Stop::No,
                next: recovered.next_snapshot,
                told: Told {
                    last: recovered.snapshot,
                    ..Told::default()
                },
            }),
            changed: Condvar::new(),
            thread: Mutex::default(),
        }
    }

    /// Starts the thread.
    pub(super) fn run(self: Arc<Self>, log: Log) -> std::io::Result<()> {
        let snapshots = Arc::clone(&self);
        let thread = std::thread::Builder::new()
            .name("snapshots".into())
            .spawn(move || snapshots.serve(&log))?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Wants a snapshot that begins from now on.
    pub(super) fn ask(&self) {
        self.state.lock().asked = true;
        self.changed.notify_all();
    }

    /// Ends the thread, after a last snapshot if that is wanted.
    pub(super) fn stop(&self, with_snapshot: bool) {
        self.state.lock().stop = match with_snapshot {
            true => Stop::AfterSnapshot,
            false => Stop::Now,
        };
        self.changed.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // A panic was reported, and the log has everything.
            let _reported = thread.join();
        }
    }

    pub(super) fn told(&self) -> Told {
        self.state.lock().told.clone()
    }

    fn serve(&self, log: &Log) {
        let mut since = Since::new(log);
        while self.wait_for_reason(log, &since) {
            since = Since::new(log);
            self.take(log);
        }
    }

    /// Waits until there is a reason for a snapshot; false when there will be none.
    fn wait_for_reason(&self, log: &Log, since: &Since) -> bool {
        let mut state = self.state.lock();
        loop {
            match state.stop {
                Stop::No => {}
                Stop::Now | Stop::Soon => return false,
                Stop::AfterSnapshot => {
                    state.stop = Stop::Soon;
                    return true;
                }
            }
            if std::mem::take(&mut state.asked) || self.is_due(log, since) {
                return true;
            }
            self.changed.wait_for(&mut state, LOOK_EVERY);
        }
    }

    fn is_due(&self, log: &Log, since: &Since) -> bool {
        let status = log.status();
        let changes = status.appended_records - since.records;
        let grown = status.appended_bytes - since.bytes > self.log_bytes_max;
        let due = !self.every.is_zero() && since.began.elapsed() >= self.every;
        grown || due && changes >= self.changes_min
    }

    /// Takes a snapshot and removes what it makes unnecessary.
    fn take(&self, log: &Log) {
        let number = {
            let mut state = self.state.lock();
            state.next += 1;
            state.told.running = true;
            state.next - 1
        };
        let began = Instant::now();
        let written = self.write(log, number);
        let mut state = self.state.lock();
        let told = &mut state.told;
        told.running = false;
        match written {
            Ok(about) => {
                told.taken += 1;
                told.last = Some(about);
                told.last_time = began.elapsed();
                let (items, seconds) = (about.items, told.last_time.as_secs_f64());
                log::info(format_args!(
                    "snapshot {number}: {items} items in {seconds:.1} s"
                ));
            }
            Err(Unfinished::Stopped) => {}
            Err(error) => {
                told.failed += 1;
                told.last_error = Some(error.to_string());
                log::warn(format_args!("snapshot {number} failed: {error}"));
            }
        }
    }

    fn write(&self, log: &Log, number: u64) -> Result<About, Unfinished> {
        let start = log.snapshot_starts();
        let begin = SnapshotStart {
            node: self.node,
            number,
            position: start.position,
            hash_seed: 0,
            unix_ms: unix_ms(),
        };
        let mut writer = SnapshotWriter::begin(self.directory.clone(), &begin)?;
        let exported = self.export(&mut writer);
        let end = match exported.and_then(|()| Ok(log.flush()?)) {
            Ok(end) => end,
            Err(error) => {
                // The unfinished file is removed at the next start, if not now.
                let _removed = writer.abandon();
                return Err(error);
            }
        };
        let about = writer.finish(end, self.cache.store().next_tick(), unix_ms())?;
        log.snapshot_is_durable(start);
        snapshot::remove_superseded(&self.directory, number, start.position)?;
        Ok(about)
    }

    fn export(&self, writer: &mut SnapshotWriter<Directory>) -> Result<(), Unfinished> {
        let mut export = self.cache.store().export(self.cache.now());
        let mut written = Ok(());
        let mut more = true;
        while more {
            more = export.step(self.cache.now(), &mut |class, tick, effect| {
                if written.is_ok() {
                    written = writer.add(class, tick, effect);
                }
            });
            std::mem::replace(&mut written, Ok(()))?;
            if self.state.lock().stop == Stop::Now {
                return Err(Unfinished::Stopped);
            }
        }
        Ok(())
    }
}

/// Where the log was at the last snapshot.
#[derive(Debug)]
struct Since {
    began: Instant,
    records: u64,
    bytes: u64,
}

impl Since {
    fn new(log: &Log) -> Since {
        let status = log.status();
        Since {
            began: Instant::now(),
            records: status.appended_records,
            bytes: status.appended_bytes,
        }
    }
}

/// The number of a node that was never there.
pub(in crate::server) fn new_node() -> NodeId {
    std::array::from_fn(|_| fastrand::u8(..))
}

/// Milliseconds since 1970.
pub(in crate::server) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
