//! The protocol room of the host, without the rest of it.

#[path = "../host/src/protocol/mod.rs"]
pub mod protocol;
