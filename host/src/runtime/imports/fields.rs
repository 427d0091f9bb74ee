//! Keyed fields.

use cacheismo_abi::{ABSENT, IMPORT_MODULE, SCAN_AFTER, SCAN_KEYS, SCAN_REVERSE};
use wasmtime::Linker;

use super::{Caller, Result, handle, length, length_or_absent, with_memory, without_memory};
use crate::runtime::guest_memory::{Span, input_output};
use crate::runtime::object_host::{ObjectHost, Scan, Stop};
use crate::runtime::state::{CallState, Guest};

#[expect(clippy::too_many_lines, reason = "one import after the other")]
pub(super) fn fields<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(
        M,
        "field_get",
        |mut caller: Caller<'_, H>, h: i32, k: i32, kl: i32, out: i32, cap: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let (field, out) = input_output(memory, Span::new(k, kl), Span::new(out, cap))?;
                let room = out.len();
                let len = host.field(handle(h), field, |value| {
                    let copied = value.len().min(room);
                    out[..copied].copy_from_slice(&value[..copied]);
                    value.len()
                })?;
                guest.spend_bytes(field.len() + len.unwrap_or(0).min(room))?;
                Ok(length_or_absent(len))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "reply_field",
        |mut caller: Caller<'_, H>, h: i32, k: i32, kl: i32, before: i32, bl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let field = Span::new(k, kl).of(memory)?;
                let before = Span::new(before, bl).of(memory)?;
                let append = |value: &[u8]| -> std::result::Result<usize, Stop> {
                    guest.spend_bytes(field.len() + before.len() + value.len())?;
                    guest.extend_reply(&[before, value])?;
                    Ok(value.len())
                };
                let appended = host.field(handle(h), field, append)?.transpose()?;
                Ok(length_or_absent(appended))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "field_put",
        |mut caller: Caller<'_, H>, h: i32, k: i32, kl: i32, v: i32, vl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let (field, value) =
                    paid_write(memory, guest, h, Span::new(k, kl), Span::new(v, vl))?;
                Ok(i32::from(host.field_put(handle(h), field, value)?))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "field_update",
        |mut caller: Caller<'_, H>, h: i32, k: i32, kl: i32, v: i32, vl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let (field, value) =
                    paid_write(memory, guest, h, Span::new(k, kl), Span::new(v, vl))?;
                if !host.exists(handle(h))? {
                    return Ok(ABSENT);
                }
                Ok(i32::from(host.field_put(handle(h), field, value)?))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "field_delete",
        |mut caller: Caller<'_, H>, h: i32, k: i32, kl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let field = Span::new(k, kl).of(memory)?;
                guest.spend_write_to(handle(h), field.len())?;
                guest.spend_bytes(field.len())?;
                Ok(i32::from(host.field_delete(handle(h), field)?))
            })
        },
    )?;
    linker.func_wrap(M, "field_count", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, _| {
            Ok(i64::try_from(host.field_count(handle(h))?).unwrap_or(i64::MAX))
        })
    })?;
    linker.func_wrap(
        M,
        "field_scan",
        |mut caller: Caller<'_, H>, h: i32, from: i32, fl: i32, flags: i32, out: i32, cap: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                if flags & !(SCAN_AFTER | SCAN_REVERSE | SCAN_KEYS) != 0 {
                    return Err(Stop::Misuse("unknown scan flag"));
                }
                let (from, out) = input_output(memory, Span::new(from, fl), Span::new(out, cap))?;
                match host.field_scan(handle(h), from, flags, out)? {
                    Scan::Filled(bytes) => {
                        guest.spend_bytes(from.len() + bytes)?;
                        Ok(length(bytes))
                    }
                    Scan::Needs(bytes) => Ok(-length(bytes)),
                }
            })
        },
    )?;
    linker.func_wrap(M, "field_clear", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, guest| {
            guest.spend_write_to(handle(h), 0)?;
            host.field_clear(handle(h))
        })
    })?;
    Ok(())
}

/// The field and the value of a write, counted against the call's limits.
#[inline(always)]
fn paid_write<'m>(
    memory: &'m [u8],
    guest: &mut Guest,
    h: i32,
    field: Span,
    value: Span,
) -> std::result::Result<(&'m [u8], &'m [u8]), Stop> {
    let (field, value) = (field.of(memory)?, value.of(memory)?);
    guest.spend_write_to(handle(h), field.len() + value.len())?;
    guest.spend_bytes(field.len() + value.len())?;
    Ok((field, value))
}
