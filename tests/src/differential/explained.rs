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
const ERROR: Option<&str> = Some("ERROR\r\n");
const NEWER: &str = "a missing argument is a CLIENT_ERROR since 1.6.40, whose answers we give";

/// The table.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        request: "get\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "incr ",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "touch ",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "mg\r\n",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "set ",
        theirs: ERROR,
        ours: BAD_LINE,
        reason: NEWER,
    },
    Explained {
        request: "set kkkkk",
        theirs: Some("CLIENT_ERROR bad command line format\r\nERROR\r\n"),
        ours: BAD_LINE,
        reason: "the data block of a refused line goes with it since 1.6.40, instead of being read as a command",
    },
];
