//! The module `object`: new-style types, whose state is keyed fields of the object itself, so
//! that a call touches the fields it needs and nothing else. prelude.lua adds what is simpler
//! said in Lua.

use super::{Class, Slot, last_bytes};
use crate::context::{self, Context};
use crate::number;
use crate::sys::host;
use crate::sys::lua::{Lua, Outcome, Raise, kind};
use cacheismo_abi as abi;
use cacheismo_lua_contract::packed::Reader;

/// The module's table, left in the registry for prelude.lua to take, and the class.
pub(crate) fn install(lua: Lua) {
    Class::Object.define(lua);
    lua.set_native("get", get);
    lua.set_native("put", put);
    lua.set_native("incr", incr);
    lua.set_native("delete", |lua: Lua| {
        let h = writable(&lua)?;
        lua.push_boolean(host::field_delete(h, lua.check_bytes(2)));
        Ok(1)
    });
    lua.set_native("count", |lua: Lua| {
        lua.push_number(host::field_count(handle(&lua)?) as f64);
        Ok(1)
    });
    lua.set_native("clear", |lua: Lua| {
        host::field_clear(writable(&lua)?);
        Ok(0)
    });
    lua.set_native("exists", |lua: Lua| {
        lua.push_boolean(host::object_exists(handle(&lua)?));
        Ok(1)
    });
    lua.set_native("create", |lua: Lua| {
        lua.push_boolean(host::object_create(writable(&lua)?));
        Ok(1)
    });
    lua.set_native("remove", |lua: Lua| {
        lua.push_boolean(host::object_delete(writable(&lua)?));
        Ok(1)
    });
    lua.set_native("ttl", ttl);
    lua.set_native("expire", expire);
    lua.set_native("value", value);
    lua.set_native("page", page);
    lua.pop(1);
    push(lua, abi::SELF);
    Slot::This.set(lua);
}

/// Pushes the module's table of natives.
pub(crate) fn push_module(lua: Lua) {
    lua.push_table(0, 8);
    lua.set_native("open", |lua: Lua| {
        let (type_name, key) = (lua.check_bytes(1), lua.check_bytes(2));
        let refused = context::with(|c| c.rules.borrow().refuse_open(type_name, key));
        if let Some(why) = refused {
            return Err(why.into());
        }
        push(lua, host::object_open(type_name, key));
        Ok(1)
    });
    lua.set_native("now", |lua: Lua| {
        lua.push_number(host::now_ms() as f64 / 1000.0);
        Ok(1)
    });
    lua.set_native("random", |lua: Lua| {
        // 53 bits: as many as a double holds.
        lua.push_number((host::random() >> 11) as f64 / (1_u64 << 53) as f64);
        Ok(1)
    });
    lua.set_native("sortable", |lua: Lua| {
        lua.push_bytes(&sortable(lua.check_number(1)));
        Ok(1)
    });
    lua.set_native("unsortable", |lua: Lua| {
        let bytes = last_bytes(&lua, 1);
        let Some(n) = Reader(bytes).take(8).map(unsortable) else {
            return Err("unsortable: 8 bytes are needed".into());
        };
        lua.push_number(n);
        Ok(1)
    });
    lua.push_bytes(b"methods");
    lua.raw_get_index(crate::sys::lua::REGISTRY, Class::Object as i32);
    lua.raw_set(-3);
}

/// Pushes a userdata for a handle of the host: the handle, and the number of the call it is good for.
fn push(lua: Lua, handle: i32) {
    let bytes = lua.push_userdata(8);
    bytes[..4].copy_from_slice(&handle.to_le_bytes());
    renew(bytes);
    Class::Object.adopt(lua);
}

/// Makes a handle one of the running call.
fn renew(bytes: &mut [u8]) {
    let serial = context::with(|c| c.serial.get());
    bytes[4..].copy_from_slice(&serial.to_le_bytes());
}

/// The handle of argument 1. *Raises* when it is no object.
///
/// # Errors
/// When the object was opened by an earlier call.
fn handle(lua: &Lua) -> Result<i32, Raise> {
    let mut reader = Reader(Class::Object.check(lua, 1));
    let (handle, serial) = (reader.u32(), reader.u32());
    if serial != Some(context::with(|c| c.serial.get())) {
        return Err("the object belongs to an earlier call".into());
    }
    Ok(handle.expect("made here").cast_signed())
}

/// The handle of argument 1, if the function called may write.
fn writable(lua: &Lua) -> Result<i32, Raise> {
    context::with(Context::check_write)?;
    handle(lua)
}

/// Reads a value of unknown length with `read`, which copies what fits.
fn push_read(lua: Lua, mut read: impl FnMut(&mut [u8]) -> Option<usize>) -> Outcome {
    let mut small = [0; 256];
    match read(&mut small) {
        None => lua.push_nil(),
        Some(len) if len <= small.len() => lua.push_bytes(&small[..len]),
        Some(len) => context::with(|context| {
            let mut buffer = context.scratch.borrow_mut();
            buffer.clear();
            buffer.resize(len, 0);
            read(&mut buffer);
            lua.push_bytes(&buffer);
        }),
    }
    Ok(1)
}

