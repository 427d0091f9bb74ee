//! Instances are kept, dropped and replaced; functions move, pause and return; types are replaced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::backoff::{ROW_MAX, Whose};
use crate::account::{Account, RESERVED_BYTES};

use super::api::{
    Budget, CallError, Engine, EngineOptions, INSTANCES_MAX, Instances, LimitsTable, NoLog,
    Registry, TIMED_EVERY, TIMED_FIRST,
};
use super::driver::{Driver, import, text};
use super::{PlainHost, Step, engine, module, source};

/// Calls `probe` until it returns something. Only a broken test waits for the end.
#[track_caller]
fn eventually<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "it never happened");
        std::thread::yield_now();
    }
}

#[test]
fn an_instance_is_reused() {
    let mut driver = Driver::new(&[]);
    let calls = TIMED_FIRST + 10 * TIMED_EVERY;
    for _ in 0..calls {
        driver.run(&[]).unwrap();
    }
    let stats = driver.object().stats();
    assert_eq!(
        (stats.calls, stats.instances_made, stats.memory_bytes),
        (calls, 1, 2 * 65536)
    );
    assert_eq!(driver.instances.memory_bytes(), 2 * 65536);
    assert!(
        stats.total_ns > 0 && stats.p99_ns >= stats.p50_ns && stats.p50_ns > 0,
        "{stats:?}"
    );
}

#[test]
fn an_instance_is_dropped_after_a_trap() {
    let mut driver = Driver::new(&[]);
    for made in 1..5 {
        assert!(driver.run(&[Step::Unreachable]).is_err());
        let stats = driver.object().stats();
        assert_eq!(
            (stats.traps, stats.instances_made, stats.memory_bytes),
            (made, made, 0)
        );
    }
}

#[test]
fn an_instance_is_dropped_when_its_memory_has_grown() {
    let mut driver = Driver::new(&["memory_keep_bytes=262144"]);
    driver.run(&[Step::Grow(2)]).unwrap();
    assert_eq!(driver.object().stats().memory_bytes, 4 * 65536);
    driver.run(&[Step::Grow(1)]).unwrap();
    assert_eq!(driver.object().stats().memory_bytes, 0);
    assert_eq!(driver.run(&[Step::Grow(1)]).unwrap().results, [2]);
    assert_eq!(driver.object().stats().instances_made, 2);
}

#[test]
fn an_instance_is_dropped_after_its_number_of_calls() {
    let mut driver = Driver::new(&["instance_calls=1"]);
    for _ in 0..5 {
        driver.run(&[import!(field_put, 0, "f", "v")]).unwrap();
    }
    assert_eq!(driver.object().stats().instances_made, 5);
}

#[test]
fn a_thread_keeps_so_many_instances_and_drops_the_stalest() {
    let types = INSTANCES_MAX + 3;
    let sources: Vec<_> = (0..types)
        .map(|n| {
            let name = format!("t{n}");
            let function = r#"{"name":"f","writes":false}"#;
            let body = r#"(func (export "fn:f") (param i32) (result i64) (i64.const 0))"#;
            source(&name, &module(&name, function, body))
        })
        .collect();
    let registry = super::registry(&[], &sources);
    let mut instances = Instances::new(&registry, Arc::new(NoLog));
    let mut call = |n: usize| {
        let function = registry.types().find(format!("t{n}:f").as_bytes()).unwrap();
        let host = &mut Some(Box::new(PlainHost::new()));
        let result = instances.call(function, &[b"key"], host, Budget::Full, &mut Vec::new());
        result.unwrap();
        instances.count()
    };
    for n in 0..types {
        assert_eq!(call(n), (n + 1).min(INSTANCES_MAX));
    }
    for n in (0..types).rev() {
        assert_eq!(call(n), INSTANCES_MAX);
    }
    let made = |n: usize| {
        let types = registry.types();
        let object = types.named(format!("t{n}").as_bytes()).unwrap();
        object.stats().instances_made
    };
    assert_eq!(made(types - 1), 1, "it was used last");
    assert_eq!((0..types).map(made).sum::<u64>(), types as u64 + 3);
}

