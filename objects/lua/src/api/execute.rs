//! `executeReadOnly`, `executeReadWrite` and `executeNew`: what nearly every old-style function is made of.
//!
//! They read, decode, call, encode and write without the tables and strings in between that the same in Lua
//! needs: that was more than half of a call. A directory's own config.lua replaces them by its own.

use super::marshal;
use super::{Class, cache_item};
use crate::context;
use crate::rules::Rules;
use crate::sys::host;
use crate::sys::lua::{Lua, Outcome, Raise, kind};

/// Arguments before those of the function: command, key, type, name, function.
const COMMAND: i32 = 1;
const KEY: i32 = 2;
const TYPE: i32 = 3;
const NAME: i32 = 4;
const FUNCTION: i32 = 5;

/// Defines the global functions.
pub(crate) fn install(lua: Lua) {
    lua.push_native(read_only);
    lua.set_global("executeReadOnly");
    lua.push_native(read_write);
    lua.set_global("executeReadWrite");
    lua.push_native(new);
    lua.set_global("executeNew");
}

/// Checks the arguments. *Raises* when one is of the wrong type.
fn begin(lua: &Lua) {
    Class::Command.check(lua, COMMAND);
    for argument in [KEY, TYPE, NAME] {
        lua.check_bytes(argument);
    }
    lua.check_kind(FUNCTION, kind::FUNCTION);
    name_item(lua);
}

/// Makes the item's key, `type$name`. Once more after the function, which may have run another of these.
fn name_item(lua: &Lua) {
    context::with(|c| {
        let mut key = c.item_key.borrow_mut();
        key.clear();
        key.extend_from_slice(lua.bytes(TYPE));
        key.push(cacheismo_abi::OBJECT_SEPARATOR);
        key.extend_from_slice(lua.bytes(NAME));
    });
}

/// Pushes the object's table; false when there is no object.
fn push_object(lua: Lua) -> Result<bool, Raise> {
    context::with(|c| {
        let key = c.item_key.borrow();
        let found = Some(key.as_slice()).filter(|k| Rules::is_key(k));
        let Some(len) = found.and_then(host::item_get) else {
            return Ok(false);
        };
        let mut item = c.scratch.borrow_mut();
        item.resize(len, 0);
        host::result_read(0, &mut item);
        let data = item.get(cache_item::PARKED_HEAD..).unwrap_or_default();
        marshal::push(lua, data)?;
        Ok(true)
    })
}

/// Stores the table at `index`, with flags and expiry of the command.
fn store(lua: Lua, index: i32) -> Result<(), Raise> {
    context::with(|c| {
        let key = c.item_key.borrow();
        let mut data = c.scratch.borrow_mut();
        marshal::write(lua, index, &mut data)?;
        c.refuse_item(&key, &data)?;
        let command = c.command.borrow();
        let expiry_ms = command.expiry_ms(host::now_ms);
        host::item_put(&key, command.flags, expiry_ms, &data);
        Ok(())
    })
}

fn answer(lua: Lua, value: &[u8]) {
    context::with(|c| c.answer(lua.check_bytes(KEY), value));
}

/// Answers with the value on top, as `writeStringAsValue` would.
fn answer_top(lua: Lua) -> Result<(), Raise> {
    match lua.kind(-1) {
        kind::STRING | kind::NUMBER => {
            let value = lua.bytes(-1);
            answer(lua, value);
            Ok(())
        }
        _ => Err("the function must return a string or a number".into()),
    }
}

/// `executeReadOnly(command, key, type, name, f, ...)`: answers `f(object, ...)`.
fn read_only(lua: Lua) -> Outcome {
    begin(&lua);
    if push_object(lua)? {
        lua.insert(FUNCTION + 1);
        lua.call(lua.top() - FUNCTION, 1);
        answer_top(lua)?;
    } else {
        answer(lua, b"ERROR_CACHE_MISS");
    }
    Ok(0)
}

/// `executeReadWrite(command, key, type, name, f, ...)`: the same, and the object is stored again.
fn read_write(lua: Lua) -> Outcome {
    begin(&lua);
    if !push_object(lua)? {
        answer(lua, b"ERROR_CACHE_MISS");
        return Ok(0);
    }
    // command, key, type, name, object, function, object, ...
    lua.push_value(-1);
    lua.insert(FUNCTION);
    lua.insert(FUNCTION + 2);
    lua.call(lua.top() - FUNCTION - 1, 1);
    name_item(&lua);
    store(lua, FUNCTION)?;
    answer_top(lua)?;
    Ok(0)
}

/// `executeNew(command, key, type, name, f, ...)`: stores the object that `f(...)` returns, in place of an old one.
fn new(lua: Lua) -> Outcome {
    begin(&lua);
    context::with(|c| {
        let key = c.item_key.borrow();
        c.refuse_item(&key, b"")?;
        host::item_delete(&key);
        Ok::<(), Raise>(())
    })?;
    lua.call(lua.top() - FUNCTION, 1);
    if lua.is_nil(-1) {
        answer(lua, b"NOT_CREATED");
        return Ok(0);
    }
    if lua.kind(-1) != kind::TABLE {
        return Err("the function must return a table or nil".into());
    }
    name_item(&lua);
    store(lua, lua.top())?;
    answer(lua, b"CREATED");
    Ok(0)
}
