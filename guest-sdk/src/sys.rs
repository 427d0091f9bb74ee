//! The one door to the host: the imports of the ABI behind safe functions, and the way in.
//!
//! Every pointer handed to the host is that of a Rust slice with its length. The host is trusted
//! to read `ptr..ptr + len` or write at most `cap` bytes, only during the call, as the ABI says;
//! it checks the range itself. The host never calls into the module while the module calls it.
#![expect(
    unsafe_code,
    reason = "imports and statics written by the host cannot be reached otherwise"
)]

use std::cell::UnsafeCell;
use std::slice;
use std::sync::Once;

use cacheismo_abi::FAILED;

use crate::args::Args;
use crate::call::run;
use crate::cell::ValueCell;
use crate::{Error, Object, Reply};

mod raw {
    #[link(wasm_import_module = "cacheismo_1")]
    unsafe extern "C" {
        pub(super) safe fn object_exists(h: i32) -> i32;
        pub(super) safe fn object_create(h: i32) -> i32;
        pub(super) safe fn object_delete(h: i32) -> i32;
        pub(crate) safe fn object_ttl(h: i32) -> i64;
        pub(super) safe fn object_ttl_set(h: i32, ms: i64) -> i32;
        pub(crate) safe fn field_count(h: i32) -> i64;
        pub(crate) safe fn field_clear(h: i32);
        pub(crate) safe fn now_ms() -> i64;
        pub(crate) safe fn utc_offset_s(unix_s: i64) -> i32;
        pub(super) safe fn random() -> i64;
        pub(super) fn object_open(t: *const u8, tl: usize, k: *const u8, kl: usize) -> i32;
        pub(super) fn value_get(h: i32, offset: i32, out: *mut u8, cap: usize) -> i32;
        pub(super) fn value_set(h: i32, v: *const u8, vl: usize);
        pub(super) fn field_get(h: i32, k: *const u8, kl: usize, out: *mut u8, cap: usize) -> i32;
        pub(super) fn field_put(h: i32, k: *const u8, kl: usize, v: *const u8, vl: usize) -> i32;
        pub(super) fn field_update(h: i32, k: *const u8, kl: usize, v: *const u8, vl: usize)
        -> i32;
        pub(super) fn field_delete(h: i32, k: *const u8, kl: usize) -> i32;
        pub(super) fn field_scan(
            h: i32,
            from: *const u8,
            len: usize,
            flags: i32,
            out: *mut u8,
            cap: usize,
        ) -> i32;
        pub(super) fn fail(text: *const u8, len: usize);
        pub(super) fn reply(bytes: *const u8, len: usize);
        pub(super) fn reply_field(h: i32, k: *const u8, kl: usize, b: *const u8, bl: usize) -> i32;
        pub(super) fn log(level: i32, text: *const u8, len: usize);
    }
}

pub(crate) use raw::{field_clear, field_count, now_ms, object_ttl, utc_offset_s};

#[inline]
pub(crate) fn object_exists(h: i32) -> bool {
    raw::object_exists(h) != 0
}

#[inline]
pub(crate) fn object_create(h: i32) -> bool {
    raw::object_create(h) != 0
}

#[inline]
pub(crate) fn object_delete(h: i32) -> bool {
    raw::object_delete(h) != 0
}

#[inline]
pub(crate) fn object_ttl_set(h: i32, ms: i64) -> bool {
    raw::object_ttl_set(h, ms) != 0
}

#[inline]
pub(crate) fn random() -> u64 {
    raw::random().cast_unsigned()
}

#[inline]
pub(crate) fn object_open(type_name: &[u8], key: &[u8]) -> i32 {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::object_open(type_name.as_ptr(), type_name.len(), key.as_ptr(), key.len()) }
}

#[inline]
pub(crate) fn value_get(h: i32, offset: i32, out: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most `out.len()` bytes into `out`, which is borrowed mutably.
    unsafe { raw::value_get(h, offset, out.as_mut_ptr(), out.len()) }
}

