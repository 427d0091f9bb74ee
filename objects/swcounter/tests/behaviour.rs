//! What the counter promises: the original's answers, windows of any size, numbers only.

use cacheismo_object_swcounter::Swcounter;
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;

#[test]
fn answers_are_the_originals() {
    // Recorded from the original with its crashes mended.
    Harness::new::<Swcounter>().assert_session(&[
        ("swcounter:new:c:3", "CREATED"),
        ("swcounter:add:c:100", "SUCCESS"),
        ("swcounter:getlast:c", "100"),
        ("swcounter:getmin:c", "0"),
        ("swcounter:getmax:c", "100"),
        ("swcounter:getavg:c", "33.333333333333"),
        ("swcounter:add:c:50", "SUCCESS"),
        ("swcounter:add:c:25", "SUCCESS"),
        ("swcounter:getmin:c", "25"),
        ("swcounter:getmax:c", "100"),
        ("swcounter:getavg:c", "58.333333333333"),
        ("swcounter:add:c:7", "SUCCESS"),
        ("swcounter:getlast:c", "7"),
        ("swcounter:getmin:c", "7"),
        ("swcounter:getmax:c", "50"),
        ("swcounter:add:c:0.1", "SUCCESS"),
        ("swcounter:getavg:c", "10.7"),
        ("swcounter:add:c:0x10", "SUCCESS"),
        ("swcounter:getlast:c", "16"),
        ("swcounter:add:c:1e3", "SUCCESS"),
        ("swcounter:getlast:c", "1000"),
        ("swcounter:add:c:123456789012345678", "SUCCESS"),
        ("swcounter:getlast:c", "1.2345678901235e+17"),
        ("swcounter:new:c:2", "CREATED"),
        ("swcounter:getlast:c", "0"),
    ]);
}

#[test]
fn a_new_counter_is_all_zeros_and_has_sixteen_slots() {
    let mut t = Harness::new::<Swcounter>();
    t.assert_session(&[
        ("swcounter:new:c", "CREATED"),
        ("swcounter:getlast:c", "0"),
        ("swcounter:getmin:c", "0"),
        ("swcounter:getmax:c", "0"),
        ("swcounter:getavg:c", "0"),
        ("swcounter:add:c:-16", "SUCCESS"),
        ("swcounter:getmin:c", "-16"),
        ("swcounter:getmax:c", "0"),
        ("swcounter:getavg:c", "-1"),
    ]);
}

#[test]
fn what_is_not_a_number_is_refused() {
    Harness::new::<Swcounter>().assert_session(&[
        ("swcounter:add:c:1", "ERROR_CACHE_MISS"),
        ("swcounter:getlast:c", "ERROR_CACHE_MISS"),
        ("swcounter:getmin:c", "ERROR_CACHE_MISS"),
        ("swcounter:getmax:c", "ERROR_CACHE_MISS"),
        ("swcounter:getavg:c", "ERROR_CACHE_MISS"),
        ("swcounter:new:c:0", "NOT_CREATED"),
        ("swcounter:new:c:-3", "NOT_CREATED"),
        ("swcounter:new:c:1.5", "NOT_CREATED"),
        ("swcounter:new:c:65537", "NOT_CREATED"),
        ("swcounter:new:c:many", "NOT_CREATED"),
        ("swcounter:getlast:c", "ERROR_CACHE_MISS"),
        ("swcounter:new:c:65536", "CREATED"),
        ("swcounter:new:c:1", "CREATED"),
        ("swcounter:add:c:5", "SUCCESS"),
        ("swcounter:new:c:0", "NOT_CREATED"),
        ("swcounter:add:c:x", "ERROR_BAD_ARGUMENT"),
        ("swcounter:add:c:inf", "ERROR_BAD_ARGUMENT"),
        ("swcounter:getlast:c", "5"),
    ]);
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Swcounter>();
    t.assert_all_or_nothing("new", &["c", "2"]);
    t.assert_all_or_nothing("add", &["c", "2"]);
    t.assert_all_or_nothing("new", &["c"]);
}

#[test]
fn adding_costs_the_same_however_long_the_window_is() {
    let mut t = Harness::new::<Swcounter>();
    t.call("new", &["c", "60000"]).expect("new answers");
    for _ in 0..60_000 {
        t.call("add", &["c", "1"]).expect("add answers");
        assert!(t.host_calls() <= 3);
    }
    assert_eq!(t.call("getavg", &["c"]), Ok("1"));
}

proptest! {
    #[test]
    fn a_window_holds_the_last_numbers(size in 1..9usize, numbers in prop::collection::vec(-50..50i32, 0..40)) {
        let mut t = Harness::new::<Swcounter>();
        t.call("new", &["c", &size.to_string()]).expect("new answers");
        for number in &numbers {
            t.call("add", &["c", &number.to_string()]).expect("add answers");
        }
        let mut window: Vec<i32> = numbers.iter().rev().take(size).copied().collect();
        window.resize(size, 0);
        let least = window.iter().min().expect("a window has a slot").to_string();
        let greatest = (*window.iter().max().expect("a window has a slot")).max(0).to_string();
        let last = numbers.last().copied().unwrap_or(0).to_string();
        prop_assert_eq!(t.call("getmin", &["c"]), Ok(least.as_str()));
        prop_assert_eq!(t.call("getmax", &["c"]), Ok(greatest.as_str()));
        prop_assert_eq!(t.call("getlast", &["c"]), Ok(last.as_str()));
        let mean = f64::from(window.iter().sum::<i32>()) / size as f64;
        let answer: f64 = t.call("getavg", &["c"]).expect("getavg answers").parse().expect("a number");
        prop_assert!((answer - mean).abs() < 1e-12);
    }
}
