//! The host functions of `guest-sdk/abi`: each checks what the guest chose, counts it, and asks the world.
//!
//! What a function does and returns is said in the ABI; here is only how. An `Err` ends the call:
//! the reason is left in the state, and the instance is dropped.

use cacheismo_abi::{
    ABSENT, IMPORT_MODULE, ITEMS_MODULE, SCAN_AFTER, SCAN_KEYS, SCAN_REVERSE, TTL_NEVER,
};
use wasmtime::{AsContextMut as _, Caller, Linker};

use super::error::TEXT_BYTES_MAX;
use super::guest_memory::{Span, input_output};
use super::state::{CallState, Guest, spend};
use super::world::{Handle, Scan, Stop, World};

/// Marks an error whose reason is in the state.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended by a host function")]
pub(super) struct Ended;

/// A linker with every host function.
pub(super) fn linker<W: World>(engine: &wasmtime::Engine) -> Linker<CallState<W>> {
    let mut linker = Linker::new(engine);
    objects(&mut linker)
        .and_then(|()| fields(&mut linker))
        .and_then(|()| surroundings(&mut linker))
        .and_then(|()| items(&mut linker))
        .expect("no name is defined twice");
    linker
}

type Result<T> = wasmtime::Result<T>;
type Host<'a, W> = Caller<'a, CallState<W>>;

/// Runs the body of a host function that uses the guest's memory.
fn with_memory<W: World, R>(
    caller: &mut Host<'_, W>,
    body: impl FnOnce(&mut [u8], &mut W, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    let memory = caller
        .data()
        .guest
        .memory
        .expect("set before the first call");
    let (memory, state) = memory.data_and_store_mut(caller);
    finish(state, |world, guest| body(memory, world, guest))
}

/// Runs the body of a host function that does not.
fn without_memory<W: World, R>(
    caller: &mut Host<'_, W>,
    body: impl FnOnce(&mut W, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    finish(caller.data_mut(), body)
}

fn finish<W: World, R>(
    state: &mut CallState<W>,
    body: impl FnOnce(&mut W, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    let world = state
        .world
        .as_mut()
        .expect("a guest runs only during a call");
    let guest = &mut state.guest;
    match guest.spend_call().and_then(|()| body(world, guest)) {
        Ok(result) => Ok(result),
        Err(stop) => {
            guest.stop = Some(stop);
            Err(Ended.into())
        }
    }
}

fn handle(h: i32) -> Handle {
    Handle(h as u32)
}

/// A length as the ABI returns it. Values are far below 2 GiB; a longer one could not be copied out anyway.
fn length(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

fn length_or_absent(len: Option<usize>) -> i32 {
    len.map_or(ABSENT, length)
}

fn objects<W: World>(linker: &mut Linker<CallState<W>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(
        M,
        "object_open",
        |mut host: Host<'_, W>, t: i32, tl: i32, k: i32, kl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let type_name = Span::new(t, tl).of(memory)?;
                let key = Span::new(k, kl).of(memory)?;
                let Guest { used, limits, .. } = guest;
                spend(&mut used.objects, 1, limits.objects, "opened objects")?;
                guest.spend_bytes(type_name.len() + key.len())?;
                Ok(world.open(type_name, key)?.0 as i32)
            })
        },
    )?;
    linker.func_wrap(M, "object_exists", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, _| {
            Ok(i32::from(world.exists(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_create", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, guest| {
            guest.spend_write(0)?;
            Ok(i32::from(world.create(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_delete", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, guest| {
            guest.spend_write(0)?;
            Ok(i32::from(world.delete(handle(h))?))
        })
    })?;
    linker.func_wrap(M, "object_ttl", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, _| world.ttl_ms(handle(h)))
    })?;
    linker.func_wrap(
        M,
        "object_ttl_set",
        |mut host: Host<'_, W>, h: i32, ms: i64| {
            without_memory(&mut host, |world, guest| {
                guest.spend_write(0)?;
                if ms < TTL_NEVER {
                    return Err(Stop::Misuse("negative time to live"));
                }
                Ok(i32::from(world.set_ttl_ms(handle(h), ms)?))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "value_get",
        |mut host: Host<'_, W>, h: i32, offset: i32, out: i32, cap: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let out = Span::new(out, cap).of_mut(memory)?;
                let offset = offset as u32 as usize;
                let room = out.len();
                let len = world.value_get(handle(h), offset, out)?;
                guest.spend_bytes(len.unwrap_or(0).saturating_sub(offset).min(room))?;
                Ok(length_or_absent(len))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "value_set",
        |mut host: Host<'_, W>, h: i32, v: i32, vl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let value = Span::new(v, vl).of(memory)?;
                guest.spend_write(value.len())?;
                guest.spend_bytes(value.len())?;
                world.value_set(handle(h), value)
            })
        },
    )?;
    Ok(())
}

fn fields<W: World>(linker: &mut Linker<CallState<W>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(
        M,
        "field_get",
        |mut host: Host<'_, W>, h: i32, k: i32, kl: i32, out: i32, cap: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let (field, out) = input_output(memory, Span::new(k, kl), Span::new(out, cap))?;
                let room = out.len();
                let len = world.field_get(handle(h), field, out)?;
                guest.spend_bytes(field.len() + len.unwrap_or(0).min(room))?;
                Ok(length_or_absent(len))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "field_put",
        |mut host: Host<'_, W>, h: i32, k: i32, kl: i32, v: i32, vl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let field = Span::new(k, kl).of(memory)?;
                let value = Span::new(v, vl).of(memory)?;
                guest.spend_write(field.len() + value.len())?;
                guest.spend_bytes(field.len() + value.len())?;
                Ok(i32::from(world.field_put(handle(h), field, value)?))
            })
        },
    )?;
    linker.func_wrap(
        M,
        "field_delete",
        |mut host: Host<'_, W>, h: i32, k: i32, kl: i32| {
            with_memory(&mut host, |memory, world, guest| {
                let field = Span::new(k, kl).of(memory)?;
                guest.spend_write(field.len())?;
                guest.spend_bytes(field.len())?;
                Ok(i32::from(world.field_delete(handle(h), field)?))
            })
        },
    )?;
    linker.func_wrap(M, "field_count", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, _| {
            Ok(i64::try_from(world.field_count(handle(h))?).unwrap_or(i64::MAX))
        })
    })?;
    linker.func_wrap(
        M,
        "field_scan",
        |mut host: Host<'_, W>, h: i32, from: i32, fl: i32, flags: i32, out: i32, cap: i32| {
            with_memory(&mut host, |memory, world, guest| {
                if flags & !(SCAN_AFTER | SCAN_REVERSE | SCAN_KEYS) != 0 {
                    return Err(Stop::Misuse("unknown scan flag"));
                }
                let (from, out) = input_output(memory, Span::new(from, fl), Span::new(out, cap))?;
                match world.field_scan(handle(h), from, flags, out)? {
                    Scan::Filled(bytes) => {
                        guest.spend_bytes(from.len() + bytes)?;
                        Ok(length(bytes))
                    }
                    Scan::Needs(bytes) => Ok(-length(bytes)),
                }
            })
        },
    )?;
    linker.func_wrap(M, "field_clear", |mut host: Host<'_, W>, h: i32| {
        without_memory(&mut host, |world, guest| {
            guest.spend_write(0)?;
            world.field_clear(handle(h))
        })
    })?;
    Ok(())
}

