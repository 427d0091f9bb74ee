//! How many registers have each rank, and what that says about the number of elements.
//!
//! The opaque value is this histogram, 52 numbers of 16 bits, little endian: so an estimate looks at no register.

use std::f64::consts::LN_2;

use cacheismo_sdk::{Object, Stop};

use crate::REGISTERS;
use crate::hash::RANK_MAX;

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this hll is damaged; delete it";

const RANKS: usize = RANK_MAX as usize + 1;
const BYTES: usize = 2 * RANKS;

/// Registers by rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram([u16; RANKS]);

impl Histogram {
    pub(crate) fn empty() -> Self {
        let mut counts = [0; RANKS];
        counts[0] = REGISTERS as u16;
        Self(counts)
    }

    /// The histogram of all registers.
    pub(crate) fn of(registers: &[u8]) -> Result<Self, Stop> {
        let mut histogram = Self::empty();
        for rank in registers.iter().filter(|rank| **rank > 0) {
            histogram.change(0, *rank)?;
        }
        Ok(histogram)
    }

    /// Reads it; `None` when there is no hll.
    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let counts: [u16; RANKS] =
            std::array::from_fn(|rank| u16::from_le_bytes([bytes[2 * rank], bytes[2 * rank + 1]]));
        let registers: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let sound = length == BYTES && registers == REGISTERS;
        sound.then_some(Some(Self(counts))).ok_or(DAMAGED.into())
    }

    pub(crate) fn store(&self, o: &mut Object) {
        let mut bytes = [0; BYTES];
        for (place, count) in bytes.chunks_exact_mut(2).zip(&self.0) {
            place.copy_from_slice(&count.to_le_bytes());
        }
        o.set_value(&bytes);
    }

    /// Notes that a register has another rank.
    pub(crate) fn change(&mut self, old: u8, new: u8) -> Result<(), Stop> {
        let old = self.0.get_mut(usize::from(old)).ok_or(DAMAGED)?;
        *old = old.checked_sub(1).ok_or(DAMAGED)?;
        *self.0.get_mut(usize::from(new)).ok_or(DAMAGED)? += 1;
        Ok(())
    }

    /// The improved estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches": one formula
    /// for few and many elements, without tables.
    pub(crate) fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let count = |rank: usize| f64::from(self.0[rank]);
        let saturated = m * tau((m - count(RANKS - 1)) / m);
        let middle = (1..RANKS - 1).rev();
        let sum = middle.fold(saturated, |sum, rank| (sum + count(rank)) * 0.5);
        let sum = sum + m * sigma(count(0) / m);
        (m * m / (2.0 * LN_2 * sum)).round() as u64
    }
}

/// What registers that are still 0 contribute.
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    if x == 1.0 {
        return f64::INFINITY;
    }
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// What registers that can rise no further contribute.
fn tau(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, 1.0 - x);
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_nothing_and_full_is_much() {
        assert_eq!(Histogram::empty().estimate(), 0);
        let full = Histogram::of(&[RANK_MAX; REGISTERS]).expect("a histogram");
        assert!(full.estimate() > 1 << 60);
    }
}
