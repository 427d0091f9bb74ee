//! Which register an element concerns, and how rare the element is. As in Redis, so that estimates are the same.

/// Bits that choose the register.
const REGISTER_BITS: u32 = 14;
/// Highest rank: all other bits are 0.
pub(crate) const RANK_MAX: u8 = 64 - REGISTER_BITS as u8 + 1;

/// Register, and the rank of the element: one more than the zeros at the end of its hash.
pub(crate) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let register = hash & ((1 << REGISTER_BITS) - 1);
    let rest = (hash >> REGISTER_BITS) | 1 << (64 - REGISTER_BITS);
    (register as usize, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A of Austin Appleby, with the seed that Redis has.
fn murmur(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}
