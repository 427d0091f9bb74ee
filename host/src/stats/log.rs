//! Lines for the operator, on standard error.
//!
//! One line is one `write`, so lines of several threads don't mix. What guests write is limited in number,
//! because a guest chooses how often it writes.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// Guest lines that may be written at once after silence.
const GUEST_BURST: f64 = 100.0;
/// Guest lines a second in the long run.
const GUEST_PER_S: f64 = 20.0;
/// Longest guest line in bytes; the rest is cut off.
const GUEST_LINE_BYTES_MAX: usize = 1024;

static LEVEL: AtomicU8 = AtomicU8::new(0);
static GUESTS: Mutex<Option<Allowance>> = Mutex::new(None);

/// Sets how much is logged: 0 errors and warnings, 1 events, 2 connections, 3 everything.
pub fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// How much is logged.
pub fn level() -> u8 {
    LEVEL.load(Ordering::Relaxed)
}

/// Something the operator should act on.
pub fn warn(text: Arguments<'_>) {
    write(text);
}

/// A line that is always written, without the program's name in front.
pub fn line(text: Arguments<'_>) {
    // Nobody is left to tell when standard error is gone.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// An event, at `-v`.
pub fn info(text: Arguments<'_>) {
    if level() >= 1 {
        write(text);
    }
}

/// A connection's life, at `-vv`.
pub fn debug(text: Arguments<'_>) {
    if level() >= 2 {
        write(text);
    }
}

/// A line a guest wrote or caused. Control characters are escaped, and over the allowance lines are counted
/// instead of written.
pub fn guest(source: &str, text: &str) {
    let Some(skipped) = GUESTS
        .lock()
        .get_or_insert_with(|| Allowance::full(Instant::now()))
        .take(Instant::now())
    else {
        return;
    };
    if skipped > 0 {
        write(format_args!("{skipped} lines of objects left out"));
    }
    write(format_args!("{source}: {}", one_line(text)));
}

fn write(text: Arguments<'_>) {
    line(format_args!("cacheismo: {text}"));
}

/// Printable, on one line, not longer than the limit.
fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(GUEST_LINE_BYTES_MAX);
    let mut line = String::with_capacity(end);
    for c in text[..end].chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if end < text.len() {
        line.push_str("...");
    }
    line
}

/// A bucket of lines that fills with time.
#[derive(Debug)]
struct Allowance {
    lines: f64,
    filled_at: Instant,
    skipped: u64,
}

impl Allowance {
    fn full(now: Instant) -> Allowance {
        Allowance {
            lines: GUEST_BURST,
            filled_at: now,
            skipped: 0,
        }
    }

    /// Takes one line out: `Some` with how many were skipped before, or `None` when this one is skipped.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.lines = (self.lines + passed * GUEST_PER_S).min(GUEST_BURST);
        self.filled_at = now;
        if self.lines < 1.0 {
            self.skipped += 1;
            return None;
        }
        self.lines -= 1.0;
        Some(std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::full(start);
        let written = (0..1000)
            .filter(|_| allowance.take(start).is_some())
            .count();
        assert_eq!(written, 100);
        assert_eq!(allowance.take(start + Duration::from_millis(49)), None);
        assert_eq!(
            allowance.take(start + Duration::from_millis(101)),
            Some(901)
        );
    }

    #[test]
    fn a_guest_cannot_forge_lines_or_write_long_ones() {
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
        let long = one_line(&"é".repeat(2000));
        assert!(long.len() <= GUEST_LINE_BYTES_MAX + 3 && long.ends_with("..."));
    }
}
