//! Running one function of a type, or the handler of a command.

use super::{CALLED, COMMAND, NOT_OF_THE_CONTRACT};
use crate::api::{Slot, object};
use crate::context;
use crate::number;
use crate::sys::lua::{ALL, GLOBALS, Lua, Outcome, REGISTRY, Raise, kind};
use crate::virtual_key::split_key;
use cacheismo_lua_contract::{Command, MAIN_VIRTUAL_KEY, Tag};
use std::cell::RefCell;

thread_local! {
    static FOUND: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// Makes the client's command the one that scripts see.
fn set_command(told: &Command<'static>) -> Result<(), Raise> {
    let set = context::with(|c| c.command.borrow_mut().set(told));
    set.ok_or(NOT_OF_THE_CONTRACT.into())
}

/// How many functions are remembered by name.
const KNOWN_MAX: usize = 64;
/// Registry slots of the remembered functions.
const KNOWN: i32 = 1000;

/// A function found before: its type, its name, and whether the type is an old-style one.
type Known = (Vec<u8>, Vec<u8>, bool);

/// Pushes a function of a type, and tells whether the type is an old-style one; `None` when there is no such function.
fn push_function(lua: Lua, type_name: &[u8], function: &[u8]) -> Option<bool> {
    let hash = type_name.iter().chain(function).fold(0, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let place = (hash ^ hash >> 16) as usize % KNOWN_MAX;
    let slot = KNOWN + i32::try_from(place).expect("a small number");
    let known = FOUND.with_borrow(|found| {
        let (known_type, known_function, legacy) = found.get(place)?;
        (known_type == type_name && known_function == function).then_some(*legacy)
    });
    if known.is_some() {
        lua.raw_get_index(REGISTRY, slot);
        return known;
    }
    Slot::Legacy.push(lua);
    lua.raw_field(-1, type_name);
    let legacy = lua.kind(-1) == kind::TABLE;
    if !legacy {
        Slot::Objects.push(lua);
        lua.raw_field(-1, type_name);
        if lua.kind(-1) != kind::TABLE {
            return None;
        }
    }
    lua.raw_field(-1, function);
    if lua.kind(-1) != kind::FUNCTION {
        return None;
    }
    lua.push_value(-1);
    lua.raw_set_index(REGISTRY, slot);
    FOUND.with_borrow_mut(|found| {
        found.resize(KNOWN_MAX, Known::default());
        found[place] = (type_name.to_vec(), function.to_vec(), legacy);
    });
    Some(legacy)
}

/// Runs a function of a type.
pub(super) fn run_call(lua: Lua) -> Outcome {
    let call = CALLED.get().expect("set before it is run");
    let virtual_key = call.virtual_key;
    context::with(|c| {
        c.begin(virtual_key);
        c.called.set((call.type_name, call.function));
    });
    set_command(&call.command)?;

    let Some(legacy) = push_function(lua, call.type_name, call.function) else {
        return Ok(0);
    };
    let base = lua.top();
    if legacy {
        Slot::Command.push(lua);
        lua.push_bytes(virtual_key);
    } else {
        object::push_this(lua);
    }
    // The object that a new-style function is called on is not among its arguments.
    let skip = if legacy { 2 } else { 3 };
    for part in split_key(virtual_key).skip(skip).chain(call.command.data) {
        if !lua.reserve(4) {
            return Err("too many arguments".into());
        }
        lua.push_bytes(part);
    }
    lua.call(lua.top() - base, if legacy { 0 } else { 1 });
    if !legacy {
        answer(lua, virtual_key)?;
    }
    Ok(0)
}

/// Answers with the result of a new-style function; nil is a miss. Whole numbers are answered with all their digits;
/// old-style functions answer theirs as `tostring` makes them, as in the original.
fn answer(lua: Lua, virtual_key: &[u8]) -> Result<(), Raise> {
    match lua.kind(-1) {
        kind::NIL => (),
        kind::NUMBER if number::is_exact(lua.number(-1)) => {
            number::with_text(lua.number(-1), |text| {
                context::with(|c| c.answer(virtual_key, text));
            });
        }
        kind::STRING | kind::NUMBER => context::with(|c| c.answer(virtual_key, lua.bytes(-1))),
        kind::BOOLEAN => {
            let text: &[u8] = if lua.boolean(-1) { b"true" } else { b"false" };
            context::with(|c| c.answer(virtual_key, text));
        }
        _ => return Err("the result must be a string, a number, a boolean or nil".into()),
    }
    Ok(())
}

/// What a handler returns to have the server execute the command.
const NATIVE: &[u8] = b"native";

/// Runs `mainVirtualKey`.
pub(super) fn run_main(lua: Lua) -> Outcome {
    let command = COMMAND.get().expect("set before it is run").command;
    context::with(|c| c.begin(b""));
    set_command(&command)?;
    lua.raw_field(GLOBALS, MAIN_VIRTUAL_KEY);
    let mut tag = Tag::Native;
    if lua.kind(-1) == kind::FUNCTION {
        Slot::Command.push(lua);
        lua.call(1, ALL);
        let closes = lua.top() > 0 && lua.kind(1) == kind::NUMBER && lua.number(1) < 0.0;
        let leaves = lua.top() > 0 && lua.kind(1) == kind::STRING && lua.bytes(1) == NATIVE;
        let silent = context::with(|c| c.output.borrow().is_empty());
        if leaves && !silent {
            return Err("a handler that has written cannot leave the command to the server".into());
        }
        lua.raw_field(GLOBALS, b"core");
        let handled = lua.kind(-1) == kind::TABLE && {
            lua.raw_field(-1, command.name);
            !lua.is_nil(-1)
        };
        tag = match closes {
            _ if leaves => Tag::Native,
            true if silent && !handled => Tag::Native,
            true => Tag::Close,
            false => Tag::Raw,
        };
    }
    context::with(|c| c.output.borrow_mut().set_tag(tag));
    Ok(0)
}
