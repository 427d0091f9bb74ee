//! Guests that misbehave in every way they can. Each time the call ends with a clear error, nothing of it
//! is kept, and the next call works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use cacheismo_abi::TTL_NEVER;

use super::api::{Budget, CallError, Trap};
use super::driver::{Driver, OUT, Param, import};
use super::{PlainHost, Step};

fn write() -> Step {
    import!(field_put, 0, "field", "value")
}

/// Does a write and then the step: it must fail, without a trace, and leave a working type.
#[track_caller]
fn fails(driver: &mut Driver, step: Step) -> CallError {
    let before = driver.host.clone();
    let error = driver
        .run(&[write(), import!(reply, "part of a reply"), step])
        .unwrap_err();
    assert_eq!(driver.host, before);
    driver
        .run(&[write(), import!(field_delete, 0, "field")])
        .expect("the next call works");
    driver.host = before;
    error
}

/// The step alone fails, without a trace.
#[track_caller]
fn fails_once(driver: &mut Driver, step: &Step) -> CallError {
    let before = driver.host.clone();
    let error = driver.run(&[write(), step.clone()]).unwrap_err();
    assert_eq!(driver.host, before);
    error
}

#[track_caller]
fn traps(driver: &mut Driver, step: Step, text: &str) -> Trap {
    match fails(driver, step) {
        CallError::Trap(trap) if trap.message == text => trap,
        other => panic!("{other:?} is not the trap {text:?}"),
    }
}

#[track_caller]
fn reaches(limit: &str, step: Step, text: &str) {
    let error = fails(&mut Driver::new(&[limit]), step);
    assert_eq!(error, CallError::Limit(text.to_owned()));
}

#[test]
fn pointers_outside_the_memory_trap() {
    const OUTSIDE: &str = "pointer outside the linear memory";
    let memory = 2 * 65536;
    for (pointer, len) in [
        (memory, 1),
        (memory - 1, 2),
        (-1, 1),
        (0, -1),
        (-1, -1),
        (i32::MIN, i32::MIN),
    ] {
        let (p, l) = (Param::I(pointer), Param::I(len));
        let steps = [
            import!(object_open, p.clone(), l.clone(), "key"),
            import!(object_open, "set", p.clone(), l.clone()),
            import!(value_get, 0, 0, p.clone(), l.clone()),
            import!(value_set, 0, p.clone(), l.clone()),
            import!(field_get, 0, p.clone(), l.clone(), Param::Out(8)),
            import!(field_get, 0, "field", p.clone(), l.clone()),
            import!(field_put, 0, p.clone(), l.clone(), "value"),
            import!(field_put, 0, "field", p.clone(), l.clone()),
            import!(field_update, 0, p.clone(), l.clone(), "value"),
            import!(field_update, 0, "field", p.clone(), l.clone()),
            import!(reply_field, 0, p.clone(), l.clone(), ""),
            import!(reply_field, 0, "field", p.clone(), l.clone()),
            import!(field_delete, 0, p.clone(), l.clone()),
            import!(field_scan, 0, p.clone(), l.clone(), 0, Param::Out(8)),
            import!(field_scan, 0, "", 0, p.clone(), l.clone()),
            import!(fail, p.clone(), l.clone()),
            import!(reply, p.clone(), l.clone()),
            import!(log, 1, p.clone(), l.clone()),
            import!(item_get, p.clone(), l.clone()),
            import!(item_put, p.clone(), l.clone(), 0, TTL_NEVER, "value"),
            import!(item_put, "key", 0, TTL_NEVER, p.clone(), l.clone()),
            import!(item_delete, p.clone(), l.clone()),
            import!(item_keys, p.clone(), l.clone()),
            import!(peer_get, p.clone(), l.clone()),
            import!(result_read, 0, p.clone(), l.clone()),
        ];
        for chunk in steps.chunks(7) {
            // Eight traps would pause the function.
            let mut driver = Driver::new(&[]);
            for step in chunk {
                traps(&mut driver, step.clone(), OUTSIDE);
            }
        }
    }
    let mut driver = Driver::new(&[]);
    traps(
        &mut driver,
        Step::Return((i64::from(memory) << 32) | 1),
        OUTSIDE,
    );
    traps(&mut driver, Step::Return(-2), OUTSIDE);
}

