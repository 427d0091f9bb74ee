//! Big values in answers: they are sent from the store's memory.

use std::sync::Arc;

use super::shared::Shared;
use crate::store::{PINNED_BYTES_MIN, Pinned, Store, ValueRef};

/// A value that belongs into the output.
#[derive(Debug)]
pub struct Sent {
    /// Where in the output, in bytes.
    pub at: usize,
    /// What is not in the output.
    pub value: Box<Pinned>,
}

impl Shared {
    /// Puts a value into an answer: its bytes, or, of a big one, the place where it is to be sent from the store.
    #[inline]
    pub(super) fn put_value(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<Sent> {
        // Scripts that handle a `get` would be asked about its other keys once more after each value sent.
        if value.len() >= PINNED_BYTES_MIN && !self.lua_main {
            let sent = send(&self.store, &value, out);
            if sent.is_some() {
                return sent;
            }
        }
        value.append_to(out);
        None
    }
}

#[cold]
fn send(store: &Arc<Store>, value: &ValueRef<'_>, out: &mut Vec<u8>) -> Option<Sent> {
    let value = Box::new(store.pin(value, out)?);
    Some(Sent {
        at: out.len(),
        value,
    })
}
