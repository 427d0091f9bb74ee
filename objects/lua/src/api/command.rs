//! `Command`: what the client asked, and the answer. There is one, that of the running call.

use super::{Class, Slot, cache_item, last_bytes, last_number, push_option, to_u32};
use crate::command::Command;
use crate::context;
use crate::rules::{Rules, SERVERS_MAX};
use crate::sys::host;
use crate::sys::lua::{Lua, Outcome, Raise, kind};
use cacheismo_lua_contract::packed::{Reader, put_counted, put_u32};

/// Defines the table, the one userdata, and `writeStringAsValue`.
pub(crate) fn install(lua: Lua) {
    Class::Command.define(lua);
    install_getters(lua);
    install_setters(lua);
    lua.set_native("newCacheItem", new_cache_item);
    lua.set_native("writeCacheItem", write_cache_item);
    lua.set_native("writeString", write_string);
    lua.set_native("getFromServer", get_from_server);
    lua.set_native("getInParallel", get_in_parallel);
    Class::Command.publish(lua);
    lua.push_userdata(0);
    Class::Command.adopt(lua);
    Slot::Command.set(lua);
    lua.push_native(write_string_as_value);
    lua.set_global("writeStringAsValue");
}

/// Reads a number of the command of argument 1.
fn number(lua: Lua, read: impl FnOnce(&Command) -> f64) -> Outcome {
    Class::Command.check(&lua, 1);
    lua.push_number(context::with(|c| read(&c.command.borrow())));
    Ok(1)
}

/// Reads text of the command of argument 1.
fn text(lua: Lua, read: impl FnOnce(&Command) -> Option<&[u8]>) -> Outcome {
    Class::Command.check(&lua, 1);
    context::with(|c| push_option(lua, read(&c.command.borrow())))
}

fn install_getters(lua: Lua) {
    lua.set_native("getCommand", |lua: Lua| {
        text(lua, |c| Some(c.name).filter(|n| !n.is_empty()))
    });
    lua.set_native("getKey", |lua: Lua| text(lua, Command::key));
    lua.set_native("getKeySize", |lua: Lua| {
        number(lua, |c| c.key().map_or(0, <[u8]>::len) as f64)
    });
    lua.set_native("getExpiryTime", |lua: Lua| number(lua, |c| c.expiry as f64));
    lua.set_native("getDelta", |lua: Lua| number(lua, |c| c.delta as f64));
    lua.set_native("getFlags", |lua: Lua| number(lua, |c| f64::from(c.flags)));
    lua.set_native("getNoReply", |lua: Lua| {
        number(lua, |c| f64::from(c.noreply))
    });
    lua.set_native("getDataSize", |lua: Lua| {
        number(lua, |c| c.data().map_or(0, <[u8]>::len) as f64)
    });
    lua.set_native("getData", |lua: Lua| text(lua, Command::data));
    lua.set_native("hasMultipleKeys", |lua: Lua| {
        Class::Command.check(&lua, 1);
        let keys = context::with(|c| c.command.borrow().keys())?;
        lua.push_number(keys.count() as f64);
        Ok(1)
    });
    lua.set_native("getMultipleKeys", |lua: Lua| {
        Class::Command.check(&lua, 1);
        let mut keys = context::with(|c| c.command.borrow().keys())?.peekable();
        if keys.peek().is_none() {
            lua.push_nil();
            return Ok(1);
        }
        lua.push_table(8, 0);
        for (n, key) in (1..).zip(keys) {
            lua.push_bytes(key);
            lua.raw_set_index(-2, n);
        }
        Ok(1)
    });
}

/// Changes the command of argument 1 by the last argument, a number.
fn set_number(lua: Lua, write: impl FnOnce(&mut Command, f64)) -> Outcome {
    Class::Command.check(&lua, 1);
    let n = last_number(lua, 2);
    context::with(|c| write(&mut c.command.borrow_mut(), n));
    Ok(0)
}

fn install_setters(lua: Lua) {
    lua.set_native("setExpiryTime", |lua: Lua| {
        set_number(lua, |c, n| c.expiry = n as i64)
    });
    lua.set_native("setDelta", |lua: Lua| {
        set_number(lua, |c, n| c.delta = n as u64)
    });
    lua.set_native("setFlags", |lua: Lua| {
        set_number(lua, |c, n| c.flags = to_u32(n))
    });
    lua.set_native("setNoReply", |lua: Lua| {
        set_number(lua, |c, n| c.noreply = to_u32(n))
    });
    lua.set_native("setKey", |lua: Lua| {
        Class::Command.check(&lua, 1);
        let key = last_bytes(&lua, 2);
        context::with(|c| c.command.borrow_mut().set_key(key));
        Ok(0)
    });
    lua.set_native("setData", |lua: Lua| {
        Class::Command.check(&lua, 1);
        let data = last_bytes(&lua, 2);
        if !data.is_empty() {
            context::with(|c| c.command.borrow_mut().set_data(data));
        }
        Ok(0)
    });
}

/// `command:newCacheItem()`: an item of the command's key, flags, expiry and data.
fn new_cache_item(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    context::with(|context| {
        let command = context.command.borrow();
        let Some(key) = command.key() else {
            return Err("newCacheItem: the command has no key".into());
        };
        let item = cache_item::Item {
            flags: command.flags,
            expiry_ms: command.expiry_ms(host::now_ms),
            key,
            data: command.data().unwrap_or_default(),
        };
        cache_item::push(lua, &item);
        Ok(1)
    })
}