#[inline]
pub(crate) fn value_set(h: i32, value: &[u8]) {
    // SAFETY: the host only reads `value`, and only during the call.
    unsafe { raw::value_set(h, value.as_ptr(), value.len()) }
}

#[inline]
pub(crate) fn field_get(h: i32, field: &[u8], out: &mut [u8]) -> i32 {
    // SAFETY: the host reads `field` and writes at most `out.len()` bytes into `out`, which is
    // borrowed mutably and so does not overlap it.
    unsafe { raw::field_get(h, field.as_ptr(), field.len(), out.as_mut_ptr(), out.len()) }
}

#[inline]
pub(crate) fn field_put(h: i32, field: &[u8], value: &[u8]) -> bool {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::field_put(h, field.as_ptr(), field.len(), value.as_ptr(), value.len()) != 0 }
}

#[inline]
pub(crate) fn field_update(h: i32, field: &[u8], value: &[u8]) -> i32 {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::field_update(h, field.as_ptr(), field.len(), value.as_ptr(), value.len()) }
}

#[inline]
pub(crate) fn field_delete(h: i32, field: &[u8]) -> bool {
    // SAFETY: the host only reads `field`, and only during the call.
    unsafe { raw::field_delete(h, field.as_ptr(), field.len()) != 0 }
}

#[inline]
pub(crate) fn field_scan(h: i32, from: &[u8], flags: i32, out: &mut [u8]) -> i32 {
    // SAFETY: the host reads `from` and writes at most `out.len()` bytes into `out`, which is
    // borrowed mutably and so does not overlap it.
    unsafe {
        raw::field_scan(
            h,
            from.as_ptr(),
            from.len(),
            flags,
            out.as_mut_ptr(),
            out.len(),
        )
    }
}

#[inline]
pub(crate) fn fail(text: &[u8]) {
    // SAFETY: the host only reads `text`, and only during the call.
    unsafe { raw::fail(text.as_ptr(), text.len()) }
}

#[inline]
pub(crate) fn reply(bytes: &[u8]) {
    // SAFETY: the host only reads `bytes`, and only during the call.
    unsafe { raw::reply(bytes.as_ptr(), bytes.len()) }
}

#[inline]
pub(crate) fn reply_field(h: i32, field: &[u8], before: &[u8]) -> i32 {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe {
        raw::reply_field(
            h,
            field.as_ptr(),
            field.len(),
            before.as_ptr(),
            before.len(),
        )
    }
}

#[inline]
pub(crate) fn log(level: i32, text: &[u8]) {
    // SAFETY: the host only reads `text`, and only during the call.
    unsafe { raw::log(level, text.as_ptr(), text.len()) }
}

/// A static that the host writes between calls and [`enter`] borrows during one.
#[repr(C, align(8))]
pub struct Scratch<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: a module has one thread; nothing else can refer to the static at the same time.
unsafe impl<const BYTES: usize> Sync for Scratch<BYTES> {}

impl<const BYTES: usize> Scratch<BYTES> {
    /// Zeroed, which takes no room in the module.
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
        // SAFETY: the host calls one export at a time and imports never call back, so it writes into
        // the static only after this borrow has ended. It is bytes, and the length is cut to what
        // there is.
        unsafe { slice::from_raw_parts(scratch.0.get().cast::<u8>(), (len as usize).min(BYTES)) }
    };
    // SAFETY: one call at a time, and only this function refers to the static, so the borrow is
    // the only one. The host reads it when this call has returned.
    let buffer = unsafe { &mut *ANSWER.0.get() };
    let returned = match run(packed, buffer, cell, handler) {
        Some(tail) => (tail.as_ptr().expose_provenance() as i64) << 32 | tail.len() as i64,
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

/// Gives their memory back at the end of the call.
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
