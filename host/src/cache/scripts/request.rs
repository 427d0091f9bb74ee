//! The client's command, as scripts are told of it.

pub(in crate::cache) use cacheismo_lua_contract::Numbers;
use cacheismo_lua_contract::{Command, write_first_keys, write_keys};

use crate::protocol::Tokens;

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
    /// The first keys of a list, so many.
    List(Tokens<'a>, usize),
    One(&'a [u8]),
    None,
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

    /// A retrieval of `keys`.
    pub(in crate::cache) fn of_get(command: &'static str, keys: Tokens<'a>) -> Request<'a> {
        Request {
            command,
            keys: Keys::List(keys, usize::MAX),
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

/// A request in the form the interpreter reads. Kept for its buffers.
#[derive(Debug, Default)]
pub(in crate::cache) struct Encoded {
    numbers: Vec<u8>,
    keys: Vec<u8>,
}

impl Encoded {
    /// Takes the form of the request a call is made for. It holds only the first of many keys: each call of a command
    /// is told them anew, which would take the square of their number.
    pub(in crate::cache) fn set_for_call(&mut self, request: &Request<'_>) {
        self.keys.clear();
        write_first_keys(&mut self.keys, request.keys.iter());
        self.set_numbers(&request.numbers);
    }

    /// Takes the form of the request a handler is told of, with all its keys.
    pub(in crate::cache) fn set_for_handler(&mut self, request: &Request<'_>) {
        self.keys.clear();
        write_keys(&mut self.keys, request.keys.iter());
        self.set_numbers(&request.numbers);
    }

    fn set_numbers(&mut self, numbers: &Numbers) {
        self.numbers.clear();
        numbers.write(&mut self.numbers);
    }

    /// The command in the interpreter's words.
    pub(in crate::cache) fn command<'a>(
        &'a self,
        name: &'static str,
        data: Option<&'a [u8]>,
    ) -> Command<'a> {
        Command {
            name: name.as_bytes(),
            numbers: &self.numbers,
            keys: &self.keys,
            data,
        }
    }
}
