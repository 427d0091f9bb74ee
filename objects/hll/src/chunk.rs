//! A chunk: 256 registers in one field, whose name is the number of the chunk in one byte. A chunk whose registers are all 0
//! has no field.
//!
//! ```text
//!  ┌──────┬──────┐
//!  │ slot │ rank │ ...  sparse: up to 95 registers that are not 0, by slot, a byte each
//!  └──────┴──────┘
//!  ┌───────────────────┐
//!  │ 256 times 6 bits  │  dense: all registers, the first in the lowest bits of the first byte, 192 bytes
//!  └───────────────────┘
//! ```

use cacheismo_sdk::{Object, Stop};

use crate::estimate::DAMAGED;
use crate::hash::RANK_MAX;

/// Chunks of an hll.
pub(crate) const CHUNKS: usize = 64;
/// Registers of a chunk.
pub(crate) const SLOTS: usize = 256;
const DENSE_BYTES: usize = SLOTS * 6 / 8;
/// Longest sparse chunk: shorter than a dense one, so that the length tells which it is.
const SPARSE_BYTES_MAX: usize = DENSE_BYTES - 2;

/// Some neighbouring registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    bytes: [u8; DENSE_BYTES],
    used: usize,
}

impl Chunk {
    const EMPTY: Self = Self {
        bytes: [0; DENSE_BYTES],
        used: 0,
    };

    /// The chunk with these registers.
    pub(crate) fn of(registers: &[u8]) -> Self {
        let mut chunk = Self::EMPTY;
        for (slot, rank) in registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            chunk.set(slot, *rank);
        }
        chunk
    }

    pub(crate) fn load(o: &Object, number: usize) -> Result<Self, Stop> {
        let mut chunk = Self::EMPTY;
        if let Some(length) = o.get_into(&[number as u8], &mut chunk.bytes) {
            chunk.used = length;
            chunk.check()?;
        }
        Ok(chunk)
    }

    /// The chunk of a field, and its number.
    pub(crate) fn read(name: &[u8], bytes: &[u8]) -> Result<(usize, Self), Stop> {
        let [number] = *name else {
            return Err(DAMAGED.into());
        };
        let mut chunk = Self::EMPTY;
        chunk.used = bytes.len();
        chunk
            .bytes
            .get_mut(..bytes.len())
            .ok_or(DAMAGED)?
            .copy_from_slice(bytes);
        chunk.check()?;
        let number = usize::from(number);
        if number < CHUNKS {
            Ok((number, chunk))
        } else {
            Err(DAMAGED.into())
        }
    }

    /// Whether the bytes are a chunk. Six bits hold ranks that there are not; those are read as the highest there is.
    fn check(&self) -> Result<(), Stop> {
        let sparse = || {
            let (pairs, rest) = self.bytes.get(..self.used)?.as_chunks::<2>();
            let ranks = pairs.iter().all(|[_, rank]| (1..=RANK_MAX).contains(rank));
            let sorted = pairs.is_sorted_by(|[a, _], [b, _]| a < b);
            (rest.is_empty() && ranks && sorted && self.used > 0).then_some(())
        };
        if self.is_dense() {
            return Ok(());
        }
        Ok(sparse().ok_or(DAMAGED)?)
    }

    pub(crate) fn store(&self, o: &mut Object, number: usize) {
        o.put(&[number as u8], &self.bytes[..self.used]);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn is_dense(&self) -> bool {
        self.used == DENSE_BYTES
    }

    fn pairs(&self) -> &[[u8; 2]] {
        self.bytes[..self.used].as_chunks().0
    }

    fn find(&self, slot: usize) -> Result<usize, usize> {
        self.pairs()
            .binary_search_by_key(&slot, |[slot, _]| usize::from(*slot))
    }

    /// The rank of a register.
    pub(crate) fn get(&self, slot: usize) -> u8 {
        if !self.is_dense() {
            return self.find(slot).map_or(0, |at| self.pairs()[at][1]);
        }
        let bits = self.word(slot) >> (6 * slot % 8);
        (bits as u8 & 0x3f).min(RANK_MAX)
    }

    /// The two bytes in which a register is; the last one is in one alone.
    fn word(&self, slot: usize) -> u16 {
        let at = 6 * slot / 8;
        u16::from_le_bytes([self.bytes[at], self.bytes.get(at + 1).copied().unwrap_or(0)])
    }

    /// Sets a register to a rank above 0.
    pub(crate) fn set(&mut self, slot: usize, rank: u8) {
        if !self.is_dense() {
            match self.find(slot) {
                Ok(at) => self.bytes[2 * at + 1] = rank,
                Err(at) if self.used < SPARSE_BYTES_MAX => {
                    self.bytes.copy_within(2 * at..self.used, 2 * at + 2);
                    self.bytes[2 * at..][..2].copy_from_slice(&[slot as u8, rank]);
                    self.used += 2;
                }
                Err(_) => {
                    self.make_dense();
                    self.set(slot, rank);
                }
            }
            return;
        }
        let (at, shift) = (6 * slot / 8, 6 * slot % 8);
        let word = self.word(slot) & !(0x3f << shift) | u16::from(rank) << shift;
        let [low, high] = word.to_le_bytes();
        self.bytes[at] = low;
        if let Some(byte) = self.bytes.get_mut(at + 1) {
            *byte = high;
        }
    }

    fn make_dense(&mut self) {
        let sparse = std::mem::replace(self, Self::EMPTY);
        self.used = DENSE_BYTES;
        for [slot, rank] in sparse.pairs() {
            self.set(usize::from(*slot), *rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn registers_are_those_of_an_array(sets in prop::collection::vec((0..SLOTS, 1..=RANK_MAX), 0..400)) {
            let mut chunk = Chunk::EMPTY;
            let mut array = [0; SLOTS];
            for (slot, rank) in sets {
                chunk.set(slot, rank);
                array[slot] = rank;
                let some = [0, slot, 255 - slot, 255];
                prop_assert!(some.iter().all(|slot| chunk.get(*slot) == array[*slot]));
            }
            prop_assert!((0..SLOTS).all(|slot| chunk.get(slot) == array[slot]));
            prop_assert_eq!(chunk.is_dense(), array.iter().filter(|rank| **rank > 0).count() > 95);
            prop_assert_eq!(Chunk::of(&array), chunk.clone());
            if !chunk.is_empty() {
                let read = Chunk::read(&[5], &chunk.bytes[..chunk.used]);
                prop_assert_eq!(read, Ok((5, chunk)));
            }
        }

        #[test]
        fn any_bytes_are_a_chunk_or_refused(number: u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((number, chunk)) = Chunk::read(&[number], &bytes) {
                prop_assert!(number < CHUNKS);
                prop_assert!((0..SLOTS).all(|slot| chunk.get(slot) <= RANK_MAX));
            }
        }
    }
}
