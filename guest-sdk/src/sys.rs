//! The one door to the host: the imports of the ABI behind safe functions.
//!
//! Objects use [`Object`](crate::Object) and its kin. The functions here are for those and for an interpreter that
//! brings an API of its own. Each is the import of its name; `cacheismo-abi` lists what they return. The host stops the
//! call with a trap when a handle is none, when a reading function writes, or at a limit.
//!
//! Every pointer handed to the host is that of a Rust slice with its length. The host is trusted
//! to read `ptr..ptr + len` or write at most `cap` bytes, only during the call, as the ABI says;
//! it checks the range itself.
#![expect(
    unsafe_code,
    reason = "imports of the host cannot be reached otherwise"
)]

pub use crate::args::Args;
pub use raw::{field_clear, field_count, item_delete_lru, now_ms, object_ttl, utc_offset_s};

mod raw {
    #[link(wasm_import_module = "cacheismo_1")]
    unsafe extern "C" {
        pub(super) safe fn object_exists(h: i32) -> i32;
        pub(super) safe fn object_create(h: i32) -> i32;
        pub(super) safe fn object_delete(h: i32) -> i32;
        /// Milliseconds that the object has left, or a constant of the ABI.
        pub safe fn object_ttl(h: i32) -> i64;
        pub(super) safe fn object_ttl_set(h: i32, ms: i64) -> i32;
        /// Number of fields, 0 when there is no object.
        pub safe fn field_count(h: i32) -> i64;
        /// Deletes every field.
        pub safe fn field_clear(h: i32);
        /// Milliseconds since 1970, the same during the whole call.
        pub safe fn now_ms() -> i64;
        /// Offset of local time from UTC at that second, in seconds.
        pub safe fn utc_offset_s(unix_s: i64) -> i32;
        pub(super) safe fn random() -> i64;
        pub(super) fn zone_name(unix_s: i64, out: *mut u8, cap: usize) -> i32;
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

    #[link(wasm_import_module = "cacheismo_items_1")]
    unsafe extern "C" {
        /// Evicts at least so many bytes from the tail of the LRU order when the call ends.
        pub safe fn item_delete_lru(bytes: i64);
        pub(super) fn item_get(k: *const u8, kl: usize) -> i32;
        pub(super) fn item_put(
            k: *const u8,
            kl: usize,
            flags: u32,
            expiry: i64,
            v: *const u8,
            vl: usize,
        );
        pub(super) fn item_delete(k: *const u8, kl: usize) -> i32;
        pub(super) fn item_keys(p: *const u8, pl: usize) -> i32;
        pub(super) fn peer_get(r: *const u8, rl: usize) -> i32;
        pub(super) fn result_read(offset: usize, out: *mut u8, cap: usize) -> i32;
    }
}

/// Whether the object exists.
#[inline]
pub fn object_exists(h: i32) -> bool {
    raw::object_exists(h) != 0
}

/// Creates the object empty; false when it was there.
#[inline]
pub fn object_create(h: i32) -> bool {
    raw::object_create(h) != 0
}

/// Deletes the object; false when it was not there.
#[inline]
pub fn object_delete(h: i32) -> bool {
    raw::object_delete(h) != 0
}

/// Sets how long the object lives from now on; false when there is none.
#[inline]
pub fn object_ttl_set(h: i32, ms: i64) -> bool {
    raw::object_ttl_set(h, ms) != 0
}

/// 64 random bits.
#[inline]
pub fn random() -> u64 {
    raw::random().cast_unsigned()
}

/// Copies what fits of the abbreviation of local time's name at that second into `out`: its full length.
#[inline]
pub fn zone_name(unix_s: i64, out: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most `out.len()` bytes into `out`, which is borrowed mutably.
    unsafe { raw::zone_name(unix_s, out.as_mut_ptr(), out.len()) }
}

/// Opens another object: its handle.
#[inline]
pub fn object_open(type_name: &[u8], key: &[u8]) -> i32 {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::object_open(type_name.as_ptr(), type_name.len(), key.as_ptr(), key.len()) }
}

/// Copies what fits of the opaque value into `out`: the value's full length, or negative when there is none.
#[inline]
pub fn value_get(h: i32, offset: i32, out: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most `out.len()` bytes into `out`, which is borrowed mutably.
    unsafe { raw::value_get(h, offset, out.as_mut_ptr(), out.len()) }
}

