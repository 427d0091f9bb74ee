//! Numbers as text: the original was written in Lua, and objects that give its answers print and
//! read numbers the way Lua 5.1 did.

mod decimal;

use decimal::DIGITS;

/// Up to so many decimal digits, every integer is exactly a double.
const EXACT_DIGITS: usize = 15;

/// Reads a number as Lua's `tonumber` does: decimal with optional fraction and exponent, or a hexadecimal integer
/// `0x1f`, white space around it allowed. `None` when the text is no number, or not a finite one.
///
/// ```
/// use cacheismo_sdk::number::parse;
/// assert_eq!(parse(b"1e3"), Some(1000.0));
/// assert_eq!(parse(b" -0x10 "), Some(-16.0));
/// assert_eq!(parse(b"ten"), None);
/// assert_eq!(parse(b"inf"), None);
/// ```
#[inline]
pub fn parse(text: &[u8]) -> Option<f64> {
    whole(text).or_else(|| general(text))
}

/// Reads a number of digits only, so few that a double holds it exactly: most numbers are such, and need no rounding.
#[inline]
fn whole(text: &[u8]) -> Option<f64> {
    if !matches!(text.len(), 1..=EXACT_DIGITS) {
        return None;
    }
    digits(text).map(|digits| digits as f64)
}

/// The number that at most 19 decimal digits write; `None` when there is another byte among them.
#[inline(always)]
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value: u64, &digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit - b'0'))
    })
}

/// Reads any number, also those that `whole` leaves.
#[inline(never)]
fn general(text: &[u8]) -> Option<f64> {
    // 0x0b, the vertical tab, is white space to C and not to Rust.
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))?;
    let text = &text[start..=end];
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1.0, digits),
        [b'+', digits @ ..] => (1.0, digits),
        digits => (1.0, digits),
    };
    let magnitude = match digits {
        [b'0', b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
        // Rust's parser would also take words and a second sign.
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(digits).ok()?.parse::<f64>().ok()?,
        _ => return None,
    };
    magnitude.is_finite().then_some(sign * magnitude)
}

fn hexadecimal(digits: &[u8]) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0.0, |value, &digit| {
        Some(value * 16.0 + f64::from(char::from(digit).to_digit(16)?))
    })
}

/// A number as Lua prints it, `%.14g`: at most 14 significant digits, no trailing zeros, an
/// exponent below 1e-4 and from 1e14.
///
/// ```
/// use cacheismo_sdk::number::Lua;
/// assert_eq!(Lua::from(175.0 / 3.0).text(), b"58.333333333333");
/// assert_eq!(Lua::from(123456789012345678.0).text(), b"1.2345678901235e+17");
/// assert_eq!(Lua::from(16.0).text(), b"16");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lua(Text);

impl From<f64> for Lua {
    fn from(number: f64) -> Self {
        let mut text = Text::default();
        if number.is_nan() {
            text.push(b"nan");
            return Self(text);
        }
        if number.is_sign_negative() {
            text.push(b"-");
        }
        match number.abs() {
            0.0 => text.push(b"0"),
            f64::INFINITY => text.push(b"inf"),
            // Most numbers are whole, and those need no large integers.
            magnitude if magnitude < 1e14 && magnitude.fract() == 0.0 => {
                text.push(Integer::from(magnitude as u64).text());
            }
            magnitude => text.push_general(magnitude),
        }
        Self(text)
    }
}

impl Lua {
    /// The decimal text.
    pub fn text(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// An integer in decimal, made without the formatting machinery, which would be most of a small module. The text is
/// written in whole words: a copy would have to wait for single bytes.
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    /// A sign and up to 20 digits; behind a shorter text, whatever the whole words left there.
    pub(crate) bytes: [u8; 24],
    length: usize,
}

/// Digits that one word holds as text.
const WORD_DIGITS: usize = 8;
/// The least number with more digits than one word holds.
const WORD_END: u64 = 10u64.pow(WORD_DIGITS as u32);

impl Integer {
    /// The decimal text.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    #[inline(always)]
    fn new(negative: bool, magnitude: u64) -> Self {
        let mut text = Self {
            bytes: [0; 24],
            length: usize::from(negative),
        };
        text.bytes[0] = b'-';
        if magnitude < WORD_END {
            text.push_first(magnitude);
        } else {
            text.push_long(magnitude);
        }
        text
    }

