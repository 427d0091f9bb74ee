//! What can be wrong with a list of nodes or the name of a ring.

use crate::{NODES_MAX, RingName, WEIGHT_MAX};

/// A list of nodes that makes no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The list is empty.
    #[error("a ring needs at least one node")]
    Empty,
    /// The list is longer than [`NODES_MAX`].
    #[error("{0} nodes are too many for one ring: at most {NODES_MAX}")]
    TooMany(usize),
    /// Two nodes of a slot table have the same id, so nothing tells them apart.
    #[error("node {name} is listed twice: each node of a slot table needs an id of its own")]
    Twice {
        /// Name of the second one.
        name: String,
    },
    /// The original Cacheismo has no ring with such a name in it.
    #[error(
        "node {name} cannot be on the ring `cacheismo`: names there have 1 to 27 bytes, without commas, spaces and tabs"
    )]
    Name {
        /// The name.
        name: String,
    },
}

/// The text of a node that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// There is no host before the port.
    #[error("{text:?} names no host: write HOST, HOST:PORT, [IPV6] or [IPV6]:PORT")]
    NoHost {
        /// What was read.
        text: String,
    },
    /// A bracket is missing, or something other than a port follows it.
    #[error("{text:?} is not an address: an IPv6 address stands in brackets, as in [::1]:11211")]
    Brackets {
        /// What was read.
        text: String,
    },
    /// The port is no number from 1 to 65535.
    #[error("{text:?} has no valid port: it is a number from 1 to 65535")]
    Port {
        /// What was read.
        text: String,
    },
    /// The weight is no number from 1 to [`WEIGHT_MAX`].
    #[error(
        "{text:?} has no valid weight: it is a number from 1 to {WEIGHT_MAX}, as in HOST:PORT/2"
    )]
    Weight {
        /// What was read.
        text: String,
    },
    /// The list is longer than [`NODES_MAX`].
    #[error("a list has at most {NODES_MAX} nodes")]
    TooMany,
}

/// A name that no ring has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no ring {name:?}; there are: {}", RingName::list())]
pub struct UnknownRing {
    /// The name.
    pub name: String,
}
