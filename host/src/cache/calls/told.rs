//! The client's command, as scripts are told of it.

use cacheismo_lua_contract::{Numbers, write_keys};

/// What an interpreter is told of the client's command beside the arguments.
#[derive(Debug, Default)]
pub(in crate::cache) struct Told {
    /// Its name.
    pub(super) command: &'static [u8],
    /// `u32` flags, `u32` noreply, `i64` exptime, `u64` delta, or nothing for all zero.
    pub(super) numbers: Vec<u8>,
    /// All its keys, each its length and bytes.
    pub(super) keys: Vec<u8>,
}

impl Told {
    /// A command with these keys, without numbers.
    pub(in crate::cache) fn command<'k>(
        &mut self,
        command: &'static str,
        keys: impl Iterator<Item = &'k [u8]>,
    ) {
        self.command = command.as_bytes();
        self.numbers.clear();
        self.keys.clear();
        write_keys(&mut self.keys, keys);
    }

    /// A storage command.
    pub(in crate::cache) fn set(&mut self, key: &[u8], flags: u32, noreply: bool, exptime: i64) {
        self.command("set", std::iter::once(key));
        self.numbers(flags, noreply, exptime, 0);
    }

    /// Its numbers.
    pub(in crate::cache) fn numbers(
        &mut self,
        flags: u32,
        noreply: bool,
        exptime: i64,
        delta: u64,
    ) {
        let numbers = Numbers {
            flags,
            noreply,
            exptime,
            delta,
        };
        self.numbers.clear();
        numbers.write(&mut self.numbers);
    }
}
