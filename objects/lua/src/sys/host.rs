//! The cache's functions, as `cacheismo-abi` lists them.
#![expect(
    unsafe_code,
    reason = "imports of the host; each call carries its proof"
)]
// One proof serves all: the host reads or fills exactly the bytes named by the pointer and
// length of one slice, and only during the call.

use cacheismo_abi as abi;

mod raw {
    #[link(wasm_import_module = "cacheismo_1")]
    unsafe extern "C" {
        pub(crate) fn object_open(t: *const u8, tl: usize, k: *const u8, kl: usize) -> i32;
        pub(crate) fn object_exists(h: i32) -> i32;
        pub(crate) fn object_create(h: i32) -> i32;
        pub(crate) fn object_delete(h: i32) -> i32;
        pub(crate) fn object_ttl(h: i32) -> i64;
        pub(crate) fn object_ttl_set(h: i32, ms: i64) -> i32;
        pub(crate) fn value_get(h: i32, offset: usize, out: *mut u8, cap: usize) -> i32;
        pub(crate) fn value_set(h: i32, v: *const u8, vl: usize);
        pub(crate) fn field_get(h: i32, k: *const u8, kl: usize, out: *mut u8, cap: usize) -> i32;
        pub(crate) fn field_put(h: i32, k: *const u8, kl: usize, v: *const u8, vl: usize) -> i32;
        pub(crate) fn field_delete(h: i32, k: *const u8, kl: usize) -> i32;
        pub(crate) fn field_count(h: i32) -> i64;
        pub(crate) fn field_scan(
            h: i32,
            k: *const u8,
            kl: usize,
            flags: i32,
            out: *mut u8,
            cap: usize,
        ) -> i32;
        pub(crate) fn field_clear(h: i32);
        pub(crate) fn now_ms() -> i64;
        pub(crate) fn utc_offset_s(unix_s: i64) -> i32;
        pub(crate) fn random() -> i64;
        pub(crate) fn fail(text: *const u8, len: usize);
        pub(crate) fn log(level: i32, text: *const u8, len: usize);
    }
    #[link(wasm_import_module = "cacheismo_items_1")]
    unsafe extern "C" {
        pub(crate) fn item_get(k: *const u8, kl: usize) -> i32;
        pub(crate) fn item_put(
            k: *const u8,
            kl: usize,
            flags: u32,
            expiry: i64,
            v: *const u8,
            vl: usize,
        );
        pub(crate) fn item_delete(k: *const u8, kl: usize) -> i32;
        pub(crate) fn item_delete_lru(bytes: i64);
        pub(crate) fn item_keys(p: *const u8, pl: usize) -> i32;
        pub(crate) fn peer_get(r: *const u8, rl: usize) -> i32;
        pub(crate) fn result_read(offset: usize, out: *mut u8, cap: usize) -> i32;
    }
}

/// Length from the host, `None` for `ABSENT`.
fn length(n: i32) -> Option<usize> {
    usize::try_from(n).ok()
}

/// Opens another object.
pub(crate) fn object_open(type_name: &[u8], key: &[u8]) -> i32 {
    // SAFETY: see the top.
    unsafe { raw::object_open(type_name.as_ptr(), type_name.len(), key.as_ptr(), key.len()) }
}

/// Does the object exist?
pub(crate) fn object_exists(h: i32) -> bool {
    // SAFETY: numbers only.
    unsafe { raw::object_exists(h) == 1 }
}

/// Creates it empty; false when it was there.
pub(crate) fn object_create(h: i32) -> bool {
    // SAFETY: numbers only.
    unsafe { raw::object_create(h) == 1 }
}

/// Deletes it; false when it was not there.
pub(crate) fn object_delete(h: i32) -> bool {
    // SAFETY: numbers only.
    unsafe { raw::object_delete(h) == 1 }
}

/// Milliseconds left, `TTL_NEVER` or `TTL_ABSENT`.
pub(crate) fn object_ttl(h: i32) -> i64 {
    // SAFETY: numbers only.
    unsafe { raw::object_ttl(h) }
}

/// Sets the time to live; false when the object does not exist.
pub(crate) fn object_ttl_set(h: i32, ms: i64) -> bool {
    // SAFETY: numbers only.
    unsafe { raw::object_ttl_set(h, ms) == 1 }
}

/// Copies what fits of the opaque value into `out`; its full length.
pub(crate) fn value_get(h: i32, out: &mut [u8]) -> Option<usize> {
    // SAFETY: see the top.
    length(unsafe { raw::value_get(h, 0, out.as_mut_ptr(), out.len()) })
}