#[test]
fn instances_share_the_memory_of_clients() {
    // Three instances of two pages each fit into what objects may have.
    const INSTANCE_BYTES: usize = 2 * 65536;
    let account = Account::new(RESERVED_BYTES + 3 * INSTANCE_BYTES * 4 / 3 + 4);
    let options = EngineOptions {
        instances_max: 8,
        cache_directory: None,
        account: Arc::clone(&account),
    };
    let registry = Registry::new(Engine::new(&options).unwrap(), LimitsTable::default());
    let function = r#"{"name":"f","writes":false}"#;
    let body = r#"(func (export "fn:f") (param i32) (result i64) (i64.const 0))"#;
    let sources: Vec<_> = (0..4)
        .map(|n| {
            let name = format!("t{n}");
            source(&name, &module(&name, function, body))
        })
        .collect();
    assert!(registry.load(&sources).is_empty());
    let call = |instances: &mut Instances<PlainHost>, n: usize| {
        let function = registry.types().find(format!("t{n}:f").as_bytes()).unwrap();
        let host = &mut Some(Box::new(PlainHost::new()));
        instances.call(function, &[b"key"], host, Budget::Full, &mut Vec::new())
    };
    let mut first = Instances::new(&registry, Arc::new(NoLog));
    for n in 0..4 {
        call(&mut first, n).expect("an idle one makes room");
        assert_eq!(first.count(), (n + 1).min(3));
    }
    let mut second = Instances::new(&registry, Arc::new(NoLog));
    let refused = call(&mut second, 0).unwrap_err().to_string();
    assert!(refused.contains("out of memory for clients"), "{refused}");
    first.drop_idle(0);
    assert_eq!((first.count(), account.bytes()), (0, 0));
    call(&mut second, 0).expect("there is room again");
}

#[test]
fn counters_go_on_and_memory_does_not_when_a_thread_ends() {
    let mut driver = Driver::new(&[]);
    driver.run(&[]).unwrap();
    driver.instances = Instances::new(&driver.registry, Arc::new(NoLog));
    let stats = driver.object().stats();
    assert_eq!((stats.calls, stats.memory_bytes), (1, 0));
    driver.run(&[]).unwrap();
    assert_eq!(driver.object().stats().calls, 2);
}

#[test]
fn too_few_arguments_are_answered_with_the_usage() {
    let registry = Registry::new(engine(), LimitsTable::default());
    let functions = r#"{"name":"put","writes":true,"args":[{"name":"member","kind":"bytes"},{"name":"note","kind":"str","optional":true}]}"#;
    // Replies with the first byte of what it got: the count of arguments.
    let body = r#"(func (export "fn:put") (param i32) (result i64) (i64.const 0x400_0000_0001))"#;
    let refused = registry.load(&[source("set.wasm", &module("set", functions, body))]);
    assert!(refused.is_empty(), "{refused:?}");
    let put = registry.types().find(b"set:put").unwrap();
    let mut instances = Instances::new(&registry, Arc::new(NoLog));
    let mut call = |args: &[&[u8]]| {
        let mut reply = Vec::new();
        let result = instances.call(
            put,
            args,
            &mut Some(Box::new(PlainHost::new())),
            Budget::INLINE,
            &mut reply,
        );
        result.map(|_| reply[0]).map_err(|error| *error)
    };
    let usage = CallError::Usage("set:put:<set>:<member>[:<note>]".to_owned());
    assert_eq!(usage.to_string(), "usage: set:put:<set>:<member>[:<note>]");
    assert_eq!(call(&[]), Err(usage.clone()));
    assert_eq!(call(&[b"key"]), Err(usage));
    assert_eq!(call(&[b"key", b"m"]), Ok(2));
    assert_eq!(call(&[b"key", b"m", b"n"]), Ok(3));
    assert_eq!(call(&[b"key", b"m", b"n", b"left out"]), Ok(3));
}

