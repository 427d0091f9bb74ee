//! The doors to what is not Rust: Lua's C API and, by way of the SDK, the imports of the host.
//!
//! Everything `unsafe` of this crate is in here and in the exports. What stands behind these doors is fenced by
//! wasm: the worst a mistake (or a bug of Lua itself) can reach is this instance's own memory,
//! never the server's.

pub(crate) mod host;
pub(crate) mod lua;
mod raw;
