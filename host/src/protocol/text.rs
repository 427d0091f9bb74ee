//! One text command from the front of a buffer.

use super::{Limits, Parsed};

/// Reads one text command, classic or meta, from the front of `input`, which may end anywhere.
pub fn parse_text<'a>(input: &'a [u8], _limits: &Limits) -> Parsed<'a> {
    Parsed::Incomplete {
        needed: input.len() + 1,
    }
}
