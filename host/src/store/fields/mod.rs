//! Keyed fields of objects: an ordered map from bytes to bytes, and one opaque value beside it.
//!
//! [`small`] is the whole state of a small object in one blob.
//!
//! This room knows no arena, no LRU and no object types.

mod entries;
pub mod small;
mod varint;

pub use small::{Malformed, SmallRef};
