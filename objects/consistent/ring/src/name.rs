//! Names of servers, lists of them, and the points that belong to a name.

use alloc::vec::Vec;

use crate::hash;

/// Points of a server on the ring.
pub const POINTS: u32 = 160;
/// Longest name in bytes: the original had 32 bytes for `name-159` and its end mark.
pub const NAME_BYTES_MAX: usize = 27;

/// Bytes between the names of a list.
const SEPARATORS: &[u8] = b", \t";

/// The names in a list, which separates them by commas, spaces and tabs.
pub fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| SEPARATORS.contains(byte))
        .filter(|name| !name.is_empty())
}

/// Whether a server may have this name: 1 to [`NAME_BYTES_MAX`] bytes without a separator.
pub fn is_name(name: &[u8]) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.iter().any(|byte| SEPARATORS.contains(byte))
}

/// The first `count` points of a server: the hashes of `name-0`, `name-1` and so on.
pub fn points(name: &[u8], count: u32) -> impl Iterator<Item = u32> {
    let mut text = Vec::with_capacity(name.len() + 1 + DIGITS_MAX);
    text.extend_from_slice(name);
    text.push(b'-');
    let stem = text.len();
    (0..count).map(move |number| {
        text.truncate(stem);
        push_decimal(&mut text, number);
        hash(&text)
    })
}

/// Digits of the largest `u32`.
const DIGITS_MAX: usize = 10;

/// Appends a number. Guests use this crate, and formatting of the library would double the size of a small one.
fn push_decimal(text: &mut Vec<u8>, number: u32) {
    let mut digits = [0; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_list_has_the_names_between_separators() {
        let found: Vec<_> = names(b" a,b\t\tc , ").collect();
        assert_eq!(found, [b"a", b"b", b"c"]);
        assert_eq!(names(b" ,\t").count(), 0);
    }

    #[test]
    fn a_name_is_short_and_has_no_separator() {
        assert!(is_name(b"10.0.0.1:11211") && is_name(&[b'x'; 27]));
        for name in [&b""[..], &[b'x'; 28], b"a,b", b"a b", b"a\tb"] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn points_are_hashes_of_the_numbered_name() {
        for (number, point) in points(b"a", 1234).enumerate() {
            assert_eq!(point, hash(format!("a-{number}").as_bytes()));
        }
        let mut text = Vec::new();
        push_decimal(&mut text, u32::MAX);
        assert_eq!(text, b"4294967295");
    }
}
