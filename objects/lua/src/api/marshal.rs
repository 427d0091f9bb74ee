//! `table.marshal`, `table.unmarshal` and `table.clone`.
//!
//! # The format
//!
//! The byte 0x8e, then the pairs of the table in `next` order. A value is a byte with Lua's
//! type number and then, all little endian:
//!
//! ```text
//! 1 boolean   u8
//! 3 number    f64
//! 4 string    u32 length | bytes
//! 5 table     u8 1 | u32 reference     a table met before
//!             u8 2 | u32 length | pairs
//! 7 userdata  u8 2                     read as nil
//! 8 thread    nothing                  read as nil
//! ```
//!
//! References count the nested tables from 1 in the order they are met; the root is not
//! counted. Functions (type 6) held byte code there. That is refused in both directions: the
//! items are clients' to write, and must not become code.

use super::last_bytes;
use crate::context;
use crate::sys::lua::{GLOBALS, Lua, Outcome, Raise, kind};
use cacheismo_lua_contract::packed::{Reader, put_counted, put_u32};
use std::collections::BTreeMap;

const MAGIC: u8 = 0x8e;
const REFERENCE: u8 = 1;
const WHOLE: u8 = 2;
/// Deepest nesting of tables.
const DEPTH_MAX: u32 = 150;

const C_FUNCTION: Raise = Raise::Borrowed("attempt to persist a C function");
const LUA_FUNCTION: Raise = Raise::Borrowed("attempt to persist a function");
const BAD_CODE: Raise = Raise::Borrowed("bad code");
const BAD_DATA: Raise = Raise::Borrowed("bad encoded data");
const NO_KEY: Raise = Raise::Borrowed("table index is nil or NaN");
const TOO_DEEP: Raise = Raise::Borrowed("tables are nested too deep");
const HAS_CODE: Raise = Raise::Borrowed("bad code: functions are not loaded");

/// Adds the functions to the table library.
pub(crate) fn install(lua: Lua) {
    lua.raw_field(GLOBALS, b"table");
    lua.set_native("marshal", marshal);
    lua.set_native("unmarshal", unmarshal);
    lua.set_native("clone", clone);
    lua.pop(1);
}

/// `table.marshal(t)`.
fn marshal(lua: Lua) -> Outcome {
    let root = lua.top().max(1);
    lua.check_kind(root, kind::TABLE);
    context::with(|context| {
        let mut out = context.scratch.borrow_mut();
        write(lua, root, &mut out)?;
        lua.push_bytes(&out);
        Ok(1)
    })
}

/// Writes the table at `index` into an emptied `out`. Raises for want of memory only.
pub(crate) fn write(lua: Lua, index: i32, out: &mut Vec<u8>) -> Result<(), Raise> {
    out.clear();
    out.push(MAGIC);
    let seen = BTreeMap::new();
    Writer { lua, seen }.pairs(index, out, 0)
}

struct Writer {
    lua: Lua,
    /// Address to reference of every nested table met.
    seen: BTreeMap<usize, usize>,
}

impl Writer {
    /// Writes the pairs of the table at `index`.
    fn pairs(&mut self, index: i32, out: &mut Vec<u8>, depth: u32) -> Result<(), Raise> {
        if depth > DEPTH_MAX || !self.lua.reserve(4) {
            return Err(TOO_DEEP);
        }
        self.lua.push_nil();
        while self.lua.next(index) {
            let top = self.lua.top();
            self.value(top - 1, out, depth)?;
            self.value(top, out, depth)?;
            self.lua.pop(1);
        }
        Ok(())
    }

    fn value(&mut self, index: i32, out: &mut Vec<u8>, depth: u32) -> Result<(), Raise> {
        let lua = self.lua;
        let kind = lua.kind(index);
        out.push(kind as u8);
        match kind {
            kind::BOOLEAN => out.push(u8::from(lua.boolean(index))),
            kind::NUMBER => out.extend_from_slice(&lua.number(index).to_le_bytes()),
            kind::STRING => put_counted(out, lua.bytes(index)),
            kind::TABLE => self.table(index, out, depth)?,
            kind::FUNCTION if lua.is_native(index) => return Err(C_FUNCTION),
            kind::FUNCTION => return Err(LUA_FUNCTION),
            kind::USERDATA => out.push(WHOLE),
            _ => (),
        }
        Ok(())
    }

    fn table(&mut self, index: i32, out: &mut Vec<u8>, depth: u32) -> Result<(), Raise> {
        let next = self.seen.len() + 1;
        let address = self.lua.address(index);
        if let Some(reference) = self.seen.get(&address) {
            out.push(REFERENCE);
            put_u32(out, *reference);
            return Ok(());
        }
        if self.lua.push_metatable(index) {
            self.lua.raw_field(-1, b"__persist");
            if !self.lua.is_nil(-1) {
                return Err(LUA_FUNCTION);
            }
            self.lua.pop(2);
        }
        self.seen.insert(address, next);
        out.push(WHOLE);
        let start = out.len();
        put_u32(out, 0);
        self.pairs(index, out, depth + 1)?;
        let len = u32::try_from(out.len() - start - 4).expect("lengths of wasm32 fit");
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }
}

