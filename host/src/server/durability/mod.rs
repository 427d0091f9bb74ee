//! What keeps the store's content over the end of the process: recovery at the start, the operation log, snapshots.
//!
//! - `load`: the store filled with what the directory holds.
//! - `saved`: answers that wait for the disk (`--fsync always`).
//! - `snapshots`: the thread that writes all items down now and then, so that the log before them can go.
//! - `status`: `stats persistence`.
//!
//! Formats, files and the log's thread are the crate `cacheismo-journal`.

mod load;
mod saved;
mod snapshots;
mod status;

use std::sync::Arc;

use anyhow::Context;
use cacheismo_journal::files::Directory;
use cacheismo_journal::log::{Log, Options, Segments};
use cacheismo_journal::segment;

use super::options::{FsyncMode, PersistenceOptions};
use crate::cache::Cache;
use crate::stats::log;
use saved::Saved;
use snapshots::Snapshots;
pub(super) use snapshots::{new_node, unix_ms};
pub(super) use status::PERSISTENCE;

/// The log and the snapshots of one server.
#[derive(Debug)]
pub(super) struct Durability {
    log: Log,
    snapshots: Arc<Snapshots>,
    options: PersistenceOptions,
}

impl Durability {
    /// Takes the directory for this process, fills the cache with what it holds, and writes down every change from now on.
    /// The cache has no workers yet.
    ///
    /// # Errors
    /// When the directory cannot be used, or what is in it is damaged: with the file, the offset, and what repairs it.
    pub(super) fn start(
        options: &PersistenceOptions,
        cache: &Cache,
        memory_bytes: u64,
    ) -> anyhow::Result<Durability> {
        let directory =
            Directory::open(&options.directory).context("the data directory cannot be used")?;
        let recovered = load::load(&directory, cache, memory_bytes)
            .with_context(|| format!("{} cannot be recovered", options.directory.display()))?;
        for note in &recovered.notes {
            log::warn(format_args!("{note}"));
        }
        // Who writes: the node that wrote the snapshot, or a new one.
        let snapshot = recovered.snapshot.as_ref();
        let node = snapshot.map_or_else(new_node, |about| about.node);
        let segment_options = segment::Options {
            node,
            segment_bytes: options.segment_bytes,
            now_ms: unix_ms,
        };
        let segments = Segments::open(directory.clone(), segment_options, recovered.next)
            .context("the log cannot go on")?;
        let snapshots = Arc::new(Snapshots::new(
            directory,
            cache.clone(),
            node,
            options,
            memory_bytes,
            &recovered,
        ));
        let wanted = Arc::clone(&snapshots);
        let (clock, hash) = (Arc::clone(cache.store()), Arc::clone(cache.store()));
        let log_options = Options {
            fsync: options.fsync.into(),
            queue_bytes_max: options.queue_bytes_max,
            clock: Box::new(move || clock.clock_now()),
            hash: Box::new(move |key| hash.hash(key)),
            want_snapshot: Box::new(move || wanted.ask()),
        };
        let (log, tap) = Log::start(log_options, segments).context("cannot start a thread")?;
        cache.store().listen(Box::new(tap));
        if options.fsync == FsyncMode::Always {
            cache.wait_for(Arc::new(Saved::new(log.clone())));
        }
        if recovered.needs_snapshot {
            snapshots.ask();
        }
        Arc::clone(&snapshots)
            .run(log.clone())
            .context("cannot start a thread")?;
        Ok(Durability {
            log,
            snapshots,
            options: options.clone(),
        })
    }

    /// Begins a snapshot, if none is under way.
    pub(super) fn snapshot(&self) {
        self.snapshots.ask();
    }

    /// Ends the log: all that was told is on disk. With `snapshot`, all items are written down before, so that the next start
    /// has no log to replay. The workers have stopped.
    pub(super) fn finish(&self, snapshot: bool) {
        if snapshot {
            // So that the snapshot begins behind all records. If the disk fails, it begins where it can.
            let _flushed = self.log.flush();
        }
        self.snapshots.stop(snapshot);
        self.log.stop();
    }
}
