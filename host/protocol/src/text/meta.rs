//! The meta commands: a key, for `ms` a length, and flags of one letter with an argument or none.

use super::line::{BAD_FORMAT, Line, Stop};
use super::number;
use crate::tokens::is_key;
use crate::{
    Command, Limits, META_TOKENS_MAX, Meta, MetaFlags, MetaKey, Mode, OPAQUE_BYTES_MAX, Parsed,
    Tokens, TooLarge, base64,
};

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format\r\n";
const DUPLICATE: &str = "CLIENT_ERROR duplicate flag\r\n";
const INVALID: &str = "CLIENT_ERROR invalid flag\r\n";
const INVALID_OR_DUPLICATE: &str = "CLIENT_ERROR invalid or duplicate flag\r\n";
const TOO_MANY: &str = "CLIENT_ERROR options flags are too long\r\n";
const OPAQUE_TOO_LONG: &str = "CLIENT_ERROR opaque token too long\r\n";
const BAD_BASE64: &str = "CLIENT_ERROR error decoding key\r\n";
const BAD_INITIAL: &str = "CLIENT_ERROR invalid numeric initial value\r\n";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta value\r\n";
const BAD_SET_MODE: &str = "CLIENT_ERROR invalid mode for ms M token\r\n";
const BAD_ARITH_MODE: &str = "CLIENT_ERROR invalid mode for ma M token\r\n";

/// Which command the flags are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Set,
    Delete,
    Arith,
}

/// `mg`, `md`, `ma`: a line without a data block.
pub(super) fn simple<'a>(line: &Line<'a>, args: &'a [u8], kind: Kind) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let token = words.next().unwrap_or_default();
    let meta = meta(token, words, META_TOKENS_MAX - 2, kind).map_err(|reply| line.refuse(reply))?;
    Ok(line.command(match kind {
        Kind::Get => Command::MetaGet(meta),
        Kind::Delete => Command::MetaDelete(meta),
        _ => Command::MetaArith(meta),
    }))
}

/// `ms`, data block included. Its errors are never silent.
pub(super) fn set<'a>(
    line: &Line<'a>,
    args: &'a [u8],
    limits: &Limits,
) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let token = words.next().unwrap_or_default();
    let len = words
        .next()
        .and_then(number::length)
        .ok_or_else(|| line.refuse(BAD_FORMAT))?;
    let swallow = len as u64 + 2;
    let meta = meta(token, words, META_TOKENS_MAX - 3, Kind::Set)
        .map_err(|reply| line.refuse_and_skip(reply, swallow))?;
    if len > limits.value_bytes_max {
        return Ok(Parsed::TooLarge(TooLarge {
            key: meta.key,
            drop_old: matches!(meta.flags.mode, Mode::Unset | Mode::Set),
            meta: true,
            noreply: false,
            consumed: line.consumed,
            swallow,
        }));
    }
    line.with_block(len, false, limits, |value| Command::MetaSet { meta, value })
}

/// `me`, whose only flag is `b`.
pub(super) fn debug<'a>(line: &Line<'a>, args: &'a [u8]) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let key = MetaKey {
        token: words.next().unwrap_or_default(),
        base64: words.next() == Some(b"b"),
    };
    if key_error(key).is_some() {
        return Err(line.refuse(BAD_FORMAT));
    }
    Ok(line.command(Command::MetaDebug { key }))
}

