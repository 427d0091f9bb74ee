//! Bytes in memory: exact size, one true LRU, expiry. Knows neither clock nor socket nor wasm.
//!
//! All methods take `&self`; short locks inside, none held when a method returns. Closures
//! handed in run under a lock: they copy and decide, and never block.
//!
//! - `memory`: the arena and who owns which part of it; how regions move between items and index, and back to the
//!   system.
//! - `item`: what an item looks like, and how its bytes are read and written.
//! - `index`: where the item of a key is. `shard`: a part of the index and of the order under one lock.
//! - `order`: which items were used when, and which leave.
//! - `fields`: objects, small ones as one blob, large ones as trees. Knows nothing of the store.
//! - `ops`: what callers ask for: read, write, count, commit, upload, expire, scan, export, apply.
//! - `journal`: what listeners are told. `effect`: the same as a value, for logs.
//! - `store`: the store itself, which holds all of these.
//!
//! Locks are taken in this order: `commit`, `regions`, one shard (only the holder of `commit` may hold several),
//! `garbage`, allocator. What needs memory and finds none gives up its shard, makes room, and starts again.

mod api;
mod effect;
pub mod fields;
mod index;
mod item;
mod journal;
mod memory;
mod ops;
mod order;
mod shard;
mod store;
#[cfg(test)]
mod tests;

pub use api::*;
pub use effect::{Body, Effect, Head};
pub use journal::{Cause, Content, Journal};
pub use memory::os::prefetch_for_writing;
pub use memory::pins::{PINNED_BYTES_MIN, Pinned};
pub use ops::apply::{Applied, Part, Tally};
pub use ops::export::Export;
pub use ops::scan::Cursor;
pub use ops::upload::{Announced, NoUpload, Taken, Upload};
pub use shard::ValueRef;
pub use store::{NoRoom, PlainItem, SMALL_BYTES_MAX, Store};
