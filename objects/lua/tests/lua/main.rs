//! The Lua module on a small host. One binary, because linking wasmtime takes long.

mod api;
mod conformance;
mod golden;
mod host;
mod hostile;
mod speed;
