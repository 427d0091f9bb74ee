//! The thread that writes the log. A pipe that nobody reads, or a full disk, stops this thread and no other.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Text that waits to be written, in bytes. Lines beyond are dropped and counted.
const WAITING_BYTES_MAX: usize = 256 << 10;

static LOG: Behind = Behind::new();

/// Has all further lines written by a thread of its own; until then whoever has a line writes it. To be called once the
/// process has gone to the background, which ends all threads but one.
///
/// # Errors
/// When there can be no thread.
pub fn write_behind() -> io::Result<()> {
    let mut waiting = LOG.waiting.lock();
    if !waiting.has_writer {
        std::thread::Builder::new()
            .name("log".into())
            .spawn(|| LOG.write_for_ever(&mut io::stderr()))?;
        waiting.has_writer = true;
    }
    Ok(())
}

/// Waits until all lines are written, but no longer than `patience`.
pub fn flush(patience: Duration) {
    LOG.flush(patience);
}

/// Takes one line, its end included.
pub(super) fn put(line: &[u8]) {
    if !LOG.put(line) {
        // Nobody is left to tell when standard error is gone.
        let _ = io::stderr().write_all(line);
    }
}

/// Lines on their way to the writer.
struct Behind {
    waiting: Mutex<Waiting>,
    /// Notified when there is something to write.
    more: Condvar,
    /// Notified when everything is written.
    idle: Condvar,
}

struct Waiting {
    text: Vec<u8>,
    dropped: u64,
    has_writer: bool,
    writing: bool,
}

impl Behind {
    const fn new() -> Behind {
        Behind {
            waiting: Mutex::new(Waiting {
                text: Vec::new(),
                dropped: 0,
                has_writer: false,
                writing: false,
            }),
            more: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    /// Has the writer write the line; false when there is no writer.
    fn put(&self, line: &[u8]) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.has_writer {
            return false;
        }
        match waiting.text.len() + line.len() <= WAITING_BYTES_MAX {
            true => waiting.text.extend_from_slice(line),
            false => waiting.dropped += 1,
        }
        self.more.notify_one();
        true
    }

    fn write_for_ever(&self, file: &mut impl Write) {
        loop {
            self.write_waiting(file);
        }
    }

    /// Waits for lines and writes them.
    fn write_waiting(&self, file: &mut impl Write) {
        let (mut text, dropped) = {
            let mut waiting = self.waiting.lock();
            while waiting.text.is_empty() && waiting.dropped == 0 {
                self.more.wait(&mut waiting);
            }
            waiting.writing = true;
            (
                std::mem::take(&mut waiting.text),
                std::mem::take(&mut waiting.dropped),
            )
        };
        if dropped > 0 {
            let told = format!("cacheismo: {dropped} lines lost: standard error was not read\n");
            text.extend_from_slice(told.as_bytes());
        }
        // Nobody is left to tell when standard error is gone.
        let _ = file.write_all(&text);
        let mut waiting = self.waiting.lock();
        waiting.writing = false;
        if waiting.text.is_empty() {
            self.idle.notify_all();
        }
    }

    fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut waiting = self.waiting.lock();
        while waiting.has_writer && (waiting.writing || !waiting.text.is_empty()) {
            if self.idle.wait_until(&mut waiting, deadline).timed_out() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_writer() -> Behind {
        let behind = Behind::new();
        behind.waiting.lock().has_writer = true;
        behind
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_and_told() {
        let behind = with_writer();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..WAITING_BYTES_MAX / line.len() + 3 {
            assert!(behind.put(&line), "nobody waits for a writer");
        }
        let mut written = Vec::new();
        behind.write_waiting(&mut written);
        let text = String::from_utf8(written).expect("text");
        assert_eq!(text.lines().count(), WAITING_BYTES_MAX / line.len() + 1);
        assert!(text.ends_with("cacheismo: 3 lines lost: standard error was not read\n"));
        behind.put(b"next\n");
        let mut written = Vec::new();
        behind.write_waiting(&mut written);
        assert_eq!(written, b"next\n");
    }

    #[test]
    fn a_flush_waits_no_longer_than_it_may() {
        let behind = with_writer();
        behind.flush(Duration::ZERO);
        behind.put(b"never written\n");
        let start = Instant::now();
        behind.flush(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        behind.write_waiting(&mut Vec::new());
        behind.flush(Duration::from_secs(600));
    }

    #[test]
    fn without_a_writer_a_line_is_not_taken() {
        assert!(!Behind::new().put(b"x\n"));
    }
}
