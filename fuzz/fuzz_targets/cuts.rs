//! Places at which a parser's input is cut.

/// Most places for one input: to try each would take the square of its length.
const CUTS_MAX: usize = 32;

/// Ends of prefixes of `input`, all of them when it is short. The bytes of a long one choose which.
pub fn ends(input: &[u8]) -> impl Iterator<Item = usize> {
    let step = input.len().div_ceil(CUTS_MAX).max(1);
    let sum = input.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    (sum % step..input.len()).step_by(step)
}
