//! What a client can ask for in the binary protocol, borrowed from the bytes it sent.

use super::{Echo, Status};

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Nothing complete yet: read more, then parse again from the same start.
    Incomplete {
        /// Length the input must reach before it makes sense to parse again.
        needed: usize,
    },
    /// One request.
    Request {
        /// What is asked.
        request: Request<'a>,
        /// Bytes of the input that the request takes.
        consumed: usize,
    },
    /// A set with a large value that is not all there. It may be taken as it comes, or read like
    /// [`Parsed::Incomplete`].
    Announced {
        /// What is asked, its value left empty.
        request: Request<'a>,
        /// Bytes of the input before the value.
        consumed: usize,
        /// Length of the value.
        len: usize,
    },
    /// A request to be refused.
    Error(Refusal),
    /// A store request whose value is over the limit; the answer is [`Status::TooLarge`].
    TooLarge(TooLarge<'a>),
}

/// How to go on after a request that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to answer, if anything: bytes that are no request at all get no answer.
    pub answer: Option<(Echo, Status)>,
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes to skip unread after the consumed ones.
    pub swallow: u64,
    /// Close the connection after the answer.
    pub close: bool,
}

/// A value over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge<'a> {
    /// What the answer echoes.
    pub echo: Echo,
    /// The key whose value was sent.
    pub key: &'a [u8],
    /// Whether the old value under the key must go, as it would be stale: after a set, not after the others.
    pub drop_old: bool,
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes to skip unread after the consumed ones.
    pub swallow: u64,
}

/// One binary request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the answer echoes.
    pub echo: Echo,
    /// CAS to compare; 0 for none.
    pub cas: u64,
    /// Hide the usual answer: a miss of the get family, success of the others. Errors are never hidden.
    pub quiet: bool,
    /// What is asked.
    pub command: Command<'a>,
}

/// What a binary request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Get, GetK, Gat, GatK.
    Get {
        /// The item's key.
        key: &'a [u8],
        /// Send the key with the value, and with a miss.
        with_key: bool,
        /// New exptime.
        touch: Option<i64>,
    },
    /// Touch: answers with the flags.
    Touch {
        /// The item's key.
        key: &'a [u8],
        /// New exptime.
        exptime: i64,
    },
    /// Set, Add, Replace, Append, Prepend.
    Store(Store<'a>),
    /// Delete.
    Delete {
        /// The item's key.
        key: &'a [u8],
    },
    /// Increment, Decrement.
    Arith(Arith<'a>),
    /// Flush.
    Flush {
        /// The time of the flush, as an exptime; `None` or 0 is now.
        delay: Option<i64>,
    },
    /// Noop: an answer that marks a place in a pipeline.
    Noop,
    /// Version.
    Version,
    /// Stat.
    Stat {
        /// Which statistics; empty for the general ones.
        key: &'a [u8],
    },
    /// Verbosity.
    Verbosity {
        /// New level.
        level: u32,
    },
    /// Quit: an answer unless quiet, then close.
    Quit,
    /// SASL list mechanisms.
    SaslList,
    /// SASL authentication, or with `step` its continuation.
    Sasl {
        /// The mechanism's name.
        mechanism: &'a [u8],
        /// The client's message.
        message: &'a [u8],
        /// Whether this is a further step.
        step: bool,
    },
}

/// How a binary request stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the text protocol names them")]
pub enum StoreVerb {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

/// A binary request with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The verb. With a CAS, set and replace are a compare and swap.
    pub verb: StoreVerb,
    /// The item's key.
    pub key: &'a [u8],
    /// Client flags; 0 for append and prepend.
    pub flags: u32,
    /// The exptime as sent; 0 for append and prepend.
    pub exptime: i64,
    /// The value.
    pub value: &'a [u8],
}

/// Increment or Decrement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arith<'a> {
    /// The item's key.
    pub key: &'a [u8],
    /// The number to add or subtract.
    pub delta: u64,
    /// Subtract instead of add.
    pub decrement: bool,
    /// On a miss, create with this value and exptime; `None` answers not found.
    pub create: Option<(u64, i64)>,
}
