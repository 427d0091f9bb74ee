//! `getHashMap()` and `HashMap`: the plain items of the cache.

use super::{Class, Slot, cache_item, last_bytes, last_number};
use crate::context::{self, Context};
use crate::rules::Rules;
use crate::sys::host;
use crate::sys::lua::{Lua, Outcome};
use cacheismo_lua_contract::packed::list;

/// Defines the table, the one userdata, and the global function.
pub(crate) fn install(lua: Lua) {
    Class::HashMap.define(lua);
    lua.set_native("get", get);
    lua.set_native("put", put);
    lua.set_native("delete", delete);
    lua.set_native("deleteLRU", delete_lru);
    lua.set_native("getPrefixMatchingKeys", keys);
    Class::HashMap.publish(lua);
    lua.push_userdata(0);
    Class::HashMap.adopt(lua);
    Slot::HashMap.set(lua);
    lua.push_native(|lua: Lua| {
        Slot::HashMap.push(lua);
        Ok(1)
    });
    lua.set_global("getHashMap");
}

/// `hashMap:get(key)`: a CacheItem, or nil.
fn get(lua: Lua) -> Outcome {
    Class::HashMap.check(&lua, 1);
    let key = last_bytes(&lua, 2);
    match Some(key)
        .filter(|k| Rules::is_key(k))
        .and_then(host::item_get)
    {
        Some(len) => cache_item::push_parked(lua, key, len),
        None => lua.push_nil(),
    }
    Ok(1)
}

/// `hashMap:put(item)`: stores it under its key.
fn put(lua: Lua) -> Outcome {
    Class::HashMap.check(&lua, 1);
    let item = cache_item::check(&lua, lua.top().max(2))?;
    context::with(|c| c.refuse_item(item.key, item.data))?;
    host::item_put(item.key, item.flags, item.expiry_ms, item.data);
    Ok(0)
}

/// `hashMap:delete(key)`.
fn delete(lua: Lua) -> Outcome {
    Class::HashMap.check(&lua, 1);
    let key = last_bytes(&lua, 2);
    if Rules::is_key(key) {
        context::with(|c| c.refuse_item(key, b""))?;
        host::item_delete(key);
    }
    Ok(0)
}

/// `hashMap:deleteLRU(bytes)`: evicts at least so much, when the call ends.
fn delete_lru(lua: Lua) -> Outcome {
    Class::HashMap.check(&lua, 1);
    let bytes = last_number(lua, 2);
    context::with(Context::check_write)?;
    if bytes >= 1.0 {
        host::item_delete_lru(bytes as i64);
    }
    Ok(0)
}

/// `hashMap:getPrefixMatchingKeys(prefix)`: an array, or nil when there is none.
fn keys(lua: Lua) -> Outcome {
    Class::HashMap.check(&lua, 1);
    let prefix = last_bytes(&lua, 2);
    let len = if prefix.is_empty() {
        0
    } else {
        host::item_keys(prefix)
    };
    if len == 0 {
        lua.push_nil();
        return Ok(1);
    }
    context::with(|context| {
        let mut parked = context.scratch.take();
        parked.resize(len, 0);
        host::result_read(0, &mut parked);
        lua.push_table(8, 0);
        for (n, key) in (1..).zip(list(&parked)) {
            lua.push_bytes(key);
            lua.raw_set_index(-2, n);
        }
    });
    Ok(1)
}
