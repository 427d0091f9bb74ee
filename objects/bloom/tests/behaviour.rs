//! What the bloom promises: a no is sure, the share of wrong yes, one field for each element, no trap at damaged state.

use std::collections::HashSet;

use cacheismo_object_bloom::Bloom;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn what_was_added_exists() {
    let mut t = Harness::new::<Bloom>();
    t.assert_session(&[
        ("bloom:add:b:ann", "ERROR_CACHE_MISS"),
        ("bloom:exist:b:ann", "ERROR_CACHE_MISS"),
        ("bloom:count:b", "ERROR_CACHE_MISS"),
        ("bloom:info:b", "ERROR_CACHE_MISS"),
        ("bloom:new:b:1000", "CREATED"),
        ("bloom:exist:b:ann", "NOT_FOUND"),
        ("bloom:add:b:ann", "1"),
        ("bloom:add:b:ann:bob:cy", "2"),
        ("bloom:exist:b:ann", "EXISTS"),
        ("bloom:exist:b:dan", "NOT_FOUND"),
        ("bloom:count:b", "3"),
        (
            "bloom:info:b",
            "capacity : 1000\r\ncount : 3\r\nbits : 7\r\nbytes : 1280\r\n",
        ),
        ("bloom:new:b:1000:0.1", "CREATED"),
        ("bloom:exist:b:ann", "NOT_FOUND"),
    ]);
    for (key, text) in [
        ("new:b:0", "capacity is 0"),
        ("new:b:1000:0", "error is not 0.000001 to 0.5"),
        (
            "new:b:99999999999:0.01",
            "a filter of that many elements is larger than 1 GiB",
        ),
    ] {
        let answer = t.get(&format!("bloom:{key}"));
        assert_eq!(answer, Err(Failure::Refused(text.to_owned())));
    }
}

#[test]
fn the_share_of_wrong_yes_is_as_promised_when_the_filter_is_full() {
    for (error, capacity) in [("0.1", 3_000), ("0.01", 30_000), ("0.0001", 20_000)] {
        let mut t = Harness::new::<Bloom>();
        t.set_seed(11);
        t.call("new", &["b", &capacity.to_string(), error])
            .expect("made");
        for n in 0..capacity {
            t.call("add", &["b", &format!("in {n}")]).expect("added");
            assert!(t.host_calls() <= 2);
        }
        const ASKED: u32 = 40_000;
        let yes = (0..ASKED)
            .filter(|n| t.call("exist", &["b", &format!("out {n}")]) == Ok("EXISTS"))
            .count() as f64;
        let expected = error.parse::<f64>().expect("a share") * f64::from(ASKED);
        assert!(
            yes <= expected + 4.0 * expected.sqrt(),
            "{error}: {yes} of {expected}"
        );
        assert!(
            yes >= expected / 3.0 - 4.0 * expected.sqrt(),
            "{error}: {yes}, the filter is too large"
        );
    }
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Bloom>();
    t.assert_all_or_nothing("new", &["b", "1000"]);
    t.assert_all_or_nothing("add", &["b", "a", "b", "c"]);
    t.assert_all_or_nothing("new", &["b", "1000"]);
}

proptest! {
    /// The naive twin is a set: what is in it exists, and what is not mostly does not.
    #[test]
    fn a_no_is_sure(seed: u64, elements in prop::collection::vec("[a-z]{0,12}|.{9,30}", 1..150)) {
        let mut t = Harness::new::<Bloom>();
        t.set_seed(seed);
        t.call("new", &["b", "150", "0.001"]).expect("made");
        let mut twin = HashSet::new();
        let mut wrong = 0;
        for element in &elements {
            let answer = t.call("add", &["b", element]).expect("added");
            let new = twin.insert(element);
            prop_assert!(new || answer == "0");
            wrong += u32::from(new && answer == "0");
        }
        for element in &elements {
            prop_assert_eq!(t.call("exist", &["b", element]), Ok("EXISTS"));
        }
        prop_assert!(wrong <= 4, "{} wrong of {}", wrong, elements.len());
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        value in prop::option::of(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..33),
            (any::<[u8; 24]>(), 0u32..9_000_000, 0u8..40).prop_map(|(words, blocks, bits)| [&words[..], &blocks.to_le_bytes(), &[bits]].concat()),
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut t = Harness::new::<Bloom>();
        t.assert_session(&[("bloom:new:b:100", "CREATED"), ("bloom:add:b:ann", "1")]);
        let stored = t.object_mut("b").expect("the filter");
        stored.fields.insert(vec![0; 4], bytes);
        if value.is_some() {
            stored.value = value;
        }
        for key in ["exist:b:x", "add:b:y:z", "count:b", "info:b"] {
            let answer = t.get(&format!("bloom:{key}"));
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
