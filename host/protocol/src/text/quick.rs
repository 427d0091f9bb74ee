//! The two commands nearly everybody sends, in the form nearly everybody sends them, read in one pass.
//!
//! What isn't exactly `get KEY\r\n` or `set KEY FLAGS EXPTIME LENGTH\r\n` and its block, with short numbers, is left to
//! the other files, which read these two alike.

use crate::tokens::key_end;
use crate::{Command, Get, KEY_BYTES_MAX, Limits, Parsed, Store, StoreVerb, Tokens};

/// Digits that any of the numbers can hold.
const DIGITS_MAX: usize = 9;

/// Reads one of the two commands; `None` when the other files have to look.
#[inline(always)]
pub(super) fn parse<'a>(input: &'a [u8], limits: &Limits) -> Option<Parsed<'a>> {
    let (verb, rest) = input.split_first_chunk::<4>()?;
    let (key, rest) = key(rest)?;
    match verb {
        b"get " => get(input, key, rest, limits),
        b"set " => set(input, key, rest, limits),
        _ => None,
    }
}

#[inline]
fn key(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = key_end(input.get(..=KEY_BYTES_MAX).unwrap_or(input));
    (1..=KEY_BYTES_MAX)
        .contains(&end)
        .then(|| input.split_at(end))
}

#[inline(always)]
fn get<'a>(input: &[u8], key: &'a [u8], rest: &[u8], limits: &Limits) -> Option<Parsed<'a>> {
    let consumed = input.len() - rest.strip_prefix(b"\r\n")?.len();
    let get = Get {
        keys: Tokens::new(key),
        only: Some(key),
        cas: false,
        touch: None,
    };
    (consumed <= limits.get_line_bytes_max).then_some(Parsed::Command {
        command: Command::Get(get),
        consumed,
    })
}

#[inline]
fn set<'a>(input: &[u8], key: &'a [u8], rest: &'a [u8], limits: &Limits) -> Option<Parsed<'a>> {
    let (flags, rest) = number(rest)?;
    let (exptime, rest) = number(rest)?;
    let (len, rest) = number(rest)?;
    let rest = rest.strip_prefix(b"\r\n")?;
    let len = len as usize;
    if input.len() - rest.len() > limits.line_bytes_max || len > limits.value_bytes_max {
        return None;
    }
    let (value, rest) = rest.split_at_checked(len)?;
    let rest = rest.strip_prefix(b"\r\n")?;
    let store = Store {
        verb: StoreVerb::Set,
        key,
        flags,
        exptime: exptime.into(),
        value,
        noreply: false,
    };
    Some(Parsed::Command {
        command: Command::Store(store),
        consumed: input.len() - rest.len(),
    })
}

/// Reads a space and a number; the rest is what follows.
#[inline]
fn number(input: &[u8]) -> Option<(u32, &[u8])> {
    let digits = input.strip_prefix(b" ")?;
    let mut sum = 0;
    let mut at = 0;
    while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit <= 9
    {
        if at == DIGITS_MAX {
            return None;
        }
        sum = sum * 10 + u32::from(digit);
        at += 1;
    }
    (at > 0).then(|| (sum, &digits[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_here_is_read_alike_by_the_others(
            key in "[!-~]{0,3}|[a-z]{249,251}|[a\u{e9} \r\t]{1,4}",
            numbers in prop::collection::vec("[0-9]{0,10}|[+-][0-9]", 3),
            ends in prop::collection::vec(prop_oneof![6 => Just("\r\n"), 1 => Just("\n"), 1 => Just(" \r\n"), 1 => Just("")], 2),
            (len, limit) in (0usize..12, prop_oneof![Just(2048usize), 0usize..40]),
            stated in any::<bool>(),
        ) {
            let limits = Limits {
                line_bytes_max: limit,
                get_line_bytes_max: limit,
                value_bytes_max: 10,
                ..Limits::default()
            };
            let stated = if stated { &len.to_string() } else { &numbers[2] };
            let block = "0123456789ab".get(..len).expect("there are twelve");
            let set = format!("set {key} {} {} {stated}{}{block}{}", numbers[0], numbers[1], ends[0], ends[1]);
            for input in [format!("get {key}{}get b\r\n", ends[0]), set] {
                let quick = parse(input.as_bytes(), &limits);
                prop_assert!(quick.is_none_or(|quick| quick == super::super::parse_any(input.as_bytes(), &limits)), "{input:?}");
            }
        }
    }

    #[test]
    fn the_usual_lines_are_read_here() {
        let limits = Limits::default();
        for line in ["get key\r\n", "set key 0 3600 3\r\nabc\r\nget k"] {
            assert!(parse(line.as_bytes(), &limits).is_some(), "{line}");
        }
    }
}
