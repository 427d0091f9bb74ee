//! The same functions as `crate::sys`, answered by the fake host of the test that runs on this thread.

use std::cell::RefCell;
use std::panic::resume_unwind;

use super::host::{Host, Stop};
use crate::cell::ValueCell;

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
    /// The value cell: a static in a module; here one for each thread that tests.
    static CELL: &'static ValueCell = Box::leak(Box::new(ValueCell::new()));
}

pub(super) fn cell() -> &'static ValueCell {
    CELL.with(|cell| *cell)
}

/// Runs `call` against `host` and gives the host back.
pub(super) fn with<T>(host: Host, call: impl FnOnce() -> T) -> (Host, T) {
    CURRENT.with_borrow_mut(|current| *current = Some(host));
    let result = call();
    let host = CURRENT
        .take()
        .expect("it was put there above, and a call cannot take it");
    (host, result)
}

/// One host call. A stop unwinds to the harness without the noise of a panic.
fn host_call<T>(work: impl FnOnce(&mut Host) -> Result<T, Stop>) -> T {
    let result = CURRENT.with_borrow_mut(|current| {
        let host = current
            .as_mut()
            .expect("objects are called through a Harness, not directly");
        host.count_call()?;
        work(host)
    });
    result.unwrap_or_else(|stop: Stop| resume_unwind(Box::new(stop)))
}

/// Copies what fits and returns the full length, or the ABI's "absent".
fn copy(from: Option<&[u8]>, out: &mut [u8]) -> i32 {
    let Some(from) = from else {
        return cacheismo_abi::ABSENT;
    };
    let fits = from.len().min(out.len());
    out[..fits].copy_from_slice(&from[..fits]);
    i32::try_from(from.len()).expect("a test's values are short")
}

pub(crate) fn object_open(type_name: &[u8], key: &[u8]) -> i32 {
    host_call(|host| host.open(type_name, key))
}

pub(crate) fn object_exists(h: i32) -> bool {
    host_call(|host| Ok(host.object(h)?.is_some()))
}

pub(crate) fn object_create(h: i32) -> bool {
    host_call(|host| host.create(h))
}

pub(crate) fn object_delete(h: i32) -> bool {
    host_call(|host| host.delete(h))
}

pub(crate) fn object_ttl(h: i32) -> i64 {
    host_call(|host| host.ttl(h))
}

pub(crate) fn object_ttl_set(h: i32, ms: i64) -> bool {
    host_call(|host| host.set_ttl(h, ms))
}

pub(crate) fn value_get(h: i32, offset: i32, out: &mut [u8]) -> i32 {
    host_call(|host| {
        let Some(value) = host.object(h)?.and_then(|object| object.value.as_deref()) else {
            return Ok(cacheismo_abi::ABSENT);
        };
        let start = (offset.cast_unsigned() as usize).min(value.len());
        copy(Some(&value[start..]), out);
        Ok(copy(Some(value), &mut []))
    })
}

pub(crate) fn value_set(h: i32, value: &[u8]) {
    host_call(|host| host.set_value(h, value));
}

pub(crate) fn field_get(h: i32, field: &[u8], out: &mut [u8]) -> i32 {
    host_call(|host| {
        let value = host.object(h)?.and_then(|object| object.fields.get(field));
        Ok(copy(value.map(Vec::as_slice), out))
    })
}

pub(crate) fn field_put(h: i32, field: &[u8], value: &[u8]) -> bool {
    host_call(|host| host.put(h, field, value))
}

pub(crate) fn field_update(h: i32, field: &[u8], value: &[u8]) -> i32 {
    host_call(|host| match host.object(h)? {
        Some(_) => host.put(h, field, value).map(i32::from),
        None => Ok(cacheismo_abi::ABSENT),
    })
}

pub(crate) fn field_delete(h: i32, field: &[u8]) -> bool {
    host_call(|host| host.remove(h, field))
}

pub(crate) fn field_count(h: i32) -> i64 {
    host_call(|host| {
        Ok(host
            .object(h)?
            .map_or(0, |object| object.fields.len() as i64))
    })
}

pub(crate) fn field_scan(h: i32, from: &[u8], flags: i32, out: &mut [u8]) -> i32 {
    host_call(|host| host.scan(h, from, flags, out))
}

pub(crate) fn field_clear(h: i32) {
    host_call(|host| host.clear(h));
}

pub(crate) fn now_ms() -> i64 {
    host_call(|host| Ok(host.now_ms))
}

pub(crate) fn utc_offset_s(unix_s: i64) -> i32 {
    host_call(|host| Ok((host.utc_offset_s)(unix_s)))
}

pub(crate) fn random() -> u64 {
    host_call(|host| Ok(host.next_random()))
}

pub(crate) fn fail(text: &[u8]) {
    host_call(|host| host.refuse(text));
}

pub(crate) fn reply(bytes: &[u8]) {
    host_call(|host| host.stream(bytes));
}

pub(crate) fn reply_field(h: i32, field: &[u8], before: &[u8]) -> i32 {
    host_call(|host| {
        let value = host.object(h)?.and_then(|object| object.fields.get(field));
        let Some(value) = value.cloned() else {
            return Ok(cacheismo_abi::ABSENT);
        };
        host.stream(before)?;
        host.stream(&value)?;
        Ok(copy(Some(&value), &mut []))
    })
}

pub(crate) fn log(level: i32, text: &[u8]) {
    host_call(|host| {
        host.logged
            .push((level, String::from_utf8_lossy(text).into_owned()));
        Ok(())
    });
}
