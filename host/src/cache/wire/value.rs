//! Large values in answers: they are sent from the store's memory.

use crate::cache::flow::{Flow, GO_ON, Halt};
use crate::cache::shared::Shared;
use crate::store::{PINNED_BYTES_MIN, Pinned, ValueRef};

/// Puts a value into an answer. If the value is to be sent from the store, only its first bytes are put there, and the
/// rest is returned.
#[inline]
pub(super) fn put(shared: &Shared, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<Box<Pinned>> {
    if value.len() < PINNED_BYTES_MIN {
        value.append_to(out);
        return None;
    }
    put_big(shared, value, out)
}

#[cold]
fn put_big(shared: &Shared, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<Box<Pinned>> {
    // Scripts that handle a `get` would be asked about its other keys once more after each value sent.
    if !shared.lua_main
        && let Some(pinned) = shared.store.pin(&value, out)
    {
        return Some(Box::new(pinned));
    }
    value.append_to(out);
    None
}

/// What to do after a value and then `end` were put into `out`.
#[inline]
pub(super) fn after(value: Option<Box<Pinned>>, out: &[u8], end: &str) -> Flow {
    match value {
        None => GO_ON,
        Some(value) => send(value, out, end),
    }
}

#[cold]
fn send(value: Box<Pinned>, out: &[u8], end: &str) -> Flow {
    Halt::Send(out.len() - end.len(), value).now()
}