/// `table.unmarshal(bytes)`, with or without a receiver in front.
fn unmarshal(lua: Lua) -> Outcome {
    push(lua, last_bytes(&lua, 1))?;
    Ok(1)
}

/// Pushes the table that `bytes` were made of. Raises for want of memory only.
pub(crate) fn push(lua: Lua, bytes: &[u8]) -> Result<(), Raise> {
    let (magic, pairs) = bytes.split_first().ok_or("bad header")?;
    if *magic != MAGIC {
        return Err("bad magic".into());
    }
    lua.push_nil();
    let references = lua.top();
    let mut decoder = Decoder {
        lua,
        references,
        count: 0,
    };
    decoder.table(pairs, 0)?;
    lua.replace(references);
    Ok(())
}

struct Decoder {
    lua: Lua,
    /// Where the table of references is; nil until the first nested table.
    references: i32,
    count: i32,
}

impl Decoder {
    /// Pushes a table of these pairs.
    fn table(&mut self, pairs: &[u8], depth: u32) -> Result<(), Raise> {
        if depth > DEPTH_MAX || !self.lua.reserve(6) {
            return Err(TOO_DEEP);
        }
        self.lua.push_table(0, 0);
        if depth > 0 {
            if self.count == 0 {
                self.lua.push_table(0, 0);
                self.lua.replace(self.references);
            }
            self.count += 1;
            self.lua.push_value(-1);
            self.lua.raw_set_index(self.references, self.count);
        }
        let mut reader = Reader(pairs);
        while !reader.0.is_empty() {
            self.value(&mut reader, depth)?;
            if self.lua.is_nil(-1) || self.lua.number(-1).is_nan() {
                return Err(NO_KEY);
            }
            self.value(&mut reader, depth)?;
            self.lua.raw_set(-3);
        }
        Ok(())
    }

    fn value(&mut self, reader: &mut Reader<'_>, depth: u32) -> Result<(), Raise> {
        let lua = self.lua;
        match i32::from(reader.u8().ok_or(BAD_CODE)?) {
            kind::BOOLEAN => lua.push_boolean(reader.u8().ok_or(BAD_CODE)? != 0),
            kind::NUMBER => lua.push_number(f64::from_bits(reader.u64().ok_or(BAD_CODE)?)),
            kind::STRING => lua.push_bytes(reader.counted().ok_or(BAD_CODE)?),
            kind::TABLE => match reader.u8().ok_or(BAD_CODE)? {
                REFERENCE => self.reference(reader.u32().ok_or(BAD_CODE)?),
                WHOLE => self.table(reader.counted().ok_or(BAD_CODE)?, depth + 1)?,
                _ => return Err(BAD_DATA),
            },
            kind::FUNCTION => return Err(HAS_CODE),
            kind::USERDATA => match reader.u8().ok_or(BAD_CODE)? {
                WHOLE => lua.push_nil(),
                _ => return Err(BAD_DATA),
            },
            kind::NIL | kind::THREAD => lua.push_nil(),
            _ => return Err(BAD_CODE),
        }
        Ok(())
    }

    /// Pushes a table met before, or nil.
    fn reference(&self, reference: u32) {
        match i32::try_from(reference) {
            Ok(n) if n <= self.count => self.lua.raw_get_index(self.references, n),
            _ => self.lua.push_nil(),
        }
    }
}

/// `table.clone(t)`: a deep copy. Unlike by `unmarshal(marshal(t))`, Lua functions are kept.
fn clone(lua: Lua) -> Outcome {
    let root = lua.top().max(1);
    lua.check_kind(root, kind::TABLE);
    lua.push_table(0, 0);
    copy(lua, root, lua.top(), 0)?;
    Ok(1)
}

/// Pushes a copy of the table at `index`. `copies` maps nested tables to their copies.
fn copy(lua: Lua, index: i32, copies: i32, depth: u32) -> Result<(), Raise> {
    if depth > DEPTH_MAX || !lua.reserve(8) {
        return Err(TOO_DEEP);
    }
    lua.push_table(0, 0);
    let target = lua.top();
    if depth > 0 {
        lua.push_value(index);
        lua.push_value(target);
        lua.raw_set(copies);
    }
    lua.push_nil();
    while lua.next(index) {
        let (key, value) = (target + 1, target + 2);
        copy_value(lua, key, copies, depth)?;
        copy_value(lua, value, copies, depth)?;
        if lua.is_nil(-2) {
            lua.pop(2);
        } else {
            lua.raw_set(target);
        }
        lua.set_top(key);
    }
    Ok(())
}

fn copy_value(lua: Lua, index: i32, copies: i32, depth: u32) -> Result<(), Raise> {
    match lua.kind(index) {
        kind::TABLE => {
            lua.push_value(index);
            lua.raw_get(copies);
            if lua.is_nil(-1) {
                lua.pop(1);
                copy(lua, index, copies, depth + 1)?;
            }
        }
        kind::FUNCTION if lua.is_native(index) => return Err(C_FUNCTION),
        kind::USERDATA | kind::THREAD => lua.push_nil(),
        _ => lua.push_value(index),
    }
    Ok(())
}
