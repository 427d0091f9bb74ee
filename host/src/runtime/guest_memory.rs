//! Pointers chosen by a guest, checked. Every one passes through here before a byte is touched.

use super::object_host::Stop;

const OUTSIDE: Stop = Stop::Misuse("pointer outside the linear memory");

/// A guest's pointer and length, as a range that may still lie anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: usize,
    len: usize,
}

impl Span {
    /// The ABI passes addresses and lengths as `i32`, meaning `u32`.
    #[inline]
    pub(super) fn new(pointer: i32, len: i32) -> Span {
        Span {
            start: pointer as u32 as usize,
            len: len as u32 as usize,
        }
    }

    #[inline]
    fn range(self) -> std::ops::Range<usize> {
        // Two 32-bit numbers: the sum fits a 64-bit usize.
        self.start..self.start + self.len
    }

    /// The bytes to read.
    #[inline]
    pub(super) fn of(self, memory: &[u8]) -> Result<&[u8], Stop> {
        memory.get(self.range()).ok_or(OUTSIDE)
    }

    /// The bytes to fill.
    #[inline]
    pub(super) fn of_mut(self, memory: &mut [u8]) -> Result<&mut [u8], Stop> {
        memory.get_mut(self.range()).ok_or(OUTSIDE)
    }
}

/// Bytes to read and bytes to fill at the same time, which must not overlap.
pub(super) fn input_output(
    memory: &mut [u8],
    input: Span,
    output: Span,
) -> Result<(&[u8], &mut [u8]), Stop> {
    // An empty span overlaps nothing, wherever it lies inside the memory.
    if input.len == 0 {
        input.of(memory)?;
        return Ok((&[], output.of_mut(memory)?));
    }
    if output.len == 0 {
        output.of(memory)?;
        return Ok((input.of(memory)?, &mut []));
    }
    match memory.get_disjoint_mut([input.range(), output.range()]) {
        Ok([input, output]) => Ok((input, output)),
        Err(std::slice::GetDisjointMutError::IndexOutOfBounds) => Err(OUTSIDE),
        Err(_) => Err(Stop::Misuse("output overlaps input")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OVERLAP: Stop = Stop::Misuse("output overlaps input");

    #[test]
    fn ends_of_the_memory_are_exact() {
        let mut memory = [7u8; 16];
        assert_eq!(Span::new(0, 16).of(&memory), Ok(&[7u8; 16][..]));
        assert_eq!(Span::new(16, 0).of(&memory), Ok(&[][..]));
        assert_eq!(Span::new(17, 0).of(&memory), Err(OUTSIDE));
        assert_eq!(Span::new(0, 17).of(&memory), Err(OUTSIDE));
        assert_eq!(Span::new(-1, -1).of(&memory), Err(OUTSIDE));
        assert_eq!(Span::new(8, -8).of_mut(&mut memory), Err(OUTSIDE));
    }

    proptest! {
        #[test]
        fn two_spans_agree_with_plain_arithmetic(a in 0i32..20, an in 0i32..20, b in 0i32..20, bn in 0i32..20) {
            let mut memory: Vec<u8> = (0..16).collect();
            let copy = memory.clone();
            let (input, output) = (Span::new(a, an), Span::new(b, bn));
            let inside = a + an <= 16 && b + bn <= 16;
            let overlap = an > 0 && bn > 0 && a < b + bn && b < a + an;
            match input_output(&mut memory, input, output) {
                Ok((i, o)) => {
                    prop_assert!(inside && !overlap);
                    prop_assert_eq!(i, &copy[a as usize..(a + an) as usize]);
                    prop_assert_eq!(&*o, &copy[b as usize..(b + bn) as usize]);
                }
                Err(stop) => {
                    prop_assert!(!inside || overlap);
                    prop_assert!(stop == OUTSIDE || stop == OVERLAP);
                }
            }
        }
    }
}
