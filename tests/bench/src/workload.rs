//! What is asked: the same work in each system's own words.

use crate::process::System;
use crate::replies::Protocol;

/// Keys of the plain workloads.
const KEYS: u64 = 100_000;
/// Objects of the call workloads.
const OBJECTS: u64 = 1000;
const SMALL: usize = 100;
/// A mebibyte less what an item needs besides its value.
const BIG: usize = 1_000_000;

/// A workload and who takes part in it; the first one is what the others are compared with.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// Requests each connection keeps in flight.
    pub(crate) depth: usize,
    pub(crate) entries: Vec<Entry>,
}

/// One participant: its system and its words for the work.
pub(crate) struct Entry {
    pub(crate) system: System,
    pub(crate) label: String,
    pub(crate) protocol: Protocol,
    /// How many requests `prepare` makes.
    pub(crate) prepared: u64,
    /// Writes the n-th request that fills the server.
    pub(crate) prepare: Writer,
    /// Writes a request of the run; the number is random.
    pub(crate) request: Writer,
}

/// Appends a request to a buffer.
pub(crate) type Writer = Box<dyn Fn(u64, &mut Vec<u8>)>;

/// All workloads, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    for depth in [1, 16, 64] {
        all.push(plain(
            &format!("get/set 90/10, 100 B, depth {depth}"),
            depth,
            KEYS,
            SMALL,
        ));
    }
    all.push(plain("get/set 90/10, 1 MB, depth 1", 1, 64, BIG));
    all.push(multi_get());
    for depth in [1, 16] {
        all.push(counter(depth));
        all.push(map_put(depth));
        all.push(lua_increment(depth));
    }
    all.push(lua_legacy(32));
    all
}

fn plain(name: &str, depth: usize, keys: u64, size: usize) -> Workload {
    let text = |system, label| Entry {
        system,
        label,
        protocol: Protocol::Text,
        prepared: keys,
        prepare: Box::new(move |n, out| text_set(n, size, out)),
        request: Box::new(move |random, out| match random % 10 {
            0 => text_set(random / 10 % keys, size, out),
            _ => line(out, format_args!("get key{}", random / 10 % keys)),
        }),
    };
    let redis = Entry {
        system: System::Redis,
        label: "redis GET/SET".to_owned(),
        protocol: Protocol::Resp,
        prepared: keys,
        prepare: Box::new(move |n, out| resp(&["SET", &format!("key{n}"), &"v".repeat(size)], out)),
        request: Box::new(move |random, out| {
            let key = format!("key{}", random / 10 % keys);
            match random % 10 {
                0 => resp(&["SET", &key, &"v".repeat(size)], out),
                _ => resp(&["GET", &key], out),
            }
        }),
    };
    let entries = vec![
        text(System::Memcached, "memcached".to_owned()),
        text(System::Cacheismo, "cacheismo".to_owned()),
        redis,
    ];
    Workload {
        name: name.to_owned(),
        depth,
        entries,
    }
}

fn multi_get() -> Workload {
    const AT_ONCE: u64 = 100;
    let text = |system, label: &str| Entry {
        system,
        label: label.to_owned(),
        protocol: Protocol::Text,
        prepared: KEYS,
        prepare: Box::new(|n, out| text_set(n, SMALL, out)),
        request: Box::new(|random, out| {
            out.extend_from_slice(b"get");
            for n in 0..AT_ONCE {
                write_to(out, format_args!(" key{}", (random + n * 7919) % KEYS));
            }
            out.extend_from_slice(b"\r\n");
        }),
    };
    let redis = Entry {
        system: System::Redis,
        label: "redis MGET".to_owned(),
        protocol: Protocol::Resp,
        prepared: KEYS,
        prepare: Box::new(|n, out| resp(&["SET", &format!("key{n}"), &"v".repeat(SMALL)], out)),
        request: Box::new(|random, out| {
            write_to(out, format_args!("*{}\r\n$4\r\nMGET\r\n", AT_ONCE + 1));
            for n in 0..AT_ONCE {
                let key = format!("key{}", (random + n * 7919) % KEYS);
                write_to(out, format_args!("${}\r\n{key}\r\n", key.len()));
            }
        }),
    };
    let entries = vec![
        text(System::Memcached, "memcached"),
        text(System::Cacheismo, "cacheismo"),
        redis,
    ];
    Workload {
        name: "multi-get of 100, 100 B".to_owned(),
        depth: 1,
        entries,
    }
}

/// Adds to a count while it stays within a limit, as `quota:addandcheck` does.
const SCRIPT: &str = "local n = tonumber(redis.call('HGET', KEYS[1], 'count')) + tonumber(ARGV[1]) \
                      if n > tonumber(redis.call('HGET', KEYS[1], 'limit')) then return 'QUOTA_EXCEEDED' end \
                      redis.call('HSET', KEYS[1], 'count', n) return 'QUOTA_OK'";
/// SHA-1 of the script; redis refuses every call when it is wrong.
const SCRIPT_SHA1: &str = "d854295a94eb0885430da6f8b3bfd092d04d11b0";