/// Clock, chance, reply and log.
fn surroundings<W: World>(linker: &mut Linker<CallState<W>>) -> Result<()> {
    const M: &str = IMPORT_MODULE;
    linker.func_wrap(M, "now_ms", |mut host: Host<'_, W>| {
        without_memory(&mut host, |world, _| Ok(world.now_ms()))
    })?;
    linker.func_wrap(M, "utc_offset_s", |mut host: Host<'_, W>, unix_s: i64| {
        without_memory(&mut host, |world, _| Ok(world.utc_offset_s(unix_s)))
    })?;
    linker.func_wrap(M, "random", |mut host: Host<'_, W>| {
        without_memory(&mut host, |world, _| Ok(world.random() as i64))
    })?;
    linker.func_wrap(M, "fail", |mut host: Host<'_, W>, text: i32, len: i32| {
        with_memory(&mut host, |memory, _, guest| {
            let text = Span::new(text, len).of(memory)?;
            let kept = &text[..text.len().min(TEXT_BYTES_MAX)];
            let failure = guest.failure.get_or_insert_default();
            failure.clear();
            failure.extend_from_slice(kept);
            Ok(())
        })
    })?;
    linker.func_wrap(M, "reply", |mut host: Host<'_, W>, bytes: i32, len: i32| {
        with_memory(&mut host, |memory, _, guest| {
            guest.extend_reply(Span::new(bytes, len).of(memory)?)
        })
    })?;
    linker.func_wrap(
        M,
        "log",
        |mut host: Host<'_, W>, level: i32, text: i32, len: i32| {
            with_memory(&mut host, |memory, _, guest| {
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

/// The capabilities `items` and `peers`; the loader lets no other module import these.
fn items<W: World>(linker: &mut Linker<CallState<W>>) -> Result<()> {
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
    linker.func_wrap(M, "peer_get", |mut host: Host<'_, W>, r: i32, rl: i32| {
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
        host.as_context_mut().set_epoch_deadline(ticks);
        Ok(answered)
    })?;
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
