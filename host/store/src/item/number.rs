//! Numbers as values: how arithmetic reads them and writes them.
//!
//! What counts as a number is what C's `strtoull` takes, as in memcached: `12 apples` is 12.

use crate::item::stream::Stream;

/// Bytes of a value looked at; a number whose digits do not end within them is none.
const LOOKED_AT: usize = 64;
/// Written behind a number that has become shorter than its value.
const SPACES: [u8; LOOKED_AT] = [b' '; LOOKED_AT];

/// The number a value of `len` bytes begins with.
pub(crate) fn read(value: &mut Stream<'_>, len: usize) -> Option<u64> {
    let mut bytes = [0; LOOKED_AT];
    let looked_at = len.min(LOOKED_AT);
    let mut at = 0;
    value.read(looked_at, &mut |run| {
        bytes[at..at + run.len()].copy_from_slice(run);
        at += run.len();
    });
    parse(&bytes[..looked_at], looked_at < len)
}

/// Writes `digits` over a value of `len` bytes, which keeps its length: the rest becomes spaces.
pub(crate) fn write(value: &mut Stream<'_>, digits: &[u8], len: usize) {
    value.write(digits);
    let mut left = len - digits.len();
    while left > 0 {
        let spaces = &SPACES[..left.min(SPACES.len())];
        value.write(spaces);
        left -= spaces.len();
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The number in `text`: space, a plus sign, digits; behind them nothing, or a space or NUL and then anything.
fn parse(text: &[u8], more: bool) -> Option<u64> {
    let start = text.iter().position(|byte| !is_space(*byte))?;
    let text = text[start..].strip_prefix(b"+").unwrap_or(&text[start..]);
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    match end {
        Some(end) if is_space(text[end]) || text[end] == 0 => {}
        None if !more => {}
        _ => return None,
    }
    let digits = &text[..end.unwrap_or(text.len())];
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| {
        n.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_strtoull_takes() {
        for (text, number) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("00000000000000000000000000000000000012", Some(12)),
            ("12 ", Some(12)),
            ("12 apples", Some(12)),
            ("12\0", Some(12)),
            ("12\r\n", Some(12)),
            (" \t12", Some(12)),
            ("+12", Some(12)),
            ("12a", None),
            ("-1", None),
            ("++1", None),
            ("+ 1", None),
            ("", None),
            (" ", None),
            ("+", None),
        ] {
            assert_eq!(parse(text.as_bytes(), false), number, "{text:?}");
        }
        assert_eq!(parse(b"12 ", true), Some(12));
        assert_eq!(parse(b"12", true), None);
    }
}
