//! The hash: Bob Jenkins' `hashlittle` (lookup3, 2006, public domain) with the start value of the original.

/// Start value of every hash.
const SEED: u32 = 0xfeed_deed;

/// Hash of `bytes`, 32 bits.
pub fn hash(bytes: &[u8]) -> u32 {
    // The length counts modulo 2^32, as in C.
    let start = 0xdead_beef_u32
        .wrapping_add(bytes.len() as u32)
        .wrapping_add(SEED);
    let mut state = [start; 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        let (block, after) = rest.split_at(12);
        add(&mut state, block);
        mix(&mut state);
        rest = after;
    }
    if !rest.is_empty() {
        add(&mut state, rest);
        finish(&mut state);
    }
    state[2]
}

/// Adds up to 12 bytes as little endian words, the missing ones as zeros.
fn add(state: &mut [u32; 3], block: &[u8]) {
    let mut padded = [0; 12];
    padded[..block.len()].copy_from_slice(block);
    for (word, bytes) in state.iter_mut().zip(padded.chunks_exact(4)) {
        *word = word.wrapping_add(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    }
}

/// Stirs between two blocks: x -= z, x ^= rot(z), z += y, going round.
fn mix([a, b, c]: &mut [u32; 3]) {
    fn step(x: &mut u32, y: &mut u32, z: &mut u32, bits: u32) {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(bits);
        *z = z.wrapping_add(*y);
    }
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
}

/// Stirs after the last block: x ^= y, x -= rot(y), going round.
fn finish([a, b, c]: &mut [u32; 3]) {
    fn step(x: &mut u32, y: u32, bits: u32) {
        *x = (*x ^ y).wrapping_sub(y.rotate_left(bits));
    }
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn hashes_are_those_of_the_original() {
        for (text, expected) in [
            ("", 0xdd9b_9ddc),
            ("a", 0x45bf_2bd6),
            ("abcd", 0xdb39_96f2),
            ("hello world", 0xbda8_0235),
            ("123456789012", 0xe865_c2cc),
            ("1234567890123", 0xe4e0_95a5),
            ("the quick brown fox jumps", 0x07d7_6906),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text:?}");
        }
    }
}