/// Sets the opaque value.
#[inline]
pub fn value_set(h: i32, value: &[u8]) {
    // SAFETY: the host only reads `value`, and only during the call.
    unsafe { raw::value_set(h, value.as_ptr(), value.len()) }
}

/// Copies what fits of a field's value into `out`: the value's full length, or negative when there is none.
#[inline]
pub fn field_get(h: i32, field: &[u8], out: &mut [u8]) -> i32 {
    // SAFETY: the host reads `field` and writes at most `out.len()` bytes into `out`, which is
    // borrowed mutably and so does not overlap it.
    unsafe { raw::field_get(h, field.as_ptr(), field.len(), out.as_mut_ptr(), out.len()) }
}

/// Sets a field; true when it is new.
#[inline]
pub fn field_put(h: i32, field: &[u8], value: &[u8]) -> bool {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::field_put(h, field.as_ptr(), field.len(), value.as_ptr(), value.len()) != 0 }
}

/// Sets a field of an object that exists: 1 when the field is new, 0 when not, negative when there is no object.
#[inline]
pub fn field_update(h: i32, field: &[u8], value: &[u8]) -> i32 {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe { raw::field_update(h, field.as_ptr(), field.len(), value.as_ptr(), value.len()) }
}

/// Deletes a field; true when it was there.
#[inline]
pub fn field_delete(h: i32, field: &[u8]) -> bool {
    // SAFETY: the host only reads `field`, and only during the call.
    unsafe { raw::field_delete(h, field.as_ptr(), field.len()) != 0 }
}

/// Fills `out` with whole entries: the bytes filled, or minus what the first entry needs.
#[inline]
pub fn field_scan(h: i32, from: &[u8], flags: i32, out: &mut [u8]) -> i32 {
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

/// Tells why a call fails.
#[inline]
pub fn fail(text: &[u8]) {
    // SAFETY: the host only reads `text`, and only during the call.
    unsafe { raw::fail(text.as_ptr(), text.len()) }
}

/// Appends to the reply.
#[inline]
pub fn reply(bytes: &[u8]) {
    // SAFETY: the host only reads `bytes`, and only during the call.
    unsafe { raw::reply(bytes.as_ptr(), bytes.len()) }
}

/// Appends `before` and a field's value to the reply: the value's length, or negative when there is none.
#[inline]
pub fn reply_field(h: i32, field: &[u8], before: &[u8]) -> i32 {
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

/// Writes a line to the server's log.
#[inline]
pub fn log(level: i32, text: &[u8]) {
    // SAFETY: the host only reads `text`, and only during the call.
    unsafe { raw::log(level, text.as_ptr(), text.len()) }
}

/// Parks a plain item for [`result_read`]: the parked length, or negative when there is no such item.
#[inline]
pub fn item_get(key: &[u8]) -> i32 {
    // SAFETY: the host only reads `key`, and only during the call.
    unsafe { raw::item_get(key.as_ptr(), key.len()) }
}

/// Stores a plain item that expires at that millisecond since 1970, or never at -1.
#[inline]
pub fn item_put(key: &[u8], flags: u32, expiry_ms: i64, data: &[u8]) {
    // SAFETY: the host only reads both slices, and only during the call.
    unsafe {
        raw::item_put(
            key.as_ptr(),
            key.len(),
            flags,
            expiry_ms,
            data.as_ptr(),
            data.len(),
        );
    }
}

/// Deletes a plain item; true when it was there.
#[inline]
pub fn item_delete(key: &[u8]) -> bool {
    // SAFETY: the host only reads `key`, and only during the call.
    unsafe { raw::item_delete(key.as_ptr(), key.len()) != 0 }
}

/// Parks the keys with the prefix for [`result_read`]: the parked length.
#[inline]
pub fn item_keys(prefix: &[u8]) -> i32 {
    // SAFETY: the host only reads `prefix`, and only during the call.
    unsafe { raw::item_keys(prefix.as_ptr(), prefix.len()) }
}

/// Asks other servers and parks their answers for [`result_read`]: the parked length.
#[inline]
pub fn peer_get(requests: &[u8]) -> i32 {
    // SAFETY: the host only reads `requests`, and only during the call.
    unsafe { raw::peer_get(requests.as_ptr(), requests.len()) }
}

/// Copies what is parked, from `offset` on, into `out`: how many bytes were copied.
#[inline]
pub fn result_read(offset: usize, out: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most `out.len()` bytes into `out`, which is borrowed mutably.
    unsafe { raw::result_read(offset, out.as_mut_ptr(), out.len()) }
}
