//! What the map promises: the original's answers, any size, all or nothing.

use std::collections::BTreeMap;

use cacheismo_object_map::Map;
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;

#[test]
fn answers_are_the_originals() {
    // Recorded from the original, but for `count`, which there was always 0, and the order.
    Harness::new::<Map>().assert_session(&[
        ("map:new:m", "CREATED"),
        ("map:getall:m", ""),
        ("map:getkeys:m", ""),
        ("map:getvalues:m", ""),
        ("map:count:m", "0"),
        ("map:get:m:a", "NOT_FOUND"),
        ("map:put:m:a:1", "SUCCESS"),
        ("map:get:m:a", "a : 1"),
        ("map:put:m:a:2", "SUCCESS"),
        ("map:get:m:a", "a : 2"),
        ("map:put:m:b:hello", "SUCCESS"),
        ("map:put:m:c:x=y", "SUCCESS"),
        ("map:count:m", "3"),
        ("map:getkeys:m", "a\r\nb\r\nc\r\n"),
        ("map:getvalues:m", "2\r\nhello\r\nx=y\r\n"),
        ("map:getall:m", "a : 2\r\nb : hello\r\nc : x=y\r\n"),
        ("map:put:m:url:http://x", "SUCCESS"),
        ("map:get:m:url", "url : http"),
        ("map:put:m:a", "SUCCESS"),
        ("map:get:m:a", "NOT_FOUND"),
        ("map:put:m:e:", "SUCCESS"),
        ("map:get:m:e", "NOT_FOUND"),
        ("map:put:m::v", "SUCCESS"),
        ("map:get:m::x", " : v"),
        ("map:delete:m:b", "SUCCESS"),
        ("map:delete:m:nothere", "SUCCESS"),
        ("map:getall:m", " : v\r\nc : x=y\r\nurl : http\r\n"),
        ("map:new:m", "CREATED"),
        ("map:getall:m", ""),
    ]);
}

#[test]
fn a_map_that_does_not_exist_is_a_cache_miss() {
    let mut t = Harness::new::<Map>();
    t.assert_session(&[
        ("map:get:x:y", "ERROR_CACHE_MISS"),
        ("map:put:x:y:z", "ERROR_CACHE_MISS"),
        ("map:put:x:y", "ERROR_CACHE_MISS"),
        ("map:delete:x:y", "ERROR_CACHE_MISS"),
        ("map:count:x", "ERROR_CACHE_MISS"),
        ("map:getkeys:x", "ERROR_CACHE_MISS"),
        ("map:getvalues:x", "ERROR_CACHE_MISS"),
        ("map:getall:x", "ERROR_CACHE_MISS"),
    ]);
    assert!(t.state().is_empty(), "nothing came into being");
}

#[test]
fn keys_and_values_may_be_any_bytes_of_any_length() {
    let mut t = Harness::new::<Map>();
    t.call("new", &["m"]).expect("new answers");
    let key: Vec<u8> = (0..=255).collect();
    for length in [0, 1, 119, 120, 121, 8191, 8192, 100_000] {
        let value = vec![0xff; length];
        t.call("put", &[b"m".as_slice(), &key, &value])
            .expect("put answers");
        let entry = [&key[..], b" : ", &value].concat();
        assert_eq!(
            t.call_bytes("get", &[b"m".as_slice(), &key]),
            Ok(entry.as_slice()),
            "{length} bytes"
        );
        assert_eq!(
            t.call_bytes("getall", &["m"]),
            Ok([&entry[..], b"\r\n"].concat().as_slice())
        );
    }
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Map>();
    t.assert_session(&[("map:new:m", "CREATED"), ("map:put:m:a:1", "SUCCESS")]);
    t.assert_all_or_nothing("put", &["m", "a", "2"]);
    t.assert_all_or_nothing("put", &["m", "a"]);
    t.assert_all_or_nothing("delete", &["m", "a"]);
    t.assert_all_or_nothing("new", &["m"]);
}

proptest! {
    #[test]
    fn a_map_is_a_map(steps in prop::collection::vec(("[a-c]{1,2}", prop::option::of("[x-z]{1,9}")), 0..60)) {
        let mut t = Harness::new::<Map>();
        t.call("new", &["m"]).expect("new answers");
        let mut model = BTreeMap::new();
        for (key, value) in steps {
            let answer = match &value {
                Some(value) => t.call("put", &["m", &key, value]),
                None => t.call("delete", &["m", &key]),
            };
            prop_assert_eq!(answer, Ok("SUCCESS"));
            match value {
                Some(value) => model.insert(key, value),
                None => model.remove(&key),
            };
        }
        let listed: String = model.iter().map(|(key, value)| format!("{key} : {value}\r\n")).collect();
        prop_assert_eq!(t.call("getall", &["m"]), Ok(listed.as_str()));
        let count = model.len().to_string();
        prop_assert_eq!(t.call("count", &["m"]), Ok(count.as_str()));
    }
}
