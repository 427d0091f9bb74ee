//! `print`, `setLogLevel`, `split`.

use crate::context;
use crate::sys::lua::{GLOBALS, Lua, Outcome};
use crate::virtual_key::split_key;

/// Defines the global functions.
pub(crate) fn install(lua: Lua) {
    lua.push_native(print);
    lua.set_global("print");
    lua.push_native(split);
    lua.set_global("split");
    lua.push_native(|lua: Lua| {
        let level = super::last_number(lua, 1);
        if (0.0..=3.0).contains(&level) {
            context::with(|c| c.log_level.set(level));
        }
        Ok(0)
    });
    lua.set_global("setLogLevel");
}

/// `print(...)`: a line of the server's log, as `tostring` makes it.
fn print(lua: Lua) -> Outcome {
    let args = lua.top();
    lua.raw_field(GLOBALS, b"tostring");
    let tostring = lua.top();
    for arg in 1..=args {
        lua.push_value(tostring);
        lua.push_value(arg);
        lua.call(1, 1);
        lua.replace(arg);
    }
    context::with(|context| {
        let mut line = context.scratch.take();
        line.clear();
        for arg in 1..=args {
            if arg > 1 {
                line.push(b'\t');
            }
            line.extend_from_slice(lua.bytes(arg));
        }
        context.print(&line);
        context.scratch.replace(line);
    });
    Ok(0)
}

/// `split(text)`: its parts between colons; an empty last one does not count.
fn split(lua: Lua) -> Outcome {
    let text = lua.check_bytes(1);
    lua.push_table(4, 0);
    for (n, part) in (1..).zip(split_key(text)) {
        lua.push_bytes(part);
        lua.raw_set_index(-2, n);
    }
    Ok(1)
}
