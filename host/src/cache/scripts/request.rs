//! The client's command, as scripts are told of it.

use crate::protocol::Tokens;

/// Bytes of keys a script's function is told of beside its own. A command with more tells only the key that calls it:
/// each of its calls would be told all, which takes the square of their number.
const KEYS_BYTES_MAX: usize = 8 << 10;

/// What scripts are told of a command beside the arguments of a call.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Request<'a> {
    /// The command's name.
    pub(in crate::cache) command: &'static str,
    pub(in crate::cache) keys: Keys<'a>,
    pub(in crate::cache) numbers: Numbers,
}

/// The keys of a command.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) enum Keys<'a> {
    /// The first so many of a list.
    List(Tokens<'a>, usize),
    One(&'a [u8]),
    None,
}

/// The numbers of a command, as the client sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cache) struct Numbers {
    pub(in crate::cache) flags: u32,
    pub(in crate::cache) noreply: bool,
    pub(in crate::cache) exptime: i64,
    pub(in crate::cache) delta: u64,
}

impl<'a> Request<'a> {
    /// A command with one key and no numbers.
    pub(in crate::cache) fn of_key(command: &'static str, key: &'a [u8]) -> Request<'a> {
        Request {
            command,
            keys: Keys::One(key),
            numbers: Numbers::default(),
        }
    }

    /// A retrieval of `keys`, as the call by one of them is told of it.
    pub(in crate::cache) fn of_get(
        command: &'static str,
        keys: Tokens<'a>,
        own: &'a [u8],
    ) -> Request<'a> {
        let keys = match keys.rest().len() <= KEYS_BYTES_MAX {
            true => Keys::List(keys, usize::MAX),
            false => Keys::One(own),
        };
        Request {
            command,
            keys,
            numbers: Numbers::default(),
        }
    }
}

impl<'a> Keys<'a> {
    /// The keys, in order.
    pub(in crate::cache) fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let (list, count, one) = match self {
            Keys::List(list, count) => (list, count, None),
            Keys::One(key) => (Tokens::default(), 0, Some(key)),
            Keys::None => (Tokens::default(), 0, None),
        };
        one.into_iter().chain(list.take(count))
    }
}

/// A request in the form the interpreter reads.
#[derive(Debug, Default)]
pub(in crate::cache) struct Encoded {
    /// `u32` flags, `u32` noreply, `i64` exptime, `u64` delta, or nothing for all zero.
    pub(in crate::cache) numbers: Vec<u8>,
    /// All keys, each its length and bytes.
    pub(in crate::cache) keys: Vec<u8>,
}

impl Encoded {
    /// Takes the form of `request`.
    pub(in crate::cache) fn set(&mut self, request: &Request<'_>) {
        self.numbers.clear();
        let numbers = &request.numbers;
        if *numbers != Numbers::default() {
            let Numbers {
                flags,
                noreply,
                exptime,
                delta,
            } = *numbers;
            self.numbers.extend_from_slice(&flags.to_le_bytes());
            self.numbers
                .extend_from_slice(&u32::from(noreply).to_le_bytes());
            self.numbers.extend_from_slice(&exptime.to_le_bytes());
            self.numbers.extend_from_slice(&delta.to_le_bytes());
        }
        self.keys.clear();
        for key in request.keys.iter() {
            self.keys
                .extend_from_slice(&(key.len() as u32).to_le_bytes());
            self.keys.extend_from_slice(key);
        }
    }
}
