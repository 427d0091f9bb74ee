//! Plain items and peers; the loader lets no module without the capability import these.

use cacheismo_abi::{ABSENT, ITEMS_MODULE, TTL_NEVER};
use wasmtime::Linker;

use super::{Caller, Result, length, with_memory, without_memory};
use crate::runtime::engine::Engine;
use crate::runtime::guest_memory::Span;
use crate::runtime::object_host::{ObjectHost, Stop};
use crate::runtime::state::{CallState, Guest, spend};

/// The capability `items`.
pub(super) fn items<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    const M: &str = ITEMS_MODULE;
    linker.func_wrap(
        M,
        "item_get",
        |mut caller: Caller<'_, H>, k: i32, kl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let key = Span::new(k, kl).of(memory)?;
                guest.parked.clear();
                host.set_deadline(guest.time.deadline());
                if !host.item_get(key, &mut guest.parked)? {
                    return Ok(ABSENT);
                }
                parked(guest)
            })
        },
    )?;
    linker.func_wrap(
        M,
        "item_put",
        |mut caller: Caller<'_, H>,
         k: i32,
         kl: i32,
         flags: i32,
         expiry_ms: i64,
         v: i32,
         vl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let key = Span::new(k, kl).of(memory)?;
                let data = Span::new(v, vl).of(memory)?;
                guest.spend_write(key.len() + data.len())?;
                guest.spend_bytes(key.len() + data.len())?;
                if expiry_ms < TTL_NEVER {
                    return Err(Stop::Misuse("negative expiry"));
                }
                host.item_put(key, flags as u32, expiry_ms, data)
            })
        },
    )?;
    linker.func_wrap(
        M,
        "item_delete",
        |mut caller: Caller<'_, H>, k: i32, kl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let key = Span::new(k, kl).of(memory)?;
                guest.spend_write(key.len())?;
                Ok(i32::from(host.item_delete(key)?))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "item_delete_lru",
        |mut caller: Caller<'_, H>, bytes: i64| {
            without_memory(&mut caller, |host, guest| {
                guest.spend_write(0)?;
                let bytes =
                    u64::try_from(bytes).map_err(|_| Stop::Misuse("negative number of bytes"))?;
                host.item_delete_lru(bytes)
            })
        },
    )?;
    keys(linker)
}

/// The keys of items with a prefix.
fn keys<H: ObjectHost>(linker: &mut Linker<CallState<H>>) -> Result<()> {
    linker.func_wrap(
        ITEMS_MODULE,
        "item_keys",
        |mut caller: Caller<'_, H>, p: i32, pl: i32| {
            with_memory(&mut caller, |memory, host, guest| {
                let prefix = Span::new(p, pl).of(memory)?;
                guest.parked.clear();
                host.set_deadline(guest.time.deadline());
                host.item_keys(prefix, &mut guest.parked)?;
                parked(guest)
            })
        },
    )?;
    Ok(())
}

/// The capability `peers`, and the reading of what is parked, which both capabilities need.
pub(super) fn peers<H: ObjectHost>(
    linker: &mut Linker<CallState<H>>,
    engine: Engine,
) -> Result<()> {
    const M: &str = ITEMS_MODULE;
    linker.func_wrap(
        M,
        "peer_get",
        move |mut caller: Caller<'_, H>, r: i32, rl: i32| {
            let answered = with_memory(&mut caller, |memory, host, guest| {
                spend(
                    &mut guest.used.peer_calls,
                    1,
                    guest.limits.peer_calls,
                    "requests to peers",
                )?;
                let requests = Span::new(r, rl).of(memory)?;
                guest.parked.clear();
                host.set_deadline(guest.time.deadline());
                host.peer_get(requests, &mut guest.parked)?;
                guest.hold_parked()?;
                guest.spend_bytes(guest.parked.len())?;
                Ok(length(guest.parked.len()))
            })?;
            // The wait was the network's, not the guest's, and has a timeout of its own.
            let time = &mut caller.data_mut().guest.time;
            time.begin_again(engine.tick_for(time.budget_ms()));
            Ok(answered)
        },
    )?;
    linker.func_wrap(
        M,
        "result_read",
        |mut caller: Caller<'_, H>, offset: i32, out: i32, cap: i32| {
            with_memory(&mut caller, |memory, _, guest| {
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

/// Counts what was parked, and says how long it is. A guest that does nothing more passes no place where it is
/// interrupted, so the time is looked at here.
fn parked(guest: &mut Guest) -> std::result::Result<i32, Stop> {
    guest.time.deadline().check()?;
    guest.hold_parked()?;
    guest.spend_bytes(guest.parked.len())?;
    Ok(length(guest.parked.len()))
}
