//! Log lines of `watch`.

use super::cells::metrics;

metrics! {
    /// Lines for all watchers.
    pub struct WatchCells => WatchTotals, WATCH {
        /// Connections that watch.
        log_watchers: Gauge(Connections),
        /// Always 0: lines go to the watchers' own buffers at once, and log_watcher_skipped counts those that did not fit.
        log_worker_dropped: Counter(Lines),
        /// Lines that somebody watched for.
        log_worker_written: Counter(Lines),
        /// Lines that found a watcher's buffer full, counted for each watcher.
        log_watcher_skipped: Counter(Lines),
        /// Lines put into a watcher's buffer, counted for each watcher.
        log_watcher_sent: Counter(Lines),
    }
}
