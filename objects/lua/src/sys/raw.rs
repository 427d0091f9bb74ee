//! The part of Lua's C API in use, as `lua.h` and `lauxlib.h` declare it with shim.h in front.
#![expect(unsafe_code, reason = "declarations of C functions")]

use core::ffi::{c_char, c_int, c_void};

/// `lua_State`, which only C looks into.
#[repr(C)]
pub(super) struct State {
    _private: [u8; 0],
}

/// `lua_CFunction`.
pub(super) type CFunction = unsafe extern "C-unwind" fn(*mut State) -> c_int;
/// `lua_Alloc`.
pub(super) type Alloc =
    unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize, usize) -> *mut c_void;

pub(super) const REGISTRY: c_int = -10000;
pub(super) const GLOBALS: c_int = -10002;
pub(super) const MULTRET: c_int = -1;
pub(super) const ERRMEM: c_int = 4;

unsafe extern "C-unwind" {
    pub(super) fn lua_newstate(f: Alloc, ud: *mut c_void) -> *mut State;
    pub(super) fn lua_gettop(l: *mut State) -> c_int;
    pub(super) fn lua_settop(l: *mut State, index: c_int);
    pub(super) fn lua_pushvalue(l: *mut State, index: c_int);
    pub(super) fn lua_replace(l: *mut State, index: c_int);
    pub(super) fn lua_insert(l: *mut State, index: c_int);
    pub(super) fn lua_checkstack(l: *mut State, more: c_int) -> c_int;
    pub(super) fn lua_type(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_iscfunction(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_rawequal(l: *mut State, a: c_int, b: c_int) -> c_int;
    pub(super) fn lua_tonumber(l: *mut State, index: c_int) -> f64;
    pub(super) fn lua_toboolean(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_tolstring(l: *mut State, index: c_int, len: *mut usize) -> *const c_char;
    pub(super) fn lua_touserdata(l: *mut State, index: c_int) -> *mut c_void;
    pub(super) fn lua_topointer(l: *mut State, index: c_int) -> *const c_void;
    pub(super) fn lua_objlen(l: *mut State, index: c_int) -> usize;
    pub(super) fn lua_pushnil(l: *mut State);
    pub(super) fn lua_pushnumber(l: *mut State, n: f64);
    pub(super) fn lua_pushboolean(l: *mut State, b: c_int);
    pub(super) fn lua_pushlstring(l: *mut State, s: *const c_char, len: usize);
    pub(super) fn lua_pushcclosure(l: *mut State, f: CFunction, upvalues: c_int);
    pub(super) fn lua_rawget(l: *mut State, index: c_int);
    pub(super) fn lua_rawset(l: *mut State, index: c_int);
    pub(super) fn lua_rawgeti(l: *mut State, index: c_int, n: c_int);
    pub(super) fn lua_rawseti(l: *mut State, index: c_int, n: c_int);
    pub(super) fn lua_createtable(l: *mut State, array: c_int, hash: c_int);
    pub(super) fn lua_newuserdata(l: *mut State, size: usize) -> *mut c_void;
    pub(super) fn lua_getmetatable(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_setmetatable(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_next(l: *mut State, index: c_int) -> c_int;
    pub(super) fn lua_call(l: *mut State, args: c_int, results: c_int);
    pub(super) fn lua_pcall(l: *mut State, args: c_int, results: c_int, handler: c_int) -> c_int;
    pub(super) fn lua_error(l: *mut State) -> c_int;
    pub(super) fn lua_gc(l: *mut State, what: c_int, data: c_int) -> c_int;
    pub(super) fn luaL_where(l: *mut State, level: c_int);
    pub(super) fn luaL_loadbuffer(
        l: *mut State,
        text: *const c_char,
        len: usize,
        name: *const c_char,
    ) -> c_int;
    pub(super) fn luaL_checklstring(l: *mut State, arg: c_int, len: *mut usize) -> *const c_char;
    pub(super) fn luaL_checknumber(l: *mut State, arg: c_int) -> f64;
    pub(super) fn luaL_checktype(l: *mut State, arg: c_int, kind: c_int);
    pub(super) fn luaL_typerror(l: *mut State, arg: c_int, wanted: *const c_char) -> c_int;
    pub(super) fn luaopen_base(l: *mut State) -> c_int;
    pub(super) fn luaopen_table(l: *mut State) -> c_int;
    pub(super) fn luaopen_string(l: *mut State) -> c_int;
    pub(super) fn luaopen_math(l: *mut State) -> c_int;
    pub(super) fn luaopen_debug(l: *mut State) -> c_int;
    pub(super) fn cacheismo_tonumber(l: *mut State) -> c_int;
    pub(super) fn cacheismo_guard_load(l: *mut State);
    pub(super) fn cacheismo_guard_calls(l: *mut State);
    pub(super) fn cacheismo_guard_end(l: *mut State);
}
