//! Answers, appended to a buffer.

/// `SERVER_ERROR object too large for cache`.
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache\r\n";
