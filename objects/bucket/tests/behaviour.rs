//! What the bucket promises: no more than the rate allows, fractions, buckets that leave, no trap at damaged state.

use std::time::Duration;

use cacheismo_object_bucket::Bucket;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn tokens_are_taken_and_come_back() {
    let mut t = Harness::new::<Bucket>();
    t.assert_session(&[
        ("bucket:take:b", "ERROR_CACHE_MISS"),
        ("bucket:left:b", "ERROR_CACHE_MISS"),
        ("bucket:wait:b", "ERROR_CACHE_MISS"),
        ("bucket:new:b:3:0.5", "CREATED"),
        ("bucket:left:b", "3"),
        ("bucket:take:b", "OK"),
        ("bucket:take:b:1.5", "OK"),
        ("bucket:left:b", "0"),
        ("bucket:take:b", "LIMITED"),
        ("bucket:take:b:0.5", "OK"),
        ("bucket:wait:b", "2000"),
        ("bucket:wait:b:3", "6000"),
        ("bucket:wait:b:3.5", "NEVER"),
        ("bucket:wait:b:0", "0"),
    ]);
    t.advance(Duration::from_millis(1999));
    t.assert_session(&[("bucket:take:b", "LIMITED"), ("bucket:wait:b", "1")]);
    t.advance(Duration::from_millis(1));
    t.assert_session(&[("bucket:take:b", "OK"), ("bucket:take:b", "LIMITED")]);
    t.advance(Duration::from_secs(1000));
    t.assert_session(&[
        ("bucket:take:b:4", "LIMITED"),
        ("bucket:left:b", "3"),
        ("bucket:new:b:1:1", "CREATED"),
        ("bucket:left:b", "1"),
    ]);
}

#[test]
fn a_limit_needs_no_bucket_and_leaves_none() {
    let mut t = Harness::new::<Bucket>();
    t.assert_session(&[
        ("bucket:limit:ip:2:1", "OK"),
        ("bucket:limit:ip:2:1", "OK"),
        ("bucket:limit:ip:2:1", "LIMITED"),
        ("bucket:take:ip", "LIMITED"),
    ]);
    t.advance(Duration::from_millis(1000));
    t.assert_session(&[("bucket:take:ip", "OK"), ("bucket:limit:ip:2:1", "LIMITED")]);
    t.advance(Duration::from_millis(1999));
    assert!(t.object("ip").is_some());
    t.advance(Duration::from_millis(1));
    assert_eq!(t.object("ip"), None, "a full bucket is as good as none");
    t.assert_session(&[("bucket:limit:ip:2:1:3", "LIMITED")]);
    assert_eq!(t.object("ip"), None);
}

#[test]
fn a_limit_that_changes_holds_from_then_on() {
    let mut t = Harness::new::<Bucket>();
    t.assert_session(&[
        ("bucket:limit:ip:10:1:4", "OK"),
        ("bucket:limit:ip:5:1:5", "OK"),
        ("bucket:limit:ip:5:1000:1", "LIMITED"),
        ("bucket:new:kept:5:1", "CREATED"),
        ("bucket:limit:kept:5:1:5", "OK"),
    ]);
    t.advance(Duration::from_secs(3600));
    t.assert_session(&[
        ("bucket:left:kept", "5"),
        ("bucket:left:ip", "ERROR_CACHE_MISS"),
    ]);
}

#[test]
fn what_is_no_capacity_no_rate_or_no_amount_is_refused() {
    let mut t = Harness::new::<Bucket>();
    for (key, text) in [
        ("new:b:0:1", "capacity is not above 0 and at most 1e15"),
        ("new:b:1:-1", "rate is not above 0 and at most 1e15"),
        ("new:b:1e16:1", "capacity is not above 0 and at most 1e15"),
        ("new:b:nan:1", "capacity is not a finite number"),
        ("limit:b:1:x", "rate is not a finite number"),
        ("limit:b:1:1:-1", "amount is below 0"),
    ] {
        let answer = t.get(&format!("bucket:{key}"));
        assert_eq!(answer, Err(Failure::Refused(text.to_owned())), "{key}");
    }
    assert!(t.state().is_empty());
}

#[test]
fn a_clock_set_back_brings_no_tokens_and_takes_none() {
    let mut t = Harness::new::<Bucket>();
    t.assert_session(&[("bucket:new:b:2:1", "CREATED"), ("bucket:take:b:2", "OK")]);
    t.set_time(1_704_067_100_000);
    t.assert_session(&[("bucket:left:b", "0"), ("bucket:take:b:0", "OK")]);
    t.advance(Duration::from_secs(1));
    t.assert_session(&[("bucket:left:b", "1")]);
}

#[test]
fn a_call_takes_few_host_calls_and_changes_nothing_when_it_fails() {
    let mut t = Harness::new::<Bucket>();
    for (function, args, calls) in [
        ("limit", &["b", "9", "1"][..], 4),
        ("limit", &["b", "9", "1"], 4),
        ("take", &["b", "1"], 2),
        ("left", &["b"], 1),
        ("new", &["k", "9", "1"], 2),
        ("take", &["k"], 1),
    ] {
        t.call(function, args).expect("an answer");
        assert!(t.host_calls() <= calls, "{function}: {}", t.host_calls());
        t.assert_all_or_nothing(function, args);
    }
}

proptest! {
    /// The naive twin counts in whole thousandths, as rate times milliseconds gives them.
    #[test]
    fn it_answers_as_whole_thousandths_do(
        capacity in 1u64..20,
        rate in 1u64..50,
        limit: bool,
        steps in prop::collection::vec((0u64..2000, 0u64..8), 1..100),
    ) {
        let mut t = Harness::new::<Bucket>();
        let (capacity_text, rate_text) = (capacity.to_string(), rate.to_string());
        if !limit {
            t.call("new", &["b", &capacity_text, &rate_text]).expect("made");
        }
        let mut thousandths = capacity * 1000;
        for (ms, amount) in steps {
            t.advance(Duration::from_millis(ms));
            thousandths = (thousandths + ms * rate).min(capacity * 1000);
            let expected = if thousandths >= amount * 1000 {
                thousandths -= amount * 1000;
                "OK"
            } else {
                "LIMITED"
            };
            let amount = amount.to_string();
            let answer = match limit {
                true => t.call("limit", &["b", &capacity_text, &rate_text, &amount]),
                false => t.call("take", &["b", &amount]),
            };
            prop_assert_eq!(answer, Ok(expected));
        }
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            (any::<f64>(), any::<f64>(), any::<f64>(), any::<i64>(), any::<u8>()).prop_map(|(capacity, rate, tokens, at, leaving)|
                [&capacity.to_le_bytes()[..], &rate.to_le_bytes(), &tokens.to_le_bytes(), &at.to_le_bytes(), &[leaving]].concat()),
        ],
    ) {
        let mut t = Harness::new::<Bucket>();
        t.assert_session(&[("bucket:new:b:5:1", "CREATED")]);
        for key in ["take:b", "left:b", "wait:b:3", "limit:b:7:0.5:2"] {
            t.object_mut("b").expect("the bucket").value = Some(value.clone());
            let answer = t.get(&format!("bucket:{key}"));
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