#[test]
fn a_slow_function_moves_to_the_lane_and_back() {
    let mut driver = Driver::new(&[]);
    let (run, look) = (driver.function("run"), driver.function("look"));
    let wants_lane = |driver: &Driver| driver.object().wants_lane(run);
    assert!(!wants_lane(&driver));
    driver.budget = Budget::Inline { ms: 1 };
    eventually(|| {
        assert_eq!(driver.run(&[Step::LoopForever]), Err(CallError::Slow));
        wants_lane(&driver).then_some(())
    });
    assert!(!driver.object().wants_lane(look), "the others stay");
    assert!(driver.lines.take()[0].starts_with("1 driver:run is slow: its calls move to the lane"));
    driver.budget = Budget::Full;
    eventually(|| {
        driver.run(&[]).unwrap();
        (!wants_lane(&driver)).then_some(())
    });
}

#[test]
fn a_function_that_keeps_trapping_is_paused_for_a_while() {
    let mut driver = Driver::new(&[]);
    let pause = eventually(|| match driver.run(&[Step::Unreachable]) {
        Err(CallError::Trap(_)) => None,
        Err(paused) => Some(paused),
        Ok(_) => panic!("it succeeded"),
    });
    let CallError::Paused {
        for_ms,
        whose: Whose::OneObject,
    } = pause
    else {
        panic!("{pause:?}")
    };
    assert!((1..=500).contains(&for_ms), "{for_ms}");
    assert!(
        pause
            .to_string()
            .ends_with(" ms after 8 traps or deadline stops on this object"),
        "{pause}"
    );
    assert_eq!(driver.object().stats().traps, 8);
    driver.look(&[]).expect("the others go on");
    eventually(|| driver.run(&[]).ok());
    // After a pause one stop is enough for the next.
    assert!(matches!(
        driver.run(&[Step::Unreachable]),
        Err(CallError::Trap(_))
    ));
    assert!(matches!(driver.run(&[]), Err(CallError::Paused { .. })));
}

#[test]
fn one_object_pays_for_its_own_stops() {
    let mut driver = Driver::new(&[]);
    driver.host.object_hash = 1;
    eventually(|| {
        matches!(
            driver.run(&[Step::Unreachable]),
            Err(CallError::Paused { .. })
        )
        .then_some(())
    });
    driver.host.object_hash = 2;
    driver.run(&[]).expect("calls on others go on");
    driver.run(&[]).expect("all of them");
    assert_eq!(driver.object().stats().traps, 8);
}

#[test]
fn a_function_that_fails_on_all_objects_is_paused_as_a_whole() {
    let mut driver = Driver::new(&[]);
    let mut trap = |object: u64, step: &[Step]| {
        driver.host.object_hash = object;
        driver.run(step)
    };
    // As long as one call in sixteen succeeds, the function is not broken.
    for object in 1..4 * ROW_MAX as u64 {
        let step = [Step::Unreachable];
        let succeeds = object.is_multiple_of(ROW_MAX as u64);
        let ended = trap(object, if succeeds { &[] } else { &step });
        assert_eq!(ended.is_ok(), succeeds, "{ended:?}");
        assert!(!matches!(ended, Err(CallError::Paused { .. })), "{ended:?}");
    }
    for object in 101..101 + ROW_MAX as u64 {
        let ended = trap(object, &[Step::Unreachable]);
        assert!(
            matches!(ended, Err(CallError::Trap(_) | CallError::Paused { .. })),
            "{ended:?}"
        );
    }
    let ended = trap(1000, &[]);
    let Err(CallError::Paused {
        whose: Whose::All, ..
    }) = ended
    else {
        panic!("{ended:?}")
    };
}

#[test]
fn a_slow_call_is_named_in_the_log() {
    let mut driver = Driver::new(&["slow_log_ms=3", "deadline_ms=5"]);
    assert!(driver.run(&[Step::LoopForever]).is_err());
    let lines = driver.lines.take();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("2 driver:run took ")),
        "{lines:?}"
    );
}

#[test]
fn a_reload_replaces_the_code_and_keeps_the_record() {
    let mut driver = Driver::new(&[]);
    driver.run(&[]).unwrap();
    driver
        .registry
        .reload(&source("new.wasm", &text("driver", "2")))
        .unwrap();
    assert_eq!(driver.object().metadata().version, "2");
    assert_eq!(driver.object().source_name(), "new.wasm");
    driver.run(&[]).unwrap();
    let stats = driver.object().stats();
    assert_eq!((stats.calls, stats.instances_made), (2, 2));
}