#[test]
fn output_over_input_traps() {
    let mut driver = Driver::new(&[]);
    let out = OUT as i32;
    let over = import!(field_get, 0, out + 7, 4, out, 8);
    traps(&mut driver, over, "output overlaps input");
    // An empty input, wherever it lies, cannot be overwritten.
    assert!(
        driver
            .run(&[import!(field_scan, 0, out + 4, 0, 0, out, 8)])
            .is_ok()
    );
}

#[test]
fn an_endless_loop_is_stopped_at_its_deadline() {
    let mut driver = Driver::new(&["deadline_ms=5"]);
    assert_eq!(
        fails(&mut driver, Step::LoopForever),
        CallError::Deadline { ms: 5 }
    );
    assert_eq!(driver.object().stats().deadline_stops, 1);
    let text = CallError::Deadline { ms: 5 }.to_string();
    assert_eq!(text, "stopped at its deadline of 5 ms");
}

#[test]
fn on_a_worker_it_is_stopped_sooner_to_run_again() {
    let mut driver = Driver::new(&[]);
    driver.budget = Budget::Inline { ms: 1 };
    assert_eq!(
        driver.run(&[write(), Step::LoopForever]),
        Err(CallError::Slow)
    );
    let stats = driver.object().stats();
    assert_eq!((stats.retries, stats.deadline_stops), (1, 0));

    let mut driver = Driver::new(&["deadline_ms=1"]);
    driver.budget = Budget::Inline { ms: 1 };
    assert_eq!(
        driver.run(&[Step::LoopForever]),
        Err(CallError::Deadline { ms: 1 })
    );
}

#[test]
fn a_scan_that_the_host_does_is_stopped_at_the_deadline_too() {
    let mut driver = Driver::new(&["deadline_ms=20"]);
    let scan = import!(item_keys, "a");
    driver.host.scan_ms = 100_000;
    assert_eq!(
        fails_once(&mut driver, &scan),
        CallError::Deadline { ms: 20 }
    );
    driver.budget = Budget::Inline { ms: 1 };
    assert_eq!(
        driver.run(std::slice::from_ref(&scan)),
        Err(CallError::Slow)
    );
    driver.host.scan_ms = 1;
    driver.budget = Budget::Full;
    driver.run(&[scan]).expect("a short one succeeds");
}

#[test]
fn a_wait_for_peers_is_not_the_call_s_own_time() {
    let mut driver = Driver::new(&["deadline_ms=20"]);
    driver.host.scan_ms = 60;
    driver.run(&[import!(peer_get, "a")]).expect("answered");
    let begun = Instant::now();
    let ended = driver.run(&[import!(peer_get, "a"), Step::LoopForever]);
    assert_eq!(ended, Err(CallError::Deadline { ms: 20 }));
    // Time is told by ticks of 4 ms, of which the last may be over soon.
    assert!(begun.elapsed() >= Duration::from_millis(60 + 20 - 4));
}

#[test]
fn a_storm_of_host_calls_is_stopped() {
    reaches(
        "host_calls=1000",
        Step::Storm,
        "limit of 1000 host calls reached",
    );
    let mut driver = Driver::new(&["deadline_ms=5", "host_calls=1000000000"]);
    assert_eq!(
        fails(&mut driver, Step::Storm),
        CallError::Deadline { ms: 5 }
    );
}

#[test]
fn a_memory_bomb_is_stopped() {
    reaches(
        "memory_bytes=4194304",
        Step::GrowForever,
        "limit of 4194304 bytes of memory reached",
    );
}

#[test]
fn growth_that_is_refused_is_not_yet_an_error() {
    let mut driver = Driver::new(&["memory_bytes=131072"]);
    let output = driver.run(&[Step::Grow(1)]).unwrap();
    assert_eq!(output.results, [-1]);
    // The growth that was refused is not taken for the reason of a later trap.
    traps(
        &mut driver,
        Step::Unreachable,
        "wasm `unreachable` instruction executed",
    );
}

#[test]
fn deep_recursion_is_stopped() {
    let trap = traps(&mut Driver::new(&[]), Step::Recurse, "call stack exhausted");
    assert_eq!(trap.frames[0], "recurse");
    assert!(trap.frames.len() <= 8, "{trap:?}");
}

#[test]
fn a_panic_tells_its_text_and_place() {
    let mut driver = Driver::new(&[]);
    let panic = [
        write(),
        import!(fail, "panicked at src/lib.rs:7:\nno"),
        Step::Unreachable,
    ];
    let Err(error) = driver.run(&panic) else {
        panic!("it succeeded")
    };
    assert_eq!(error.to_string(), "trap: panicked at src/lib.rs:7: no");
    assert_eq!(
        driver.lines.take(),
        ["3 driver:run trap: panicked at src/lib.rs:7: no, in interpret"]
    );
    assert_eq!(driver.host, PlainHost::new());
}

