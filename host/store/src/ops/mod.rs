//! Operations: what callers ask of the store.
//!
//! - `read`, `write`, `arith`: one item. `upload`: a value that comes in parts. `prefetch`: the memory they will need.
//! - `objects`: reading objects. `commit`: changing several objects and items at once.
//! - `export`: all items as effects. `apply`: what effects say is done.
//! - `expire`: items whose time has come, and flushes. `scan`, `stats`: all items.

pub(crate) mod apply;
mod arith;
mod commit;
pub(crate) mod expire;
pub(crate) mod export;
mod objects;
mod prefetch;
pub(crate) mod read;
pub(crate) mod scan;
mod stats;
pub(crate) mod upload;
mod write;