#[test]
fn a_function_keeps_its_reference_over_reloads() {
    let registry = Registry::new(engine(), LimitsTable::default());
    // Each function replies with its own name.
    let of = |names: &[&str]| {
        let functions: Vec<_> = names
            .iter()
            .map(|n| format!(r#"{{"name":"{n}","writes":false}}"#))
            .collect();
        let bodies: String = names
            .iter()
            .enumerate()
            .map(|(i, n)| {
                format!(
                    r#"(data (i32.const {at}) "{n}")
                    (func (export "fn:{n}") (param i32) (result i64) (i64.const {reply}))"#,
                    at = 8192 + i * 8,
                    reply = ((8192 + i as i64 * 8) << 32) | n.len() as i64,
                )
            })
            .collect();
        source("t.wasm", &module("t", &functions.join(","), &bodies))
    };
    assert!(registry.load(&[of(&["a", "b"])]).is_empty());
    // A reader, which remembers, says what the types say.
    let mut reader = registry.reader();
    let mut find = |name: &str| {
        let call = format!("t:{name}").into_bytes();
        let found = reader.find(&call).1;
        assert_eq!(found, registry.types().find(&call));
        assert_eq!(found, reader.find(&call).1);
        found
    };
    let (a, b) = (find("a").unwrap(), find("b").unwrap());
    let mut instances = Instances::new(&registry, Arc::new(NoLog));
    let mut call = |function| {
        let mut reply = Vec::new();
        let host = &mut Some(Box::new(PlainHost::new()));
        let result = instances.call(function, &[b"key"], host, Budget::Full, &mut reply);
        result
            .map(|_| String::from_utf8(reply).unwrap())
            .map_err(|error| *error)
    };
    assert_eq!((call(a), call(b)), (Ok("a".to_owned()), Ok("b".to_owned())));
    registry.reload(&of(&["c", "b"])).unwrap();
    let gone = CallError::Unavailable("there is no such function any more".to_owned());
    assert_eq!(call(a), Err(gone));
    assert_eq!(call(b), Ok("b".to_owned()));
    assert_eq!(call(find("c").unwrap()), Ok("c".to_owned()));
    assert!(find("a").is_none());
    assert!(!registry.types().of(a).wants_lane(a) && registry.types().of(a).function(a).is_none());
    registry.reload(&of(&["a"])).unwrap();
    assert_eq!(find("a"), Some(a));
    assert_eq!(call(a), Ok("a".to_owned()));
}

#[test]
fn a_refused_reload_leaves_the_type_as_it_was() {
    let mut driver = Driver::new(&[]);
    let error = driver
        .registry
        .reload(&source("x.wasm", "(module)"))
        .unwrap_err();
    assert!(error.to_string().contains("no metadata"), "{error}");
    let error = driver
        .registry
        .reload(&source("x.wasm", &text("other", "1")))
        .unwrap_err();
    assert_eq!(error.to_string(), "x.wasm: type \"other\" is not loaded");
    driver.run(&[]).unwrap();
    assert_eq!(driver.object().stats().instances_made, 1);
}

#[test]
fn threads_call_the_same_type_at_once_while_it_is_reloaded() {
    let driver = Driver::new(&[]);
    let registry = &driver.registry;
    let run = driver.function("run");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut instances = Instances::new(registry, Arc::new(NoLog));
                    for _ in 0..500 {
                        let mut reply = Vec::new();
                        let host = &mut Some(Box::new(PlainHost::new()));
                        let result = instances.call(run, &[b"key"], host, Budget::Full, &mut reply);
                        result.unwrap();
                    }
                })
            })
            .collect();
        for version in 2..6 {
            registry
                .reload(&source("d.wasm", &text("driver", &version.to_string())))
                .unwrap();
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    let stats = driver.object().stats();
    assert_eq!(
        (stats.calls, stats.errors, stats.memory_bytes),
        (2000, 0, 0)
    );
}
