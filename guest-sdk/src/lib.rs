//! Write cacheismo object types in Rust.
//!
//! An object type is an `impl` block under [`macro@object`]; each of its functions can be called by any
//! memcache client as `get type:function:object:argument...`. The state lives in the server, as
//! fields in byte order and one opaque value, and is reached through [`Object`].
//!
//! ```
//! use cacheismo_sdk::Object;
//!
//! pub struct Tally;
//!
//! /// Counts votes.
//! #[cacheismo_sdk::object(name = "tally", example = "get tally:vote:poll:blue")]
//! impl Tally {
//!     /// Adds one vote and answers the new number.
//!     fn vote(o: &mut Object, choice: &[u8]) -> u64 {
//!         let votes = o.field_as::<u64>(choice).unwrap_or(0) + 1;
//!         o.put(choice, votes.to_string().as_bytes());
//!         votes
//!     }
//!
//!     /// Answers the number of votes, 0 when there are none.
//!     fn votes(o: &Object, choice: &[u8]) -> u64 {
//!         o.field_as(choice).unwrap_or(0)
//!     }
//! }
//!
//! let mut tally = cacheismo_sdk::testing::Harness::new::<Tally>();
//! assert_eq!(tally.call("vote", &["poll", "blue"]), Ok("1"));
//! assert_eq!(tally.call("vote", &["poll", "blue"]), Ok("2"));
//! assert_eq!(tally.call("votes", &["poll", "red"]), Ok("0"));
//! ```
//!
//! # What holds for every call
//!
//! - **All or nothing.** What a function wrote is kept when it returns a value, and dropped when it
//!   returns an [`Error`], panics, or reaches a limit of the server.
//! - **One at a time.** Calls on one object never overlap, and a call that opens several objects
//!   sees and changes them together.
//! - **No memory between calls.** An instance of the module serves many calls on many objects,
//!   several instances run side by side, and each may vanish at any time. A `static` may hold a
//!   constant; whatever must last belongs in the object.
//! - **Errors are values.** An answer such as `NOT_FOUND` is an ordinary string; [`Error`] is what the client
//!   sees as `SERVER_ERROR type:function: text`; a panic traps, with its message and place in the
//!   server's log, and costs the server an instance.
//!
//! # Where things are
//!
//! [`macro@object`] is the macro; [`Object`] the state; [`Scan`] listings in order; [`Reply`] long
//! answers; [`FromArg`] and [`IntoReply`] the types of arguments and answers; [`number`] the
//! original's idea of numbers; [`testing`] a server to run objects in `cargo test`.
#![deny(unsafe_code)]

pub mod number;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

mod args;
mod call;
mod cell;
#[cfg(target_arch = "wasm32")]
mod entry;
mod error;
mod object;
mod reply;
mod scan;
mod stop;
#[cfg(target_arch = "wasm32")]
pub mod sys;
mod value;
mod world;

#[cfg(not(target_arch = "wasm32"))]
use testing::sys;

pub use args::{FromArg, Rest};
pub use cacheismo_sdk_macros::object;
pub use error::Error;
pub use object::{Object, ObjectRef, Ttl};
pub use reply::{IntoReply, Reply, Word};
pub use scan::Scan;
pub use stop::Stop;
pub use value::Value;
pub use world::{Level, log, now_ms, random, utc_offset_s};

/// What the macro's output is made of. Not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use crate::args::Args;
    pub use crate::call::{Function, Handler, ObjectType};
    pub use crate::cell::ValueCell;
    #[cfg(target_arch = "wasm32")]
    pub use crate::entry::{Scratch, enter, reserve};
}
