//! Keyed fields of objects: an ordered map from bytes to bytes, and one opaque value beside it.
//!
//! [`small`] is the whole state of a small object in one blob, [`Tree`] the state of a large one in many. Both hold
//! the same contents and turn into each other.
//!
//! - `varint`, `entries`: the encoding of names and values that both share.
//! - `node`: the bytes of a tree's nodes; `cut` divides those that grew too large.
//! - `nodes`: what a tree asks of whoever holds its blobs.
//! - `tree` reads, `batch` and, where little changes, `single` write, `retired` frees bit by bit.
//!
//! This room knows no arena, no LRU and no object types. Bytes from outside pass [`SmallRef::parse`]; all other
//! bytes are its own.

mod batch;
mod cut;
mod edit;
mod entries;
mod node;
mod nodes;
mod relocate;
mod retired;
mod single;
pub mod small;
mod tree;
mod varint;

pub use batch::{Batch, FieldChange};
pub use node::{NAME_BYTES_MAX, NODE_BYTES_MAX};
pub use nodes::{NoRoom, NodeId, Nodes};
pub use relocate::Cursor;
pub use retired::Retired;
pub use small::{Malformed, SmallRef};
pub use tree::Tree;
