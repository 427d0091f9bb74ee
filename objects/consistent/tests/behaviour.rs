//! What the ring promises: the original's points and owners, availability by name, lookups that
//! end.

use std::collections::BTreeMap;

use cacheismo_object_consistent::Consistent;
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;

/// Lists of servers, and keys with the index of their owner: recorded from the original, mended so
/// that it asks for the availability of the server and not of some memory behind it.
#[rustfmt::skip]
const OWNERS: &[(&str, &[(&str, usize)])] = &[
    (
        "127.0.0.1:11211,127.0.0.1:11212",
        &[
            ("a", 0),
            ("b", 0),
            ("key1", 0),
            ("key2", 0),
            ("user42", 0),
            ("hello", 1),
            ("set$k", 1),
            ("key3", 0),
            ("key4", 1),
            ("key5", 1),
            ("key6", 0),
            ("key7", 1),
            ("key8", 0),
            ("key9", 1),
            ("key10", 1),
            ("key11", 0),
            ("key12", 0),
            ("key13", 0),
            ("key14", 0),
        ],
    ),
    (
        "s1 s2\ts3",
        &[
            ("a", 2),
            ("b", 1),
            ("key1", 2),
            ("key2", 1),
            ("user42", 0),
            ("hello", 0),
            ("set$k", 1),
            ("key3", 2),
            ("key4", 2),
            ("key5", 1),
            ("key6", 0),
            ("key7", 2),
            ("key8", 2),
            ("key9", 0),
            ("key10", 0),
            ("key11", 2),
            ("key12", 0),
            ("key13", 2),
            ("key14", 1),
        ],
    ),
    (
        "10.0.0.1:11211, 10.0.0.2:11211, 10.0.0.3:11211, 10.0.0.4:11211",
        &[
            ("a", 0),
            ("b", 3),
            ("key1", 2),
            ("key2", 3),
            ("user42", 1),
            ("hello", 2),
            ("set$k", 0),
            ("key3", 1),
            ("key4", 2),
            ("key5", 2),
            ("key6", 2),
            ("key7", 3),
            ("key8", 0),
            ("key9", 1),
            ("key10", 1),
            ("key11", 2),
            ("key12", 3),
            ("key13", 1),
            ("key14", 1),
        ],
    ),
];

fn names(list: &str) -> Vec<&str> {
    list.split([',', ' ', '\t'])
        .filter(|name| !name.is_empty())
        .collect()
}

fn ring(list: &str) -> Harness {
    let mut t = Harness::new::<Consistent>();
    assert_eq!(t.call("new", &["ring", list]), Ok("CREATED"));
    t
}

/// The points of a ring and the servers' ids, in ring order, as they are stored.
fn points(t: &Harness) -> Vec<(u32, u32)> {
    let fields = &t.object("ring").expect("the ring exists").fields;
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let points = fields.keys().filter(|field| field[0] == b'p');
    points
        .map(|field| (number(&field[1..5]), number(&field[5..9])))
        .collect()
}

#[test]
fn owners_are_the_originals() {
    for (list, keys) in OWNERS {
        let mut t = ring(list);
        let servers = names(list);
        assert_eq!(
            t.call("count", &["ring"]),
            Ok(servers.len().to_string().as_str())
        );
        for (key, owner) in *keys {
            assert_eq!(
                t.call("find", &["ring", key]),
                Ok(servers[*owner]),
                "{key} among {list}"
            );
        }
    }
}

#[test]
fn the_ring_starts_as_the_originals() {
    let t = ring("127.0.0.1:11211,127.0.0.1:11212");
    let points = points(&t);
    assert_eq!(points.len(), 320);
    assert_eq!(
        points[..4],
        [
            (0x0296_8565, 1),
            (0x0409_e8cb, 0),
            (0x04c3_13da, 1),
            (0x04d2_42a5, 0)
        ]
    );
}

#[test]
fn names_and_keys_with_colons_work_as_virtual_keys() {
    Harness::new::<Consistent>().assert_session(&[
        ("consistent:find:r:a", "ERROR_CACHE_MISS"),
        (
            "consistent:new:r:127.0.0.1:11211,127.0.0.1:11212",
            "CREATED",
        ),
        ("consistent:find:r:hello", "127.0.0.1:11212"),
        ("consistent:find:r:a", "127.0.0.1:11211"),
        ("consistent:find:r:a:1", "127.0.0.1:11212"),
        (
            "consistent:servers:r",
            "127.0.0.1:11211\r\n127.0.0.1:11212\r\n",
        ),
        ("consistent:setavailable:r:127.0.0.1:11212:0", "SUCCESS"),
        ("consistent:isavailable:r:127.0.0.1:11212", "0"),
        ("consistent:isavailable:r:127.0.0.1:11211", "1"),
        ("consistent:isavailable:r:127.0.0.1", "0"),
        ("consistent:find:r:hello", "127.0.0.1:11211"),
        ("consistent:setavailable:r:127.0.0.1:11211:0", "SUCCESS"),
        ("consistent:find:r:hello", "NOT_FOUND"),
        ("consistent:setavailable:r:127.0.0.1:11212:1", "SUCCESS"),
        ("consistent:find:r:hello", "127.0.0.1:11212"),
        ("consistent:add:r:10.0.0.1:1", "SUCCESS"),
        ("consistent:add:r:10.0.0.1:1", "EXISTS"),
        ("consistent:count:r", "3"),
        ("consistent:remove:r:127.0.0.1:11211", "SUCCESS"),
        ("consistent:remove:r:127.0.0.1:11211", "NOT_FOUND"),
        ("consistent:servers:r", "127.0.0.1:11212\r\n10.0.0.1:1\r\n"),
        ("consistent:remove:r:127.0.0.1:11212", "SUCCESS"),
        ("consistent:remove:r:10.0.0.1:1", "SUCCESS"),
        ("consistent:count:r", "0"),
        ("consistent:find:r:hello", "NOT_FOUND"),
    ]);
}

