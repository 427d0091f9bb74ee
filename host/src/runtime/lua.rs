//! The two imports a Lua interpreter needs beside an object's: catching and throwing errors.
//!
//! Lua 5.1 leaves its C frames by `longjmp`. Its module does so through the host instead:
//! `pcall(f, l, ud)` calls the guest's export `invoke(f, l, ud)` and returns 0 when that
//! returns, 1 when `throw()` was called inside it. `throw` ends the wasm frames up to that
//! `pcall` with the error [`LuaThrow`]; every other trap passes through, so that neither the
//! deadline nor a limit can be caught by a script. objects/lua/HOST.md tells the rest.

use wasmtime::{Caller, Extern, Linker, Result, TypedFunc};

/// Import module of both functions.
pub(super) const LUA_MODULE: &str = "cacheismo_lua_1";
/// Signatures of both functions, in the notation of `abi::imports`.
pub(super) const LUA_IMPORTS: &[(&str, &str)] = &[("pcall", "iii:i"), ("throw", ":")];

/// The guest's `invoke`, looked up at the first `pcall` of an instance.
pub(super) type Invoke = TypedFunc<(u32, u32, u32), ()>;

/// Room for [`Invoke`] in the data of a store.
pub(super) trait LuaData: 'static {
    /// Empty in a new store; filled by `pcall`.
    fn invoke(&mut self) -> &mut Option<Invoke>;
}

/// A Lua error on its way to the `pcall` that catches it.
#[derive(Debug, thiserror::Error)]
#[error("a Lua error outside of pcall")]
pub(super) struct LuaThrow;

/// Defines both imports.
///
/// # Errors
/// When the linker has one of them already.
pub(super) fn add_to_linker<T: LuaData>(linker: &mut Linker<T>) -> Result<()> {
    linker.func_wrap(LUA_MODULE, "throw", || -> Result<()> {
        Err(LuaThrow.into())
    })?;
    linker.func_wrap(LUA_MODULE, "pcall", pcall::<T>)?;
    Ok(())
}

/// Calls back into the guest. The nesting is bounded by Lua (200 C calls) and by the wasm stack.
fn pcall<T: LuaData>(mut caller: Caller<'_, T>, f: u32, l: u32, ud: u32) -> Result<u32> {
    let invoke = match caller.data_mut().invoke() {
        Some(invoke) => invoke.clone(),
        None => {
            let export = caller.get_export("invoke").and_then(Extern::into_func);
            let Some(func) = export else {
                return Err(wasmtime::Error::msg("the module does not export `invoke`"));
            };
            let invoke: Invoke = func.typed(&caller)?;
            caller.data_mut().invoke().insert(invoke).clone()
        }
    };
    match invoke.call(&mut caller, (f, l, ud)) {
        Ok(()) => Ok(0),
        Err(error) if error.is::<LuaThrow>() => Ok(1),
        Err(error) => Err(error),
    }
}
