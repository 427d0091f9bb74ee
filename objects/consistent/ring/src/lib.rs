//! The consistent hash ring of the original Cacheismo, bit for bit, so that everybody who hashes as it did agrees
//! with it on the server of a key.
//!
//! A ring is a circle of 32-bit numbers with points of servers on it: a server has [`POINTS`] of them, the hashes of
//! `name-0` to `name-159`. A key belongs to the server of the first point at or after the key's own hash; after
//! the last point comes the first.
//!
//! ```
//! use cacheismo_ring::{POINTS, Ring, names};
//!
//! let servers: Vec<_> = names(b"127.0.0.1:11211, 127.0.0.1:11212").collect();
//! let ring = Ring::new(servers.iter().map(|name| (*name, POINTS)));
//! assert_eq!(ring.server(b"hello"), Some(1));
//! ```
//!
//! The crate knows neither sockets nor who is available: a caller skips servers of [`Ring::servers`]. Who keeps points
//! elsewhere than in a [`Ring`] uses [`hash()`], [`points`] and [`walk`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod hash;
mod name;
mod ring;

pub use hash::hash;
pub use name::{NAME_BYTES_MAX, POINTS, is_name, names, points};
pub use ring::{Point, Ring, walk};
