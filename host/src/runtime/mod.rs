//! Wasm modules, their instances and limits. The only room that uses wasmtime.

mod world;

pub use world::*;
