//! The client's command as scripts see it: `Command` in Lua reads and changes this.

use crate::wire::{Reader, list};

/// What the client asked, and what the script changed of it since.
#[derive(Debug)]
pub(crate) struct Command {
    /// "get", "set" and so on; empty for a word scripts do not know.
    pub(crate) name: Vec<u8>,
    /// The key; `None` when the command has several.
    pub(crate) key: Option<Vec<u8>>,
    /// All keys, when there are several.
    pub(crate) keys: Vec<Vec<u8>>,
    /// Flags of the item.
    pub(crate) flags: u32,
    /// Seconds to live as the client gives them, 0 for ever.
    pub(crate) expiry: i64,
    /// What to add or subtract.
    pub(crate) delta: u64,
    /// 1 when the client wants no reply.
    pub(crate) noreply: u32,
    /// The data block; `None` when there is none or it is empty.
    pub(crate) data: Option<Vec<u8>>,
}

/// Seconds up to which an expiry is relative; above it is a date.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

impl Command {
    /// No command yet.
    pub(crate) const fn new() -> Self {
        Self {
            name: Vec::new(),
            key: None,
            keys: Vec::new(),
            flags: 0,
            expiry: 0,
            delta: 0,
            noreply: 0,
            data: None,
        }
    }

    /// Takes over the host's description. `numbers` are flags and noreply as `u32`, expiry as
    /// `i64`, delta as `u64`, or nothing for all zero; `keys` a packed list.
    pub(crate) fn set(&mut self, name: &[u8], numbers: &[u8], keys: &[u8], data: Option<&[u8]>) {
        self.name.clear();
        self.name.extend_from_slice(name);
        let mut numbers = Reader(numbers);
        self.flags = numbers.u32().unwrap_or(0);
        self.noreply = numbers.u32().unwrap_or(0);
        self.expiry = numbers.u64().unwrap_or(0).cast_signed();
        self.delta = numbers.u64().unwrap_or(0);
        self.keys.clear();
        self.keys.extend(list(keys).map(<[u8]>::to_vec));
        self.key = None;
        if self.keys.len() == 1 {
            self.key = self.keys.pop();
        }
        self.set_data(data.unwrap_or_default());
    }

    /// Replaces the key.
    pub(crate) fn set_key(&mut self, key: &[u8]) {
        let slot = self.key.get_or_insert_default();
        slot.clear();
        slot.extend_from_slice(key);
    }

    /// Replaces the data; empty means none.
    pub(crate) fn set_data(&mut self, data: &[u8]) {
        self.data = (!data.is_empty()).then(|| data.to_vec());
    }

    /// When an item of this command expires, in milliseconds since 1970, or -1 for never.
    pub(crate) fn expiry_ms(&self, now_ms: i64) -> i64 {
        match self.expiry {
            0 => -1,
            ..0 => now_ms,
            1..=RELATIVE_SECONDS_MAX => now_ms + self.expiry * 1000,
            _ => self.expiry.saturating_mul(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_relative_up_to_thirty_days() {
        let at = |expiry| {
            Command {
                expiry,
                ..Command::new()
            }
            .expiry_ms(5000)
        };
        assert_eq!(at(0), -1);
        assert_eq!(at(-1), 5000);
        assert_eq!(at(2), 7000);
        assert_eq!(at(2_592_001), 2_592_001_000);
    }
}
