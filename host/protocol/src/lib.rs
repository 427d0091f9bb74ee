//! Bytes to commands, replies to bytes. Knows neither sockets, nor the store, nor the clock.
//!
//! - [`parse_text`] reads one text command (classic or meta) from the front of a buffer.
//! - [`binary`] does the same for the binary protocol.
//! - [`reply`] appends answers to an output buffer.
//! - [`VirtualKey`] splits a key that may name an object's function.
//! - [`udp`] frames datagrams.
//!
//! Nothing here allocates: commands borrow from the input, lists are walked lazily over bytes that
//! were validated once, and replies are appended to a buffer the caller keeps.

pub mod base64;
pub mod binary;
mod command;
mod exptime;
mod limits;
mod meta;
mod number;
pub mod reply;
mod text;
mod tokens;
pub mod udp;
mod virtual_key;

pub use command::*;
pub use exptime::*;
pub use limits::*;
pub use meta::*;
pub use text::{COMMAND_NAMES, parse_text};
pub use tokens::{Tokens, find_byte, key_end};
pub use virtual_key::VirtualKey;
