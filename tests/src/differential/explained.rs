//! Every place where we answer otherwise than Debian's memcached 1.6.18, with its reason. A difference
//! that isn't here fails the test.
//!
//! Some differences change what is stored, so that a comparison after them would be noise; they aren't drawn: flags
//! over 32 bits (1.6.18 cuts them off, 1.6.45 and we refuse), expiry times after 2038 (1.6.18 takes them for negative
//! ones), a `get` of a key behind which another is too long (memcached counts it as read), values with a minus sign
//! (for a number over 2^63 memcached looks for one beyond the value, in memory that may hold another's), values over
//! 512 KiB (memcached keeps them in chunks, and does no arithmetic there whatever they begin with), and `flush_all` at
//! a later time (memcached keeps one time only, so that it brings back what an earlier `flush_all` deleted).

use super::Step;

/// One known difference.
#[derive(Debug)]
pub struct Explained {
    /// Which requests: those that start with this.
    pub request: &'static str,
    /// The flags that these requests have, whatever their arguments and order.
    pub flags: &'static [&'static str],
    /// How the answers differ.
    pub answers: Answers,
    /// Whether the servers' contents differ from here on, so that the sequence must end.
    pub ends: bool,
    /// Why.
    pub reason: &'static str,
}

/// How two answers differ: memcached's part first.
#[derive(Debug)]
pub enum Answers {
    /// These are the whole answers.
    Are(&'static str, &'static str),
    /// Memcached's answer starts with the first, ours with the second; the rest may be anything.
    Start(&'static str, &'static str),
    /// The answers are the same but for these words.
    Words(&'static str, &'static str),
}

impl Answers {
    fn cover(&self, theirs: &str, ours: &str) -> bool {
        match *self {
            Self::Are(their_text, our_text) => theirs == their_text && ours == our_text,
            Self::Start(their_start, our_start) => {
                theirs.starts_with(their_start) && ours.starts_with(our_start)
            }
            Self::Words(their_word, our_word) => theirs.replacen(their_word, our_word, 1) == ours,
        }
    }
}

impl Explained {
    /// Whether these answers to `step` differ as this entry says.
    #[must_use]
    pub fn covers(&self, step: &Step, ours: &[u8], theirs: &[u8]) -> bool {
        let [request, theirs, ours] =
            [&step.request, theirs, ours].map(|bytes| String::from_utf8_lossy(bytes));
        let line = request.lines().next().unwrap_or_default();
        request.starts_with(self.request)
            && self
                .flags
                .iter()
                .all(|flag| line.split(' ').skip(2).any(|word| word.starts_with(flag)))
            && self.answers.cover(&theirs, &ours)
    }
}

const BAD_LINE: &str = "CLIENT_ERROR bad command line format\r\n";
const BAD_LINE_AND_BLOCK: &str = "CLIENT_ERROR bad command line format\r\nERROR\r\n";
const BLOCK: &str =
    "the data block of a refused line goes with it since 1.6.40, it isn't read as a command";
const OWN_MESSAGE: &str = "duplicate and unknown flags have messages of their own since 1.6.40";
const DUPLICATE: &str = "CLIENT_ERROR invalid or duplicate flag\r\n";
const OWN_DUPLICATE: &str = "CLIENT_ERROR duplicate flag\r\n";
const ERROR: &str = "ERROR\r\n";
const NEWER: &str = "a missing argument is a CLIENT_ERROR since 1.6.40, whose answers we give";
const FRESH: &str =
    "a flag t before the N that makes the item shows no lifetime in memcached, its lifetime here";
const QUIET: &str = "q hides the HD of every ma; memcached shows it where N makes the item";
const MADE: &str = "appending with N makes a missing item, as the protocol says; 1.6.18 doesn't";

/// The table.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        request: "get\r\n",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "\r\n",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "incr ",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "touch ",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "mg\r\n",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "set ",
        flags: &[],
        answers: Answers::Are(ERROR, BAD_LINE),
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "set ",
        flags: &[],
        answers: Answers::Are(BAD_LINE_AND_BLOCK, BAD_LINE),
        ends: false,
        reason: BLOCK,
    },
    Explained {
        request: "cas ",
        flags: &[],
        answers: Answers::Are(BAD_LINE_AND_BLOCK, BAD_LINE),
        ends: false,
        reason: BLOCK,
    },
    Explained {
        request: "md ",
        flags: &[],
        answers: Answers::Are(DUPLICATE, OWN_DUPLICATE),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "ms ",
        flags: &[],
        answers: Answers::Are(DUPLICATE, OWN_DUPLICATE),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "mg ",
        flags: &[],
        answers: Answers::Are(DUPLICATE, OWN_DUPLICATE),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "ma ",
        flags: &[],
        answers: Answers::Are(DUPLICATE, OWN_DUPLICATE),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "mg ",
        flags: &["N", "t"],
        answers: Answers::Words("t-1", "t<seconds>"),
        ends: false,
        reason: FRESH,
    },
    Explained {
        request: "ma ",
        flags: &["N", "t"],
        answers: Answers::Words("t-1", "t<seconds>"),
        ends: false,
        reason: FRESH,
    },
    Explained {
        request: "ma ",
        flags: &["N", "q"],
        answers: Answers::Start("HD", ""),
        ends: false,
        reason: QUIET,
    },
    Explained {
        request: "ma ",
        flags: &["N", "q"],
        answers: Answers::Start("VA", ""),
        ends: false,
        reason: QUIET,
    },
    Explained {
        request: "ms ",
        flags: &["N", "MA"],
        answers: Answers::Start("NS", "HD"),
        ends: true,
        reason: MADE,
    },
    Explained {
        request: "ms ",
        flags: &["N", "MA", "q"],
        answers: Answers::Start("NS", ""),
        ends: true,
        reason: MADE,
    },
    Explained {
        request: "ms ",
        flags: &["N", "MP"],
        answers: Answers::Start("NS", "HD"),
        ends: true,
        reason: MADE,
    },
    Explained {
        request: "ms ",
        flags: &["N", "MP", "q"],
        answers: Answers::Start("NS", ""),
        ends: true,
        reason: MADE,
    },
];
