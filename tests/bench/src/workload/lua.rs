//! Objects written in Lua, beside Redis's scripts.

use super::calls::OBJECTS;
use super::words::{line, resp};
use super::{Entry, Workload, calls, redis};
use crate::process::System;

/// One increment of one field, as a script.
const INCREMENT: &str = "return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)";
/// SHA-1 of the script.
const INCREMENT_SHA1: &str = "89d6441272e4a01a4b31d178b005e3076dbbab08";

/// A field of an object incremented by a Lua script, on both sides.
pub(super) fn increment(depth: usize) -> Workload {
    let entries = vec![
        redis(
            "Redis `EVALSHA`",
            |_, out| resp(&["SCRIPT", "LOAD", INCREMENT], out),
            |random, out| {
                let key = format!("v{}", random % OBJECTS);
                resp(&["EVALSHA", INCREMENT_SHA1, "1", &key, "home"], out);
            },
        ),
        Entry {
            system: System::CacheismoLua,
            label: "cacheismo Lua, new style".to_owned(),
            ..calls(
                "visits:add",
                |n, out| line(out, format_args!("get visits:add:v{n}:home")),
                |random, out| {
                    line(
                        out,
                        format_args!("get visits:add:v{}:home", random % OBJECTS),
                    )
                },
            )
        },
    ];
    Workload {
        name: format!("increment by a script, depth {depth}"),
        depth,
        entries,
    }
}

/// Old-style objects, whose state is a table that is read and written as a whole. The original made 43
/// thousand such calls a second.
pub(super) fn legacy(depth: usize) -> Workload {
    let entries = [
        (
            "quota:addandcheck",
            "get quota:new:q{}:1000000000:month",
            "get quota:addandcheck:q{}:1",
        ),
        ("map:put", "get map:new:q{}", "get map:put:q{}:key:value"),
    ];
    let entries = entries.map(|(function, new, call)| Entry {
        system: System::CacheismoLua,
        label: format!("cacheismo Lua `{function}`"),
        ..calls(
            function,
            move |n, out| line(out, format_args!("{}", new.replace("{}", &n.to_string()))),
            move |random, out| {
                let object = (random % OBJECTS).to_string();
                line(out, format_args!("{}", call.replace("{}", &object)));
            },
        )
    });
    Workload {
        name: format!("old-style Lua objects, depth {depth}"),
        depth,
        entries: entries.into(),
    }
}