/// `object:get(field)`: the field's value, or nil.
fn get(lua: Lua) -> Outcome {
    let h = handle(&lua)?;
    let field = lua.check_bytes(2);
    push_read(lua, |out| host::field_get(h, field, out))
}

/// `object:put(field, value)`: true when the field is new.
fn put(lua: Lua) -> Outcome {
    let h = writable(&lua)?;
    let field = lua.check_bytes(2);
    let new = with_text(&lua, 3, |value| host::field_put(h, field, value));
    lua.push_boolean(new);
    Ok(1)
}

/// Calls `f` with the string argument `arg`, or the text of a number, in which whole ones have all their digits.
/// *Raises* when it is neither.
fn with_text<R>(lua: &Lua, arg: i32, f: impl FnOnce(&[u8]) -> R) -> R {
    let number = lua.number(arg);
    if lua.kind(arg) == kind::NUMBER && number::is_exact(number) {
        return number::with_text(number, f);
    }
    f(lua.check_bytes(arg))
}

/// `object:incr(field [, by])`: adds to a number, absent is 0; the sum.
fn incr(lua: Lua) -> Outcome {
    let h = writable(&lua)?;
    let field = lua.check_bytes(2);
    let by = if lua.is_nil(3) {
        1.0
    } else {
        lua.check_number(3)
    };
    let mut text = [0; TEXT_BYTES_MAX];
    let old = match host::field_get(h, field, &mut text) {
        None => 0.0,
        Some(len) => text
            .get(..len)
            .and_then(number::parse)
            .ok_or("incr: the field is not a number")?,
    };
    let sum = old + by;
    if !sum.is_finite() {
        return Err("incr: the sum is not finite".into());
    }
    number::with_text(sum, |text| host::field_put(h, field, text));
    lua.push_number(sum);
    Ok(1)
}

/// Longest text of a number that `incr` adds to.
const TEXT_BYTES_MAX: usize = 64;

/// `object:ttl()`: seconds left, `math.huge` for ever, nil without an object.
fn ttl(lua: Lua) -> Outcome {
    match host::object_ttl(handle(&lua)?) {
        abi::TTL_ABSENT => lua.push_nil(),
        abi::TTL_NEVER => lua.push_number(f64::INFINITY),
        ms => lua.push_number(ms as f64 / 1000.0),
    }
    Ok(1)
}

/// `object:expire(seconds)`, or `object:expire()` for never; false without an object.
fn expire(lua: Lua) -> Outcome {
    let h = writable(&lua)?;
    let ms = if lua.is_nil(2) {
        abi::TTL_NEVER
    } else {
        (lua.check_number(2).clamp(0.0, 1e12) * 1000.0) as i64
    };
    lua.push_boolean(host::object_ttl_set(h, ms));
    Ok(1)
}

/// `object:value()`: the opaque value, or nil. `object:value(bytes)` sets it.
fn value(lua: Lua) -> Outcome {
    let h = handle(&lua)?;
    if lua.top() > 1 {
        context::with(Context::check_write)?;
        with_text(&lua, 2, |value| host::value_set(h, value));
        return Ok(0);
    }
    push_read(lua, |out| host::value_get(h, out))
}

/// First size of a page; an entry that needs more gets it.
const PAGE_BYTES: usize = 4096;

/// `object:page(from, flags, entries)`: an array of field, value, field, value and so on, from
/// `from` on, of at most so many entries. Shorter than asked does not mean that it is the end;
/// empty does. `flags` are those of the ABI: 1 after `from`, 2 descending, 4 without values.
fn page(lua: Lua) -> Outcome {
    let h = handle(&lua)?;
    let from = lua.check_bytes(2);
    let flags = lua.check_number(3) as i32;
    let most = lua.check_number(4).clamp(0.0, 1e6) as i32;
    lua.push_table(16, 0);
    context::with(|context| {
        let mut buffer = context.scratch.borrow_mut();
        buffer.clear();
        buffer.resize(PAGE_BYTES, 0);
        let filled = match host::field_scan(h, from, flags, &mut buffer) {
            Ok(filled) => filled,
            Err(needed) => {
                buffer.resize(needed, 0);
                host::field_scan(h, from, flags, &mut buffer).unwrap_or(0)
            }
        };
        let mut reader = Reader(&buffer[..filled]);
        for n in 0..most {
            let (Some(key), Some(value)) = (reader.u32(), reader.u32()) else {
                break;
            };
            lua.push_bytes(reader.take(key as usize).unwrap_or_default());
            lua.raw_set_index(-2, 2 * n + 1);
            lua.push_bytes(reader.take(value as usize).unwrap_or_default());
            lua.raw_set_index(-2, 2 * n + 2);
        }
    });
    Ok(1)
}

/// Eight bytes that sort as the numbers do.
fn sortable(n: f64) -> [u8; 8] {
    let bits = (n + 0.0).to_bits();
    let flipped = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    flipped.to_be_bytes()
}

fn unsortable(bytes: &[u8]) -> f64 {
    let flipped = u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    f64::from_bits(if flipped >> 63 == 1 {
        flipped & !(1 << 63)
    } else {
        !flipped
    })
}

/// The object a new-style call was made on.
pub(crate) fn push_this(lua: Lua) {
    Slot::This.push(lua);
    renew(lua.userdata(-1));
}
