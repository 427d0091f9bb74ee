//! Segments: the files of the log, one after the other.
//!
//! A segment has a header, then records, then zeros up to its preallocated length. Only the last one has zeros: a
//! segment is cut to its records before the next one begins. The header says where the segment before ended and what
//! its checksums added up to, so that a segment that is missing, cut or swapped is noticed.
//!
//! After an error of the disk nobody knows what is in the segment that was written. It is given up, and the next segment
//! begins *after a gap*: the log before does not lead into it. It is of use once a snapshot was taken at its beginning or
//! behind.

pub(crate) mod header;
pub(crate) mod reader;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use writer::{LogWriter, Options};

/// Bytes that tell nodes from each other.
pub type NodeId = [u8; 16];

/// A place in the log. Later is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Byte within the segment.
    pub offset: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// The end of a segment, as the next one's header tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Number of the segment.
    pub segment: u64,
    /// Where its last record ends.
    pub end: u64,
    /// What the checksums of its header and records add up to.
    pub chain: u32,
}

/// What the log has before a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: the log begins here, with an empty store.
    Nothing,
    /// A segment that ends where this one begins.
    Segment(Link),
    /// Nobody knows what.
    Gap,
}

/// Where the log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Number of the next segment. No file has that number or a higher one.
    pub number: u64,
    /// What is before that segment.
    pub before: Before,
}

impl Next {
    /// The log begins.
    pub const FIRST: Next = Next {
        number: 1,
        before: Before::Nothing,
    };
}

const PREFIX: &str = "log-";
const SUFFIX: &str = ".seg";
/// Ending of the names of files that are of no use any more and may hold what somebody looks for.
pub(crate) const ASIDE: &str = ".torn";

/// Name of the segment with that number.
pub fn name(number: u64) -> String {
    format!("{PREFIX}{number:020}{SUFFIX}")
}

/// Number of the segment with that name.
pub fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    number_of_digits(digits)
}

/// Number of a segment that was put aside, or a part of which was.
pub(crate) fn number_aside(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(ASIDE)?;
    number_of_digits(digits.split('-').next()?)
}

pub(crate) fn number_of_digits(digits: &str) -> Option<u64> {
    let all = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}

/// Name for what is put aside of a segment from `offset` on.
pub(crate) fn name_aside(number: u64, offset: u64) -> String {
    format!("{PREFIX}{number:020}-{offset}{ASIDE}")
}
