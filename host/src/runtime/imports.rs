//! The host functions of `guest-sdk/abi`: each checks what the guest chose, counts it, and asks the object host.
//!
//! What a function does and returns is said in the ABI; here is only how. An `Err` ends the call:
//! the reason is left in the state, and the instance is dropped.

use cacheismo_abi::ABSENT;
use wasmtime::Linker;

use super::engine::Engine;
use super::object_host::{Handle, ObjectHost, Stop};
use super::state::{CallState, Guest};

mod fields;
mod items;
mod objects;
mod surroundings;

/// Marks an error whose reason is in the state.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended by a host function")]
pub(super) struct Ended;

/// A linker with every host function.
pub(super) fn linker<H: ObjectHost>(engine: &Engine) -> Linker<CallState<H>> {
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
type Caller<'a, H> = wasmtime::Caller<'a, CallState<H>>;

/// Runs the body of a host function that uses the guest's memory.
fn with_memory<H: ObjectHost, R>(
    caller: &mut Caller<'_, H>,
    body: impl FnOnce(&mut [u8], &mut H, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    let memory = caller
        .data()
        .guest
        .memory
        .expect("set before the first call");
    let (memory, state) = memory.data_and_store_mut(caller);
    finish(state, |host, guest| body(memory, host, guest))
}

/// Runs the body of a host function that does not use the guest's memory.
fn without_memory<H: ObjectHost, R>(
    caller: &mut Caller<'_, H>,
    body: impl FnOnce(&mut H, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    finish(caller.data_mut(), body)
}

fn finish<H: ObjectHost, R>(
    state: &mut CallState<H>,
    body: impl FnOnce(&mut H, &mut Guest) -> std::result::Result<R, Stop>,
) -> Result<R> {
    let host = state
        .host
        .as_mut()
        .expect("a guest runs only during a call");
    let guest = &mut state.guest;
    match guest.spend_call().and_then(|()| body(host, guest)) {
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
