//! Operations and answers in no dialect's words.

/// A CAS token that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The token that the item has.
    Present,
    /// A token that no item has.
    Wrong,
}

/// The number of [`Token::Wrong`].
const WRONG: u64 = 999_999_999;

impl Token {
    /// The number in the request; `present` is the item's.
    #[must_use]
    pub fn number(self, present: u64) -> u64 {
        match self {
            Self::Present => present,
            Self::Wrong => WRONG,
        }
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Whatever is there.
    Set,
    /// Only where nothing is.
    Add,
    /// Only over something.
    Replace,
    /// Behind what is there.
    Append,
    /// Before what is there.
    Prepend,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Operation {
    /// The value, and with `touch` a new expiry.
    Get {
        /// New lifetime in seconds.
        touch: Option<u32>,
        /// Whether the CAS is asked for, too.
        cas: bool,
    },
    /// A value is stored.
    Store {
        /// How the value is stored.
        verb: Verb,
        /// Client flags.
        flags: u32,
        /// Lifetime in seconds; 0 is for ever.
        exptime: u32,
        /// The data block.
        value: Vec<u8>,
        /// Only over an item with this token.
        cas: Option<Token>,
    },
    /// The item goes.
    Delete {
        /// Only over an item with this token.
        cas: Option<Token>,
    },
    /// A number is changed.
    Arith {
        /// Subtract instead of add.
        down: bool,
        /// The number to add or subtract.
        delta: u64,
        /// First value and lifetime in seconds of a number that is not there.
        create: Option<(u64, u32)>,
        /// Only over an item with this token.
        cas: Option<Token>,
    },
    /// A new lifetime, in seconds.
    Touch(u32),
    /// Everything goes.
    Flush,
}

impl Operation {
    /// Whether the request names a CAS, or asks for one.
    #[must_use]
    pub fn names_cas(&self) -> bool {
        match self {
            Self::Get { cas, .. } => *cas,
            Self::Store { cas, .. } | Self::Delete { cas } | Self::Arith { cas, .. } => {
                cas.is_some()
            }
            Self::Touch(_) | Self::Flush => false,
        }
    }
}

/// An operation on a key, as a dialect has to write it.
#[derive(Debug)]
pub struct Request<'a> {
    /// What is asked for.
    pub operation: &'a Operation,
    /// The key of the operation.
    pub key: &'a str,
    /// Flags that only the meta commands have; empty for a request that others have, too.
    pub meta_flags: &'a str,
    /// Whether the request is quiet: `noreply`, `q`, or the quiet opcode.
    pub quiet: bool,
    /// The CAS of the item.
    pub present: u64,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Silence,
    /// A hit.
    Value {
        /// The value.
        bytes: Vec<u8>,
        /// Client flags.
        flags: u32,
        /// The CAS, where it was asked for.
        cas: Option<u64>,
    },
    /// A `get` found nothing.
    Miss,
    /// Stored, deleted, touched.
    Done,
    /// A condition of the verb does not hold.
    NotStored,
    /// The CAS differs.
    Exists,
    /// Nothing is there to change.
    NotFound,
    /// The result of arithmetic.
    Number(u64),
    /// Arithmetic on something that is no number.
    NonNumeric,
    /// A value over the limit.
    TooLarge,
    /// Nothing could be evicted for a value.
    NoMemory,
    /// `CLIENT_ERROR` and this text.
    Refused(String),
    /// `SERVER_ERROR` and a text that starts with this.
    Failed(String),
    /// Status 4 of the binary protocol and this text: it does not tell [`Self::Refused`] from [`Self::Failed`].
    Invalid(String),
    /// Anything that is no answer to the operation.
    Other(String),
}

impl Answer {
    /// Whether `got` is this answer, in whichever dialect it came.
    #[must_use]
    pub fn is(&self, got: &Answer) -> bool {
        match (self, got) {
            (Self::Refused(wanted), Self::Invalid(text)) => text == wanted,
            (Self::Failed(wanted), Self::Failed(text) | Self::Invalid(text)) => {
                text.starts_with(wanted)
            }
            _ => self == got,
        }
    }

    /// What is left of the answer when the client asked for quiet: `noreply` hides everything, the other two what is
    /// usual.
    #[must_use]
    pub fn hushed(&self, operation: &Operation, noreply: bool) -> Answer {
        let usual = match operation {
            Operation::Get { .. } => matches!(self, Self::Miss),
            _ => matches!(self, Self::Done | Self::Number(_)),
        };
        match noreply || usual {
            true => Self::Silence,
            false => self.clone(),
        }
    }
}

/// The answer that text and meta share: a refusal or a failure line.
#[must_use]
pub fn error_line(line: &str) -> Answer {
    const NON_NUMERIC: &str = "cannot increment or decrement non-numeric value";
    const TOO_LARGE: &str = "object too large for cache";
    const NO_MEMORY: &str = "out of memory storing object";
    match line.split_once(' ') {
        Some(("CLIENT_ERROR", NON_NUMERIC)) => Answer::NonNumeric,
        Some(("SERVER_ERROR", TOO_LARGE)) => Answer::TooLarge,
        Some(("SERVER_ERROR", NO_MEMORY)) => Answer::NoMemory,
        Some(("CLIENT_ERROR", text)) => Answer::Refused(text.to_owned()),
        Some(("SERVER_ERROR", text)) => Answer::Failed(text.to_owned()),
        _ => Answer::Other(line.to_owned()),
    }
}
