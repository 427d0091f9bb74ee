//! Lengths and counts in as few bytes as they need: seven bits a byte, lowest first, the top bit says that more follow.
//!
//! Only the shortest form is valid, so that equal states are equal bytes.

/// Most bytes that a varint takes: five carry the 32 bits of the largest number.
const BYTES_MAX: usize = 5;

/// Reads the number at `at`, and where the next byte is. `None` when it's cut short, overlong or beyond 32 bits.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((usize::from(first), at + 1));
    }
    read_long(bytes, at)
}

#[cold]
fn read_long(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut number = 0u64;
    for (i, &byte) in bytes.get(at..)?.iter().take(BYTES_MAX).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            let shortest = byte != 0 || i == 0;
            let number = u32::try_from(number).ok().filter(|_| shortest)?;
            return Some((usize::try_from(number).ok()?, at + i + 1));
        }
    }
    None
}

/// How many bytes [`write()`] puts down for `number`.
#[inline]
pub(super) fn len(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Writes `number` at the front of `out`; returns the bytes taken.
///
/// # Panics
/// When `out` is shorter than [`len`] says.
#[inline]
pub(super) fn write(out: &mut [u8], mut number: usize) -> usize {
    debug_assert!(u32::try_from(number).is_ok(), "lengths have 32 bits");
    let mut at = 0;
    while number >= 0x80 {
        out[at] = (number & 0x7f) as u8 | 0x80;
        number >>= 7;
        at += 1;
    }
    out[at] = number as u8;
    at + 1
}

/// Writes `number` at the end of `out`.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_its_shortest_form() {
        let edges = (0..32).flat_map(|bit| [(1usize << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for number in edges.chain([u32::MAX as usize]) {
            let mut out = [0xff; BYTES_MAX];
            let taken = write(&mut out, number);
            assert_eq!(taken, len(number));
            let mut appended = Vec::new();
            append(&mut appended, number);
            assert_eq!(appended, out[..taken]);
            assert_eq!(read(&out, 0), Some((number, taken)));
            assert_eq!(read(&out[..taken - 1], 0), None, "{number} cut short");
        }
    }

    #[test]
    fn overlong_and_oversized_numbers_are_refused() {
        assert_eq!(read(&[0x80, 0x00], 0), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f], 0), None, "33 bits");
        assert_eq!(read(&[0xff; 9], 0), None, "never ends");
        assert_eq!(read(&[], 0), None);
        assert_eq!(read(&[1], 2), None);
    }
}
