//! Modules that a generator makes, with the exports of an object: each is refused or works, in bounded time, without a
//! panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use wasm_smith::{Config, Module};

use super::api::{LimitsTable, Registry, Source};
use super::engine;

/// Modules tried, unless `CACHEISMO_GENERATED_MODULES` says otherwise.
const CASES: u32 = 200;
/// A module is compiled within this time, on a busy machine in a development build.
const LOAD_TIME_MAX: Duration = Duration::from_secs(10);
const METADATA: &str = r#"{"abi":1,"type":"made","version":"1","buffer":1024,"functions":[{"name":"f","writes":true}]}"#;
const EXPORTS: &str = r#"(module
    (memory (export "memory") 1)
    (global (export "cacheismo_buffer") i32 (i32.const 0))
    (func (export "cacheismo_reserve") (param i32) (result i32) (i32.const 0))
    (func (export "fn:f") (param i32) (result i64) (i64.const 0)))"#;

/// A module made of random bytes.
fn generated(seed: &[u8]) -> Option<Vec<u8>> {
    let config = Config {
        exports: Some(wat::parse_str(EXPORTS).expect("right")),
        max_imports: 0,
        max_instructions: 1000,
        max_memory32_bytes: 64 << 20,
        max_table_elements: 30_000,
        // The generator makes no memory beside the one that is exported.
        max_memories: 0,
        allow_start_export: false,
        // Features that the engine refuses anyway would leave little to try.
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        ..Config::default()
    };
    let mut random = arbitrary::Unstructured::new(seed);
    let mut wasm = Module::new(config, &mut random).ok()?.to_bytes();
    let name = cacheismo_abi::META_SECTION;
    let payload = 1 + name.len() + METADATA.len();
    assert!(name.len() < 128 && payload < 16_384);
    wasm.extend([
        0,
        payload as u8 | 0x80,
        (payload >> 7) as u8,
        name.len() as u8,
    ]);
    wasm.extend([name.as_bytes(), METADATA.as_bytes()].concat());
    Some(wasm)
}

#[test]
#[ignore = "it compiles hundreds of modules: make attack"]
fn a_generated_module_is_refused_or_loaded_in_time() {
    let compiled = std::cell::Cell::new(0);
    let refusals = std::cell::RefCell::new(Vec::new());
    let cases = std::env::var("CACHEISMO_GENERATED_MODULES")
        .map_or(CASES, |cases| cases.parse().expect("a number of modules"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let seeds = prop::collection::vec(any::<u8>(), 0..8000);
    runner
        .run(&seeds, |seed| {
            let Some(wasm) = generated(&seed) else {
                return Ok(());
            };
            let source = Source {
                wasm: wasm.into(),
                ..Source::embedded("made.wasm", b"")
            };
            let registry = Registry::new(engine(), LimitsTable::default());
            let begun = Instant::now();
            let refused = registry.load(&[source]);
            let took = begun.elapsed();
            prop_assert!(took < LOAD_TIME_MAX, "{took:?}");
            let text = refused.first().map(ToString::to_string).unwrap_or_default();
            let early = ["does not compile", "are more than", "not readable"];
            if !early.iter().any(|early| text.contains(early)) {
                compiled.set(compiled.get() + 1);
            }
            refusals.borrow_mut().push(text);
            Ok(())
        })
        .expect("no module is a fault");
    let compiled = compiled.get();
    println!("modules: {compiled} of {cases} were compiled");
    assert!(
        compiled > cases / 10,
        "only {compiled} were compiled: {:?}",
        refusals.borrow()
    );
}
