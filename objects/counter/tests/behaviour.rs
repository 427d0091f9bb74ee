//! What the counter promises: sums of 64 bits, made when first added to, and an end of its own.

use std::time::Duration;

use cacheismo_object_counter::Counter;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn it_counts() {
    Harness::new::<Counter>().assert_session(&[
        ("counter:get:c", "ERROR_CACHE_MISS"),
        ("counter:reset:c", "ERROR_CACHE_MISS"),
        ("counter:add:c", "1"),
        ("counter:add:c:41", "42"),
        ("counter:get:c", "42"),
        ("counter:add:c:-50", "-8"),
        ("counter:reset:c", "-8"),
        ("counter:get:c", "0"),
        ("counter:new:c:100", "CREATED"),
        ("counter:add:c:+1", "101"),
        ("counter:new:c", "CREATED"),
        ("counter:get:c", "0"),
    ]);
}

#[test]
fn what_is_not_a_whole_number_is_refused_and_so_is_a_sum_beyond_64_bits() {
    let mut t = Harness::new::<Counter>();
    let max = i64::MAX.to_string();
    assert_eq!(t.call("new", &["c", &max]), Ok("CREATED"));
    let beyond = Err(Failure::Refused("the sum is beyond 64 bits".to_owned()));
    assert_eq!(t.call("add", &["c"]), beyond);
    assert_eq!(t.call("get", &["c"]), Ok(&*max));
    let not_a_number = Failure::Refused("amount is not an integer of 64 bits".to_owned());
    for amount in ["", "x", "1.5", "9223372036854775808"] {
        assert_eq!(t.call("add", &["c", amount]), Err(not_a_number.clone()));
    }
}

#[test]
fn it_ends_so_long_after_it_was_made_however_often_it_is_added_to() {
    let mut t = Harness::new::<Counter>();
    t.assert_session(&[("counter:add:c:1:60", "1")]);
    t.advance(Duration::from_secs(59));
    t.assert_session(&[("counter:add:c:1:60", "2"), ("counter:reset:c", "2")]);
    t.advance(Duration::from_secs(1));
    t.assert_session(&[
        ("counter:get:c", "ERROR_CACHE_MISS"),
        ("counter:add:c:1:60", "1"),
        ("counter:new:c:5", "CREATED"),
    ]);
    t.advance(Duration::from_secs(60));
    t.assert_session(&[("counter:get:c", "5"), ("counter:new:c:5:1", "CREATED")]);
    t.advance(Duration::from_secs(1));
    t.assert_session(&[("counter:get:c", "ERROR_CACHE_MISS")]);
}

#[test]
fn a_sum_beyond_its_bounds_is_not_made() {
    let mut t = Harness::new::<Counter>();
    t.assert_session(&[
        ("counter:addwithin:c:5:6:9", "LIMITED"),
        ("counter:get:c", "ERROR_CACHE_MISS"),
        ("counter:addwithin:c:5:0:9:60", "5"),
        ("counter:addwithin:c:5:0:9", "LIMITED"),
        ("counter:addwithin:c:4:0:9", "9"),
        ("counter:addwithin:c:-9:0:9", "0"),
        ("counter:addwithin:c:-1:0:9", "LIMITED"),
        ("counter:get:c", "0"),
        (
            "counter:addwithin:c:9223372036854775807:0:9223372036854775807",
            "9223372036854775807",
        ),
        ("counter:addwithin:c:1:0:9223372036854775807", "LIMITED"),
    ]);
    t.advance(Duration::from_secs(60));
    t.assert_session(&[("counter:get:c", "ERROR_CACHE_MISS")]);
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Counter>();
    t.assert_all_or_nothing("add", &["c", "2", "60"]);
    t.assert_all_or_nothing("add", &["c", "2"]);
    t.assert_all_or_nothing("addwithin", &["c", "2", "0", "9"]);
    t.assert_all_or_nothing("new", &["c", "5", "60"]);
    t.assert_all_or_nothing("reset", &["c"]);
}

proptest! {
    #[test]
    fn sums_are_those_of_integers(amounts: Vec<i64>) {
        let mut t = Harness::new::<Counter>();
        let mut model: Option<i64> = None;
        for amount in amounts {
            let sum = model.unwrap_or(0).checked_add(amount);
            let answer = t.call("add", &["c", &amount.to_string()]).ok().map(str::to_owned);
            prop_assert_eq!(answer, sum.map(|sum| sum.to_string()));
            model = sum.or(model);
        }
    }
}
