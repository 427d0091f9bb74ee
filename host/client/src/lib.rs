//! An asynchronous client for clusters of cacheismo and memcached servers.
//!
//! ```no_run
//! use cacheismo_client::{Client, NO_ARGUMENTS, Options, Ttl};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("10.0.0.1, 10.0.0.2, 10.0.0.3:11311", Options::default())?;
//! client.set("greeting", "hello", Ttl::Seconds(60)).await?;
//! let item = client.get("greeting").await?.expect("it was stored a moment ago");
//! assert_eq!(item.value, "hello");
//!
//! let fruit = client.object("set", "fruit");
//! fruit.call("new", &NO_ARGUMENTS).await?;
//! fruit.call("put", &["apple"]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Which node
//!
//! [`Options::ring`] names the method, from [`cacheismo_rings`]: tables of slots, or the rings of libmemcached, OMcache and
//! the original Cacheismo bit for bit, for servers that other clients use, too. A call of an object belongs where the object's
//! item does, not where the bytes of the call would lead.
//!
//! # When a node fails
//!
//! As in OMcache, the ring is never built anew: a key whose node is taken out goes to the next node of its preference, and
//! all other keys stay.
//!
//! 1. Connections are made when they are needed. A node counts as alive when it has answered a command that does nothing.
//! 2. A node that cannot be connected to, or owes answers and is silent for [`Options::dead_ms`], is taken out for
//!    [`Options::reconnect_ms`]. (OMcache connects to a silent server once more first, so it costs two failed requests.) A
//!    connection that breaks is made anew; only if that fails the node is taken out.
//! 3. After that time the next request for one of the node's keys starts a probe, and still goes to the other node. When
//!    the probe is answered, the keys go home. What was written to the other node stays there until it expires.
//! 4. Requests that were not sent go to the next node within the same call, and so do reads whose answer was lost, unless
//!    [`Options::repeat_reads`] says no. Writes are never sent twice: [`Error::OutcomeUnknown`] tells that an answer was lost.
//! 5. While a connection is made, requests wait in the node's buffer, [`Options::buffer_bytes_max`], as do those that are
//!    [posted](Client::post_store).
//! 6. When all nodes are taken out, requests fail at once with [`Error::NoNodes`].
//!
//! # What it needs
//!
//! Servers that speak meta commands over TCP: cacheismo, or memcached 1.6. There is no TLS.

#![forbid(unsafe_code)]

mod answer;
mod client;
mod cluster;
mod command;
mod connect;
mod dispatch;
mod error;
mod health;
mod item;
mod key;
mod link;
mod node;
mod object;
mod options;
mod post;
mod reply;

pub use cacheismo_rings::{Node, NodeError, RingError, RingName};
pub use client::{Client, NodeState};
pub use cluster::IntoNodes;
pub use error::{BuildError, Cause, Error};
pub use item::{Item, Mode, Store, Stored, Ttl};
pub use key::{BINARY_KEY_BYTES_MAX, KEY_BYTES_MAX};
pub use object::{NO_ARGUMENTS, Object};
pub use options::{Login, ObjectsBy, Options};
pub use post::PostError;