#[test]
fn a_call_through_an_empty_table_traps() {
    traps(
        &mut Driver::new(&[]),
        Step::EmptyTable,
        "uninitialized element",
    );
}

#[test]
fn every_amount_has_its_limit() {
    let reply_bytes = "reply_bytes=1700";
    reaches(
        reply_bytes,
        import!(reply, vec![b'x'; 1700]),
        "limit of 1700 reply bytes reached",
    );
    // What was streamed leaves too little for what is returned.
    reaches(
        reply_bytes,
        import!(reply, vec![b'x'; 500]),
        "limit of 1700 reply bytes reached",
    );
    let big = || import!(value_set, 0, vec![b'x'; 300]);
    reaches(
        "written_bytes=300",
        big(),
        "limit of 300 bytes written reached",
    );
    reaches(
        "host_bytes=300",
        big(),
        "limit of 300 bytes copied by the host reached",
    );
    reaches(
        "objects=0",
        import!(object_open, "set", "a"),
        "limit of 0 opened objects reached",
    );
    reaches(
        "log_lines=0",
        import!(log, 0, "a"),
        "limit of 0 log lines reached",
    );
    reaches(
        "log_bytes=9",
        import!(log, 0, "0123456789"),
        "limit of 9 log bytes reached",
    );
    reaches(
        "peer_calls=0",
        import!(peer_get, "a"),
        "limit of 0 requests to peers reached",
    );
    let long = import!(value_set, 0, vec![b'x'; 1000]);
    reaches(
        "argument_bytes=900",
        long,
        "limit of 900 argument bytes reached",
    );
}

#[test]
fn what_the_host_hands_out_is_counted_too() {
    let fill = |driver: &mut Driver| {
        let data = || vec![b'x'; 900];
        driver.run(&[import!(value_set, 0, data())]).unwrap();
        driver.run(&[import!(field_put, 0, "f", data())]).unwrap();
        driver
            .run(&[import!(item_put, "i", 0, TTL_NEVER, data())])
            .unwrap();
    };
    let ask = || Param::Out(901);
    for step in [
        import!(value_get, 0, 0, ask()),
        import!(field_get, 0, "f", ask()),
        import!(reply_field, 0, "f", ""),
        import!(field_scan, 0, "", 0, Param::Out(1000)),
        import!(item_get, "i"),
        import!(peer_get, "a question that comes back"),
    ] {
        let mut driver = Driver::new(&["host_bytes=1100"]);
        fill(&mut driver);
        let error = driver.run(&vec![step.clone(); 40]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "limit of 1100 bytes copied by the host reached",
            "{step:?}"
        );
    }
    let mut driver = Driver::new(&["host_bytes=1100"]);
    fill(&mut driver);
    let read = || import!(result_read, 0, ask());
    assert!(
        driver
            .run(&[import!(item_get, "i"), read(), read()])
            .is_err()
    );
}

#[test]
fn long_arguments_use_the_room_the_guest_reserves() {
    let mut driver = Driver::new(&[]);
    let value = |len: usize| import!(value_set, 0, vec![b'v'; len]);
    let length = import!(value_get, 0, 0, Param::Out(0));
    // Across the size of the scratch buffer, byte by byte.
    for len in 4000..4100 {
        assert_eq!(
            driver.run(&[value(len), length.clone()]).unwrap().results,
            [0, len as i64]
        );
    }
    // Head of two arguments 12, key 3, step 13: 65536 is exactly what is left of the memory.
    driver.run(&[value(65536 - 12 - 3 - 13)]).unwrap();
    let error = driver.run(&[value(65536 - 12 - 3 - 13 + 1)]).unwrap_err();
    assert_eq!(error.to_string(), "trap: pointer outside the linear memory");
}

#[test]
fn a_panic_of_the_world_costs_one_instance() {
    let mut driver = Driver::new(&[]);
    driver.run(&[write()]).unwrap();
    driver.host.panics = true;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        driver.run(&[import!(object_exists, 0)])
    }));
    assert!(panicked.is_err());
    driver.host.panics = false;
    driver.run(&[import!(object_exists, 0)]).unwrap();
    assert_eq!(driver.object().stats().instances_made, 2);
}
