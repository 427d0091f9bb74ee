//! Why a module was refused, and why a call ended without a reply.

use super::backoff::{ROW_MAX, STOPS_MAX, Whose};
use super::bounds::Excess;
use super::metadata::MetadataError;
use super::sections::SectionError;

/// A module that was refused, and why. The text is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {refusal}")]
pub struct LoadError {
    /// File, or name of the embedded module.
    pub source_name: String,
    /// The reason.
    #[source]
    pub refusal: Refusal,
}

/// Why a module was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file, or the directory, could not be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// A directory, a pipe, a device or a socket.
    #[error("it is not a regular file")]
    NoFile,
    /// The source was found in a directory, and could not be read there.
    #[error("{0}")]
    Unread(std::sync::Arc<Refusal>),
    /// A directory has no module in it, which is a mistyped path more often than a wish.
    #[error("there is no *.wasm file in it")]
    NoModules,
    /// Longer than the option allows.
    #[error("module of {len} bytes is longer than {max}")]
    TooLong {
        /// Length of the module in bytes.
        len: usize,
        /// Longest module that the option allows, in bytes.
        max: usize,
    },
    /// The binary's framing is broken.
    #[error("{0}")]
    Sections(#[from] SectionError),
    /// No custom section with metadata: not built with the SDK.
    #[error("no metadata section \"cacheismo.meta\"; is it built with cacheismo-sdk?")]
    NoMetadata,
    /// The metadata breaks a rule.
    #[error("{0}")]
    Metadata(#[from] MetadataError),
    /// The module would run code at instantiation, before any deadline.
    #[error("a start function is not allowed")]
    Start,
    /// The module is larger than what may be compiled.
    #[error("{0}")]
    Excess(#[from] Excess),
    /// Not valid, or using a proposal that is switched off.
    #[error("does not compile: {0}")]
    Compile(String),
    /// An import no host function answers to.
    #[error("import {module}.{name}: {reason}")]
    Import {
        /// Import module.
        module: String,
        /// Import name.
        name: String,
        /// What is wrong with the import.
        reason: String,
    },
    /// An export is missing or of another type.
    #[error("export {name:?}: {reason}")]
    Export {
        /// Export name.
        name: String,
        /// What is wrong with the export.
        reason: String,
    },
    /// The module could not be instantiated within its limits.
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    /// Another module has the type name.
    #[error("type {type_name:?} is already loaded from {other}")]
    Duplicate {
        /// The name.
        type_name: String,
        /// Where the first module came from.
        other: String,
    },
    /// More types, or functions, than there are numbers.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
    /// A reload of a type that is not loaded.
    #[error("type {0:?} is not loaded")]
    Unknown(String),
}

/// Why a call ended without a reply. What it wrote is to be dropped.
///
/// `Display` is the reason as the client reads it after `SERVER_ERROR type:function: `: one line, bounded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest failed on purpose, with `fail`, or the host refused what it asked for.
    #[error("{0}")]
    Failed(String),
    /// Too few arguments.
    #[error("usage: {0}")]
    Usage(String),
    /// A limit other than the deadline was reached.
    #[error("{0}")]
    Limit(String),
    /// The call was still running at its deadline.
    #[error("stopped at its deadline of {ms} ms")]
    Deadline {
        /// The deadline in milliseconds.
        ms: u64,
    },
    /// The guest broke a rule of wasm or of the ABI, or panicked.
    #[error("{0}")]
    Trap(Trap),
    /// Refused without trying: the function was stopped too often of late.
    #[error("paused for {for_ms} ms after {}", stops(*whose))]
    Paused {
        /// Milliseconds until the call may be tried again.
        for_ms: u64,
        /// Which calls are paused.
        whose: Whose,
    },
    /// No instance could be made, or the function left with a reload.
    #[error("{0}")]
    Unavailable(String),
    /// The call took longer than the inline budget: run it again with [`Budget::Full`](super::Budget::Full) on a lane.
    #[error("too slow for a worker")]
    Slow,
    /// A host function wants to wait: run the call again on a lane.
    #[error("it may have to wait")]
    NeedsLane,
    /// Somebody else was faster: run the call again.
    #[error("conflict with another call")]
    Conflict,
}

/// What brings a pause, in words.
pub(super) fn stops(whose: Whose) -> String {
    match whose {
        Whose::OneObject => format!("{STOPS_MAX} traps or deadline stops on this object"),
        Whose::All => format!("traps or deadline stops on {ROW_MAX} objects in a row"),
    }
}

/// How a guest was stopped for breaking a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What happened: the panic's text when there was one.
    pub message: String,
    /// Innermost guest functions, innermost first, for the log.
    pub frames: Vec<String>,
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "trap: {}", self.message)
    }
}

/// Longest text of a guest that reaches a client or the log as one line, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;

/// Makes guest-chosen bytes one printable line: a line break inside would forge a reply or a log line.
pub fn one_line(text: &[u8]) -> String {
    let cut = &text[..text.len().min(TEXT_BYTES_MAX)];
    String::from_utf8_lossy(cut)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_cannot_break_a_line() {
        assert_eq!(one_line(b"a\r\nEND\r\n\0\x1b[2J"), "a  END    [2J");
        assert_eq!(one_line(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert!(one_line(&[b'x'; 5000]).len() <= TEXT_BYTES_MAX);
    }
}
