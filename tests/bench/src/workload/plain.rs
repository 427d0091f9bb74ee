//! Items: get and set.

use super::words::{line, resp, text_set, write_to};
use super::{Entry, Workload};
use crate::process::System;
use crate::replies::Protocol;

const KEYS: u64 = 1_000_000;
const SMALL: usize = 100;
/// A mebibyte less what an item needs besides its value.
const BIG: usize = 1_000_000;

pub(super) fn small(depth: usize) -> Workload {
    plain(
        &format!("get/set 90/10, 100 B, depth {depth}"),
        depth,
        KEYS,
        SMALL,
    )
}

pub(super) fn big() -> Workload {
    plain("get/set 90/10, 1 MB, depth 1", 1, 64, BIG)
}

/// Gets and sets, of ten requests so many sets, on systems that keep what they are told on disk or do not.
pub(crate) fn kept(
    name: &str,
    depth: usize,
    sets: u64,
    systems: &[(System, &'static str)],
) -> Workload {
    let entry = |&(system, label): &(System, &str)| {
        let redis = matches!(system, System::Redis | System::RedisLog(_));
        let set = move |n: u64, out: &mut Vec<u8>| match redis {
            true => resp(&["SET", &format!("key{n}"), &"v".repeat(SMALL)], out),
            false => text_set(n, SMALL, out),
        };
        Entry {
            system,
            label: label.to_owned(),
            protocol: if redis {
                Protocol::Resp
            } else {
                Protocol::Text
            },
            prepared: KEYS,
            prepare: Box::new(set),
            request: Box::new(move |random, out| match random / 10 % KEYS {
                key if random % 10 < sets => set(key, out),
                key if redis => resp(&["GET", &format!("key{key}")], out),
                key => line(out, format_args!("get key{key}")),
            }),
        }
    };
    Workload {
        name: format!("{name}, depth {depth}"),
        depth,
        entries: systems.iter().map(entry).collect(),
    }
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
        label: "Redis".to_owned(),
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

pub(super) fn multi_get() -> Workload {
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
        label: "Redis `MGET`".to_owned(),
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
