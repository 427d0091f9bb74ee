//! What the lock promises: one owner at a time, leases that end, tokens that only rise, no trap at damaged state.

use std::time::Duration;

use cacheismo_object_lock::Lock;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

/// The harness begins at this millisecond.
const START_MS: u64 = 1_704_067_200_000;

#[test]
fn one_owner_holds_it_until_it_is_given_back_or_the_lease_ends() {
    let mut t = Harness::new::<Lock>();
    t.assert_session(&[
        ("lock:get:l", "ERROR_CACHE_MISS"),
        ("lock:acquire:l:ann:1000", "1704067200000000"),
        ("lock:acquire:l:bob:1000", "LOCKED"),
        ("lock:extend:l:bob:1000", "NOT_OWNER"),
        ("lock:release:l:bob", "NOT_OWNER"),
        ("lock:get:l", "1704067200000000 1000 ann"),
        ("lock:check:l:1704067200000000", "1000"),
        ("lock:check:l:1704067200000001", "NOT_OWNER"),
    ]);
    t.advance(Duration::from_millis(600));
    t.assert_session(&[
        ("lock:check:l:1704067200000000", "400"),
        ("lock:extend:l:ann:500", "1704067200000000"),
        ("lock:get:l", "1704067200000000 500 ann"),
        ("lock:release:l:ann", "SUCCESS"),
        ("lock:release:l:ann", "ERROR_CACHE_MISS"),
        ("lock:acquire:l:bob:1000", "1704067200600000"),
    ]);
    t.advance(Duration::from_millis(1000));
    t.assert_session(&[
        ("lock:get:l", "ERROR_CACHE_MISS"),
        ("lock:extend:l:bob:1000", "ERROR_CACHE_MISS"),
        ("lock:release:l:bob", "ERROR_CACHE_MISS"),
        ("lock:acquire:l:ann:1000", "1704067201600000"),
    ]);
}

#[test]
fn a_request_that_is_repeated_because_its_answer_was_lost_gets_the_same_token() {
    let mut t = Harness::new::<Lock>();
    t.assert_session(&[("lock:acquire:l:ann:1000", "1704067200000000")]);
    t.advance(Duration::from_millis(500));
    t.assert_session(&[
        ("lock:acquire:l:ann:1000", "1704067200000000"),
        ("lock:get:l", "1704067200000000 1000 ann"),
    ]);
}

#[test]
fn tokens_rise_within_a_millisecond_with_a_clock_set_back_and_after_an_eviction() {
    let mut t = Harness::new::<Lock>();
    let mut last = 0;
    let mut rises = |t: &mut Harness| {
        let token: u64 = t
            .call("acquire", &["l", "ann", "5000"])
            .expect("free")
            .parse()
            .expect("a token");
        assert!(token > last, "{token} after {last}");
        last = token;
    };
    for _ in 0..3000 {
        rises(&mut t);
        t.assert_session(&[("lock:release:l:ann", "SUCCESS")]);
    }
    t.set_time(START_MS as i64 - 600_000);
    rises(&mut t);
    t.set_time(START_MS as i64 + 10_000);
    rises(&mut t);
    // The state goes a while after the lease, the token still rises.
    t.advance(Duration::from_secs(2 * 3600));
    assert_eq!(t.object("l"), None);
    rises(&mut t);
}

#[test]
fn owners_and_leases_have_bounds() {
    let mut t = Harness::new::<Lock>();
    let long = "x".repeat(101);
    for (owner, lease, text) in [
        ("", "1000", "owner is not 1 to 100 bytes"),
        (long.as_str(), "1000", "owner is not 1 to 100 bytes"),
        ("ann", "0", "lease_ms is not 1 to 2592000000"),
        ("ann", "2592000001", "lease_ms is not 1 to 2592000000"),
        (
            "ann",
            "-1",
            "lease_ms is not an unsigned integer of 64 bits",
        ),
    ] {
        let refused = Err(Failure::Refused(text.to_owned()));
        assert_eq!(t.call("acquire", &["l", owner, lease]), refused);
    }
    assert!(t.state().is_empty());
    assert_eq!(
        t.call("acquire", &["l", &long[..100], "2592000000"]),
        Ok("1704067200000000")
    );
    assert_eq!(t.call("release", &["l", &long[..100]]), Ok("SUCCESS"));
}

