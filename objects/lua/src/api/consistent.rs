//! `newConsistent`, `deleteConsistent` and `Consistent`: a ring of servers in a userdata.

use super::{Class, push_option};
use crate::ring::{self, Ring};
use crate::sys::lua::{Lua, Outcome, Raise, kind};

/// Defines the table and the global functions.
pub(crate) fn install(lua: Lua) {
    Class::Consistent.define(lua);
    lua.set_native("findServerForKey", |lua: Lua| {
        let ring = check(&lua)?;
        push_option(lua, ring.server_for(super::last_bytes(&lua, 2)))
    });
    lua.set_native("getServerCount", |lua: Lua| {
        lua.push_number(check(&lua)?.server_count() as f64);
        Ok(1)
    });
    lua.set_native("isServerAvailable", |lua: Lua| {
        let available = check(&lua)?.is_available(super::last_bytes(&lua, 2));
        lua.push_number(f64::from(u8::from(available)));
        Ok(1)
    });
    lua.set_native("setServerAvailable", set_available);
    Class::Consistent.publish(lua);
    lua.push_native(new);
    lua.set_global("newConsistent");
    lua.push_native(delete);
    lua.set_global("deleteConsistent");
}

/// The ring of argument 1. Its first byte says whether the ring was deleted.
fn check(lua: &Lua) -> Result<Ring<'_>, Raise> {
    match Class::Consistent.check(lua, 1).split_first_mut() {
        Some((0, block)) => Ok(Ring(block)),
        _ => Err("the ring was deleted".into()),
    }
}

/// `newConsistent(list)`: a ring, or nil.
fn new(lua: Lua) -> Outcome {
    match ring::build(super::last_bytes(&lua, 1)) {
        Some(block) => {
            lua.push_userdata(1 + block.len())[1..].copy_from_slice(&block);
            Class::Consistent.adopt(lua);
        }
        None => lua.push_nil(),
    }
    Ok(1)
}

/// `deleteConsistent(ring)`: it cannot be used any more; the collector takes it.
fn delete(lua: Lua) -> Outcome {
    Class::Consistent.check(&lua, 1)[0] = 1;
    Ok(0)
}

/// `ring:setServerAvailable(available, name)`, or the other way round: the original took the
/// first order and documented the second.
fn set_available(lua: Lua) -> Outcome {
    let mut ring = check(&lua)?;
    let name_first = lua.kind(2) == kind::STRING && lua.kind(3) != kind::STRING;
    let (flag, name) = if name_first { (3, 2) } else { (2, 3) };
    let available = if lua.kind(flag) == kind::BOOLEAN {
        lua.boolean(flag)
    } else {
        lua.check_number(flag) != 0.0
    };
    ring.set_available(lua.check_bytes(name), available);
    Ok(0)
}
