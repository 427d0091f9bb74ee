//! The loop over binary requests.

use super::Connection;
use super::upload;
use crate::cache::calls::LaneJob;
use crate::cache::flow::Executor;
use crate::cache::next::{Next, Step};
use crate::cache::wire::{OUT_BYTES_MAX, binary as wire};
use crate::protocol::binary::{self, Parsed, Status};

/// Executes the requests of `input` from `at` on.
pub(super) fn execute(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    input: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
) -> Step<Box<LaneJob>> {
    let limits = x.ops.shared.protocol_limits;
    let behind = !x.waiting.is_empty();
    let asks = x.ops.shared.host.asks_for_sasl();
    while at < input.len() {
        if out.len() > OUT_BYTES_MAX || x.calls.turn.is_over() {
            return Next::Write.after(at);
        }
        x.calls.forget_names();
        // A client that is not logged in gets no memory: its other requests are refused by their header.
        let parsed = match asks && !connection.authenticated {
            true => binary::parse_before_login(&input[at..], &limits),
            false => binary::parse(&input[at..], &limits),
        };
        match parsed {
            Parsed::Incomplete { needed } => return Next::Read { needed }.after(at),
            Parsed::Request { request, consumed } => {
                if behind && wire::must_wait(x, &request.command) {
                    return Next::Wait.after(at);
                }
                at += consumed;
                let flow = wire::request(x, &mut connection.authenticated, &request, out);
                if let Some(next) = connection.stop(flow, x, out) {
                    return next.after(at);
                }
            }
            Parsed::Announced { .. } | Parsed::TooLarge(_) if behind => {
                return Next::Wait.after(at);
            }
            Parsed::Announced {
                request,
                consumed,
                len,
            } => {
                if !upload::begin_binary(x, connection, &request, len) {
                    return Next::Read {
                        needed: consumed + len,
                    }
                    .after(at);
                }
                match upload::go_on(x, connection, input, at + consumed, out) {
                    Ok(next) => at = next,
                    Err(step) => return step,
                }
            }
            Parsed::Error(refusal) if refusal.close && behind => return Next::Wait.after(at),
            Parsed::Error(refusal) => {
                if let Some((echo, status)) = refusal.answer {
                    let unauthenticated = status == Status::AuthError;
                    let errors = &x.ops.counters.auth_errors;
                    errors.add_alone(unauthenticated.into());
                    echo.error(out, status);
                }
                at += refusal.consumed;
                if refusal.close {
                    return Next::Refuse.after(at);
                }
                at = connection.skip(refusal.swallow, input, at);
            }
            Parsed::TooLarge(refused) => {
                wire::too_large(x, &refused, out);
                at = connection.skip(refused.swallow, input, at + refused.consumed);
            }
        }
    }
    Next::Read {
        needed: binary::HEADER_BYTES,
    }
    .after(at)
}
