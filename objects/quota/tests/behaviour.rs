//! What the quota promises: the original's answers, windows of local time, numbers only.

use std::time::Duration;

use cacheismo_object_quota::Quota;
use cacheismo_sdk::testing::Harness;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn answers_are_the_originals() {
    // Recorded from the original.
    Harness::new::<Quota>().assert_session(&[
        ("quota:new:q:10:hour", "CREATED"),
        ("quota:addandcheck:q:3", "QUOTA_OK"),
        ("quota:addandcheck:q", "QUOTA_OK"),
        ("quota:addandcheck:q:6", "QUOTA_OK"),
        ("quota:addandcheck:q:1", "QUOTA_EXCEEDED"),
        ("quota:addandcheck:q:1", "QUOTA_EXCEEDED"),
        ("quota:addandcheck:q:0", "QUOTA_OK"),
        ("quota:addandcheck:q:-4", "QUOTA_OK"),
        ("quota:addandcheck:q:4", "QUOTA_OK"),
        ("quota:reset:q", "QUOTA_OK"),
        ("quota:addandcheck:q:10", "QUOTA_OK"),
        ("quota:addandcheck:q:1", "QUOTA_EXCEEDED"),
        ("quota:new:d:5:day", "CREATED"),
        ("quota:addandcheck:d:5", "QUOTA_OK"),
        ("quota:addandcheck:d:1", "QUOTA_EXCEEDED"),
        ("quota:new:mo:5:month", "CREATED"),
        ("quota:addandcheck:mo:2", "QUOTA_OK"),
        ("quota:addandcheck:mo:2.5", "QUOTA_OK"),
        ("quota:addandcheck:mo:0.6", "QUOTA_EXCEEDED"),
        ("quota:addandcheck:mo:0.5", "QUOTA_OK"),
        ("quota:new:q:1:hour", "CREATED"),
        ("quota:addandcheck:q:2", "QUOTA_EXCEEDED"),
    ]);
}

#[test]
fn what_is_not_a_number_or_a_window_is_refused() {
    let mut t = Harness::new::<Quota>();
    t.assert_session(&[
        ("quota:addandcheck:q:1", "ERROR_CACHE_MISS"),
        ("quota:addandcheck:q:x", "ERROR_CACHE_MISS"),
        ("quota:reset:q", "ERROR_CACHE_MISS"),
        ("quota:new:q:ten:hour", "NOT_CREATED"),
        ("quota:new:q:inf:hour", "NOT_CREATED"),
        ("quota:new:q:10:year", "NOT_CREATED"),
        ("quota:new:q:10:Hour", "NOT_CREATED"),
        ("quota:reset:q", "ERROR_CACHE_MISS"),
        ("quota:new:q:0x10:hour", "CREATED"),
        ("quota:addandcheck:q:1e1", "QUOTA_OK"),
        ("quota:addandcheck:q:x", "ERROR_BAD_ARGUMENT"),
        ("quota:addandcheck:q:nan", "ERROR_BAD_ARGUMENT"),
        ("quota:addandcheck:q::x", "ERROR_BAD_ARGUMENT"),
        ("quota:new:q:ten:hour", "NOT_CREATED"),
        ("quota:addandcheck:q:7", "QUOTA_EXCEEDED"),
        ("quota:addandcheck:q:6", "QUOTA_OK"),
        ("quota:addandcheck:q:-1e308", "QUOTA_OK"),
        ("quota:addandcheck:q:-1e308", "ERROR_BAD_ARGUMENT"),
    ]);
}

#[test]
fn a_window_ends_with_the_hour() {
    let mut t = Harness::new::<Quota>();
    t.advance(HOUR / 2);
    t.assert_session(&[
        ("quota:new:q:1:hour", "CREATED"),
        ("quota:addandcheck:q", "QUOTA_OK"),
    ]);
    // The first two seconds of the next hour still belong to this window, as in the original.
    t.advance(HOUR / 2 + Duration::from_millis(1999));
    t.assert_session(&[("quota:addandcheck:q", "QUOTA_EXCEEDED")]);
    t.advance(Duration::from_millis(1));
    t.assert_session(&[
        ("quota:addandcheck:q", "QUOTA_OK"),
        ("quota:addandcheck:q", "QUOTA_EXCEEDED"),
    ]);
    t.advance(10 * HOUR);
    t.assert_session(&[
        ("quota:addandcheck:q:2", "QUOTA_EXCEEDED"),
        ("quota:addandcheck:q", "QUOTA_OK"),
    ]);
}

#[test]
fn days_and_months_are_of_local_time() {
    for (window, hours) in [("day", 24), ("month", 31 * 24)] {
        let mut t = Harness::new::<Quota>();
        // 2024 begins five hours later there.
        t.set_time_zone(|_| -5 * 3600);
        t.advance(6 * HOUR);
        let key = format!("quota:new:q:1:{window}");
        t.assert_session(&[
            (key.as_str(), "CREATED"),
            ("quota:addandcheck:q", "QUOTA_OK"),
        ]);
        t.advance(HOUR * (hours - 1));
        t.assert_session(&[("quota:addandcheck:q", "QUOTA_EXCEEDED")]);
        t.advance(Duration::from_secs(2));
        t.assert_session(&[("quota:addandcheck:q", "QUOTA_OK")]);
    }
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Quota>();
    t.assert_all_or_nothing("new", &["q", "5", "day"]);
    t.assert_all_or_nothing("addandcheck", &["q", "2"]);
    t.assert_all_or_nothing("reset", &["q"]);
}
