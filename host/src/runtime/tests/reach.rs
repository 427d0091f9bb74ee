//! Whose objects a module may touch.

use cacheismo_abi::TTL_NEVER;

use super::api::CallError;
use super::driver::{Driver, import};
use super::{PlainHost, Step};

fn opens(type_name: &str) -> Step {
    import!(object_open, type_name, "key")
}

/// Every step that changes the second object of a call, which is the first that it opened.
fn changes() -> [Step; 8] {
    [
        import!(object_create, 1),
        import!(object_delete, 1),
        import!(object_ttl_set, 1, TTL_NEVER),
        import!(value_set, 1, "value"),
        import!(field_put, 1, "field", "value"),
        import!(field_update, 1, "field", "value"),
        import!(field_delete, 1, "field"),
        import!(field_clear, 1),
    ]
}

#[track_caller]
fn refused(driver: &mut Driver, steps: &[Step], text: &str) {
    let before = driver.host.clone();
    match driver.run(steps) {
        Err(CallError::Failed(reason)) if reason.contains(text) => {}
        other => panic!("{steps:?}: {other:?}"),
    }
    assert_eq!(driver.host, before);
}

#[test]
fn a_module_without_rights_opens_its_own_type_only() {
    let mut driver = Driver::with_metadata(r#""doc":"""#);
    for change in changes() {
        driver.run(&[opens("driver"), change]).expect("its own");
    }
    for other in ["set", "", "drive", "driver2", "*"] {
        refused(
            &mut driver,
            &[opens(other)],
            &format!("the type \"driver\" may not open objects of type {other:?}"),
        );
    }
    assert_eq!(driver.host.objects.len(), 1);
    // What is refused breaks no rule: nobody is paused for it.
    for _ in 0..100 {
        refused(&mut driver, &[opens("set")], "may not open");
    }
    driver.run(&[]).expect("it goes on");
}

#[test]
fn what_it_opens_to_read_it_cannot_change() {
    let mut driver = Driver::with_metadata(r#""opens":["set","map"]"#);
    for change in changes() {
        let steps = [opens("map"), change];
        refused(
            &mut driver,
            &steps,
            "may only read this object of another type",
        );
    }
    let reads = [
        opens("set"),
        import!(object_exists, 1),
        import!(field_count, 1),
        import!(field_put, 0, "field", "value"),
    ];
    assert_eq!(
        driver.run(&reads).expect("it reads").results[1..],
        [0, 0, 1]
    );
    // Opened twice it is the same object, with the same rights.
    let twice = [
        opens("set"),
        opens("set"),
        import!(field_put, 1, "field", "value"),
    ];
    refused(&mut driver, &twice, "may only read");
    // In the next call the number is another object's.
    driver
        .run(&[opens("driver"), import!(field_put, 1, "field", "value")])
        .expect("its own");
    refused(
        &mut driver,
        &[opens("counter")],
        "may not open objects of type \"counter\"",
    );
}

#[test]
fn what_it_lists_as_written_it_reads_and_changes() {
    let mut driver = Driver::with_metadata(r#""opens":["map"],"writes":["set"]"#);
    for change in changes() {
        driver.run(&[opens("set"), change]).expect("it may");
    }
    let mixed = |h: i32| {
        [
            opens("map"),
            opens("set"),
            import!(field_put, h, "field", "value"),
        ]
    };
    refused(&mut driver, &mixed(1), "may only read");
    driver.run(&mixed(2)).expect("it may");
    let mut all = Driver::with_metadata(r#""writes":["*"]"#);
    all.run(&[opens("whatever"), import!(value_set, 1, "value")])
        .expect("it may");
    assert_ne!(all.host, PlainHost::new());
}
