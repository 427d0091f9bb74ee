//! The host functions of `guest-sdk/abi`: each checks what the guest chose, counts it, and asks the world.
//!
//! What a function does and returns is said in the ABI; here is only how. An `Err` ends the call:
//! the reason is left in the state, and the instance is dropped.

use cacheismo_abi::ABSENT;
use wasmtime::{Caller, Linker};

use super::engine::Engine;
use super::state::{CallState, Guest};
use super::world::{Handle, Stop, World};

mod fields;
mod items;
mod objects;
mod surroundings;

/// Marks an error whose reason is in the state.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended by a host function")]
pub(super) struct Ended;

/// A linker with every host function.
pub(super) fn linker<W: World>(engine: &Engine) -> Linker<CallState<W>> {
    let mut linker = Linker::new(&engine.wasm);
    objects::objects(&mut linker)
        .and_then(|()| objects::values(&mut linker))
        .and_then(|()| fields::fields(&mut linker))
        .and_then(|()| surroundings::surroundings(&mut linker))
        .and_then(|()| items::items(&mut linker))
        .and_then(|()| items::peers(&mut linker, engine.clone()))
        .and_then(|()| super::lua::add_to_linker(&mut linker))
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
