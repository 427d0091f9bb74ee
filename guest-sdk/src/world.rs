//! What a call gets from the server beside objects: time, chance, the log.

use cacheismo_abi::level;

use crate::sys;

/// Milliseconds since 1970, the same during the whole call.
#[inline]
pub fn now_ms() -> i64 {
    sys::now_ms()
}

/// Offset of the server's local time from UTC at a Unix time in seconds, itself in seconds; east is
/// positive.
#[inline]
pub fn utc_offset_s(unix_s: i64) -> i32 {
    sys::utc_offset_s(unix_s)
}

/// 64 random bits.
#[inline]
pub fn random() -> u64 {
    sys::random()
}

/// Writes a line to the server's log. The server limits lines per call.
pub fn log(level: Level, text: &str) {
    sys::log(level as i32, text.as_bytes());
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// Shown with `-vv`.
    Debug = level::DEBUG,
    /// Shown with `-v`.
    Info = level::INFO,
    /// Always shown.
    Warn = level::WARN,
    /// Always shown.
    Error = level::ERROR,
}
