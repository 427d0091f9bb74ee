//! What the hll promises: its error, its size, merges, all or nothing, no trap at damaged state.

use std::collections::HashSet;

use cacheismo_object_hll::Hll;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn few_elements_are_counted_exactly() {
    Harness::new::<Hll>().assert_session(&[
        ("hll:count:h", "ERROR_CACHE_MISS"),
        ("hll:add:h:ann:bob", "1"),
        ("hll:add:h:ann", "0"),
        ("hll:count:h", "2"),
        ("hll:add:g:bob:cy", "1"),
        ("hll:count:h:g:none", "3"),
        ("hll:merge:all:h:g", "SUCCESS"),
        ("hll:count:all", "3"),
        ("hll:merge:h:none", "SUCCESS"),
        ("hll:count:h", "2"),
    ]);
}

#[test]
fn the_error_stays_within_its_promise_and_the_state_within_12_kib() {
    let mut t = Harness::new::<Hll>();
    let (mut last, mut bytes_of_few) = (0, 0);
    for n in 1..=200_000u32 {
        let answer = t
            .call("add", &["h", &format!("element {n}")])
            .expect("added")
            == "1";
        assert!(t.host_calls() <= 2);
        if answer && last < 100 {
            last = n;
        }
        if [100, 1_000, 10_000, 50_000, 200_000].contains(&n) {
            let count: f64 = t
                .call("count", &["h"])
                .expect("counted")
                .parse()
                .expect("a number");
            assert_eq!(t.host_calls(), 0);
            let error = (count - f64::from(n)) / f64::from(n);
            assert!(error.abs() < 3.0 * 0.0081, "{n}: {error}");
        }
        if n == 100 {
            let fields = &t.object("h").expect("the hll").fields;
            bytes_of_few = fields
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
        }
    }
    let fields = &t.object("h").expect("the hll").fields;
    let bytes: usize = fields
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(bytes <= 12 * 1024 + 64, "{bytes}");
    assert!(bytes_of_few <= 300, "{bytes_of_few}");
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Hll>();
    t.assert_all_or_nothing("add", &["h", "a", "b"]);
    t.assert_all_or_nothing("add", &["g", "c"]);
    t.assert_all_or_nothing("merge", &["h", "g"]);
    t.assert_session(&[("hll:count:h", "3")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The naive twin is a set: the estimate of a union is near its size, and the same in whatever order things come.
    #[test]
    fn a_merge_is_as_good_as_adding_everything(
        a in prop::collection::vec(0u32..3000, 0..600),
        b in prop::collection::vec(0u32..3000, 1..600),
    ) {
        let mut t = Harness::new::<Hll>();
        for (key, elements) in [("a", &a), ("b", &b), ("both", &a), ("both", &b)] {
            for element in elements {
                t.call("add", &[key, &element.to_string()]).expect("added");
            }
        }
        let both = t.call("count", &["both"]).expect("counted").to_owned();
        prop_assert_eq!(t.call("count", &["b", "a"]), Ok(&*both));
        prop_assert_eq!(t.call("merge", &["merged", "a", "b"]), Ok("SUCCESS"));
        prop_assert_eq!(t.call("count", &["merged"]), Ok(&*both));
        let [merged, added] = ["merged", "both"].map(|key| t.object(key).cloned().expect("an hll"));
        prop_assert_eq!(merged, added);
        let twin = a.iter().chain(&b).collect::<HashSet<_>>().len() as f64;
        let estimate: f64 = both.parse().expect("a number");
        prop_assert!((estimate - twin).abs() <= 2.0 + 0.05 * twin, "{} for {}", estimate, twin);
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..110)),
        name in prop::collection::vec(any::<u8>(), 0..3),
        field in any::<prop::sample::Index>(),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..8), prop::collection::vec(any::<u8>(), 185..200)],
    ) {
        let mut t = Harness::new::<Hll>();
        for n in 0..200 {
            t.call("add", &["h", &n.to_string()]).expect("added");
        }
        let stored = t.object_mut("h").expect("the hll");
        let known = field.get(&stored.fields.keys().cloned().collect::<Vec<_>>()).clone();
        stored.fields.insert(if name.is_empty() { known } else { name }, bytes);
        if value.is_some() {
            stored.value = value;
        }
        for n in 0..100 {
            let answer = t.call("add", &["h", &format!("new {n}")]).map(str::to_owned);
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
        for key in ["count:h", "count:h:g", "count:g:h", "merge:g:h", "merge:h:g"] {
            let answer = t.get(&format!("hll:{key}"));
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