#[test]
fn a_call_takes_few_host_calls() {
    let mut t = Harness::new::<Lock>();
    for (key, calls) in [
        ("lock:acquire:l:ann:1000", 3),
        ("lock:acquire:l:bob:1000", 1),
        ("lock:extend:l:ann:1000", 2),
        ("lock:get:l", 1),
        ("lock:release:l:ann", 2),
        ("lock:acquire:l:bob:1000", 2),
    ] {
        t.get(key).expect("an answer");
        assert_eq!(t.host_calls(), calls, "{key}");
    }
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Lock>();
    t.assert_all_or_nothing("acquire", &["l", "ann", "1000"]);
    t.assert_all_or_nothing("extend", &["l", "ann", "1000"]);
    t.assert_all_or_nothing("release", &["l", "ann"]);
    t.assert_all_or_nothing("acquire", &["l", "bob", "1000"]);
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(usize, u64),
    Extend(usize, u64),
    Release(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 1..100u64).prop_map(|(owner, ms)| Step::Acquire(owner, ms)),
        2 => (0..3usize, 1..100u64).prop_map(|(owner, ms)| Step::Extend(owner, ms)),
        2 => (0..3usize).prop_map(Step::Release),
        3 => (0..60u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn it_answers_as_a_variable_with_an_end_does(steps in prop::collection::vec(step(), 1..200)) {
        const OWNERS: [&str; 3] = ["ann", "bob", "cy"];
        let mut t = Harness::new::<Lock>();
        let (mut now_ms, mut last_token) = (START_MS, 0);
        let mut holder: Option<(usize, u64, u64)> = None;
        for step in steps {
            holder = holder.filter(|(_, until_ms, _)| *until_ms > now_ms);
            match step {
                Step::Wait(ms) => {
                    now_ms += ms;
                    t.advance(Duration::from_millis(ms));
                }
                Step::Acquire(owner, ms) => {
                    let answer = t.call("acquire", &["l", OWNERS[owner], &ms.to_string()]).expect("an answer").to_owned();
                    if holder.is_some_and(|(other, _, _)| other != owner) {
                        prop_assert_eq!(answer, "LOCKED");
                        continue;
                    }
                    let token: u64 = answer.parse().expect("a token");
                    match holder {
                        Some((_, _, known)) => prop_assert_eq!(token, known),
                        None => prop_assert!(token > last_token),
                    }
                    last_token = token;
                    holder = Some((owner, now_ms + ms, token));
                }
                Step::Extend(owner, ms) => {
                    let answer = t.call("extend", &["l", OWNERS[owner], &ms.to_string()]).expect("an answer");
                    match holder {
                        Some((known, _, token)) if known == owner => {
                            prop_assert_eq!(answer, token.to_string());
                            holder = Some((owner, now_ms + ms, token));
                        }
                        Some(_) => prop_assert_eq!(answer, "NOT_OWNER"),
                        None => prop_assert_eq!(answer, "ERROR_CACHE_MISS"),
                    }
                }
                Step::Release(owner) => {
                    let answer = t.call("release", &["l", OWNERS[owner]]).expect("an answer");
                    match holder {
                        Some((known, _, _)) if known == owner => {
                            prop_assert_eq!(answer, "SUCCESS");
                            holder = None;
                        }
                        Some(_) => prop_assert_eq!(answer, "NOT_OWNER"),
                        None => prop_assert_eq!(answer, "ERROR_CACHE_MISS"),
                    }
                }
            }
        }
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(value in prop::collection::vec(any::<u8>(), 0..150)) {
        let mut t = Harness::new::<Lock>();
        t.assert_session(&[("lock:acquire:l:ann:1000", "1704067200000000")]);
        for key in ["get:l", "check:l:1", "extend:l:ann:5", "release:l:ann", "acquire:l:bob:5"] {
            t.object_mut("l").expect("the lock").value = Some(value.clone());
            // Any text may be an owner, as `call_bytes` shows it.
            let parts: Vec<&str> = key.split(':').collect();
            let answer = t.call_bytes(parts[0], &parts[1..]).map(<[u8]>::to_vec);
            match value.len() {
                16..=116 => prop_assert!(answer.is_ok(), "{:?}", answer),
                _ => prop_assert_eq!(answer, Err(Failure::Refused("the state of this lock is damaged; delete it".to_owned()))),
            }
        }
    }
}
