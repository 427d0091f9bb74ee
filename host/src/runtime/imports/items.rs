//! Plain items and peers; the loader lets no module without the capability import these.

use cacheismo_abi::{ABSENT, ITEMS_MODULE, TTL_NEVER};
use wasmtime::{AsContextMut as _, Linker};

use super::{Host, Result, length, with_memory, without_memory};
use crate::runtime::engine::Engine;
use crate::runtime::guest_memory::Span;
use crate::runtime::state::{CallState, Guest, spend};
use crate::runtime::ticker::TICK_MS;
use crate::runtime::world::{Stop, World};

/// The capability `items`.
pub(super) fn items<W: World>(linker: &mut Linker<CallState<W>>) -> Result<()> {
    const M: &str = ITEMS_MODULE;
    linker.func_wrap(M, "item_get", |mut host: Host<'_, W>, k: i32, kl: i32| {
        with_memory(&mut host, |memory, world, guest| {
            let key = Span::new(k, kl).of(memory)?;
            guest.parked.clear();
            if !world.item_get(key, &mut guest.parked)? {
                return Ok(ABSENT);
            }
            parked(guest)
        })
    })?;
    linker.func_wrap(
        M,
        "item_put",
        |mut host: Host<'_, W>, k: i32, kl: i32, flags: i32, expiry_ms: i64, v: i32, vl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let key = Span::new(k, kl).of(memory)?;
                let data = Span::new(v, vl).of(memory)?;
                guest.spend_write(key.len() + data.len())?;
                guest.spend_bytes(key.len() + data.len())?;
                if expiry_ms < TTL_NEVER {
                    return Err(Stop::Misuse("negative expiry"));
                }
                world.item_put(key, flags as u32, expiry_ms, data)
            })
        },
    )?;
    linker.func_wrap(
        M,
        "item_delete",
        |mut host: Host<'_, W>, k: i32, kl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let key = Span::new(k, kl).of(memory)?;
                guest.spend_write(key.len())?;
                Ok(i32::from(world.item_delete(key)?))
            })
        },
    )?;
    linker.func_wrap(M, "item_delete_lru", |mut host: Host<'_, W>, bytes: i64| {
        without_memory(&mut host, |world, guest| {
            guest.spend_write(0)?;
            let bytes =
                u64::try_from(bytes).map_err(|_| Stop::Misuse("negative number of bytes"))?;
            world.item_delete_lru(bytes)
        })
    })?;
    linker.func_wrap(M, "item_keys", |mut host: Host<'_, W>, p: i32, pl: i32| {
        with_memory(&mut host, |memory, world, guest| {
            let prefix = Span::new(p, pl).of(memory)?;
            guest.parked.clear();
            world.item_keys(prefix, &mut guest.parked)?;
            parked(guest)
        })
    })?;
    Ok(())
}

/// The capability `peers`, and the reading of what is parked, which both capabilities need.
pub(super) fn peers<W: World>(linker: &mut Linker<CallState<W>>, engine: Engine) -> Result<()> {
    const M: &str = ITEMS_MODULE;
    linker.func_wrap(
        M,
        "peer_get",
        move |mut host: Host<'_, W>, r: i32, rl: i32| {
            let answered = with_memory(&mut host, |memory, world, guest| {
                spend(
                    &mut guest.used.peer_calls,
                    1,
                    guest.limits.peer_calls,
                    "requests to peers",
                )?;
                let requests = Span::new(r, rl).of(memory)?;
                guest.parked.clear();
                world.peer_get(requests, &mut guest.parked)?;
                parked(guest)
            })?;
            // The wait was the network's, not the guest's, and has a timeout of its own.
            let ticks = host.data().guest.deadline_ticks;
            engine.tick_for(ticks.saturating_mul(TICK_MS));
            host.as_context_mut().set_epoch_deadline(ticks);
            Ok(answered)
        },
    )?;
    linker.func_wrap(
        M,
        "result_read",
        |mut host: Host<'_, W>, offset: i32, out: i32, cap: i32| {
            with_memory(&mut host, |memory, _, guest| {
                let out = Span::new(out, cap).of_mut(memory)?;
                let rest = guest.parked.get(offset as u32 as usize..).unwrap_or(&[]);
                let copied = rest.len().min(out.len());
                out[..copied].copy_from_slice(&rest[..copied]);
                guest.spend_bytes(copied)?;
                Ok(length(copied))
            })
        },
    )?;
    Ok(())
}

/// Counts what was parked, and says how long it is.
fn parked(guest: &mut Guest) -> std::result::Result<i32, Stop> {
    guest.spend_bytes(guest.parked.len())?;
    Ok(length(guest.parked.len()))
}
