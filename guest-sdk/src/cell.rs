//! The value cell: the opaque value of the call's object, where it comes with the call and goes with the answer.
#![expect(
    unsafe_code,
    reason = "the host writes a static between calls and reads it after them"
)]

use std::cell::{Cell, UnsafeCell};

use cacheismo_abi::{ABSENT, VALUE_BYTES, VALUE_ELSEWHERE};

/// The cell as the ABI draws it.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct ValueCell {
    length: Cell<i32>,
    changed: Cell<i32>,
    bytes: UnsafeCell<[u8; VALUE_BYTES]>,
}

// SAFETY: a module has one thread. Elsewhere cells belong to one thread each.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for ValueCell {}

impl ValueCell {
    /// A cell whose value is elsewhere. Hosts that know no cells leave it so.
    #[expect(
        clippy::new_without_default,
        reason = "it exists only as a static, which needs const"
    )]
    pub const fn new() -> Self {
        Self {
            length: Cell::new(VALUE_ELSEWHERE),
            changed: Cell::new(0),
            bytes: UnsafeCell::new([0; VALUE_BYTES]),
        }
    }

    #[inline(always)]
    fn with<R>(&self, length: i32, look: impl FnOnce(&[u8]) -> R) -> R {
        // SAFETY: nothing that is called here writes to the cell.
        let bytes = unsafe { &*self.bytes.get() };
        look(&bytes[..(length.max(0) as usize).min(VALUE_BYTES)])
    }

    /// The value as `value_get` gives it; `None` when the host is to be asked with `value_get`.
    #[inline(always)]
    pub(crate) fn get(&self, offset: usize, out: &mut [u8]) -> Option<i32> {
        let length = self.length.get();
        match length {
            VALUE_ELSEWHERE => None,
            ABSENT => Some(ABSENT),
            _ => self.with(length, |value| {
                let value = value.get(offset..).unwrap_or_default();
                // Mostly `out` is an array as long as the value, and copying a length known to the compiler takes no call.
                match value.get(..out.len()) {
                    Some(start) => out.copy_from_slice(start),
                    None => copy_all(value, out),
                }
                Some(length)
            }),
        }
    }

    /// Sets the value; false when it has to be set with `value_set`.
    #[inline(always)]
    pub(crate) fn set(&self, value: &[u8]) -> bool {
        let here = self.length.get() != VALUE_ELSEWHERE && value.len() <= VALUE_BYTES;
        if here {
            // SAFETY: nothing else refers to the bytes while they are copied.
            unsafe { (&mut *self.bytes.get())[..value.len()].copy_from_slice(value) };
            self.length.set(value.len() as i32);
            self.changed.set(1);
        } else {
            self.length.set(VALUE_ELSEWHERE);
            self.changed.set(0);
        }
        here
    }

    /// Gives a changed value to `keep`, and counts it as unchanged from then on.
    #[inline(always)]
    pub(crate) fn settle(&self, keep: impl FnOnce(&[u8])) {
        if self.changed.replace(0) != 0 {
            self.with(self.length.get(), keep);
        }
    }

    /// Notes that the object is gone, and the value with it.
    #[inline(always)]
    pub(crate) fn forget(&self) {
        // A value that is elsewhere stays there in the cell: the host may be one that knows no cell.
        if self.length.get() != VALUE_ELSEWHERE {
            self.length.set(ABSENT);
        }
        self.changed.set(0);
    }

    /// Puts the value in, as the host does before a call.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn fill(&self, value: Option<&[u8]>) {
        self.length.set(ABSENT);
        if let Some(value) = value {
            self.set(value);
        }
        self.changed.set(0);
    }
}

#[cold]
#[inline(never)]
fn copy_all(value: &[u8], out: &mut [u8]) {
    out[..value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_that_fills_it_the_value_stays_elsewhere() {
        let cell = ValueCell::new();
        let asks = |cell: &ValueCell| {
            cell.settle(|value| panic!("{value:?} was never set here"));
            cell.get(0, &mut [0; 8]).is_none()
        };
        assert!(asks(&cell));
        cell.forget();
        assert!(asks(&cell));
        assert!(!cell.set(b"short") && asks(&cell));
        cell.fill(None);
        assert_eq!(cell.get(0, &mut []), Some(ABSENT));
        assert!(!cell.set(&[0; VALUE_BYTES + 1]) && asks(&cell));
        cell.forget();
        assert!(!cell.set(b"short") && asks(&cell));
    }
}