/// Sets the opaque value.
pub(crate) fn value_set(h: i32, value: &[u8]) {
    // SAFETY: see the top.
    unsafe { raw::value_set(h, value.as_ptr(), value.len()) }
}

/// Copies what fits of a field's value into `out`; its full length.
pub(crate) fn field_get(h: i32, field: &[u8], out: &mut [u8]) -> Option<usize> {
    // SAFETY: see the top.
    length(unsafe { raw::field_get(h, field.as_ptr(), field.len(), out.as_mut_ptr(), out.len()) })
}

/// Sets a field; true when it is new.
pub(crate) fn field_put(h: i32, field: &[u8], value: &[u8]) -> bool {
    // SAFETY: see the top.
    unsafe { raw::field_put(h, field.as_ptr(), field.len(), value.as_ptr(), value.len()) == 1 }
}

/// Deletes a field; true when it was there.
pub(crate) fn field_delete(h: i32, field: &[u8]) -> bool {
    // SAFETY: see the top.
    unsafe { raw::field_delete(h, field.as_ptr(), field.len()) == 1 }
}

/// Number of fields.
pub(crate) fn field_count(h: i32) -> i64 {
    // SAFETY: numbers only.
    unsafe { raw::field_count(h) }
}

/// Fills `out` with whole entries: bytes filled, or how many the first entry needs.
pub(crate) fn field_scan(h: i32, from: &[u8], flags: i32, out: &mut [u8]) -> Result<usize, usize> {
    // SAFETY: see the top.
    let n = unsafe {
        raw::field_scan(
            h,
            from.as_ptr(),
            from.len(),
            flags,
            out.as_mut_ptr(),
            out.len(),
        )
    };
    usize::try_from(n).map_err(|_| n.unsigned_abs() as usize)
}

/// Deletes every field.
pub(crate) fn field_clear(h: i32) {
    // SAFETY: numbers only.
    unsafe { raw::field_clear(h) }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    // SAFETY: numbers only.
    unsafe { raw::now_ms() }
}

/// Offset of local time from UTC at that second.
pub(crate) fn utc_offset_s(unix_s: i64) -> i64 {
    // SAFETY: numbers only.
    i64::from(unsafe { raw::utc_offset_s(unix_s) })
}

/// 64 random bits.
pub(crate) fn random() -> u64 {
    // SAFETY: numbers only.
    unsafe { raw::random() }.cast_unsigned()
}

/// The reason of a failure.
pub(crate) fn fail(text: &[u8]) {
    // SAFETY: see the top.
    unsafe { raw::fail(text.as_ptr(), text.len()) }
}

/// Writes to the server's log.
pub(crate) fn log(level: i32, text: &[u8]) {
    // SAFETY: see the top.
    unsafe { raw::log(level, text.as_ptr(), text.len()) }
}

/// Parks a plain item; its length.
pub(crate) fn item_get(key: &[u8]) -> Option<usize> {
    // SAFETY: see the top.
    length(unsafe { raw::item_get(key.as_ptr(), key.len()) })
}

/// Stores a plain item.
pub(crate) fn item_put(key: &[u8], flags: u32, expiry_ms: i64, data: &[u8]) {
    // SAFETY: see the top.
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
pub(crate) fn item_delete(key: &[u8]) -> bool {
    // SAFETY: see the top.
    unsafe { raw::item_delete(key.as_ptr(), key.len()) == 1 }
}

/// Evicts from the tail at commit.
pub(crate) fn item_delete_lru(bytes: i64) {
    // SAFETY: numbers only.
    unsafe { raw::item_delete_lru(bytes) }
}

/// Parks the list of keys with the prefix; its length.
pub(crate) fn item_keys(prefix: &[u8]) -> usize {
    // SAFETY: see the top.
    length(unsafe { raw::item_keys(prefix.as_ptr(), prefix.len()) }).unwrap_or(0)
}

/// Asks other servers and parks the answers; their length.
pub(crate) fn peer_get(requests: &[u8]) -> usize {
    // SAFETY: see the top.
    length(unsafe { raw::peer_get(requests.as_ptr(), requests.len()) }).unwrap_or(0)
}

/// Copies what is parked, from `offset`, into `out`.
pub(crate) fn result_read(offset: usize, out: &mut [u8]) {
    // SAFETY: see the top.
    unsafe { raw::result_read(offset, out.as_mut_ptr(), out.len()) };
}

/// Gives up the whole instance: what was told with [`fail`] is the reason.
pub(crate) fn abandon() -> ! {
    core::arch::wasm32::unreachable()
}

const _: () = assert!(abi::ABSENT == -1 && abi::ABI_VERSION == 1);
