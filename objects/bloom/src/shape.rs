//! How many blocks and how many bits for each element a filter takes, and what is stored of it.
//!
//! ```text
//!  ┌───────────────┬──────────┬────────┬────────┬──────┐
//!  │ random number │ capacity │ added  │ blocks │ bits │   the opaque value, little endian
//!  │ u64           │ u64      │ u64    │ u32    │ u8   │
//!  └───────────────┴──────────┴────────┴────────┴──────┘
//! ```

use std::f64::consts::LN_2;

use cacheismo_sdk::{Error, Object, Stop};

use crate::bits::{BLOCK_BITS, BLOCK_BYTES};

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this bloom is damaged; delete it";

/// Largest filter: a gibibyte.
const BLOCKS_MAX: u32 = (1 << 30) / BLOCK_BYTES as u32;
/// Most bits for an element: as many as the smallest share of errors takes, and some.
const BITS_MAX: u8 = 32;
/// Smallest share of errors. Fewer would take blocks that are nearly empty.
const ERROR_MIN: f64 = 1e-6;
/// Largest share of errors.
const ERROR_MAX: f64 = 0.5;

/// What a filter is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) blocks: u32,
    /// Bits that an element sets.
    pub(crate) bits: u8,
}

impl Shape {
    /// The smallest filter for so many elements with so small a share of errors.
    ///
    /// Some blocks get more elements than others, and those make more errors than the others save. So a filter in blocks
    /// takes some per cent more bits than the formula for one without says: they are added until what is to be
    /// expected is within the share.
    pub(crate) fn of(capacity: u64, error: f64) -> Result<Self, Error> {
        if !(ERROR_MIN..=ERROR_MAX).contains(&error) {
            return Err("error is not 0.000001 to 0.5".into());
        }
        if capacity == 0 {
            return Err("capacity is 0".into());
        }
        let bits = (-error.ln() / LN_2).ceil().clamp(1.0, f64::from(BITS_MAX));
        let mut blocks = capacity as f64 * -error.ln() / (LN_2 * LN_2) / BLOCK_BITS as f64;
        loop {
            let whole = blocks.ceil().max(1.0);
            if whole > f64::from(BLOCKS_MAX) {
                return Err("a filter of that many elements is larger than 1 GiB".into());
            }
            if expected_error(capacity as f64 / whole, bits) <= error {
                return Ok(Self {
                    blocks: whole as u32,
                    bits: bits as u8,
                });
            }
            blocks = whole.max(blocks * 1.02) + if whole < 50.0 { 1.0 } else { 0.0 };
        }
    }
}

/// The share of errors when a block has so many elements on average: blocks are filled as a Poisson distribution says.
fn expected_error(mean: f64, bits: f64) -> f64 {
    let most = (mean + 12.0 * mean.sqrt() + 12.0) as u32;
    // Logarithms, as the chance of no element at all may be too small for a double.
    let mut chance_ln = -mean;
    let mut error = 0.0;
    for elements in 1..=most {
        chance_ln += (mean / f64::from(elements)).ln();
        let unset_ln = bits * f64::from(elements) * (-1.0 / BLOCK_BITS as f64).ln_1p();
        error += chance_ln.exp() * (1.0 - unset_ln.exp()).powf(bits);
    }
    error
}

/// A filter as it is stored, without its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) seed: u64,
    pub(crate) capacity: u64,
    pub(crate) added: u64,
    pub(crate) shape: Shape,
}

impl Filter {
    const BYTES: usize = 29;

    pub(crate) fn new(shape: Shape, capacity: u64, seed: u64) -> Self {
        Self {
            seed,
            capacity,
            added: 0,
            shape,
        }
    }

    /// Reads it; `None` when there is no filter.
    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let filter = Self {
            seed: word(0),
            capacity: word(8),
            added: word(16),
            shape: Shape {
                blocks: u32::from_le_bytes(std::array::from_fn(|i| bytes[24 + i])),
                bits: bytes[28],
            },
        };
        let Shape { blocks, bits } = filter.shape;
        let sound = length == Self::BYTES
            && (1..=BLOCKS_MAX).contains(&blocks)
            && (1..=BITS_MAX).contains(&bits);
        sound.then_some(Some(filter)).ok_or(DAMAGED.into())
    }

    pub(crate) fn store(&self, o: &mut Object) {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.added.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.shape.blocks.to_le_bytes());
        bytes[28] = self.shape.bits;
        o.set_value(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_in_blocks_takes_little_more_than_one_without() {
        for (error, more) in [(0.1, 1.04), (0.01, 1.08), (0.001, 1.16), (1e-6, 1.6)] {
            let shape = Shape::of(1_000_000, error).expect("a shape");
            let bits = f64::from(shape.blocks) * BLOCK_BITS as f64 / 1e6;
            let least = -f64::ln(error) / (LN_2 * LN_2);
            assert!(
                bits < least * more,
                "{error}: {bits} bits, at least {least}"
            );
        }
    }

    #[test]
    fn every_capacity_has_a_shape_or_is_refused() {
        for capacity in [1, 2, 10, 1000, 123_456, 100_000_000] {
            for error in [0.5, 0.03, 1e-6] {
                let shape = Shape::of(capacity, error).expect("a shape");
                assert!(
                    expected_error(capacity as f64 / f64::from(shape.blocks), shape.bits.into())
                        <= error
                );
            }
        }
        for (capacity, error) in [(0, 0.1), (1, 0.0), (1, 0.6), (1, 1e-7), (u64::MAX, 0.1)] {
            assert!(Shape::of(capacity, error).is_err(), "{capacity} {error}");
        }
    }
}
