//! Scores: as bytes that sort as the numbers do, as text, and as bounds of a range.

use cacheismo_sdk::{Error, FromArg};

/// Bytes of a score in a name.
pub(crate) const SCORE_BYTES: usize = 8;

const SIGN: u64 = 1 << 63;

/// A score as a number that sorts as scores do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sortable(u64);

impl Sortable {
    /// Below every score, also below minus infinity.
    pub(crate) const LEAST: Self = Self(0);
    /// Above every score.
    pub(crate) const GREATEST: Self = Self(u64::MAX);

    /// The larger a negative number's bits, the less it is: they are turned, and positive numbers go above them.
    pub(crate) fn of(score: f64) -> Self {
        // Adding 0 makes of -0 the same score as 0.
        let bits = (score + 0.0).to_bits();
        Self(if bits & SIGN == 0 { bits | SIGN } else { !bits })
    }

    /// The score.
    pub(crate) fn score(self) -> f64 {
        let bits = if self.0 & SIGN == 0 {
            !self.0
        } else {
            self.0 & !SIGN
        };
        f64::from_bits(bits)
    }

    /// The next score above.
    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(crate) fn to_bytes(self) -> [u8; SCORE_BYTES] {
        self.0.to_be_bytes()
    }

    /// Reads a score from the front of `bytes`; `None` when they are no finite one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let sortable = Self(u64::from_be_bytes(*bytes.first_chunk()?));
        (sortable.score().is_finite() && Self::of(sortable.score()) == sortable).then_some(sortable)
    }
}

/// Up to here every whole number is a double, and takes at most seven bytes with its sign.
const WHOLE_MAX: u64 = 1 << 53;

/// A score as a member's field has it: a whole number in as few bytes as hold it and its sign, little endian, none for
/// 0; any other number in eight bytes, sortable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compact {
    bytes: [u8; SCORE_BYTES],
    used: usize,
}

impl Compact {
    pub(crate) fn of(score: Sortable) -> Self {
        let whole = score.score() as i64;
        if whole as f64 != score.score() || whole.unsigned_abs() > WHOLE_MAX {
            return Self {
                bytes: score.to_bytes(),
                used: SCORE_BYTES,
            };
        }
        let sign_bits = whole.leading_zeros().max(whole.leading_ones());
        let used_bits = if whole == 0 { 0 } else { 64 - sign_bits + 1 };
        Self {
            bytes: whole.to_le_bytes(),
            used: used_bits.div_ceil(8) as usize,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Reads one; `None` when the bytes are no score.
    pub(crate) fn read(bytes: &[u8]) -> Option<Sortable> {
        if bytes.len() >= SCORE_BYTES {
            return Sortable::from_bytes(bytes).filter(|_| bytes.len() == SCORE_BYTES);
        }
        let negative = bytes.last().is_some_and(|last| *last >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; SCORE_BYTES];
        whole[..bytes.len()].copy_from_slice(bytes);
        Some(Sortable::of(i64::from_le_bytes(whole) as f64))
    }
}

/// Reads a score.
pub(crate) fn parse(text: &[u8]) -> Result<f64, Error> {
    f64::from_arg(text).map_err(|_| "score is not a finite number".into())
}

/// Which end of a range a bound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Min,
    Max,
}

/// The least sortable score that is not below a range, of `min`; or that is above it, of `max`. A bound is a number,
/// or one behind `(`, which is itself outside, or `-inf` or `+inf`.
pub(crate) fn bound(text: &[u8], side: Side) -> Result<Sortable, Error> {
    let refused = match side {
        Side::Min => "min is not a number, (number, -inf or +inf",
        Side::Max => "max is not a number, (number, -inf or +inf",
    };
    let (inside, number) = match text {
        b"-inf" => return Ok(Sortable::LEAST),
        b"+inf" | b"inf" => return Ok(Sortable::GREATEST),
        [b'(', number @ ..] => (false, number),
        number => (true, number),
    };
    let sortable = Sortable::of(f64::from_arg(number).map_err(|_| refused)?);
    Ok(match (side, inside) {
        (Side::Min, true) | (Side::Max, false) => sortable,
        (Side::Min, false) | (Side::Max, true) => sortable.next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(Sortable::of(-0.0), Sortable::of(0.0));
    }

    proptest! {
        #[test]
        fn sortable_scores_sort_as_scores(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(Sortable::of(a).cmp(&Sortable::of(b))));
            prop_assert_eq!(Sortable::of(a).score(), a);
            let read = Sortable::from_bytes(&Sortable::of(a).to_bytes());
            prop_assert_eq!(read, a.is_finite().then_some(Sortable::of(a)));
        }

        #[test]
        fn a_compact_score_reads_back(float: f64, whole: i64, shift in 0..64) {
            prop_assume!(float.is_finite());
            for score in [float, (whole >> shift) as f64, 0.0] {
                let score = Sortable::of(score);
                prop_assert_eq!(Compact::read(Compact::of(score).bytes()), Some(score));
            }
            let small = whole >> 57;
            prop_assert!(Compact::of(Sortable::of(small as f64)).bytes().len() <= 1);
        }

        #[test]
        fn bytes_are_a_score_or_refused(bytes: Vec<u8>) {
            let compact = Compact::read(&bytes);
            prop_assert!(compact.is_some() || bytes.len() >= 8);
            prop_assert!(compact.is_none_or(|sortable| sortable.score().is_finite()));
            if let Some(sortable) = Sortable::from_bytes(&bytes) {
                prop_assert_eq!(&sortable.to_bytes()[..], &bytes[..8]);
            }
        }
    }
}
