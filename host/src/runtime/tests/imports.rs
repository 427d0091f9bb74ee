//! Every import does what the ABI says, and refuses what it forbids.

use cacheismo_abi::{SCAN_AFTER, SCAN_KEYS, SCAN_REVERSE, TTL_NEVER};

use super::api::{CallError, Stop, Trap};
use super::driver::{Driver, Output, Param, import};
use super::{PlainHost, Step};

fn ran(driver: &mut Driver, steps: &[Step]) -> Output {
    driver.run(steps).expect("the call succeeds")
}

#[track_caller]
fn results(driver: &mut Driver, steps: &[Step], expected: &[i64]) {
    assert_eq!(ran(driver, steps).results, expected);
}

#[track_caller]
fn trapped(result: Result<Output, CallError>, message: &str) {
    match result {
        Err(CallError::Trap(Trap { message: m, .. })) if m == message => {}
        other => panic!("{other:?} is not the trap {message:?}"),
    }
}

#[test]
fn objects_come_and_go() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(object_exists, 0),
        import!(object_ttl, 0),
        import!(object_ttl_set, 0, 5i64),
        import!(object_create, 0),
        import!(object_create, 0),
        import!(object_exists, 0),
        import!(object_ttl, 0),
        import!(object_ttl_set, 0, 5000i64),
        import!(object_ttl, 0),
        import!(object_delete, 0),
        import!(object_delete, 0),
    ];
    results(&mut driver, &steps, &[0, -2, 0, 1, 0, 1, -1, 1, 5000, 1, 0]);
    trapped(
        driver.run(&[import!(object_ttl_set, 0, -2i64)]),
        "negative time to live",
    );
}

#[test]
fn other_objects_are_opened_once() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(object_open, "set", "a"),
        import!(object_open, "set", "b"),
        import!(object_open, "set", "a"),
        import!(field_put, 2, "f", "v"),
        import!(object_exists, 1),
        import!(object_exists, 2),
    ];
    results(&mut driver, &steps, &[1, 2, 1, 1, 0, 1]);
    assert!(driver.host.objects.contains_key("set$b"));
    trapped(driver.run(&[import!(object_exists, 1)]), "unknown handle");
    trapped(driver.run(&[import!(object_exists, -1)]), "unknown handle");
}

#[test]
fn values_are_read_in_parts() {
    let mut driver = Driver::new(&[]);
    let absent = ran(&mut driver, &[import!(value_get, 0, 0, Param::Out(10))]);
    assert_eq!(absent.results, [-1]);
    let steps = [
        import!(value_set, 0, "0123456789"),
        import!(value_get, 0, 4, Param::Out(3)),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(
        (&output.results[..], output.out(4)),
        (&[0, 10][..], &b"456\0"[..])
    );
    let beyond = ran(&mut driver, &[import!(value_get, 0, 99, Param::Out(3))]);
    assert_eq!(
        (&beyond.results[..], beyond.out(1)),
        (&[10][..], &b"\0"[..])
    );
}

#[test]
fn fields_are_put_read_counted_and_cleared() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(field_get, 0, "a", Param::Out(8)),
        import!(field_put, 0, "a", "first"),
        import!(field_put, 0, "a", "second"),
        import!(field_put, 0, "b", ""),
        import!(field_get, 0, "a", Param::Out(3)),
        import!(field_get, 0, "b", Param::Out(0)),
        import!(field_count, 0),
        import!(field_delete, 0, "b"),
        import!(field_delete, 0, "b"),
        import!(field_count, 0),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(output.results, [-1, 1, 0, 1, 6, 0, 2, 1, 0, 1]);
    assert_eq!(output.out(4), b"sec\0");
    results(
        &mut driver,
        &[import!(field_clear, 0), import!(field_count, 0)],
        &[0, 0],
    );
}

