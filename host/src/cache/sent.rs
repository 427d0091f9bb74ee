//! Big values in answers: they are sent from the store's memory.

use super::connection::{Flow, Halt};
use super::shared::Shared;
use crate::store::{PINNED_BYTES_MIN, Pinned, ValueRef};

/// A value that belongs into the output.
#[derive(Debug)]
pub struct Sent {
    /// Where in the output, in bytes.
    pub at: usize,
    /// What is not in the output.
    pub value: Box<Pinned>,
}

impl Shared {
    /// Puts a value into an answer. Of a big one that is to be sent from the store only the first bytes are put there.
    #[inline]
    pub(super) fn put_value(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<Box<Pinned>> {
        if value.len() < PINNED_BYTES_MIN {
            value.append_to(out);
            return None;
        }
        self.put_big(value, out)
    }

    #[cold]
    fn put_big(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<Box<Pinned>> {
        // Scripts that handle a `get` would be asked about its other keys once more after each value sent.
        if !self.lua_main
            && let Some(pinned) = self.store.pin(&value, out)
        {
            return Some(Box::new(pinned));
        }
        value.append_to(out);
        None
    }
}

/// What to do after a value was put into `out`, and after it `end`.
#[inline]
pub(super) fn after_value(value: Option<Box<Pinned>>, out: &[u8], end: &str) -> Flow {
    match value {
        None => Flow::Next,
        Some(value) => send(value, out, end),
    }
}

#[cold]
fn send(value: Box<Pinned>, out: &[u8], end: &str) -> Flow {
    let at = out.len() - end.len();
    Halt::Send(Sent { at, value }).into()
}
