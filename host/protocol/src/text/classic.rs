//! The commands of the classic protocol that name keys.

use super::line::{BAD_FORMAT, ERROR, Line, Stop};
use super::number;
use crate::tokens::{find_byte, is_key, key_end};
use crate::{
    Arith, Command, Get, KEY_BYTES_MAX, Limits, MetaKey, Parsed, Store, StoreVerb, Tokens, TooLarge,
};

const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument\r\n";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument\r\n";
const DELETE_USAGE: &str =
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
const NOREPLY: &[u8] = b"noreply";

/// `get` and `gets`; every key is checked here, so that walking them later needs no second look.
#[inline]
pub(super) fn get<'a>(line: &Line<'a>, args: &'a [u8], cas: bool) -> Result<Parsed<'a>, Stop> {
    let (keys, only) = keys(args).ok_or_else(|| line.refuse(BAD_FORMAT))?;
    Ok(line.command(Command::Get(Get {
        keys,
        only,
        cas,
        touch: None,
    })))
}

/// `gat` and `gats`.
pub(super) fn get_and_touch<'a>(
    line: &Line<'a>,
    args: &'a [u8],
    cas: bool,
) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let exptime = words.next().unwrap_or_default();
    let (keys, only) = keys(words.rest()).ok_or_else(|| line.refuse(BAD_FORMAT))?;
    let exptime = number::signed(exptime).ok_or_else(|| line.refuse(BAD_EXPTIME))?;
    Ok(line.command(Command::Get(Get {
        keys,
        only,
        cas,
        touch: Some(exptime),
    })))
}

/// The keys of a list, and the key if it is the only one. `None` when there is no key, or something that is none.
#[inline]
fn keys(list: &[u8]) -> Option<(Tokens<'_>, Option<&[u8]>)> {
    let mut rest = list;
    let (mut last, mut count) = (None, 0);
    loop {
        while let [b' ', tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return (count > 0).then_some((Tokens::new(list), last.filter(|_| count == 1)));
        }
        let mut end = key_end(rest);
        if rest.get(end).is_some_and(|&b| b != b' ') {
            end = unusual_key_end(rest);
        }
        if !(1..=KEY_BYTES_MAX).contains(&end) {
            return None;
        }
        last = Some(&rest[..end]);
        rest = &rest[end..];
        count += 1;
    }
}

/// Length of a key with control characters at the front of `list`; 0 when there is no key.
#[cold]
fn unusual_key_end(list: &[u8]) -> usize {
    let end = find_byte(list, b' ');
    if is_key(&list[..end]) { end } else { 0 }
}

/// `set` and its relatives, data block included. Without a verb the command is `cas`, whose token follows the length.
pub(super) fn store<'a>(
    line: &Line<'a>,
    verb: Option<StoreVerb>,
    args: &'a [u8],
    limits: &Limits,
) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let mut next = || words.next().unwrap_or_default();
    let (key, flags, exptime, len) = (next(), next(), next(), next());
    // Without a length nobody can tell a data block from the next command, so nothing is skipped.
    let len = number::length(len).ok_or_else(|| line.refuse(BAD_FORMAT))?;
    let token = words.next();
    let noreply = words.last().or(token) == Some(NOREPLY);
    let verb = verb.or_else(|| Some(StoreVerb::Cas(number::unsigned(token?)?)));
    let swallow = len as u64 + 2;
    let (true, Some(verb), Some(flags), Some(exptime)) = (
        is_key(key),
        verb,
        number::unsigned_32(flags),
        number::signed(exptime),
    ) else {
        return Err(line.refuse_and_skip(if noreply { "" } else { BAD_FORMAT }, swallow));
    };
    if len > limits.value_bytes_max {
        return Ok(Parsed::TooLarge(TooLarge {
            key: MetaKey::plain(key),
            drop_old: verb == StoreVerb::Set,
            meta: false,
            noreply,
            consumed: line.consumed,
            swallow,
        }));
    }
    line.with_block(len, noreply, limits, |value| {
        Command::Store(Store {
            verb,
            key,
            flags,
            exptime,
            value,
            noreply,
        })
    })
}

/// `delete`. A number after the key is the delay of clients from long ago.
pub(super) fn delete<'a>(line: &Line<'a>, args: &'a [u8]) -> Result<Parsed<'a>, Stop> {
    let mut words = Tokens::new(args);
    let key = words.next().ok_or_else(|| line.refuse(BAD_FORMAT))?;
    let mut extra = [words.next(), words.next(), words.next()];
    if extra[0].is_some_and(|word| number::signed(word).is_some()) {
        extra.rotate_left(1);
        extra[2] = words.next();
    }
    let noreply = match extra {
        [None, ..] => false,
        [Some(NOREPLY), None, _] => true,
        [_, last, None] => return Err(line.refuse_unless(last == Some(NOREPLY), DELETE_USAGE)),
        [.., last] => return Err(line.refuse_unless(words.last().or(last) == Some(NOREPLY), ERROR)),
    };
    if !is_key(key) {
        return Err(line.refuse_unless(noreply, BAD_FORMAT));
    }
    Ok(line.command(Command::Delete { key, noreply }))
}

/// `incr` and `decr`.
pub(super) fn arith<'a>(
    line: &Line<'a>,
    args: &'a [u8],
    decrement: bool,
) -> Result<Parsed<'a>, Stop> {
    let (key, delta, noreply) = key_and_argument(line, args)?;
    let delta = number::unsigned(delta).ok_or_else(|| line.refuse_unless(noreply, BAD_DELTA))?;
    Ok(line.command(Command::Arith(Arith {
        key,
        delta,
        decrement,
        noreply,
    })))
}

/// `touch`.
pub(super) fn touch<'a>(line: &Line<'a>, args: &'a [u8]) -> Result<Parsed<'a>, Stop> {
    let (key, exptime, noreply) = key_and_argument(line, args)?;
    let exptime =
        number::signed(exptime).ok_or_else(|| line.refuse_unless(noreply, BAD_EXPTIME))?;
    Ok(line.command(Command::Touch {
        key,
        exptime,
        noreply,
    }))
}

/// A key, an argument, and at most one word more, which may be `noreply`.
fn key_and_argument<'a>(
    line: &Line<'a>,
    args: &'a [u8],
) -> Result<(&'a [u8], &'a [u8], bool), Stop> {
    let mut words = Tokens::new(args);
    let (Some(key), Some(argument)) = (words.next(), words.next()) else {
        return Err(line.refuse(BAD_FORMAT));
    };
    let third = words.next();
    let junk = words.last();
    let noreply = junk.or(third).unwrap_or(argument) == NOREPLY;
    if junk.is_some() {
        return Err(line.refuse_unless(noreply, ERROR));
    }
    if !is_key(key) {
        return Err(line.refuse_unless(noreply, BAD_FORMAT));
    }
    Ok((key, argument, noreply))
}
