//! Lines for the operator, on standard error.
//!
//! No thread that serves clients waits for standard error: from [`write_behind`] on, a thread of its own writes. What
//! clients and guests cause is limited in number, because they choose how often they cause it.

mod allowance;
mod behind;

use std::fmt::Arguments;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use allowance::Allowance;
pub use behind::{flush, write_behind};

/// Longest line of a guest or a client in bytes; the rest is cut off.
const FOREIGN_LINE_BYTES_MAX: usize = 1024;

static LEVEL: AtomicU8 = AtomicU8::new(0);
static GUESTS: Mutex<Option<Allowance>> = Mutex::new(None);
static CLIENTS: Mutex<Option<Allowance>> = Mutex::new(None);

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
    behind::put(format!("{text}\n").as_bytes());
}

/// An event, at `-v`.
pub fn info(text: Arguments<'_>) {
    if level() >= 1 {
        write(text);
    }
}

/// A line that a client caused, at `-v` as often as `from_level` says. Control characters are escaped, and over the
/// allowance lines are counted instead of written.
pub fn client(from_level: u8, text: Arguments<'_>) {
    if level() >= from_level {
        limited(&CLIENTS, "clients", &text.to_string());
    }
}

/// A line a guest wrote or caused, limited in the same way.
pub fn guest(source: &str, text: &str) {
    limited(&GUESTS, "objects", &format!("{source}: {text}"));
}

fn limited(allowance: &Mutex<Option<Allowance>>, whose: &str, text: &str) {
    let now = Instant::now();
    let Some(skipped) = allowance
        .lock()
        .get_or_insert_with(|| Allowance::full(now))
        .take(now)
    else {
        return;
    };
    if skipped > 0 {
        write(format_args!("{skipped} lines of {whose} left out"));
    }
    write(format_args!("{}", one_line(text)));
}

fn write(text: Arguments<'_>) {
    line(format_args!("cacheismo: {text}"));
}

/// The text made printable, on one line, not longer than the limit.
fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(FOREIGN_LINE_BYTES_MAX);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_forge_lines_or_write_long_ones() {
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
        let long = one_line(&"é".repeat(2000));
        assert!(long.len() <= FOREIGN_LINE_BYTES_MAX + 3 && long.ends_with("..."));
    }
}
