//! Lua's C API behind safe methods.
//!
//! # What makes them safe
//!
//! A [`Lua`] exists only while C runs us (or between calls, for the one main state, which is
//! never closed). Every index is checked for its type before it is looked into, so a wrong one
//! reads as nil. A slice got from a value is good while that value stays on the stack: natives
//! keep their arguments there until they return.
//!
//! # Raising
//!
//! Methods marked *raises* may leave through `throw`, skipping the Rust frames between without
//! dropping what they own. So natives own nothing there but on the way to an out of memory
//! error, after which the instance is given up anyway; their own errors are returned as
//! [`Raise`] and thrown by the trampoline when everything is dropped.
#![expect(unsafe_code, reason = "the C API; the module's doc is the proof")]

use super::raw;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::slice;
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::borrow::Cow;

/// Type of a value, as `lua_type` numbers it.
pub(crate) mod kind {
    /// `nil`.
    pub(crate) const NIL: i32 = 0;
    /// `true`, `false`.
    pub(crate) const BOOLEAN: i32 = 1;
    /// A double.
    pub(crate) const NUMBER: i32 = 3;
    /// Bytes.
    pub(crate) const STRING: i32 = 4;
    /// A table.
    pub(crate) const TABLE: i32 = 5;
    /// Lua or native function.
    pub(crate) const FUNCTION: i32 = 6;
    /// A userdata: an object of ours, or `newproxy`'s.
    pub(crate) const USERDATA: i32 = 7;
    /// A coroutine.
    pub(crate) const THREAD: i32 = 8;
}

/// Pseudo index of the registry.
pub(crate) const REGISTRY: i32 = raw::REGISTRY;
/// Pseudo index of the table of globals.
pub(crate) const GLOBALS: i32 = raw::GLOBALS;
/// "As many results as there are".
pub(crate) const ALL: i32 = raw::MULTRET;

/// An error a native raises, prefixed with the position of its caller.
pub(crate) type Raise = Cow<'static, str>;
/// What a native returns: how many of the topmost values are its results.
pub(crate) type Outcome = Result<i32, Raise>;

/// Why a protected call failed. The error value is on the stack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An error of the script.
    Error,
    /// The memory limit.
    Memory,
}

/// A Lua state: the main one or a coroutine's.
#[derive(Clone, Copy)]
pub(crate) struct Lua(*mut raw::State);

/// Lua's allocator: blocks of Rust's, whose sizes Lua remembers for us.
unsafe extern "C-unwind" fn allocate(
    _: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    let layout = |size| Layout::from_size_align(size, 8).expect("sizes of wasm32 fit");
    // SAFETY: `block` was made here with `old` bytes, or is null with `old` 0.
    unsafe {
        match (old, new) {
            (0, 0) => core::ptr::null_mut(),
            (0, _) => alloc(layout(new)).cast(),
            (_, 0) => {
                dealloc(block.cast(), layout(old));
                core::ptr::null_mut()
            }
            _ => realloc(block.cast(), layout(old), new).cast(),
        }
    }
}

/// Calls the native `F`, a function item without captures, and throws what it raises.
unsafe extern "C-unwind" fn trampoline<F: Fn(Lua) -> Outcome + Copy>(l: *mut raw::State) -> c_int {
    const { assert!(size_of::<F>() == 0, "a native captures nothing") };
    // SAFETY: a type without size has one value, and `push_native` was given it.
    let native: F = unsafe { core::mem::zeroed() };
    let raise = match native(Lua(l)) {
        Ok(results) => return results,
        Err(raise) => raise,
    };
    // SAFETY: Lua calls natives with 20 free slots.
    unsafe {
        raw::luaL_where(l, 1);
        raw::lua_pushlstring(l, raise.as_ptr().cast(), raise.len());
        drop(raise);
        concat_two(l);
        raw::lua_error(l)
    }
}

/// Replaces the two topmost strings by their concatenation.
unsafe fn concat_two(l: *mut raw::State) {
    unsafe extern "C-unwind" {
        fn lua_concat(l: *mut raw::State, n: c_int);
    }
    // SAFETY: both are strings.
    unsafe { lua_concat(l, 2) }
}

