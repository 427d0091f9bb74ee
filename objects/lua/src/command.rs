//! The client's command as scripts see it: `Command` in Lua reads and changes this.

use cacheismo_lua_contract::{Command as Told, Keys, Numbers};
use std::borrow::Cow;

/// What the client asked, and what the script changed of it since. What the host said is borrowed
/// from the arguments of the call, which stay until it returns.
#[derive(Debug)]
pub(crate) struct Command {
    /// "get", "set" and so on; empty for a word scripts do not know.
    pub(crate) name: &'static [u8],
    /// Flags of the item.
    pub(crate) flags: u32,
    /// Seconds to live as the client gives them, 0 for ever.
    pub(crate) expiry: i64,
    /// What to add or subtract.
    pub(crate) delta: u64,
    /// 1 when the client wants no reply.
    pub(crate) noreply: u32,
    /// The client's keys.
    keys: Keys<'static>,
    key: Key,
    data: Cow<'static, [u8]>,
}

/// The key of a command.
#[derive(Debug)]
enum Key {
    /// The client's only key.
    Sent(&'static [u8]),
    /// There are no keys, or several.
    None,
    /// The key that the script set.
    Set(Vec<u8>),
}

/// Seconds up to which an expiry is relative; above it is a date.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

impl Command {
    /// No command yet.
    pub(crate) const fn new() -> Self {
        Self {
            name: b"",
            flags: 0,
            expiry: 0,
            delta: 0,
            noreply: 0,
            keys: Keys::new(b""),
            key: Key::None,
            data: Cow::Borrowed(b""),
        }
    }

    /// Takes over the host's description; `None` when its numbers cannot be read.
    pub(crate) fn set(&mut self, told: &Told<'static>) -> Option<()> {
        let numbers = Numbers::read(told.numbers)?;
        let keys = Keys::new(told.keys);
        *self = Self {
            name: told.name,
            flags: numbers.flags,
            noreply: numbers.noreply.into(),
            expiry: numbers.exptime,
            delta: numbers.delta,
            keys,
            key: keys.only().map_or(Key::None, Key::Sent),
            data: Cow::Borrowed(told.data.unwrap_or_default()),
        };
        Some(())
    }

    /// The key; `None` when the command has several.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Sent(key) => Some(key),
            Key::Set(key) => Some(key),
            Key::None => None,
        }
    }

    /// All keys, when there are several.
    ///
    /// # Errors
    /// When there are more keys than the host told.
    pub(crate) fn keys(&self) -> Result<Keys<'static>, &'static str> {
        if self.keys.only().is_some() {
            return Ok(Keys::new(b""));
        }
        if self.keys.lacks_some() {
            return Err("the command has more keys than a function is told of");
        }
        Ok(self.keys)
    }

    /// The data block; `None` when there is none or it is empty.
    pub(crate) fn data(&self) -> Option<&[u8]> {
        Some(&*self.data).filter(|data| !data.is_empty())
    }

    /// Replaces the key.
    pub(crate) fn set_key(&mut self, key: &[u8]) {
        self.key = Key::Set(key.to_vec());
    }

    /// Replaces the data; empty means none.
    pub(crate) fn set_data(&mut self, data: &[u8]) {
        self.data = Cow::Owned(data.to_vec());
    }

    /// When an item of this command expires, in milliseconds since 1970, or -1 for never.
    ///
    /// Seconds to live count from the present second, as for a command that the server executes itself: items expire at
    /// whole seconds, and a fraction would round up to another second of life.
    pub(crate) fn expiry_ms(&self, now_ms: impl FnOnce() -> i64) -> i64 {
        match self.expiry {
            0 => -1,
            ..0 => now_ms(),
            seconds @ 1..=RELATIVE_SECONDS_MAX => (now_ms().div_euclid(1000) + seconds) * 1000,
            date => date.saturating_mul(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cacheismo_lua_contract::{write_first_keys, write_keys};

    #[test]
    fn a_command_has_one_key_or_several() {
        let told = |keys: &[&str]| {
            let mut packed = Vec::new();
            write_keys(&mut packed, keys.iter().map(|key| key.as_bytes()));
            Told {
                name: b"get",
                numbers: b"",
                keys: packed.leak(),
                data: Some(b""),
            }
        };
        let mut command = Command::new();
        for (keys, key, several) in [
            (&[][..], None, 0),
            (&["a"], Some(&b"a"[..]), 0),
            (&["a", "b", "c"], None, 3),
        ] {
            command.set(&told(keys)).expect("no numbers");
            assert_eq!(command.key(), key);
            assert_eq!(command.keys().expect("all are told").count(), several);
            assert_eq!(command.data(), None);
            command.set_key(b"mine");
            assert_eq!(command.key(), Some(&b"mine"[..]));
            assert_eq!(command.keys().expect("all are told").count(), several);
        }
    }

    #[test]
    fn keys_that_were_not_told_are_not_passed_over_in_silence() {
        let mut packed = Vec::new();
        write_first_keys(&mut packed, std::iter::repeat_n(&b"key"[..], 10_000));
        let told = Told {
            name: b"get",
            numbers: b"",
            keys: packed.leak(),
            data: None,
        };
        let mut command = Command::new();
        command.set(&told).expect("no numbers");
        assert_eq!(command.key(), None);
        assert!(command.keys().is_err());
    }

    #[test]
    fn expiry_is_relative_up_to_thirty_days() {
        let at = |expiry| {
            Command {
                expiry,
                ..Command::new()
            }
            .expiry_ms(|| 5999)
        };
        assert_eq!(at(0), -1);
        assert_eq!(at(-1), 5999);
        assert_eq!(at(2), 7000);
        assert_eq!(at(2_592_000), 2_592_005_000);
        assert_eq!(at(2_592_001), 2_592_001_000);
        assert_eq!(at(i64::MAX), i64::MAX);
    }
}