#[test]
fn fields_of_what_exists_are_updated() {
    let mut driver = Driver::new(&[]);
    let update = |value: &str| import!(field_update, 0, "a", value);
    results(
        &mut driver,
        &[update("first"), import!(object_exists, 0)],
        &[-1, 0],
    );
    let steps = [
        import!(object_create, 0),
        update("first"),
        update("second"),
        import!(field_get, 0, "a", Param::Out(8)),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(output.results, [1, 1, 0, 6]);
    assert_eq!(output.out(6), b"second");
}

#[test]
fn fields_are_answered_without_a_copy_in_the_guest() {
    let mut driver = Driver::new(&["reply_bytes=2000"]);
    let steps = [
        import!(field_put, 0, "a", "value"),
        import!(reply, "first, "),
        import!(reply_field, 0, "nosuch", "no"),
        import!(reply_field, 0, "a", "a is "),
        import!(reply_field, 0, "a", ""),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(output.results, [1, 0, -1, 5, 5]);
    assert_eq!(output.streamed, b"first, a is valuevalue");
    let long = "x".repeat(1500);
    let steps = [
        import!(field_put, 0, "a", long.as_str()),
        import!(reply_field, 0, "a", ""),
        import!(reply_field, 0, "a", ""),
    ];
    assert_eq!(
        driver.run(&steps),
        Err(CallError::Limit(
            "limit of 2000 reply bytes reached".to_owned()
        ))
    );
}

#[test]
fn fields_are_scanned_in_batches() {
    let mut driver = Driver::new(&[]);
    let put = |name: &str| import!(field_put, 0, name, "v");
    ran(&mut driver, &[put("a"), put("b"), put("c")]);
    let scan = |driver: &mut Driver, from: &str, flags, room| {
        let output = ran(
            driver,
            &[import!(field_scan, 0, from, flags, Param::Out(room))],
        );
        let filled = output.results[0];
        (filled, output.out(filled.max(0) as usize).to_vec())
    };
    let entry = |key: &str, value: &str| {
        [
            &[1, 0, 0, 0, value.len() as u8, 0, 0, 0],
            key.as_bytes(),
            value.as_bytes(),
        ]
        .concat()
    };
    assert_eq!(
        scan(&mut driver, "", 0, 29),
        (20, [entry("a", "v"), entry("b", "v")].concat())
    );
    assert_eq!(
        scan(&mut driver, "b", SCAN_AFTER, 99),
        (10, entry("c", "v"))
    );
    assert_eq!(
        scan(&mut driver, "", SCAN_REVERSE | SCAN_KEYS, 9),
        (9, entry("c", ""))
    );
    assert_eq!(scan(&mut driver, "c", SCAN_AFTER, 99).0, 0);
    assert_eq!(scan(&mut driver, "", 0, 9).0, -10);
    trapped(
        driver.run(&[import!(field_scan, 0, "", 8, Param::Out(9))]),
        "unknown scan flag",
    );
}

#[test]
fn the_zone_has_a_name_that_may_be_cut() {
    let mut driver = Driver::new(&[]);
    let mut named = |unix_s: i64, room: usize| {
        let output = ran(
            &mut driver,
            &[import!(zone_name, unix_s, Param::Out(room as i32))],
        );
        (output.results[0], output.out(room).to_vec())
    };
    assert_eq!(named(-5, 8), (6, b"WINTER\0\0".to_vec()));
    assert_eq!(named(5, 3), (6, b"SUM".to_vec()));
}

#[test]
fn clock_and_chance_come_from_the_world() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(now_ms),
        import!(utc_offset_s, 5i64),
        import!(utc_offset_s, -5i64),
        import!(random),
        import!(random),
    ];
    results(
        &mut driver,
        &steps,
        &[1_700_000_000_123, 7200, -3600, -1, -2],
    );
}

#[test]
fn replies_are_streamed_before_the_returned_one() {
    let mut driver = Driver::new(&[]);
    let output = ran(
        &mut driver,
        &[
            import!(reply, "one "),
            import!(reply, ""),
            import!(reply, "two"),
        ],
    );
    assert_eq!(output.streamed, b"one two");
}

#[test]
fn a_failure_carries_its_reason_on_one_line() {
    let mut driver = Driver::new(&[]);
    let put = import!(field_put, 0, "f", "v");
    let steps = [
        put,
        import!(reply, "half a rep"),
        import!(fail, "no\r\nEND"),
        Step::Fail,
    ];
    assert_eq!(
        driver.run(&steps),
        Err(CallError::Failed("no  END".to_owned()))
    );
    assert_eq!(
        driver.run(&[Step::Fail]),
        Err(CallError::Failed("failed".to_owned()))
    );
    assert_eq!(driver.host, PlainHost::new());
    // The call returned by itself, so its instance is still good.
    assert_eq!(driver.object().stats().instances_made, 1);
    assert_eq!(driver.object().stats().errors, 2);
    let output = driver.run(&[import!(fail, "changed its mind")]).unwrap();
    assert_eq!(output.results, [0]);
}

