//! Objects, beside Redis's structures in C and its scripts.

use super::words::{line, resp};
use super::{Workload, calls, redis};

/// Objects each system has.
pub(super) const OBJECTS: u64 = 10_000;
/// Members or fields an object comes to have.
const FIELDS: u64 = 50;

/// Adds to a count while it stays within a limit, as `quota:addandcheck` does.
const SCRIPT: &str = "local n = tonumber(redis.call('HGET', KEYS[1], 'count')) + tonumber(ARGV[1]) \
                      if n > tonumber(redis.call('HGET', KEYS[1], 'limit')) then return 'QUOTA_EXCEEDED' end \
                      redis.call('HSET', KEYS[1], 'count', n) return 'QUOTA_OK'";
/// SHA-1 of the script; redis refuses every call when it is wrong.
const SCRIPT_SHA1: &str = "d854295a94eb0885430da6f8b3bfd092d04d11b0";

/// A counter with a limit, beside a script of the same.
pub(super) fn quota(depth: usize) -> Workload {
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
            "Redis `EVALSHA`",
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
        calls(
            "quota:addandcheck",
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

/// A counter without a limit, beside redis' built-in one.
pub(super) fn counter(depth: usize) -> Workload {
    let entries = vec![
        redis(
            "Redis `HINCRBY`",
            |n, out| resp(&["HSET", &format!("c{n}"), "count", "0"], out),
            |random, out| {
                resp(
                    &["HINCRBY", &format!("c{}", random % OBJECTS), "count", "1"],
                    out,
                );
            },
        ),
        calls(
            "counter:add",
            |n, out| line(out, format_args!("get counter:new:c{n}")),
            |random, out| line(out, format_args!("get counter:add:c{}:1", random % OBJECTS)),
        ),
    ];
    Workload {
        name: format!("counter, depth {depth}"),
        depth,
        entries,
    }
}

/// A field set to one of two values, so that most calls write.
pub(super) fn map_put(depth: usize) -> Workload {
    let field = |random: u64| {
        (
            random % OBJECTS,
            random / OBJECTS % FIELDS,
            random >> 40 & 1,
        )
    };
    let entries = vec![
        redis(
            "Redis `HSET`",
            |n, out| resp(&["HSET", &format!("m{n}"), "field0", "value"], out),
            move |random, out| {
                let (map, field, value) = field(random);
                let (key, field) = (format!("m{map}"), format!("field{field}"));
                resp(&["HSET", &key, &field, &format!("value{value}")], out);
            },
        ),
        calls(
            "map:put",
            |n, out| line(out, format_args!("get map:new:m{n}")),
            move |random, out| {
                let (map, field, value) = field(random);
                line(
                    out,
                    format_args!("get map:put:m{map}:field{field}:value{value}"),
                );
            },
        ),
    ];
    Workload {
        name: format!("put into a map of {FIELDS}, depth {depth}"),
        depth,
        entries,
    }
}

/// A member added; each set comes to have all of them, after which a call changes nothing.
pub(super) fn set_put(depth: usize) -> Workload {
    let member = |random: u64| (random % OBJECTS, random / OBJECTS % FIELDS);
    let entries = vec![
        redis(
            "Redis `SADD`",
            |n, out| resp(&["SADD", &format!("s{n}"), "member"], out),
            move |random, out| {
                let (set, member) = member(random);
                resp(
                    &["SADD", &format!("s{set}"), &format!("member{member}")],
                    out,
                );
            },
        ),
        calls(
            "set:put",
            |n, out| line(out, format_args!("get set:new:s{n}")),
            move |random, out| {
                let (set, member) = member(random);
                line(out, format_args!("get set:put:s{set}:member{member}"));
            },
        ),
    ];
    Workload {
        name: format!("put into a set of {FIELDS}, depth {depth}"),
        depth,
        entries,
    }
}

/// One of a few fields read.
pub(super) fn map_get(depth: usize) -> Workload {
    let entries = vec![
        redis(
            "Redis `HGET`",
            |n, out| resp(&["HSET", &format!("m{n}"), "field", "value"], out),
            |random, out| resp(&["HGET", &format!("m{}", random % OBJECTS), "field"], out),
        ),
        calls(
            "map:get",
            // The second half of the preparations fills what the first half made.
            |n, out| match n.checked_sub(OBJECTS / 2) {
                None => line(out, format_args!("get map:new:m{n}")),
                Some(n) => line(out, format_args!("get map:put:m{n}:field:value")),
            },
            |random, out| {
                line(
                    out,
                    format_args!("get map:get:m{}:field", random % (OBJECTS / 2)),
                )
            },
        ),
    ];
    Workload {
        name: format!("get from a map, depth {depth}"),
        depth,
        entries,
    }
}