/// `command:writeCacheItem(item)`: its VALUE block; 0.
fn write_cache_item(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    let item = cache_item::check(&lua, lua.top().max(2))?;
    context::with(|c| c.write_item(item.key, item.flags, item.data));
    lua.push_number(0.0);
    Ok(1)
}

/// `command:writeString(bytes)`: raw bytes to the client; 0, or -1 when there are none.
fn write_string(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    let bytes = last_bytes(&lua, 2);
    context::with(|c| c.write(bytes));
    lua.push_number(if bytes.is_empty() { -1.0 } else { 0.0 });
    Ok(1)
}

/// `writeStringAsValue(command, key, value)`.
fn write_string_as_value(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    let (key, value) = (lua.check_bytes(2), lua.check_bytes(3));
    context::with(|c| c.answer(key, value));
    Ok(0)
}

/// Most keys one call may ask other servers for.
const PEER_KEYS_MAX: usize = 10_000;

/// `command:getFromServer(server, key)`: the value, or nil.
fn get_from_server(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    let (server, key) = (lua.check_bytes(2), lua.check_bytes(3));
    check_server(server)?;
    check_key(key)?;
    context::with(|context| {
        let mut buffer = context.scratch.borrow_mut();
        buffer.clear();
        put_counted(&mut buffer, server);
        put_u32(&mut buffer, 1);
        put_counted(&mut buffer, key);
        ask(&mut buffer);
        push_option(
            lua,
            Answers(Reader(&buffer)).next().map(|(_, _, value)| value),
        )
    })
}

/// `command:getInParallel{server = key or {key...}}`: `{server = {key = value}}`.
fn get_in_parallel(lua: Lua) -> Outcome {
    Class::Command.check(&lua, 1);
    let requests = lua.top().max(2);
    lua.check_kind(requests, kind::TABLE);
    lua.set_top(requests);
    let (results, servers) = (requests + 1, requests + 2);
    lua.push_table(0, 8);
    lua.push_table(8, 0);
    context::with(|context| {
        let mut buffer = context.scratch.borrow_mut();
        buffer.clear();
        let mut count = 0;
        let mut keys_left = PEER_KEYS_MAX;
        lua.push_nil();
        while lua.next(requests) {
            if lua.kind(-2) != kind::STRING {
                return Err("getInParallel: a server must be a string".into());
            }
            check_server(lua.bytes(-2))?;
            if usize::try_from(count) == Ok(SERVERS_MAX) {
                return Err("getInParallel: too many servers".into());
            }
            put_counted(&mut buffer, lua.bytes(-2));
            put_keys(lua, &mut buffer, &mut keys_left)?;
            lua.pop(1);
            // An inner table for each, so that a server without answers reads as empty.
            lua.push_value(-1);
            lua.push_table(0, 4);
            lua.push_value(-1);
            count += 1;
            lua.raw_set_index(servers, count);
            lua.raw_set(results);
        }
        ask(&mut buffer);
        for (server, key, value) in Answers(Reader(&buffer)) {
            lua.raw_get_index(servers, server.wrapping_add(1).cast_signed());
            if lua.kind(-1) == kind::TABLE {
                lua.push_bytes(key);
                lua.push_bytes(value);
                lua.raw_set(-3);
            }
            lua.pop(1);
        }
        lua.push_value(results);
        Ok(1)
    })
}

/// Appends the key, or the array of keys, on top of the stack: their count, then each.
fn put_keys(lua: Lua, buffer: &mut Vec<u8>, left: &mut usize) -> Result<(), Raise> {
    let many = lua.kind(-1) == kind::TABLE;
    let start = buffer.len();
    put_u32(buffer, 1);
    let mut count = 0;
    loop {
        if many {
            lua.raw_get_index(-1, count + 1);
            if lua.is_nil(-1) {
                lua.pop(1);
                break;
            }
        }
        if !matches!(lua.kind(-1), kind::STRING | kind::NUMBER) {
            return Err("getInParallel: a key must be a string".into());
        }
        check_key(lua.bytes(-1))?;
        *left = left.checked_sub(1).ok_or("getInParallel: too many keys")?;
        put_counted(buffer, lua.bytes(-1));
        count += 1;
        if !many {
            break;
        }
        lua.pop(1);
    }
    let count = u32::try_from(count).expect("bounded by `left`");
    buffer[start..start + 4].copy_from_slice(&count.to_le_bytes());
    Ok(())
}

/// Refuses what cannot be the name of a server.
fn check_server(server: &[u8]) -> Result<(), Raise> {
    match std::str::from_utf8(server) {
        Ok(_) => Ok(()),
        Err(_) => Err("a server is named host:port".into()),
    }
}

/// Refuses what cannot be asked for.
fn check_key(key: &[u8]) -> Result<(), Raise> {
    if Rules::is_wire_key(key) {
        Ok(())
    } else {
        Err("a key has 1 to 250 bytes, without spaces and control characters".into())
    }
}

/// Sends the requests in `buffer` and fetches the answers into it.
fn ask(buffer: &mut Vec<u8>) {
    let len = host::peer_get(buffer);
    buffer.clear();
    buffer.resize(len, 0);
    host::result_read(0, buffer);
}

/// Answers of servers: index of the request, key, value.
struct Answers<'a>(Reader<'a>);

impl<'a> Iterator for Answers<'a> {
    type Item = (u32, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.u32()?, self.0.counted()?, self.0.counted()?))
    }
}