    #[inline(never)]
    fn push_long(&mut self, magnitude: u64) {
        let (ahead, last) = (magnitude / WORD_END, magnitude % WORD_END);
        if ahead < WORD_END {
            self.push_first(ahead);
        } else {
            self.push_first(ahead / WORD_END);
            self.push_word(eight_digits(ahead % WORD_END));
        }
        self.push_word(eight_digits(last));
    }

    /// Writes the first word of a number, without the zeros ahead.
    #[inline(always)]
    fn push_first(&mut self, number: u64) {
        let digits = eight_digits(number);
        // The last digit stays, even if it is 0.
        let zeros = (digits | 1 << 56).trailing_zeros() / 8;
        self.push_word(digits >> (8 * zeros));
        self.length -= zeros as usize;
    }

    #[inline(always)]
    fn push_word(&mut self, digits: u64) {
        let text = digits | u64::from_ne_bytes([b'0'; WORD_DIGITS]);
        self.bytes[self.length..][..WORD_DIGITS].copy_from_slice(&text.to_le_bytes());
        self.length += WORD_DIGITS;
    }
}

/// The digits of a number below [`WORD_END`], a byte each, the first in the lowest. All are divided
/// out at once, four by four, two by two, one by one, by products that are exact for so few.
#[inline(always)]
fn eight_digits(number: u64) -> u64 {
    let fours = number / 10_000 + ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds + ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens + ((twos - tens * 10) << 8)
}

macro_rules! integers {
    ($($signed:ty, $unsigned:ty);*) => {$(
        impl From<$signed> for Integer {
            #[inline]
            fn from(number: $signed) -> Self {
                Self::new(number < 0, number.unsigned_abs() as u64)
            }
        }

        impl From<$unsigned> for Integer {
            #[inline]
            fn from(number: $unsigned) -> Self {
                Self::new(false, number as u64)
            }
        }
    )*};
}

integers!(i8, u8; i16, u16; i32, u32; i64, u64; isize, usize);

/// A few characters without the heap. 24 hold the longest number.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    bytes: [u8; 24],
    length: usize,
}

impl Text {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, more: &[u8]) {
        self.bytes[self.length..][..more.len()].copy_from_slice(more);
        self.length += more.len();
    }

    /// `%.14g` of a positive finite number.
    fn push_general(&mut self, magnitude: f64) {
        let (digits, exponent) = decimal::digits(magnitude);
        let significant = DIGITS
            - digits
                .iter()
                .rev()
                .take_while(|&&digit| digit == b'0')
                .count();
        let digits = &digits[..significant];
        match usize::try_from(exponent) {
            Err(_) if exponent < -4 => self.push_exponent(digits, exponent),
            Ok(whole) if whole >= DIGITS => self.push_exponent(digits, exponent),
            Err(_) => {
                self.push(&b"0.000"[..1 + exponent.unsigned_abs() as usize]);
                self.push(digits);
            }
            Ok(whole) if whole + 1 >= significant => {
                self.push(digits);
                self.push(&[b'0'; DIGITS][..whole + 1 - significant]);
            }
            Ok(whole) => {
                self.push(&digits[..=whole]);
                self.push(b".");
                self.push(&digits[whole + 1..]);
            }
        }
    }

    fn push_exponent(&mut self, digits: &[u8], exponent: i32) {
        self.push(&digits[..1]);
        if digits.len() > 1 {
            self.push(b".");
            self.push(&digits[1..]);
        }
        self.push(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.unsigned_abs() < 10 {
            self.push(b"0");
        }
        self.push(Integer::from(exponent.unsigned_abs()).text());
    }
}

#[cfg(test)]
mod tests;