/// Why the key's token is no key; `None` when it is one.
fn key_error(key: MetaKey<'_>) -> Option<&'static str> {
    if !is_key(key.token) {
        return Some(BAD_FORMAT);
    }
    let undecodable = key.base64 && base64::decoded_len(key.token).is_none();
    undecodable.then_some(BAD_BASE64)
}

/// Key and flags; checks come in the order in which memcached makes them.
fn meta<'a>(
    token: &'a [u8],
    words: Tokens<'a>,
    flags_max: usize,
    kind: Kind,
) -> Result<Meta<'a>, &'static str> {
    if let Some(reply) = key_error(MetaKey::plain(token)) {
        return Err(reply);
    }
    if words.count() > flags_max {
        return Err(TOO_MANY);
    }
    let mut reader = FlagReader::new(words);
    let mut each = words;
    let read = each.try_for_each(|word| reader.flag(word, token));
    if let Some(reply) = read.err().or(reader.error) {
        // memcached names the flag for all commands but this one.
        return Err(if kind == Kind::Arith {
            INVALID_OR_DUPLICATE
        } else {
            reply
        });
    }
    let mut flags = reader.flags;
    if let Some(letter) = reader.mode {
        flags.mode = mode(kind, letter)?;
    }
    if reader.opaque_too_long {
        return Err(OPAQUE_TOO_LONG);
    }
    let key = MetaKey {
        token,
        base64: flags.has(b'b'),
    };
    Ok(Meta { key, flags })
}

/// What an `M` flag means to the command. `mg` and `md` have no modes and do not look at it.
fn mode(kind: Kind, letter: Option<u8>) -> Result<Mode, &'static str> {
    Ok(match (kind, letter) {
        (Kind::Get | Kind::Delete, _) => Mode::Unset,
        (Kind::Set, Some(b'E')) => Mode::Add,
        (Kind::Set, Some(b'A')) => Mode::Append,
        (Kind::Set, Some(b'P')) => Mode::Prepend,
        (Kind::Set, Some(b'R')) => Mode::Replace,
        (Kind::Set, Some(b'S')) => Mode::Set,
        (Kind::Set, _) => return Err(BAD_SET_MODE),
        (Kind::Arith, Some(b'I' | b'+')) => Mode::Increment,
        (Kind::Arith, Some(b'D' | b'-')) => Mode::Decrement,
        (Kind::Arith, _) => return Err(BAD_ARITH_MODE),
    })
}

/// Gathers flags. A wrong number is remembered and the walk goes on, as an unknown or repeated
/// letter behind it is the error that memcached reports.
struct FlagReader<'a> {
    flags: MetaFlags<'a>,
    /// The letter after `M`, if there is an `M`.
    mode: Option<Option<u8>>,
    opaque_too_long: bool,
    error: Option<&'static str>,
}

impl<'a> FlagReader<'a> {
    fn new(tokens: Tokens<'a>) -> Self {
        FlagReader {
            flags: MetaFlags {
                tokens,
                ..MetaFlags::default()
            },
            mode: None,
            opaque_too_long: false,
            error: None,
        }
    }

    fn flag(&mut self, word: &[u8], key: &[u8]) -> Result<(), &'static str> {
        let (letter, argument) = (word[0], &word[1..]);
        if letter >= 0x7f || self.flags.has(letter) {
            return Err(DUPLICATE);
        }
        let error = match letter {
            b'N' | b'T' | b'R' => number::signed(argument).is_none().then_some(BAD_TOKEN),
            b'C' | b'E' => number::unsigned(argument).is_none().then_some(BAD_TOKEN),
            b'J' => number::unsigned(argument).is_none().then_some(BAD_INITIAL),
            b'D' => number::unsigned(argument).is_none().then_some(BAD_DELTA),
            // memcached has no words of its own for this one, so an earlier error stands.
            b'F' => {
                let missing = number::unsigned_32(argument).is_none();
                missing.then_some(self.error.unwrap_or(BAD_FORMAT))
            }
            b'M' => {
                self.mode = Some(argument.first().copied());
                None
            }
            b'O' => {
                self.opaque_too_long = word.len() > OPAQUE_BYTES_MAX;
                None
            }
            b'b' => base64::decoded_len(key).is_none().then_some(BAD_BASE64),
            b'I' | b'L' | b'P' | b'c' | b'f' | b'h' | b'k' | b'l' | b'q' | b's' | b't' | b'u'
            | b'v' | b'x' => None,
            _ => return Err(INVALID),
        };
        self.error = error.or(self.error);
        self.flags.letters |= 1 << (letter - b'A');
        Ok(())
    }
}
