//! Calls end to end: guests in text form, loaded by the registry, called through `Instances`, on a host of maps.

use crate::runtime as api;

pub(crate) mod arguments;
mod compile_cost;
mod driver;
mod generated;
mod hostile;
mod imports;
mod interpreter;
mod lifecycle;
mod loading;
mod lua_source;
mod plain_host;
mod reach;
mod shipped;
mod value_cell;

use driver::Step;
use plain_host::PlainHost;

/// One engine for all tests: its pool takes milliseconds to lay out.
fn engine() -> api::Engine {
    static ENGINE: std::sync::LazyLock<api::Engine> = std::sync::LazyLock::new(|| {
        let options = api::EngineOptions {
            instances_max: 200,
            cache_directory: None,
            ..api::EngineOptions::default()
        };
        let engine = api::Engine::new(&options).expect("this processor is supported");
        assert_eq!(engine.warnings(), [""; 0]);
        engine
    });
    ENGINE.clone()
}

/// Types of these sources, with some limits changed.
fn registry(limits: &[&str], sources: &[api::Source]) -> api::Registry {
    let mut table = api::LimitsTable::default();
    // Machines that run tests are busy: only tests about time are to depend on it.
    table.set("deadline_ms=20000").unwrap();
    limits.iter().for_each(|limit| table.set(limit).unwrap());
    let registry = api::Registry::new(engine(), table);
    let refused = registry.load(sources);
    assert!(refused.is_empty(), "{refused:?}");
    registry
}

/// A module as a source.
fn source(name: &str, wat: &str) -> api::Source {
    let wasm = wat::parse_str(wat).unwrap_or_else(|e| panic!("{e}"));
    api::Source {
        name: name.to_owned(),
        wasm: wasm.into(),
        bytes_max: api::MODULE_BYTES_MAX,
        unread: None,
        setup: None,
        scripted: std::sync::Arc::default(),
    }
}

/// A module's text with metadata and whatever else the ABI asks of it; `functions` as the metadata lists them.
fn module(type_name: &str, functions: &str, body: &str) -> String {
    module_with(
        &format!(
            r#"{{"abi":1,"type":"{type_name}","version":"1","buffer":4096,"functions":[{functions}]}}"#
        ),
        body,
    )
}

fn module_with(metadata: &str, body: &str) -> String {
    let metadata = metadata
        .replace('\\', "\\5c")
        .replace('"', "\\22")
        .replace('\n', "\\0a");
    format!(
        r#"(module (@custom "cacheismo.meta" "{metadata}")
            {body}
            (memory (export "memory") 2)
            (global (export "cacheismo_buffer") i32 (i32.const 1024))
            (func (export "cacheismo_reserve") (param i32) (result i32) (i32.const 65536)))"#
    )
}
