//! The rooms protocol and store of the host, without the rest of it.

#[path = "../host/src/protocol/mod.rs"]
pub mod protocol;
#[path = "../host/src/store/mod.rs"]
pub mod store;