#[test]
fn log_lines_are_filtered_and_printable() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(log, 0, "not shown"),
        import!(log, 1, "shown\nforged"),
        import!(log, 99, "level is clamped"),
    ];
    ran(&mut driver, &steps);
    assert_eq!(
        driver.lines.take(),
        ["1 driver shown forged", "3 driver level is clamped"]
    );
}

#[test]
fn items_are_parked_and_read_out() {
    let mut driver = Driver::new(&[]);
    let steps = [
        import!(item_get, "k"),
        import!(item_put, "k", 7, TTL_NEVER, "data"),
        import!(item_get, "k"),
        import!(result_read, 0, Param::Out(99)),
        import!(result_read, 99, Param::Out(99)),
        import!(item_delete, "k"),
        import!(item_delete, "k"),
        import!(item_delete_lru, 1000i64),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(output.results, [-1, 0, 16, 16, 0, 1, 0, 0]);
    assert_eq!(
        output.out(16),
        b"\x07\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffdata"
    );
    assert_eq!(driver.host.lru_bytes, 1000);
    trapped(
        driver.run(&[import!(item_put, "k", 0, -2i64, "")]),
        "negative expiry",
    );
    trapped(
        driver.run(&[import!(item_delete_lru, -1i64)]),
        "negative number of bytes",
    );
}

#[test]
fn keys_and_peers_are_parked_too() {
    let mut driver = Driver::new(&[]);
    let put = |key: &str| import!(item_put, key, 0, TTL_NEVER, "");
    let steps = [
        put("ab"),
        put("b"),
        put("a"),
        import!(item_keys, "a"),
        import!(result_read, 0, Param::Out(99)),
    ];
    let output = ran(&mut driver, &steps);
    assert_eq!(
        (output.results[3], output.out(11)),
        (11, &b"\x01\0\0\0a\x02\0\0\0ab"[..])
    );
    let output = ran(
        &mut driver,
        &[
            import!(peer_get, "q"),
            import!(result_read, 7, Param::Out(99)),
        ],
    );
    assert_eq!(
        (&output.results[..], output.out(4)),
        (&[11, 4][..], &b"to q"[..])
    );
}

#[test]
fn a_read_only_function_cannot_write() {
    let writes = [
        import!(object_create, 0),
        import!(object_delete, 0),
        import!(object_ttl_set, 0, TTL_NEVER),
        import!(value_set, 0, "v"),
        import!(field_put, 0, "f", "v"),
        import!(field_update, 0, "f", "v"),
        import!(field_delete, 0, "f"),
        import!(field_clear, 0),
        import!(item_put, "k", 0, TTL_NEVER, "v"),
        import!(item_delete, "k"),
        import!(item_delete_lru, 1i64),
    ];
    for write in writes {
        // A driver for each: after eight traps the function would be paused.
        let mut driver = Driver::new(&[]);
        trapped(
            driver.look(std::slice::from_ref(&write)),
            "write in a read-only function",
        );
        assert!(driver.run(&[write]).is_ok());
    }
    let reads = [
        import!(object_exists, 0),
        import!(object_ttl, 0),
        import!(value_get, 0, 0, Param::Out(1)),
        import!(field_get, 0, "f", Param::Out(1)),
        import!(reply_field, 0, "f", ""),
        import!(field_count, 0),
        import!(field_scan, 0, "", 0, Param::Out(1)),
        import!(object_open, "set", "a"),
        import!(item_get, "k"),
    ];
    assert!(Driver::new(&[]).look(&reads).is_ok());
}

#[test]
fn a_world_can_ask_for_another_try() {
    let mut driver = Driver::new(&[]);
    for (stop, error) in [
        (Stop::Conflict, CallError::Conflict),
        (Stop::NeedsLane, CallError::NeedsLane),
        (
            Stop::Limit("full\r\n".to_owned()),
            CallError::Limit("full  ".to_owned()),
        ),
    ] {
        driver.host.stop = Some(stop);
        assert_eq!(driver.run(&[import!(object_exists, 0)]), Err(error));
    }
    driver.host.stop = None;
    assert!(driver.run(&[import!(object_exists, 0)]).is_ok());
    let stats = driver.object().stats();
    assert_eq!((stats.calls, stats.retries, stats.limit_stops), (4, 2, 1));
}
