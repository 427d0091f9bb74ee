//! Objects as a whole, and their opaque value.

use cacheismo_abi::{IMPORT_MODULE, TTL_NEVER};
use wasmtime::Linker;

use super::{Caller, Result, handle, length_or_absent, with_memory, without_memory};
use crate::runtime::guest_memory::Span;
use crate::runtime::object_host::{ObjectHost, Stop};
use crate::runtime::reach::Access;
use crate::runtime::state::CallState;

pub(super) fn objects<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(
        M,
        "object_open",
        |mut caller: Caller<'_, H>, t: i32, tl: i32, k: i32, kl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let type_name = Span::new(t, tl).of(memory)?;
                let key = Span::new(k, kl).of(memory)?;
                let access = guest.spend_open(type_name, key)?;
                let opened = host.open(type_name, key)?;
                if access < Access::Write {
                    guest.note_read_only(opened);
                }
                Ok(opened.0 as i32)
            })
        },
    )?;
    linker.func_wrap(M, "object_exists", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, _| {
            Ok(i32::from(host.exists(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_create", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, guest| {
            guest.spend_write_to(handle(h), 0)?;
            Ok(i32::from(host.create(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_delete", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, guest| {
            guest.spend_write_to(handle(h), 0)?;
            Ok(i32::from(host.delete(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_ttl", |mut caller: Caller<'_, H>, h: i32| {
        without_memory(&mut caller, |host, _| host.ttl_ms(handle(h)))
    })?;
    linker.func_wrap(
        M,
        "object_ttl_set",
        |mut caller: Caller<'_, H>, h: i32, ms: i64| {
            without_memory(&mut caller, |host, guest| {
                guest.spend_write_to(handle(h), 0)?;
                if ms < TTL_NEVER {
                    return Err(Stop::Misuse("negative time to live"));
                }
                Ok(i32::from(host.set_ttl_ms(handle(h), ms)?))
            })
        },
    )?;
    Ok(())
}

pub(super) fn values<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(
        M,
        "value_get",
        |mut caller: Caller<'_, H>, h: i32, offset: i32, out: i32, cap: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let out = Span::new(out, cap).of_mut(memory)?;
                let offset = offset as u32 as usize;
                let room = out.len();
                let len = host.value_get(handle(h), offset, out)?;
                guest.spend_bytes(len.unwrap_or(0).saturating_sub(offset).min(room))?;
                Ok(length_or_absent(len))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "value_set",
        |mut caller: Caller<'_, H>, h: i32, v: i32, vl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let value = Span::new(v, vl).of(memory)?;
                guest.spend_write_to(handle(h), value.len())?;
                guest.spend_bytes(value.len())?;
                host.value_set(handle(h), value)
            })
        },
    )?;
    Ok(())
}
