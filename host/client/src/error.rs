//! What can go wrong, and whether the request may have been carried out all the same.

use crate::key::{BINARY_KEY_BYTES_MAX, KEY_BYTES_MAX};

/// Why a request has no answer.
///
/// [`Error::did_not_happen`] tells the errors after which a request certainly changed nothing from those where nobody
/// knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is empty or too long. Nothing was sent.
    #[error(
        "a key of {bytes} bytes: keys have 1 to {KEY_BYTES_MAX} bytes, and at most {BINARY_KEY_BYTES_MAX} with blanks or control characters"
    )]
    Key {
        /// Length of the key.
        bytes: usize,
    },
    /// The value is longer than [`Options::value_bytes_max`](crate::Options::value_bytes_max). Nothing was sent.
    #[error("a value of {bytes} bytes: the option value_bytes_max allows {max}")]
    Value {
        /// Length of the value.
        bytes: usize,
        /// What the option allows.
        max: usize,
    },
    /// A part of a call cannot stand in a key. Nothing was sent.
    #[error(
        "{part:?} cannot be a part of a call: type, function and object are not empty, and no part has a colon; \
         pass bytes with colons by `call_with_data`"
    )]
    Part {
        /// The part.
        part: String,
    },
    /// Every node is taken out after failures. Nothing was sent.
    #[error("no node can be asked, all {nodes} are taken out: {cause}")]
    NoNodes {
        /// How many there are.
        nodes: usize,
        /// Why the first of them was taken out.
        cause: Cause,
    },
    /// No room became free in the node's buffer. Nothing was sent.
    #[error(
        "{node}: its buffer is full: the option buffer_bytes_max allows {max} bytes of requests without an answer"
    )]
    BufferFull {
        /// Name of the node.
        node: String,
        /// What the option allows.
        max: usize,
    },
    /// The request did not leave this process.
    #[error("{node}: not sent: {cause}")]
    NotSent {
        /// Name of the node.
        node: String,
        /// Why.
        cause: Cause,
    },
    /// The server answered that it did not carry out the request.
    #[error("{node} refused: {line}")]
    Refused {
        /// Name of the node.
        node: String,
        /// The server's answer.
        line: String,
    },
    /// The request was sent and its answer did not come: whether it was carried out is unknown.
    #[error("{node}: outcome unknown: {cause}")]
    OutcomeUnknown {
        /// Name of the node.
        node: String,
        /// Why there is no answer.
        cause: Cause,
    },
}

impl Error {
    /// Whether it is certain that the request changed nothing on any server.
    ///
    /// One exception is the servers' own: a `set` that is refused because the value is too large for the server removes
    /// the old value.
    pub fn did_not_happen(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown { .. })
    }
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No connection could be made, or the server did not answer on it.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server sent nothing for [`Options::dead_ms`](crate::Options::dead_ms) although requests were open.
    #[error("the server was silent for {0} ms")]
    Silent(u64),
    /// The answer did not come within [`Options::request_ms`](crate::Options::request_ms).
    #[error("no answer within {0} ms")]
    Late(u64),
    /// The server sent what is no answer to the request.
    #[error("the server's answer makes no sense: {0}")]
    Answer(String),
    /// The server itself does not know.
    #[error("the server says: {0}")]
    Server(String),
    /// The runtime that drove the connection has ended.
    #[error("the runtime of the connection has ended")]
    Runtime,
}

/// How a request that a node was asked failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The node's buffer had no room.
    NoRoom,
    /// No byte was written to a socket.
    NotSent(Cause),
    /// Some bytes were, and no answer came.
    Lost(Cause),
}

impl Failure {
    /// What the caller is told about the node of this name.
    pub(crate) fn into_error(self, node: &str, buffer_bytes_max: usize) -> Error {
        let node = node.to_owned();
        match self {
            Self::NoRoom => Error::BufferFull {
                node,
                max: buffer_bytes_max,
            },
            Self::NotSent(cause) => Error::NotSent { node, cause },
            Self::Lost(cause) => Error::OutcomeUnknown { node, cause },
        }
    }
}

/// A client that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The list of nodes cannot be read.
    #[error(transparent)]
    Node(#[from] cacheismo_rings::NodeError),
    /// The nodes make no ring.
    #[error(transparent)]
    Ring(#[from] cacheismo_rings::RingError),
    /// An option is out of its range.
    #[error("the option {option} is {value}; it must be {range}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The login has bytes that the protocol cannot carry.
    #[error("user and password are not empty and have neither blanks in the user nor line ends")]
    Login,
}
