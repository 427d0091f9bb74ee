//! The streams of `watch`: log lines for clients that asked for them.
//!
//! Publishing costs one relaxed load when nobody watches. A watcher that reads too slowly loses lines, never
//! memory: each has a bounded buffer, and a line says how many were skipped.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::metrics::{Single, WatchCells};

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Items read.
    Fetchers,
    /// Items written.
    Mutations,
    /// Items evicted.
    Evictions,
    /// Connections opened and closed.
    Connections,
    /// Items deleted.
    Deletions,
    /// What memcached tells of its proxy, its threads and its raw input. Nothing here writes to it.
    Silent,
}

/// Most watchers at once, as in memcached.
const WATCHERS_MAX: usize = 20;

/// Why nobody was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchError {
    /// A name that is no stream.
    UnknownStream,
    /// As many clients watch as may.
    TooMany,
}

impl Stream {
    /// The stream of a word after `watch`.
    pub fn from_name(name: &[u8]) -> Option<Stream> {
        match name {
            b"fetchers" => Some(Stream::Fetchers),
            b"mutations" => Some(Stream::Mutations),
            b"evictions" => Some(Stream::Evictions),
            b"connevents" => Some(Stream::Connections),
            b"deletions" => Some(Stream::Deletions),
            b"proxyreqs" | b"proxyevents" | b"proxyuser" | b"sysevents" | b"rawcmds" => {
                Some(Stream::Silent)
            }
            _ => None,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Where lines are published and watchers register.
#[derive(Debug)]
pub struct WatchHub {
    /// The streams that anybody watches.
    watched: AtomicU8,
    watchers: Mutex<Vec<Arc<Watcher>>>,
    buffer_bytes_max: usize,
    /// Counts of lines and watchers. The number of a line is how many were written, itself included.
    pub counts: Single<WatchCells>,
}

impl WatchHub {
    /// A hub whose watchers buffer up to `buffer_bytes_max` bytes each.
    pub fn new(buffer_bytes_max: usize) -> WatchHub {
        WatchHub {
            watched: AtomicU8::new(0),
            watchers: Mutex::default(),
            buffer_bytes_max,
            counts: Single::default(),
        }
    }

    /// Whether anybody watches `stream`: ask before making a line.
    #[inline]
    pub fn wants(&self, stream: Stream) -> bool {
        self.watched().contains(stream)
    }

    /// The streams that anybody watches now.
    #[inline]
    pub fn watched(&self) -> Watched {
        Watched(self.watched.load(Ordering::Relaxed))
    }

    /// Registers for streams named as in the command. No name is `fetchers`, as in memcached.
    ///
    /// # Errors
    /// When a name is no stream, or too many watch.
    pub fn watch(&self, names: &[u8]) -> Result<Arc<Watcher>, WatchError> {
        let mut streams = 0;
        for name in names
            .split(|byte| *byte == b' ')
            .filter(|name| !name.is_empty())
        {
            streams |= Stream::from_name(name)
                .ok_or(WatchError::UnknownStream)?
                .bit();
        }
        if streams == 0 {
            streams = Stream::Fetchers.bit();
        }
        let watcher = Arc::new(Watcher {
            streams,
            buffer: Mutex::default(),
        });
        let mut watchers = self.watchers.lock();
        if watchers.len() >= WATCHERS_MAX {
            return Err(WatchError::TooMany);
        }
        watchers.push(Arc::clone(&watcher));
        self.recount(&watchers);
        Ok(watcher)
    }

    /// Takes a watcher off the list.
    pub fn unwatch(&self, watcher: &Arc<Watcher>) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|other| !Arc::ptr_eq(other, watcher));
        self.recount(&watchers);
    }

    /// Sends one line, without its end, to all who watch `stream`. The time and a line number are put in front.
    pub fn publish(&self, stream: Stream, line: std::fmt::Arguments<'_>) {
        if !self.wants(stream) {
            return;
        }
        let id = self.counts.log_worker_written.add(1);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let text = format!(
            "ts={}.{:06} gid={} {line}\n",
            now.as_secs(),
            now.subsec_micros(),
            id
        );
        for watcher in self
            .watchers
            .lock()
            .iter()
            .filter(|watcher| watcher.streams & stream.bit() != 0)
        {
            if watcher.push(text.as_bytes(), self.buffer_bytes_max) {
                self.counts.log_watcher_sent.add(1);
            } else {
                self.counts.log_watcher_skipped.add(1);
            }
        }
    }

    fn recount(&self, watchers: &[Arc<Watcher>]) {
        let streams = watchers
            .iter()
            .fold(0, |streams, watcher| streams | watcher.streams);
        self.watched.store(streams, Ordering::Relaxed);
        self.counts.log_watchers.set(watchers.len() as u64);
    }
}

/// A set of streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched(u8);

impl Watched {
    /// Whether `stream` is in the set.
    #[inline]
    pub fn contains(self, stream: Stream) -> bool {
        self.0 & stream.bit() != 0
    }
}

/// One watching connection.
#[derive(Debug)]
pub struct Watcher {
    streams: u8,
    buffer: Mutex<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<u8>,
    skipped: u64,
    waker: Option<Waker>,
}

impl Watcher {
    /// Moves the waiting lines to `into`, or arranges for a wake-up.
    pub fn poll_lines(&self, context: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<()> {
        let mut buffer = self.buffer.lock();
        if buffer.lines.is_empty() {
            buffer.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        into.append(&mut buffer.lines);
        if buffer.skipped > 0 {
            // Writing to a vector can't fail.
            let _ = writeln!(into, "skipped={}", buffer.skipped);
            buffer.skipped = 0;
        }
        Poll::Ready(())
    }

    /// Adds a line; false when the buffer is full.
    fn push(&self, line: &[u8], bytes_max: usize) -> bool {
        let mut buffer = self.buffer.lock();
        if buffer.lines.len() + line.len() > bytes_max {
            buffer.skipped += 1;
            return false;
        }
        buffer.lines.extend_from_slice(line);
        if let Some(waker) = buffer.waker.take() {
            waker.wake();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(watcher: &Watcher) -> Option<String> {
        let mut into = Vec::new();
        match watcher.poll_lines(&mut Context::from_waker(Waker::noop()), &mut into) {
            Poll::Ready(()) => Some(String::from_utf8(into).expect("text")),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_watcher_gets_its_streams_only() {
        let hub = WatchHub::new(1000);
        assert!(!hub.wants(Stream::Evictions));
        let watcher = hub.watch(b"evictions  deletions").expect("good names");
        assert!(hub.wants(Stream::Evictions) && !hub.wants(Stream::Fetchers));
        hub.publish(Stream::Fetchers, format_args!("type=a"));
        assert_eq!(lines(&watcher), None);
        hub.publish(Stream::Deletions, format_args!("type=b"));
        let text = lines(&watcher).expect("a line");
        assert!(
            text.starts_with("ts=") && text.ends_with(" type=b\n"),
            "{text}"
        );
        hub.unwatch(&watcher);
        assert!(!hub.wants(Stream::Evictions));
    }

    #[test]
    fn a_slow_watcher_loses_lines_and_is_told() {
        let hub = WatchHub::new(100);
        let watcher = hub.watch(b"").expect("the default");
        for _ in 0..10 {
            hub.publish(Stream::Fetchers, format_args!("type=item_get"));
        }
        assert!(hub.counts.log_watcher_skipped.get() > 0);
        let text = lines(&watcher).expect("lines");
        assert!(
            text.len() < 120
                && text.ends_with(&format!(
                    "skipped={}\n",
                    hub.counts.log_watcher_skipped.get()
                )),
            "{text}"
        );
    }

    #[test]
    fn unknown_streams_and_too_many_watchers_are_refused() {
        let hub = WatchHub::new(1);
        assert_eq!(
            hub.watch(b"fetchers junk").err(),
            Some(WatchError::UnknownStream)
        );
        let watchers: Vec<_> = (0..WATCHERS_MAX)
            .map(|_| hub.watch(b"proxyreqs rawcmds").expect("room"))
            .collect();
        assert_eq!(hub.watch(b"").err(), Some(WatchError::TooMany));
        hub.unwatch(&watchers[0]);
        assert!(hub.watch(b"").is_ok());
        assert_eq!(hub.counts.log_watchers.get(), WATCHERS_MAX as u64);
    }
}
