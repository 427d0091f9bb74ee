//! Which node of a cluster a key belongs to.
//!
//! A [`Ring`] is built from a list of [`Node`]s by one of several methods, each of which has a [`RingName`]:
//!
//! - [`RingName::Slots`], the default: a table of slots, filled by rendezvous hashing with a bound on each node's load.
//!   A node that comes or goes moves its own share of keys and next to nothing else.
//! - The rings of libmemcached, OMcache and the original Cacheismo, bit for bit, for clusters that have clients of theirs.
//!
//! ```
//! use cacheismo_rings::{Ring, RingName, parse_nodes};
//!
//! let nodes = parse_nodes("10.0.0.1, 10.0.0.2, 10.0.0.3")?;
//! let ring = Ring::build(RingName::Ketama, &nodes, 0)?;
//! let owner = ring.owner(b"key:0");
//! assert_eq!(nodes[owner].name, "10.0.0.1");
//!
//! // Where the key goes while its owner is down; keys of other nodes stay where they are.
//! let fallback = ring.owner_among(b"key:0", |node| node != owner);
//! assert_eq!(fallback, ring.preference(b"key:0").nth(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything here is a pure function of the list of nodes. The crate knows no sockets, no clock, and not who is alive.

#![forbid(unsafe_code)]

mod continuum;
mod error;
mod hash;
mod name;
mod node;
mod placement;
mod ring;
mod slots;

pub use error::{NodeError, RingError, UnknownRing};
pub use hash::KeyHash;
pub use name::RingName;
pub use node::{DEFAULT_PORT, NODES_MAX, Node, WEIGHT_MAX, parse_nodes};
pub use placement::placement_key;
pub use ring::Ring;
pub use slots::{LOAD_BOUND_PER_MILLE, SLOT_BITS_MAX, SLOT_BITS_MIN, Slots, slot_bits};
