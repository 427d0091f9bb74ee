//! When there is no memory for the rest of a command: it is refused, and what is still to come of it is skipped.

use super::Connection;
use crate::cache::calls::LaneJob;
use crate::cache::flow::Executor;
use crate::cache::next::{Next, Step};
use crate::cache::wire::{binary as binary_wire, text as text_wire};
use crate::protocol::{Limits, Parsed, binary, parse_text, reply};

/// Refuses the command that `input` begins. A client whose value can be skipped stays; another one is closed, since nobody
/// knows where its next command begins.
pub(super) fn refuse(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Step<Box<LaneJob>> {
    // With no room for any value, the parser says where a value ends instead of asking for all of it.
    let limits = Limits {
        value_bytes_max: 0,
        ..x.ops.shared.protocol_limits
    };
    let (consumed, swallow) = match connection.binary {
        Some(true) => match binary::parse(input, &limits) {
            binary::Parsed::TooLarge(refused) => {
                binary_wire::no_memory(x, &refused, out);
                (refused.consumed, refused.swallow)
            }
            _ => return Next::Refuse.after(0),
        },
        _ => match parse_text(input, &limits) {
            Parsed::TooLarge(refused) => {
                text_wire::no_memory(x, &refused, out);
                (refused.consumed, refused.swallow)
            }
            _ => {
                out.extend_from_slice(reply::OUT_OF_MEMORY_READING.as_bytes());
                return Next::Refuse.after(0);
            }
        },
    };
    let at = connection.skip(swallow, input, consumed);
    Next::Read { needed: 1 }.after(at)
}
