//! The way in: what the exports of a module do before and after a function of the type.
//!
//! The host writes arguments while no code of the module runs, into a static or into memory that it asked for. It never
//! calls into the module while the module calls it.
#![expect(
    unsafe_code,
    reason = "statics written by the host cannot be reached otherwise"
)]

use std::cell::UnsafeCell;
use std::slice;
use std::sync::Once;

use cacheismo_abi::{FAILED, REFUSED};

use crate::args::Args;
use crate::call::run;
use crate::cell::ValueCell;
use crate::sys::fail;
use crate::{Error, Object, Reply};

/// A static that the host writes between calls and [`enter`] borrows during one.
#[repr(C, align(8))]
pub struct Scratch<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: a module has one thread; nothing else can refer to the static at the same time.
unsafe impl<const BYTES: usize> Sync for Scratch<BYTES> {}

impl<const BYTES: usize> Scratch<BYTES> {
    /// A buffer of zeroes, which takes no room in the module.
    #[expect(
        clippy::new_without_default,
        reason = "it exists only as a static, which needs const"
    )]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }
}

/// Room for arguments longer than the scratch buffer, taken for one call.
struct Reserved(UnsafeCell<Vec<u8>>);

// SAFETY: a module has one thread.
unsafe impl Sync for Reserved {}

static RESERVED: Reserved = Reserved(UnsafeCell::new(Vec::new()));
/// The tail of an answer, read by the host after the call.
static ANSWER: Scratch<4096> = Scratch::new();

/// The body of the export `cacheismo_reserve`.
pub fn reserve(len: i32) -> *mut u8 {
    // SAFETY: the host calls this between calls, when nothing borrows the static (see `enter`).
    let reserved = unsafe { &mut *RESERVED.0.get() };
    reserved.clear();
    reserved.resize(usize::try_from(len).unwrap_or(0), 0);
    reserved.as_mut_ptr()
}

/// The body of every `fn:` export: finds the arguments, runs the handler, says where the answer is.
#[inline(always)]
pub fn enter<const BYTES: usize>(
    len: i32,
    scratch: &'static Scratch<BYTES>,
    cell: Option<&'static ValueCell>,
    handler: impl for<'c> FnOnce(&mut Object<'c>, Args<'c>, &mut Reply<'c>) -> Result<(), Error>,
) -> i64 {
    report_panics();
    let packed = if len < 0 {
        reserved(len.unsigned_abs() as usize)
    } else {
        // SAFETY: the host calls one export at a time and imports never call back, so it writes into the
        // static only after this borrow has ended. Any bytes are valid, and the length is cut to what there
        // is.
        unsafe { slice::from_raw_parts(scratch.0.get().cast::<u8>(), (len as usize).min(BYTES)) }
    };
    // SAFETY: one call at a time, and only this function refers to the static, so the borrow is
    // the only one. The host reads it when this call has returned.
    let buffer = unsafe { &mut *ANSWER.0.get() };
    let returned = match run(packed, buffer, cell, handler) {
        Some((tail, refused)) => {
            let reply = (tail.as_ptr().expose_provenance() as i64) << 32 | tail.len() as i64;
            reply | i64::from(refused) * REFUSED
        }
        None => FAILED,
    };
    if len < 0 {
        free_reserved();
    }
    returned
}

/// The arguments that were too long for the scratch buffer.
#[cold]
#[inline(never)]
fn reserved(len: usize) -> &'static [u8] {
    // SAFETY: the host calls one export at a time and imports never call back, so the vector changes
    // only when the call has ended and what was borrowed here is no longer used.
    let reserved = unsafe { &*RESERVED.0.get() };
    reserved.get(..len).unwrap_or_default()
}

/// Gives the memory of the long arguments back at the end of the call.
#[cold]
#[inline(never)]
fn free_reserved() {
    // SAFETY: as in `reserved`; the call has ended.
    unsafe { *RESERVED.0.get() = Vec::new() }
}

/// Makes a panic tell the host what and where before it traps. Once per instance.
#[inline(always)]
fn report_panics() {
    static ONCE: Once = Once::new();
    if !ONCE.is_completed() {
        set_hook(&ONCE);
    }
}

#[cold]
#[inline(never)]
fn set_hook(once: &Once) {
    once.call_once(|| std::panic::set_hook(Box::new(|panic| fail(panic.to_string().as_bytes()))));
}
