//! What the set promises: the original's answers, any size, all or nothing.

use std::collections::BTreeSet;

use cacheismo_object_set::Set;
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;

#[test]
fn answers_are_the_originals() {
    // Recorded from the original, but for `count`, which there was always 0, and the order.
    Harness::new::<Set>().assert_session(&[
        ("set:new:s", "CREATED"),
        ("set:getall:s", ""),
        ("set:count:s", "0"),
        ("set:put:s:apple", "SUCCESS"),
        ("set:put:s:pear", "SUCCESS"),
        ("set:put:s:apple", "SUCCESS"),
        ("set:put:s:fig", "SUCCESS"),
        ("set:exist:s:apple", "EXISTS"),
        ("set:exist:s:kiwi", "NOT_FOUND"),
        ("set:count:s", "3"),
        ("set:getall:s", "apple\r\nfig\r\npear\r\n"),
        ("set:delete:s:pear", "SUCCESS"),
        ("set:delete:s:nothere", "SUCCESS"),
        ("set:getall:s", "apple\r\nfig\r\n"),
        ("set:put:s:1", "SUCCESS"),
        ("set:count:s", "3"),
        ("set:exist:s:1", "EXISTS"),
        ("set:put:s::x", "SUCCESS"),
        ("set:exist:s::x", "EXISTS"),
        ("set:getall:s", "\r\n1\r\napple\r\nfig\r\n"),
        ("set:new:s", "CREATED"),
        ("set:getall:s", ""),
        ("set:new::x", "CREATED"),
        ("set:new:k:1:2:3", "CREATED"),
        ("set:exist::x", "NOT_FOUND"),
    ]);
}

#[test]
fn a_set_that_does_not_exist_is_a_cache_miss() {
    let mut t = Harness::new::<Set>();
    t.assert_session(&[
        ("set:exist:none:x", "ERROR_CACHE_MISS"),
        ("set:put:none:x", "ERROR_CACHE_MISS"),
        ("set:count:none", "ERROR_CACHE_MISS"),
        ("set:delete:none:x", "ERROR_CACHE_MISS"),
        ("set:getall:none", "ERROR_CACHE_MISS"),
        ("set:union:none:none2", "ERROR_CACHE_MISS"),
        ("set:intersection:none:none2", "ERROR_CACHE_MISS"),
        ("set:difference:none:none2", "ERROR_CACHE_MISS"),
    ]);
    assert!(t.state().is_empty(), "nothing came into being");
    t.assert_session(&[
        ("set:new:some", "CREATED"),
        ("set:union:some:none", "ERROR_CACHE_MISS"),
        ("set:union:some:some:none", "ERROR_CACHE_MISS"),
    ]);
}

#[test]
fn members_may_be_any_bytes() {
    let mut t = Harness::new::<Set>();
    t.call("new", &["k"]).expect("new answers");
    let member: Vec<u8> = (0..=255).collect();
    t.call("put", &[b"k".as_slice(), &member])
        .expect("put answers");
    assert_eq!(
        t.call_bytes("getall", &["k"]),
        Ok([&member[..], b"\r\n"].concat().as_slice())
    );
}

#[test]
fn a_large_set_takes_few_host_calls() {
    let mut t = Harness::new::<Set>();
    t.call("new", &["k"]).expect("new answers");
    for i in 0..100_000 {
        assert_eq!(
            t.call("put", &["k", &format!("member {i:06}")]),
            Ok("SUCCESS")
        );
        assert!(t.host_calls() <= 2);
    }
    assert_eq!(t.call("count", &["k"]), Ok("100000"));
    assert_eq!(t.call("exist", &["k", "member 099999"]), Ok("EXISTS"));
    assert!(t.host_calls() <= 2);
    let listing: String = (0..100_000).map(|i| format!("member {i:06}\r\n")).collect();
    assert_eq!(t.call("getall", &["k"]), Ok(listing.as_str()));
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Set>();
    t.assert_session(&[("set:new:k", "CREATED"), ("set:put:k:a", "SUCCESS")]);
    t.assert_all_or_nothing("put", &["k", "b"]);
    t.assert_all_or_nothing("delete", &["k", "a"]);
    t.assert_all_or_nothing("new", &["k"]);
    t.assert_session(&[("set:getall:k", "")]);
}

proptest! {
    #[test]
    fn set_operations_are_those_of_sets(
        sets in prop::collection::vec(prop::collection::btree_set("[a-d]{0,2}", 0..8), 2..5),
    ) {
        let mut t = Harness::new::<Set>();
        let keys: Vec<String> = (0..sets.len()).map(|i| i.to_string()).collect();
        for (key, set) in keys.iter().zip(&sets) {
            t.call("new", &[key]).expect("new answers");
            for member in set {
                t.call("put", &[key, member]).expect("put answers");
            }
        }
        let listed = |set: BTreeSet<String>| set.iter().map(|member| format!("{member}\r\n")).collect::<String>();
        let fold = |of: fn(&BTreeSet<String>, &BTreeSet<String>) -> BTreeSet<String>| {
            sets.iter().skip(1).fold(sets[0].clone(), |all, set| of(&all, set))
        };
        for (function, expected) in [
            ("union", fold(|a, b| a | b)),
            ("intersection", fold(|a, b| a & b)),
            ("difference", fold(|a, b| a - b)),
        ] {
            let expected = listed(expected);
            prop_assert_eq!(t.call(function, &keys), Ok(expected.as_str()), "{}", function);
        }
    }
}
