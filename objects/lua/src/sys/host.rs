//! The cache's functions: those of the SDK, with absence as `None` and wide numbers where Lua's are.

pub(crate) use cacheismo_sdk::sys::{
    fail, field_clear, field_count, field_delete, field_put, item_delete, item_delete_lru,
    item_put, log, object_create, object_delete, object_exists, object_open, object_ttl,
    object_ttl_set, random, value_set,
};

use cacheismo_sdk::sys;

/// A length from the host; `None` when it says that there is nothing.
fn length(n: i32) -> Option<usize> {
    usize::try_from(n).ok()
}

/// Copies what fits of the opaque value into `out`; its full length.
pub(crate) fn value_get(h: i32, out: &mut [u8]) -> Option<usize> {
    length(sys::value_get(h, 0, out))
}

/// Copies what fits of a field's value into `out`; its full length.
pub(crate) fn field_get(h: i32, field: &[u8], out: &mut [u8]) -> Option<usize> {
    length(sys::field_get(h, field, out))
}

/// Fills `out` with whole entries: bytes filled, or how many the first entry needs.
pub(crate) fn field_scan(h: i32, from: &[u8], flags: i32, out: &mut [u8]) -> Result<usize, usize> {
    let n = sys::field_scan(h, from, flags, out);
    usize::try_from(n).map_err(|_| n.unsigned_abs() as usize)
}

/// Milliseconds since 1970, the same during the whole call.
pub(crate) fn now_ms() -> i64 {
    sys::now_ms()
}

/// Offset of local time from UTC at that second.
pub(crate) fn utc_offset_s(unix_s: i64) -> i64 {
    i64::from(sys::utc_offset_s(unix_s))
}

/// Abbreviation of local time's name at that second, as `CET`.
pub(crate) fn zone_name(unix_s: i64) -> String {
    let mut name = [0; ZONE_NAME_BYTES_MAX];
    let len = length(sys::zone_name(unix_s, &mut name)).unwrap_or(0);
    String::from_utf8_lossy(&name[..len.min(name.len())]).into_owned()
}

/// Longest abbreviation of a zone. POSIX wants them to have at least three bytes, and files of zones no more than six.
const ZONE_NAME_BYTES_MAX: usize = 32;

/// Parks a plain item; its length.
pub(crate) fn item_get(key: &[u8]) -> Option<usize> {
    length(sys::item_get(key))
}

/// Parks the list of keys with the prefix; its length.
pub(crate) fn item_keys(prefix: &[u8]) -> usize {
    length(sys::item_keys(prefix)).unwrap_or(0)
}

/// Asks other servers and parks the answers; their length.
pub(crate) fn peer_get(requests: &[u8]) -> usize {
    length(sys::peer_get(requests)).unwrap_or(0)
}

/// Copies what is parked, from `offset`, into `out`.
pub(crate) fn result_read(offset: usize, out: &mut [u8]) {
    sys::result_read(offset, out);
}

/// Gives up the whole instance: what was told with [`fail`] is the reason.
pub(crate) fn abandon() -> ! {
    core::arch::wasm32::unreachable()
}