/// A counter in an object, beside redis' built-in one and redis' script of the same.
fn counter(depth: usize) -> Workload {
    let fill: fn(u64, &mut Vec<u8>) = |n, out| {
        resp(
            &[
                "HSET",
                &format!("q{n}"),
                "count",
                "0",
                "limit",
                "1000000000",
            ],
            out,
        )
    };
    let entries = vec![
        redis(
            "redis EVALSHA",
            move |n, out| {
                if n == 0 {
                    resp(&["SCRIPT", "LOAD", SCRIPT], out)
                } else {
                    fill(n, out)
                }
            },
            |random, out| {
                let key = format!("q{}", 1 + random % (OBJECTS - 1));
                resp(&["EVALSHA", SCRIPT_SHA1, "1", &key, "1"], out);
            },
        ),
        redis("redis HINCRBY", fill, |random, out| {
            resp(
                &["HINCRBY", &format!("q{}", random % OBJECTS), "count", "1"],
                out,
            );
        }),
        calls(
            |n, out| line(out, format_args!("get quota:new:q{n}:1000000000:month")),
            |random, out| {
                line(
                    out,
                    format_args!("get quota:addandcheck:q{}:1", random % OBJECTS),
                )
            },
        ),
    ];
    Workload {
        name: format!("counter with a limit, depth {depth}"),
        depth,
        entries,
    }
}

/// One increment of one field, as a script.
const INCREMENT: &str = "return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)";
/// SHA-1 of it.
const INCREMENT_SHA1: &str = "89d6441272e4a01a4b31d178b005e3076dbbab08";

/// A field of an object incremented by a Lua script, on both sides.
fn lua_increment(depth: usize) -> Workload {
    let entries = vec![
        redis(
            "redis EVALSHA",
            |_, out| resp(&["SCRIPT", "LOAD", INCREMENT], out),
            |random, out| {
                let key = format!("v{}", random % OBJECTS);
                resp(&["EVALSHA", INCREMENT_SHA1, "1", &key, "home"], out);
            },
        ),
        Entry {
            system: System::CacheismoLua,
            label: "cacheismo Lua".to_owned(),
            ..calls(
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
fn lua_legacy(depth: usize) -> Workload {
    let entries = [
        (
            "cacheismo Lua quota",
            "get quota:new:q{}:1000000000:month",
            "get quota:addandcheck:q{}:1",
        ),
        (
            "cacheismo Lua map",
            "get map:new:q{}",
            "get map:put:q{}:key:value",
        ),
    ];
    let entries = entries.map(|(label, new, call)| Entry {
        system: System::CacheismoLua,
        label: label.to_owned(),
        ..calls(
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

fn map_put(depth: usize) -> Workload {
    let entries = vec![
        redis(
            "redis HSET",
            |n, out| resp(&["HSET", &format!("m{n}"), "field0", "value"], out),
            |random, out| {
                let (key, field) = (
                    format!("m{}", random % OBJECTS),
                    format!("field{}", random / OBJECTS % 50),
                );
                resp(&["HSET", &key, &field, "value"], out);
            },
        ),
        calls(
            |n, out| line(out, format_args!("get map:new:m{n}")),
            |random, out| {
                let (object, field) = (random % OBJECTS, random / OBJECTS % 50);
                line(
                    out,
                    format_args!("get map:put:m{object}:field{field}:value"),
                );
            },
        ),
    ];
    Workload {
        name: format!("put into a map of 50, depth {depth}"),
        depth,
        entries,
    }
}

fn redis(
    label: &str,
    prepare: impl Fn(u64, &mut Vec<u8>) + 'static,
    request: impl Fn(u64, &mut Vec<u8>) + 'static,
) -> Entry {
    Entry {
        system: System::Redis,
        label: label.to_owned(),
        protocol: Protocol::Resp,
        prepared: OBJECTS,
        prepare: Box::new(prepare),
        request: Box::new(request),
    }
}

fn calls(
    prepare: impl Fn(u64, &mut Vec<u8>) + 'static,
    request: impl Fn(u64, &mut Vec<u8>) + 'static,
) -> Entry {
    Entry {
        system: System::Cacheismo,
        label: "cacheismo call".to_owned(),
        protocol: Protocol::Text,
        prepared: OBJECTS,
        prepare: Box::new(prepare),
        request: Box::new(request),
    }
}

fn text_set(n: u64, size: usize, out: &mut Vec<u8>) {
    write_to(out, format_args!("set key{n} 0 0 {size}\r\n"));
    out.resize(out.len() + size, b'v');
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    write_to(out, text);
    out.extend_from_slice(b"\r\n");
}

fn resp(words: &[&str], out: &mut Vec<u8>) {
    write_to(out, format_args!("*{}\r\n", words.len()));
    for word in words {
        write_to(out, format_args!("${}\r\n{word}\r\n", word.len()));
    }
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    std::io::Write::write_fmt(out, text).expect("a vector takes every byte");
}
