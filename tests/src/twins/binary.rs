//! Requests of the binary protocol.

use super::operation::{Answer, Operation, Request, Verb};
use crate::client::show;

/// Length of a message's fixed part in bytes.
pub const HEADER_BYTES: usize = 24;
/// Mark of the operation's messages.
const OPAQUE: u32 = 0x0a0b_0c0d;
/// Mark of the noop behind the operation.
const FENCE: u32 = 0xdead_beef;
const NOOP: u8 = 0x0a;
/// Exptime of arithmetic that does not create.
const NO_CREATE: u32 = u32::MAX;

/// The request as bytes; `None` when the dialect does not have it. `with_key` chooses the gets that show the key.
#[must_use]
pub fn encode(request: &Request<'_>, with_key: bool) -> Option<Vec<u8>> {
    if !request.meta_flags.is_empty() {
        return None;
    }
    let token = |cas: &Option<super::operation::Token>| {
        cas.map_or(0, |token| token.number(request.present))
    };
    let quiet = |loud: u8, quiet: u8| if request.quiet { quiet } else { loud };
    let (opcode, extras, value, cas): (u8, Vec<u8>, &[u8], u64) = match request.operation {
        Operation::Get { touch: None, .. } => match with_key {
            false => (quiet(0x00, 0x09), vec![], &[], 0),
            true => (quiet(0x0c, 0x0d), vec![], &[], 0),
        },
        Operation::Get {
            touch: Some(seconds),
            ..
        } => {
            let extras = seconds.to_be_bytes().to_vec();
            match with_key {
                false => (quiet(0x1d, 0x1e), extras, &[], 0),
                true => (quiet(0x23, 0x24), extras, &[], 0),
            }
        }
        Operation::Store {
            verb,
            flags,
            exptime,
            value,
            cas,
        } => {
            let extras = [flags.to_be_bytes(), exptime.to_be_bytes()].concat();
            let (opcode, extras) = match verb {
                Verb::Set => (quiet(0x01, 0x11), extras),
                Verb::Add => (quiet(0x02, 0x12), extras),
                Verb::Replace => (quiet(0x03, 0x13), extras),
                Verb::Append => (quiet(0x0e, 0x19), vec![]),
                Verb::Prepend => (quiet(0x0f, 0x1a), vec![]),
            };
            (opcode, extras, value, token(cas))
        }
        Operation::Delete { cas } => (quiet(0x04, 0x14), vec![], &[], token(cas)),
        Operation::Arith {
            down,
            delta,
            create,
            cas,
        } => {
            let opcode = if *down {
                quiet(0x06, 0x16)
            } else {
                quiet(0x05, 0x15)
            };
            let (first, seconds) = create.unwrap_or((0, NO_CREATE));
            let numbers = [delta.to_be_bytes(), first.to_be_bytes()].concat();
            let extras = [&numbers[..], &seconds.to_be_bytes()].concat();
            (opcode, extras, &[], token(cas))
        }
        Operation::Touch(_) if request.quiet => return None,
        Operation::Touch(seconds) => (0x1c, seconds.to_be_bytes().to_vec(), &[], 0),
        Operation::Flush => {
            return Some(message(quiet(0x08, 0x18), b"", &[], b"", 0, OPAQUE));
        }
    };
    let key = request.key.as_bytes();
    Some(message(opcode, key, &extras, value, cas, OPAQUE))
}

/// A noop whose answer ends whatever a request answers.
#[must_use]
pub fn fence() -> Vec<u8> {
    message(NOOP, b"", b"", b"", 0, FENCE)
}

fn message(opcode: u8, key: &[u8], extras: &[u8], value: &[u8], cas: u64, opaque: u32) -> Vec<u8> {
    let body = (extras.len() + key.len() + value.len()) as u32;
    let mut bytes = vec![0x80, opcode];
    bytes.extend((key.len() as u16).to_be_bytes());
    bytes.extend([extras.len() as u8, 0, 0, 0]);
    bytes.extend(body.to_be_bytes());
    bytes.extend(opaque.to_be_bytes());
    bytes.extend(cas.to_be_bytes());
    [&bytes, extras, key, value].concat()
}

/// Length of the first message of `bytes`, once its fixed part is there.
fn message_bytes(bytes: &[u8]) -> Option<usize> {
    let body = bytes.get(8..12)?.try_into().ok()?;
    Some(HEADER_BYTES + u32::from_be_bytes(body) as usize)
}

/// Whether a message is the answer to [`fence`].
#[must_use]
pub fn is_fence(message: &[u8]) -> bool {
    message.get(12..16) == Some(&FENCE.to_be_bytes())
}

/// What the bytes of a reply say.
#[must_use]
pub fn decode(request: &Request<'_>, reply: &[u8]) -> Answer {
    if reply.is_empty() {
        return Answer::Silence;
    }
    let other = || Answer::Other(show(reply));
    let ours = reply.first() == Some(&0x81) && reply.get(12..16) == Some(&OPAQUE.to_be_bytes());
    if !ours || message_bytes(reply) != Some(reply.len()) {
        return other();
    }
    let status = u16::from_be_bytes([reply[6], reply[7]]);
    let (extras, key) = (
        usize::from(reply[4]),
        usize::from(u16::from_be_bytes([reply[2], reply[3]])),
    );
    let cas = u64::from_be_bytes(reply[16..24].try_into().expect("eight bytes"));
    let body = &reply[HEADER_BYTES..];
    if status != 0 {
        return failure(request.operation, status, body);
    }
    match request.operation {
        Operation::Get { cas: asked, .. } if extras == 4 => {
            let shown = &body[4..4 + key];
            if !shown.is_empty() && shown != request.key.as_bytes() {
                return other();
            }
            Answer::Value {
                bytes: body[4 + key..].to_vec(),
                flags: u32::from_be_bytes(body[..4].try_into().expect("four bytes")),
                cas: asked.then_some(cas),
            }
        }
        Operation::Arith { .. } => match body.try_into() {
            Ok(number) => Answer::Number(u64::from_be_bytes(number)),
            Err(_) => other(),
        },
        Operation::Touch(_) if extras == 4 => Answer::Done,
        Operation::Store { .. } | Operation::Delete { .. } | Operation::Flush
            if body.is_empty() =>
        {
            Answer::Done
        }
        _ => other(),
    }
}

/// What a status means for an operation: Add and Replace tell why they did not store.
fn failure(operation: &Operation, status: u16, body: &[u8]) -> Answer {
    let verb = match operation {
        Operation::Store {
            verb, cas: None, ..
        } => Some(*verb),
        _ => None,
    };
    match (status, verb) {
        (0x01, _) if matches!(operation, Operation::Get { .. }) => Answer::Miss,
        (0x01, Some(Verb::Replace)) | (0x02, Some(Verb::Add)) | (0x05, _) => Answer::NotStored,
        (0x01, _) => Answer::NotFound,
        (0x02, _) => Answer::Exists,
        (0x03, _) => Answer::TooLarge,
        (0x04, _) => Answer::Invalid(String::from_utf8_lossy(body).into_owned()),
        (0x06, _) => Answer::NonNumeric,
        (0x82, _) => Answer::NoMemory,
        _ => Answer::Other(format!("status {status:#x} {}", show(body))),
    }
}
