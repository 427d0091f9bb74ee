//! The cacheismo host: a memcache server whose keys can be calls of sandboxed wasm objects.
//!
//! The rooms, from the sockets inward. No room knows one above it in this list, and all may use [`metrics`]:
//!
//! - [`server`]: sockets, tokio, signals, options; feeds bytes in and takes bytes out.
//! - [`cache`]: executes commands, holds transactions of object calls.
//! - [`runtime`]: wasm modules, instances, limits. The only user of wasmtime.
//! - [`store`]: bytes in memory, exact size, true LRU. Time is an argument.
//! - [`protocol`]: bytes to commands, replies to bytes.
//! - [`account`]: the memory that clients cause beside the store's.
//! - [`stats`]: the log, log lines for watchers, who is connected.
//! - [`metrics`]: every metric, declared once, and how it is counted and shown.
//!
//! The store and the protocol are crates of their own, so that their tests build without the wasm compiler.

pub mod account;
pub mod cache;
pub mod metrics;
pub mod runtime;
pub mod server;
pub mod stats;

pub use cacheismo_protocol as protocol;
pub use cacheismo_store as store;
