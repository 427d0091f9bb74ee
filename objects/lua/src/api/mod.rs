//! The functions scripts see: one file per table or library.

pub(crate) mod cache_item;
pub(crate) mod command;
pub(crate) mod consistent;
pub(crate) mod execute;
pub(crate) mod hash_map;
pub(crate) mod marshal;
pub(crate) mod misc;
pub(crate) mod object;
pub(crate) mod os;

use crate::sys::lua::{Lua, Outcome, REGISTRY};
use core::ffi::CStr;

/// Classes of userdata. Each has a table of methods, which is its own metatable and
/// `__index`, as global (but for `Object`) and in the registry under its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// All plain items.
    HashMap = 101,
    /// A plain item.
    CacheItem = 102,
    /// The client's command.
    Command = 103,
    /// A ring of servers.
    Consistent = 104,
    /// An object with keyed fields.
    Object = 105,
}

/// Registry slots of single values.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    /// The only `HashMap`.
    HashMap = 111,
    /// The only `Command`.
    Command = 112,
    /// Table: type name to table of functions, of types that are global tables.
    Legacy = 113,
    /// Table: type name to table of functions, of types declared with `object.type`.
    Objects = 114,
    /// Table: type name to table of options of `object.type`.
    Options = 115,
    /// The object a new-style call was made on.
    This = 116,
}

impl Class {
    fn name(self) -> &'static CStr {
        match self {
            Self::HashMap => c"HashMap",
            Self::CacheItem => c"CacheItem",
            Self::Command => c"Command",
            Self::Consistent => c"Consistent",
            Self::Object => c"Object",
        }
    }

    /// Starts the table of methods; it is on top of the stack.
    fn define(self, lua: Lua) {
        lua.push_table(0, 16);
        lua.push_bytes(b"__index");
        lua.push_value(-2);
        lua.raw_set(-3);
        lua.push_value(-1);
        lua.raw_set_index(REGISTRY, self as i32);
    }

    /// Ends the table of methods: as a global, if old scripts know it.
    fn publish(self, lua: Lua) {
        lua.set_global(self.name().to_str().expect("plain names"));
    }

    /// Makes the userdata on top one of this class.
    fn adopt(self, lua: Lua) {
        lua.raw_get_index(REGISTRY, self as i32);
        lua.set_metatable(-2);
    }

    /// The bytes of argument `arg`, which must be of this class. *Raises* when it is not.
    pub(crate) fn check(self, lua: &Lua, arg: i32) -> &mut [u8] {
        if lua.kind(arg) == crate::sys::lua::kind::USERDATA && lua.push_metatable(arg) {
            lua.raw_get_index(REGISTRY, self as i32);
            let same = lua.same(-1, -2);
            lua.pop(2);
            if same {
                return lua.userdata(arg);
            }
        }
        lua.type_error(arg, self.name())
    }
}

impl Slot {
    /// Stores the value on top.
    pub(crate) fn set(self, lua: Lua) {
        lua.raw_set_index(REGISTRY, self as i32);
    }

    /// Pushes the value.
    pub(crate) fn push(self, lua: Lua) {
        lua.raw_get_index(REGISTRY, self as i32);
    }
}

/// The last argument, as a string: methods of old take theirs from the end, so that an extra
/// receiver in front does no harm. *Raises* when it is none.
fn last_bytes(lua: &Lua, at_least: i32) -> &[u8] {
    lua.check_bytes(lua.top().max(at_least))
}

/// The last argument, as a number. *Raises* when it is none.
fn last_number(lua: Lua, at_least: i32) -> f64 {
    lua.check_number(lua.top().max(at_least))
}

/// A whole number from a script as an unsigned one: C took what `strtoul` gave it.
fn to_u32(n: f64) -> u32 {
    (n as i64 & 0xffff_ffff) as u32
}

/// Pushes text, or nil.
fn push_option(lua: Lua, bytes: Option<&[u8]>) -> Outcome {
    match bytes {
        Some(bytes) => lua.push_bytes(bytes),
        None => lua.push_nil(),
    }
    Ok(1)
}

/// Defines everything in a new state.
pub(crate) fn install(lua: Lua) {
    for slot in [Slot::Legacy, Slot::Objects, Slot::Options] {
        lua.push_table(0, 16);
        slot.set(lua);
    }
    hash_map::install(lua);
    cache_item::install(lua);
    command::install(lua);
    consistent::install(lua);
    execute::install(lua);
    marshal::install(lua);
    os::install(lua);
    misc::install(lua);
    object::install(lua);
}
