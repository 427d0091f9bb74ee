//! Which block and which bits of it an element concerns.
//!
//! A block is a field: its name is the block's number (u32, big endian), its value 256 bytes, bit 0 the lowest of the
//! first byte. A block without a bit has no field.

use cacheismo_sdk::{Object, Stop};

use crate::shape::{DAMAGED, Filter};

/// Bytes of a block: as many as the store keeps beside the name.
pub(crate) const BLOCK_BYTES: usize = 256;
/// Bits of a block.
pub(crate) const BLOCK_BITS: usize = 8 * BLOCK_BYTES;
/// Bits that choose one of those.
const INDEX_BITS: u32 = BLOCK_BITS.ilog2();

/// A block's bytes.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// The place of an element.
pub(crate) struct Bits {
    block: u32,
    count: u8,
    hash: u64,
}

impl Bits {
    pub(crate) fn of(element: &[u8], filter: &Filter) -> Self {
        let hash = hash(filter.seed, element);
        // The upper half, as a fraction of all, chooses the block.
        let block = ((hash >> 32) * u64::from(filter.shape.blocks)) >> 32;
        Self {
            block: block as u32,
            count: filter.shape.bits,
            hash,
        }
    }

    /// The bits, each independent of the others.
    fn indexes(&self) -> impl Iterator<Item = usize> {
        let mut word = self.hash;
        let mut left = 0;
        (0..self.count).map(move |_| {
            if left < INDEX_BITS {
                word = mix(self.hash ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15));
                left = u64::BITS;
            }
            let index = (word >> (u64::BITS - left)) as usize % BLOCK_BITS;
            left -= INDEX_BITS;
            index
        })
    }

    pub(crate) fn load(&self, o: &Object) -> Result<Block, Stop> {
        let mut block = [0; BLOCK_BYTES];
        match o.get_into(&self.block.to_be_bytes(), &mut block) {
            None | Some(BLOCK_BYTES) => Ok(block),
            Some(_) => Err(DAMAGED.into()),
        }
    }

    pub(crate) fn store(&self, o: &mut Object, block: &Block) {
        o.put(&self.block.to_be_bytes(), block);
    }

    /// Sets the bits; true when one was not set.
    pub(crate) fn set(&self, block: &mut Block) -> bool {
        let mut new = false;
        for index in self.indexes() {
            let (byte, bit) = (&mut block[index / 8], 1 << (index % 8));
            new |= *byte & bit == 0;
            *byte |= bit;
        }
        new
    }

    pub(crate) fn are_set(&self, block: &Block) -> bool {
        self.indexes()
            .all(|index| block[index / 8] & (1 << (index % 8)) != 0)
    }
}

/// Multiplies and folds word by word.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: [u8; 8]| {
        let product = (hash ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
        product ^ (product >> 29)
    };
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let start = fold(seed, (bytes.len() as u64).to_le_bytes());
    mix(fold(words.iter().copied().fold(start, fold), last))
}

/// Every bit of the result depends on every bit.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}
