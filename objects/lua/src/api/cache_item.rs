//! `CacheItem`: a plain item as it was when it was read, in one userdata:
//!
//! ```text
//! u32 flags | u32 dead | i64 expiry ms or -1 | u32 key length | key | data
//! ```

use super::Class;
use crate::sys::host;
use crate::sys::lua::{Lua, Raise};
use cacheismo_lua_contract::packed::Reader;

const DEAD: usize = 4;
const HEAD: usize = 20;
/// What the host puts before the data: flags and expiry.
pub(crate) const PARKED_HEAD: usize = 12;
/// What `getExpiryTime` says of an item that never expires.
pub(crate) const NEVER: f64 = 4_294_967_295.0;

/// An item's parts.
pub(crate) struct Item<'a> {
    pub(crate) flags: u32,
    pub(crate) expiry_ms: i64,
    pub(crate) key: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// Defines the table.
pub(crate) fn install(lua: Lua) {
    Class::CacheItem.define(lua);
    lua.set_native("getKey", |lua: Lua| {
        lua.push_bytes(check(&lua, 1)?.key);
        Ok(1)
    });
    lua.set_native("getKeySize", |lua: Lua| {
        lua.push_number(check(&lua, 1)?.key.len() as f64);
        Ok(1)
    });
    lua.set_native("getExpiryTime", |lua: Lua| {
        let ms = check(&lua, 1)?.expiry_ms;
        lua.push_number(if ms < 0 {
            NEVER
        } else {
            (ms as f64 / 1000.0).ceil()
        });
        Ok(1)
    });
    lua.set_native("getFlags", |lua: Lua| {
        lua.push_number(f64::from(check(&lua, 1)?.flags));
        Ok(1)
    });
    lua.set_native("getDataSize", |lua: Lua| {
        lua.push_number(check(&lua, 1)?.data.len() as f64);
        Ok(1)
    });
    lua.set_native("getData", |lua: Lua| {
        lua.push_bytes(check(&lua, 1)?.data);
        Ok(1)
    });
    lua.set_native("delete", |lua: Lua| {
        Class::CacheItem.check(&lua, 1)[DEAD] = 1;
        Ok(0)
    });
    Class::CacheItem.publish(lua);
}

/// Pushes the item the host parked, `len` bytes with its head, as item of `key`.
pub(crate) fn push_parked(lua: Lua, key: &[u8], len: usize) {
    let mut head = [0; PARKED_HEAD];
    host::result_read(0, &mut head);
    let data = len.saturating_sub(PARKED_HEAD);
    let bytes = lua.push_userdata(HEAD + key.len() + data);
    bytes[..DEAD].copy_from_slice(&head[..4]);
    bytes[8..16].copy_from_slice(&head[4..]);
    put_key(bytes, key);
    host::result_read(PARKED_HEAD, &mut bytes[HEAD + key.len()..]);
    Class::CacheItem.adopt(lua);
}

/// Pushes a new item.
pub(crate) fn push(lua: Lua, item: &Item<'_>) {
    let bytes = lua.push_userdata(HEAD + item.key.len() + item.data.len());
    bytes[..DEAD].copy_from_slice(&item.flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&item.expiry_ms.to_le_bytes());
    put_key(bytes, item.key);
    bytes[HEAD + item.key.len()..].copy_from_slice(item.data);
    Class::CacheItem.adopt(lua);
}

fn put_key(bytes: &mut [u8], key: &[u8]) {
    bytes[16..HEAD].copy_from_slice(&(key.len() as u32).to_le_bytes());
    bytes[HEAD..HEAD + key.len()].copy_from_slice(key);
}

/// The item at argument `arg`. *Raises* when it is none.
///
/// # Errors
/// When the script gave it up with `delete`.
pub(crate) fn check(lua: &Lua, arg: i32) -> Result<Item<'_>, Raise> {
    let bytes: &[u8] = Class::CacheItem.check(lua, arg);
    if bytes[DEAD] != 0 {
        return Err("the item was deleted".into());
    }
    let mut reader = Reader(bytes);
    let mut read = || {
        let flags = reader.u32()?;
        reader.u32()?;
        let expiry_ms = reader.u64()?.cast_signed();
        let key = reader.counted()?;
        Some(Item {
            flags,
            expiry_ms,
            key,
            data: reader.0,
        })
    };
    Ok(read().expect("items are made here"))
}
