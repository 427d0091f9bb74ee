//! The contract between the cacheismo host and its Lua interpreter, the module `lua`, compiled by both sides.
//!
//! The interpreter is a guest module as any other (see `cacheismo-abi`) that runs the functions of many types: those
//! that scripts define. This crate has the names of its functions, and for each message between the two a writer and a
//! reader, side by side. `objects/lua/HOST.md` tells when they are sent.
//!
//! | message | writer | reader |
//! | --- | --- | --- |
//! | arguments of [`LOAD`] | [`load_arguments`], [`Rules::write`] | [`Load::read`], [`Rules::read`] |
//! | answer of [`LOAD`] | [`Loaded::to_json`] | `Loaded::from_json`, with the feature `host` |
//! | arguments of [`CALL`] | [`Call::arguments`] | [`Call::read`] |
//! | arguments of [`MAIN`] | [`Main::arguments`] | [`Main::read`] |
//! | numbers of a command | [`Numbers::write`] | [`Numbers::read`] |
//! | keys of a command | [`write_keys`], [`write_first_keys`] | [`Keys`] |
//! | answer of [`CALL`] and [`MAIN`] | [`Tag::byte`] | [`Tag::split`] |
//!
//! All integers are little endian. A list is packed as everywhere in the ABI: each element is a `u32` length and its
//! bytes ([`packed`]). A reader takes any bytes: it refuses them or reads them, and never panics.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod call;
mod command;
mod load;
mod loaded;
pub mod packed;
mod tag;

pub use call::{Call, Main};
pub use command::{Command, KEYS_BYTES_MAX, Keys, Numbers, write_first_keys, write_keys};
pub use load::{Load, Rules, load_arguments};
pub use loaded::{Loaded, LoadedError, LoadedFunction, LoadedType, Style};
pub use tag::Tag;

/// Type name of the interpreter in its metadata.
pub const INTERPRETER: &str = "lua";
/// Function that is given the scripts, once in each instance and before all others.
pub const LOAD: &str = "load";
/// Function that runs a function of a type.
pub const CALL: &str = "call";
/// Function that runs the scripts' handler of commands.
pub const MAIN: &str = "main";
/// The handler of commands: a global function that scripts may replace.
pub const MAIN_VIRTUAL_KEY: &[u8] = b"mainVirtualKey";
