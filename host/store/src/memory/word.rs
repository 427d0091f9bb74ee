//! A few bytes as one number, for comparing them at once.

/// The first eight bytes as a little-endian number, zeros behind fewer.
#[inline]
pub(crate) fn word(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk() {
        return u64::from_le_bytes(*first);
    }
    // Two halves overlap where they agree.
    if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
        return u64::from(start) | u64::from(end) << (8 * (bytes.len() - 4));
    }
    match *bytes {
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a] => a.into(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_that_of_the_padded_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut padded = [0; 8];
            let len = bytes.len().min(8);
            padded[..len].copy_from_slice(&bytes[..len]);
            prop_assert_eq!(word(&bytes), u64::from_le_bytes(padded));
        }
    }
}
