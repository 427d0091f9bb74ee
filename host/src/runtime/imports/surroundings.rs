//! Clock, chance, failure, reply and log.

use cacheismo_abi::IMPORT_MODULE;
use wasmtime::Linker;

use super::{Caller, Result, with_memory, without_memory};
use crate::runtime::error::TEXT_BYTES_MAX;
use crate::runtime::guest_memory::Span;
use crate::runtime::object_host::ObjectHost;
use crate::runtime::state::{CallState, spend};

pub(super) fn surroundings<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(M, "now_ms", |mut caller: Caller<'_, H>| {
        without_memory(&mut caller, |host, _| Ok(host.now_ms()))
    })?;
    linker.func_wrap(
        M,
        "utc_offset_s",
        |mut caller: Caller<'_, H>, unix_s: i64| {
            without_memory(&mut caller, |host, _| Ok(host.utc_offset_s(unix_s)))
        },
    )?;
    linker.func_wrap(
        M,
        "zone_name",
        |mut caller: Caller<'_, H>, unix_s: i64, out: i32, cap: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let out = Span::new(out, cap).of_mut(memory)?;
                let name = host.zone_name(unix_s);
                let len = name.len().min(out.len());
                out[..len].copy_from_slice(&name.as_bytes()[..len]);
                guest.spend_bytes(len)?;
                Ok(name.len() as i32)
            })
        },
    )?;
    linker.func_wrap(M, "random", |mut caller: Caller<'_, H>| {
        without_memory(&mut caller, |host, _| Ok(host.random() as i64))
    })?;
    linker.func_wrap(
        M,
        "fail",
        |mut caller: Caller<'_, H>, text: i32, len: i32| {
            with_memory(&mut caller, |memory, _, guest| {
                let text = Span::new(text, len).of(memory)?;
                let kept = &text[..text.len().min(TEXT_BYTES_MAX)];
                let failure = guest.failure.get_or_insert_default();
                failure.clear();
                failure.extend_from_slice(kept);
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        M,
        "reply",
        |mut caller: Caller<'_, H>, bytes: i32, len: i32| {
            with_memory(&mut caller, |memory, _, guest| {
                guest.extend_reply(&[Span::new(bytes, len).of(memory)?])
            })
        },
    )?;
    log(linker)
}

/// A line for the log.
fn log<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "log",
        |mut caller: Caller<'_, H>, level: i32, text: i32, len: i32| {
            with_memory(&mut caller, |memory, _, guest| {
                let text = Span::new(text, len).of(memory)?;
                spend(
                    &mut guest.used.log_lines,
                    1,
                    guest.limits.log_lines,
                    "log lines",
                )?;
                spend(
                    &mut guest.used.log_bytes,
                    text.len() as u64,
                    guest.limits.log_bytes,
                    "log bytes",
                )?;
                guest.log.guest_line(level, text);
                Ok(())
            })
        },
    )?;
    Ok(())
}
