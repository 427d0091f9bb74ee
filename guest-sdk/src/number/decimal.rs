//! The 14 significant digits of a double, exactly rounded.
//!
//! The standard library could do it, but its formatting is forty KiB of a small module. Here the
//! number is a fraction of large integers and the digits are their quotient: slower for numbers
//! very large or small, and a tenth of the size.

use std::cmp::Ordering;

/// Significant digits of Lua's `%.14g`.
pub(super) const DIGITS: usize = 14;
/// The least number with more than 14 digits.
const TOO_MANY: u64 = 100_000_000_000_000;
/// Bits of a quotient: enough for `10 * TOO_MANY`, which a guess one too low can give.
const QUOTIENT_BITS: u32 = 50;

/// The digits of a positive finite number and the decimal exponent of the first one.
pub(super) fn digits(number: f64) -> ([u8; DIGITS], i32) {
    let (mantissa, exponent) = split(number);
    // 2^n has floor(n * log10(2)) + 1 digits or one more: the guess is right or one too low.
    let magnitude = 63 - mantissa.leading_zeros().cast_signed() + exponent;
    let guess = (f64::from(magnitude) * std::f64::consts::LOG10_2).floor() as i32;
    let (mut quotient, mut first) = (quotient(mantissa, exponent, guess), guess);
    if quotient >= TOO_MANY {
        first += 1;
        quotient = self::quotient(mantissa, exponent, first);
        if quotient == TOO_MANY {
            // Rounded up to the next power of ten.
            first += 1;
            quotient /= 10;
        }
    }
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit += (quotient % 10) as u8;
        quotient /= 10;
    }
    (digits, first)
}

/// Mantissa and exponent of `number`, which is `mantissa * 2^exponent`.
fn split(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) as i32 & 0x7ff {
        0 => (fraction, -1074),
        biased => (fraction | 1 << 52, biased - 1075),
    }
}

/// `mantissa * 2^exponent / 10^(first - 13)`, rounded half to even.
fn quotient(mantissa: u64, exponent: i32, first: i32) -> u64 {
    let (mut over, mut under) = (Large::from(mantissa), Large::from(1));
    let ten = first - (DIGITS as i32 - 1);
    if ten > 0 { &mut under } else { &mut over }.times_ten_to(ten.unsigned_abs());
    if exponent > 0 { &mut over } else { &mut under }.shift_left(exponent.unsigned_abs());
    let mut quotient = 0;
    under.shift_left(QUOTIENT_BITS);
    for _ in 0..=QUOTIENT_BITS {
        quotient *= 2;
        if over.compare(&under) != Ordering::Less {
            over.subtract(&under);
            quotient += 1;
        }
        over.shift_left(1);
    }
    // By now `over` was shifted once more than `under`: it is twice the remainder.
    match over.compare(&under) {
        Ordering::Less => quotient,
        Ordering::Equal => quotient + quotient % 2,
        Ordering::Greater => quotient + 1,
    }
}

/// A natural number below 2^1280, least word first. The largest here is `2^53 * 10^337 * 2`, of
/// 1174 bits, or `2^1074 * 2^50`.
struct Large([u32; 40]);

impl From<u64> for Large {
    fn from(number: u64) -> Self {
        let mut words = [0; 40];
        words[0] = number as u32;
        words[1] = (number >> 32) as u32;
        Self(words)
    }
}

impl Large {
    fn times(&mut self, factor: u32) {
        let mut carry = 0;
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            *word = carry as u32;
            carry >>= 32;
        }
    }

    fn times_ten_to(&mut self, mut power: u32) {
        while power >= 9 {
            self.times(1_000_000_000);
            power -= 9;
        }
        self.times(10_u32.pow(power));
    }

    fn shift_left(&mut self, bits: u32) {
        let words = bits as usize / 32;
        self.0.copy_within(..40 - words, words);
        self.0[..words].fill(0);
        self.times(1 << (bits % 32));
    }

    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            (*word, borrow) = word.borrowing_sub(*other, borrow);
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}
