//! Words of a line, found as they are asked for.

use super::KEY_BYTES_MAX;

const ONES: u64 = u64::MAX / 0xff;
const TOPS: u64 = ONES << 7;

/// The words of a line that are left, separated by spaces. Cheap to copy, walks lazily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Words of `line`, which has no line end.
    #[inline]
    pub fn new(line: &'a [u8]) -> Self {
        Tokens { rest: line }
    }

    /// The part of the line that was not walked over yet, spaces included.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let mut word = self.rest;
        while let [b' ', tail @ ..] = word {
            word = tail;
        }
        let end = find_byte(word, b' ');
        self.rest = &word[end..];
        if end == 0 { None } else { Some(&word[..end]) }
    }
}

/// Index of the first `wanted`, or the length. Eight bytes at a time: in words this short a call of `memchr` costs
/// more.
#[inline]
pub fn find_byte(bytes: &[u8], wanted: u8) -> usize {
    let (eights, tail) = bytes.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let x = u64::from_le_bytes(*eight) ^ (ONES * u64::from(wanted));
        let zero = x.wrapping_sub(ONES) & !x & TOPS;
        if zero != 0 {
            return i * 8 + zero.trailing_zeros() as usize / 8;
        }
    }
    let before = bytes.len() - tail.len();
    before + tail.iter().position(|&b| b == wanted).unwrap_or(tail.len())
}

/// Index of the first byte that ends the usual key (space, control character or delete), or the length.
///
/// The lowest flagged byte of each step is exact: a borrow only runs to higher bytes.
#[inline]
pub fn key_end(bytes: &[u8]) -> usize {
    let (eights, tail) = bytes.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let x = u64::from_le_bytes(*eight);
        let low = x.wrapping_sub(ONES * 0x21) & !x;
        let y = x ^ (ONES * 0x7f);
        let delete = y.wrapping_sub(ONES) & !y;
        let found = (low | delete) & TOPS;
        if found != 0 {
            return i * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let before = bytes.len() - tail.len();
    before
        + tail
            .iter()
            .position(|&b| b <= b' ' || b == 0x7f)
            .unwrap_or(tail.len())
}

/// Whether `word` of a line can be a key: 1 to 250 bytes without NUL. Control characters are allowed, as clients send
/// them.
#[inline]
pub(super) fn is_key(word: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&word.len())
        && (key_end(word) == word.len() || memchr::memchr(0, word).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_are_those_of_a_plain_split(line in "[ a\u{e9}]{0,40}") {
            let naive: Vec<&[u8]> = line.as_bytes().split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
            let ours: Vec<&[u8]> = Tokens::new(line.as_bytes()).collect();
            prop_assert_eq!(ours, naive);
        }

        #[test]
        fn a_byte_is_found_where_a_naive_search_says(bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(b';'), any::<u8>()], 0..40)) {
            let naive = bytes.iter().position(|&b| b == b':').unwrap_or(bytes.len());
            prop_assert_eq!(find_byte(&bytes, b':'), naive);
        }

        #[test]
        fn a_key_ends_where_a_naive_search_says(bytes in prop::collection::vec(prop_oneof![Just(0x80u8), Just(b'a'), any::<u8>()], 0..40)) {
            let naive = bytes.iter().position(|&b| b < 0x21 || b == 0x7f).unwrap_or(bytes.len());
            prop_assert_eq!(key_end(&bytes), naive);
        }
    }
}