#[test]
fn bad_lists_names_and_words_are_refused() {
    Harness::new::<Consistent>().assert_session(&[
        (
            "consistent:new:r:1234567890123456789012345678",
            "NOT_CREATED",
        ),
        ("consistent:new:r:,", "NOT_CREATED"),
        ("consistent:count:r", "ERROR_CACHE_MISS"),
        ("consistent:new:r:123456789012345678901234567", "CREATED"),
        (
            "consistent:new:r:a,1234567890123456789012345678",
            "NOT_CREATED",
        ),
        ("consistent:servers:r", "123456789012345678901234567\r\n"),
        (
            "consistent:add:r:1234567890123456789012345678",
            "ERROR_BAD_ARGUMENT",
        ),
        ("consistent:add:r:a,b", "ERROR_BAD_ARGUMENT"),
        ("consistent:add:r::", "ERROR_BAD_ARGUMENT"),
        ("consistent:setavailable:r:nosuch:1", "NOT_FOUND"),
        ("consistent:setavailable:r:nosuch:2", "ERROR_BAD_ARGUMENT"),
        ("consistent:setavailable:r:nosuch:yes", "ERROR_BAD_ARGUMENT"),
        ("consistent:new:r:a,b,a", "CREATED"),
        ("consistent:servers:r", "a\r\nb\r\n"),
    ]);
}

#[test]
fn a_lookup_takes_few_host_calls() {
    let list: Vec<String> = (0..100).map(|i| format!("10.0.0.{i}:11211")).collect();
    let mut t = ring(&list.join(","));
    for i in 0..100 {
        t.call("find", &["ring", &format!("key {i}")])
            .expect("find answers");
        assert!(t.host_calls() <= 5, "{} host calls", t.host_calls());
    }
    for server in &list {
        assert_eq!(
            t.call("setavailable", &["ring", server, "0"]),
            Ok("SUCCESS")
        );
    }
    assert_eq!(t.call("find", &["ring", "key"]), Ok("NOT_FOUND"));
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = ring("a,b");
    t.assert_all_or_nothing("setavailable", &["ring", "a", "0"]);
    t.assert_all_or_nothing("add", &["ring", "c"]);
    t.assert_all_or_nothing("remove", &["ring", "c"]);
    t.assert_all_or_nothing("new", &["ring", "d"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The naive twin: sort all points, walk from the key's hash to the first available server.
    /// The hashes are read from the stored ring, which the recorded owners have pinned.
    #[test]
    fn servers_come_and_go_as_in_a_ring_built_anew(
        steps in prop::collection::vec((0..8usize, 0..4u8), 1..25),
        keys in prop::collection::vec("[a-z]{1,8}", 1..10),
    ) {
        let mut t = ring("s0");
        let mut model: BTreeMap<usize, bool> = [(0, true)].into();
        for (server, action) in steps {
            let name = format!("s{server}");
            let known = model.contains_key(&server);
            let (answer, expected) = match action {
                0 => (t.call("add", &["ring", &name]), if known { "EXISTS" } else { "SUCCESS" }),
                1 => (t.call("remove", &["ring", &name]), if known { "SUCCESS" } else { "NOT_FOUND" }),
                flag => {
                    let word = if flag == 2 { "0" } else { "1" };
                    (t.call("setavailable", &["ring", &name, word]), if known { "SUCCESS" } else { "NOT_FOUND" })
                }
            };
            prop_assert_eq!(answer, Ok(expected));
            match action {
                0 => drop(model.entry(server).or_insert(true)),
                1 => drop(model.remove(&server)),
                flag => drop(model.get_mut(&server).map(|available| *available = flag == 3)),
            }
        }
        let available: Vec<String> =
            model.iter().filter(|(_, available)| **available).map(|(server, _)| format!("s{server}")).collect();
        for key in &keys {
            let owner = t.call("find", &["ring", key]).map(str::to_owned);
            if available.is_empty() {
                prop_assert_eq!(owner.as_deref(), Ok("NOT_FOUND"));
            } else {
                let anew = ring(&available.join(",")).call("find", &["ring", key]).map(str::to_owned);
                prop_assert_eq!(owner, anew, "{}", key);
            }
        }
    }
}