impl Lua {
    /// A new state with the standard libraries that are safe; `None` when memory is short.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: the allocator above keeps the contract of `lua_Alloc`.
        let l = unsafe { raw::lua_newstate(allocate, core::ptr::null_mut()) };
        if l.is_null() {
            return None;
        }
        let lua = Self(l);
        for open in [
            raw::luaopen_base,
            raw::luaopen_table,
            raw::luaopen_string,
            raw::luaopen_math,
            raw::luaopen_debug,
        ] {
            // SAFETY: the libraries are opened as `luaL_openlibs` does.
            unsafe {
                raw::lua_pushcclosure(l, open, 0);
                raw::lua_pushlstring(l, c"".as_ptr(), 0);
                raw::lua_call(l, 1, 0);
            }
        }
        // SAFETY: a C function of ours.
        unsafe { raw::lua_pushcclosure(l, raw::cacheismo_tonumber, 0) };
        lua.set_global("tonumber");
        Some(lua)
    }

    /// Number of values on the stack.
    pub(crate) fn top(self) -> i32 {
        // SAFETY: always allowed.
        unsafe { raw::lua_gettop(self.0) }
    }

    /// Cuts the stack to `top` values, or fills it with nils.
    pub(crate) fn set_top(self, top: i32) {
        // SAFETY: natives stay within the slots they checked.
        unsafe { raw::lua_settop(self.0, top) }
    }

    /// Drops the `n` topmost values.
    pub(crate) fn pop(self, n: i32) {
        self.set_top(-n - 1);
    }

    /// Pushes a copy of the value at `index`.
    pub(crate) fn push_value(self, index: i32) {
        // SAFETY: as `set_top`.
        unsafe { raw::lua_pushvalue(self.0, index) }
    }

    /// Moves the topmost value to `index`.
    pub(crate) fn insert(self, index: i32) {
        // SAFETY: as `set_top`.
        unsafe { raw::lua_insert(self.0, index) }
    }

    /// Moves the topmost value into the place of the one at `index`.
    pub(crate) fn replace(self, index: i32) {
        // SAFETY: as `set_top`.
        unsafe { raw::lua_replace(self.0, index) }
    }

    /// Makes room for `n` more values; false when the stack would be too long.
    pub(crate) fn reserve(self, n: i32) -> bool {
        // SAFETY: always allowed.
        unsafe { raw::lua_checkstack(self.0, n) != 0 }
    }

    /// The kind of the value at `index`.
    pub(crate) fn kind(self, index: i32) -> i32 {
        // SAFETY: always allowed.
        unsafe { raw::lua_type(self.0, index) }
    }

    /// Whether the value is nil, or not there.
    pub(crate) fn is_nil(self, index: i32) -> bool {
        self.kind(index) <= kind::NIL
    }

    /// Whether the value is a function not written in Lua.
    pub(crate) fn is_native(self, index: i32) -> bool {
        // SAFETY: always allowed.
        unsafe { raw::lua_iscfunction(self.0, index) != 0 }
    }

    /// Whether these are the same value.
    pub(crate) fn same(self, a: i32, b: i32) -> bool {
        // SAFETY: always allowed.
        unsafe { raw::lua_rawequal(self.0, a, b) != 0 }
    }

    /// The number at `index`, or what a string there converts to, or 0.
    pub(crate) fn number(self, index: i32) -> f64 {
        // SAFETY: always allowed.
        unsafe { raw::lua_tonumber(self.0, index) }
    }

    /// Whether the value is anything but nil and false.
    pub(crate) fn boolean(self, index: i32) -> bool {
        // SAFETY: always allowed.
        unsafe { raw::lua_toboolean(self.0, index) != 0 }
    }

    /// The bytes of a string; a number is turned into one first. Empty for anything else.
    pub(crate) fn bytes(&self, index: i32) -> &[u8] {
        let mut len = 0;
        // SAFETY: on success `len` bytes are there, as long as the value is on the stack.
        unsafe {
            let start = raw::lua_tolstring(self.0, index, &raw mut len);
            if start.is_null() {
                &[]
            } else {
                slice::from_raw_parts(start.cast(), len)
            }
        }
    }

    /// Identity of a table, function, userdata or thread.
    pub(crate) fn address(self, index: i32) -> usize {
        // SAFETY: only compared, never followed.
        unsafe { raw::lua_topointer(self.0, index) as usize }
    }

    /// The bytes of a userdata; empty for anything else.
    #[expect(
        clippy::mut_from_ref,
        reason = "the bytes belong to the collector; natives take them once"
    )]
    pub(crate) fn userdata(&self, index: i32) -> &mut [u8] {
        if self.kind(index) != kind::USERDATA {
            return &mut [];
        }
        // SAFETY: a full userdata (there are no light ones) has so many bytes.
        unsafe {
            let len = raw::lua_objlen(self.0, index);
            slice::from_raw_parts_mut(raw::lua_touserdata(self.0, index).cast(), len)
        }
    }

    /// Pushes nil.
    pub(crate) fn push_nil(self) {
        // SAFETY: natives have 20 free slots or reserve more.
        unsafe { raw::lua_pushnil(self.0) }
    }

    /// Pushes a number.
    pub(crate) fn push_number(self, n: f64) {
        // SAFETY: as `push_nil`.
        unsafe { raw::lua_pushnumber(self.0, n) }
    }

    /// Pushes a boolean.
    pub(crate) fn push_boolean(self, b: bool) {
        // SAFETY: as `push_nil`.
        unsafe { raw::lua_pushboolean(self.0, c_int::from(b)) }
    }

    /// Pushes a string. *Raises* when memory is short.
    pub(crate) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: as `push_nil`; Lua copies the bytes.
        unsafe { raw::lua_pushlstring(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a native function. *Raises* when memory is short.
    pub(crate) fn push_native<F: Fn(Self) -> Outcome + Copy>(self, _: F) {
        // SAFETY: as `push_nil`.
        unsafe { raw::lua_pushcclosure(self.0, trampoline::<F>, 0) }
    }

    /// Pushes a new table with room. *Raises* when memory is short.
    pub(crate) fn push_table(self, array: i32, hash: i32) {
        // SAFETY: as `push_nil`.
        unsafe { raw::lua_createtable(self.0, array, hash) }
    }

    /// Pushes a userdata of `len` bytes, all zero. *Raises* when memory is short.
    #[expect(clippy::mut_from_ref, reason = "as `userdata`")]
    pub(crate) fn push_userdata(&self, len: usize) -> &mut [u8] {
        // SAFETY: Lua gives so many bytes, aligned for anything.
        unsafe {
            let start = raw::lua_newuserdata(self.0, len).cast::<u8>();
            start.write_bytes(0, len);
            slice::from_raw_parts_mut(start, len)
        }
    }

    /// Replaces the key on top by its value in the table at `index`, without metamethods.
    pub(crate) fn raw_get(self, index: i32) {
        // SAFETY: the callers give tables.
        unsafe { raw::lua_rawget(self.0, index) }
    }

    /// Pushes the field `name` of the table at `index`, without metamethods.
    pub(crate) fn raw_field(self, index: i32, name: &[u8]) {
        let index = if index < 0 && index > REGISTRY {
            index - 1
        } else {
            index
        };
        self.push_bytes(name);
        self.raw_get(index);
    }

    /// Sets key and value on top in the table at `index`. *Raises* for a nil or NaN key.
    pub(crate) fn raw_set(self, index: i32) {
        // SAFETY: the callers give tables.
        unsafe { raw::lua_rawset(self.0, index) }
    }

    /// Pushes element `n` of the table at `index`.
    pub(crate) fn raw_get_index(self, index: i32, n: i32) {
        // SAFETY: the callers give tables.
        unsafe { raw::lua_rawgeti(self.0, index, n) }
    }

    /// Sets element `n` of the table at `index` to the value on top.
    pub(crate) fn raw_set_index(self, index: i32, n: i32) {
        // SAFETY: the callers give tables.
        unsafe { raw::lua_rawseti(self.0, index, n) }
    }

    /// Sets a field of the table on top to a native.
    pub(crate) fn set_native<F: Fn(Self) -> Outcome + Copy>(self, name: &str, native: F) {
        self.push_bytes(name.as_bytes());
        self.push_native(native);
        self.raw_set(-3);
    }

    /// Sets a global to the value on top.
    pub(crate) fn set_global(self, name: &str) {
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(GLOBALS);
    }

    /// Replaces the key on top by the next pair of the table at `index`; false at the end.
    pub(crate) fn next(self, index: i32) -> bool {
        // SAFETY: the callers give tables and keys they got from here.
        unsafe { raw::lua_next(self.0, index) != 0 }
    }

    /// Pushes the metatable of the value at `index`, if it has one.
    pub(crate) fn push_metatable(self, index: i32) -> bool {
        // SAFETY: as `push_nil`.
        unsafe { raw::lua_getmetatable(self.0, index) != 0 }
    }

    /// Gives the value at `index` the metatable on top.
    pub(crate) fn set_metatable(self, index: i32) {
        // SAFETY: the value on top is a table.
        unsafe { raw::lua_setmetatable(self.0, index) };
    }

    /// Calls the function below `args` arguments. *Raises* what the function raises.
    pub(crate) fn call(self, args: i32, results: i32) {
        // SAFETY: function and arguments are on the stack.
        unsafe { raw::lua_call(self.0, args, results) }
    }

    /// Calls the function below `args` arguments and catches errors.
    ///
    /// # Errors
    /// With the error value on the stack instead of results.
    pub(crate) fn protected_call(self, args: i32, results: i32) -> Result<(), Failure> {
        // SAFETY: function and arguments are on the stack.
        failure(unsafe { raw::lua_pcall(self.0, args, results, 0) })
    }

    /// Compiles a chunk and pushes its function.
    ///
    /// # Errors
    /// With the message on the stack instead.
    pub(crate) fn load(self, text: &[u8], name: &CStr) -> Result<(), Failure> {
        // SAFETY: Lua only reads the text.
        failure(unsafe {
            raw::luaL_loadbuffer(self.0, text.as_ptr().cast(), text.len(), name.as_ptr())
        })
    }

    /// Raises the value on top as an error.
    pub(crate) fn throw(self) -> ! {
        // SAFETY: never returns.
        unsafe { raw::lua_error(self.0) };
        unreachable!("lua_error does not return")
    }

    /// Kilobytes of Lua's heap in use.
    pub(crate) fn heap_kb(self) -> i32 {
        // SAFETY: always allowed.
        unsafe { raw::lua_gc(self.0, 3, 0) }
    }

    /// Collects all garbage.
    pub(crate) fn collect(self) {
        // SAFETY: always allowed.
        unsafe { raw::lua_gc(self.0, 2, 0) };
    }

    /// From now on scripts are loaded: keeps them from changing the library. Takes off the stack a table of read-only
    /// tables and their names, and a set of names of globals. *Raises* when memory is short.
    pub(crate) fn guard_load(self) {
        // SAFETY: the two tables are on the stack.
        unsafe { raw::cacheismo_guard_load(self.0) }
    }

    /// From now on calls come, and see what the scripts left. *Raises* when memory is short.
    pub(crate) fn guard_calls(self) {
        // SAFETY: as `push_nil`.
        unsafe { raw::cacheismo_guard_calls(self.0) }
    }

    /// Puts back what a call changed of what others see.
    pub(crate) fn guard_end(self) {
        // SAFETY: as `push_nil`.
        unsafe { raw::cacheismo_guard_end(self.0) }
    }

    /// The string argument `arg`. *Raises* when it is none.
    pub(crate) fn check_bytes(&self, arg: i32) -> &[u8] {
        let mut len = 0;
        // SAFETY: as `bytes`.
        unsafe {
            let start = raw::luaL_checklstring(self.0, arg, &raw mut len);
            slice::from_raw_parts(start.cast(), len)
        }
    }

    /// The number argument `arg`. *Raises* when it is none.
    pub(crate) fn check_number(self, arg: i32) -> f64 {
        // SAFETY: always allowed.
        unsafe { raw::luaL_checknumber(self.0, arg) }
    }

    /// *Raises* unless argument `arg` is of this kind.
    pub(crate) fn check_kind(self, arg: i32, kind: i32) {
        // SAFETY: always allowed.
        unsafe { raw::luaL_checktype(self.0, arg, kind) }
    }

    /// Raises "bad argument: `wanted` expected, got ...".
    pub(crate) fn type_error(self, arg: i32, wanted: &CStr) -> ! {
        // SAFETY: never returns.
        unsafe { raw::luaL_typerror(self.0, arg, wanted.as_ptr()) };
        unreachable!("luaL_typerror does not return")
    }
}

/// Reads a status of Lua.
fn failure(status: c_int) -> Result<(), Failure> {
    match status {
        0 => Ok(()),
        raw::ERRMEM => Err(Failure::Memory),
        _ => Err(Failure::Error),
    }
}

/// First seed of `math.random`, so that instances do not all draw the same numbers.
#[unsafe(no_mangle)]
extern "C" fn cacheismo_seed() -> u32 {
    (super::host::random() & 0xffff_ffff) as u32
}

const _: () = assert!(size_of::<*const c_char>() == 4, "wasm32");
