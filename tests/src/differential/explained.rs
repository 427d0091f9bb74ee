//! Every place where we answer otherwise than Debian's memcached 1.6.18, with its reason. A difference
//! that isn't here fails the test.
//!
//! Three differences change what is stored, so that a comparison after them would be noise; they aren't drawn:
//! flags over 32 bits (1.6.18 cuts them off, 1.6.45 and we refuse), expiry times after 2038 (1.6.18 takes them for
//! negative ones), and numbers with a space before them (memcached skips it, we refuse).

use super::Step;

/// One known difference.
#[derive(Debug)]
pub struct Explained {
    /// Which requests: those that start with this.
    pub request: &'static str,
    /// What memcached 1.6.18 answers; `None` for anything.
    pub theirs: Option<&'static str>,
    /// What we answer; `None` for anything.
    pub ours: Option<&'static str>,
    /// Whether the servers' contents differ from here on, so that the sequence must end.
    pub ends: bool,
    /// Why.
    pub reason: &'static str,
}

impl Explained {
    /// Whether this difference is it.
    #[must_use]
    pub fn covers(&self, step: &Step, ours: &[u8], theirs: &[u8]) -> bool {
        step.request.starts_with(self.request.as_bytes())
            && self.ours.is_none_or(|text| text.as_bytes() == ours)
            && self.theirs.is_none_or(|text| text.as_bytes() == theirs)
    }
}

const BAD_LINE: Option<&str> = Some("CLIENT_ERROR bad command line format\r\n");
const BAD_LINE_AND_BLOCK: Option<&str> = Some("CLIENT_ERROR bad command line format\r\nERROR\r\n");
const BLOCK: &str =
    "the data block of a refused line goes with it since 1.6.40, it isn't read as a command";
const NOT_A_NUMBER: Option<&str> =
    Some("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
const STRTOULL: &str = "digits followed by a space or NUL and more text aren't a number here; C's strtoull stops there";
const OWN_MESSAGE: &str = "duplicate and unknown flags have messages of their own since 1.6.40";
const DUPLICATE: Option<&str> = Some("CLIENT_ERROR invalid or duplicate flag\r\n");
const ERROR: Option<&str> = Some("ERROR\r\n");
const NEWER: &str = "a missing argument is a CLIENT_ERROR since 1.6.40, whose answers we give";

/// The table.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        request: "incr ",
        theirs: None,
        ours: NOT_A_NUMBER,
        ends: true,
        reason: STRTOULL,
    },
    Explained {
        request: "decr ",
        theirs: None,
        ours: NOT_A_NUMBER,
        ends: true,
        reason: STRTOULL,
    },
    Explained {
        request: "ma ",
        theirs: None,
        ours: NOT_A_NUMBER,
        ends: true,
        reason: STRTOULL,
    },
    Explained {
        request: "get\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "incr ",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "touch ",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "mg\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "set ",
        theirs: ERROR,
        ours: BAD_LINE,
        ends: false,
        reason: NEWER,
    },
    Explained {
        request: "set ",
        theirs: BAD_LINE_AND_BLOCK,
        ours: BAD_LINE,
        ends: false,
        reason: BLOCK,
    },
    Explained {
        request: "cas ",
        theirs: BAD_LINE_AND_BLOCK,
        ours: BAD_LINE,
        ends: false,
        reason: BLOCK,
    },
    Explained {
        request: "md ",
        theirs: DUPLICATE,
        ours: Some("CLIENT_ERROR duplicate flag\r\n"),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "ms ",
        theirs: DUPLICATE,
        ours: Some("CLIENT_ERROR duplicate flag\r\n"),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "mg ",
        theirs: DUPLICATE,
        ours: Some("CLIENT_ERROR duplicate flag\r\n"),
        ends: false,
        reason: OWN_MESSAGE,
    },
    Explained {
        request: "ma ",
        theirs: DUPLICATE,
        ours: Some("CLIENT_ERROR duplicate flag\r\n"),
        ends: false,
        reason: OWN_MESSAGE,
    },
];
