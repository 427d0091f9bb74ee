//! What is refused at the door, and how it is said.

use super::api::{EngineOptions, LimitsTable, Registry, Source};
use super::{api, engine, module, module_with, source};

const FUNCTION: &str = r#"{"name":"f","writes":false}"#;
const BODY: &str = r#"(func (export "fn:f") (param i32) (result i64) (i64.const 0))"#;

fn registry() -> Registry {
    Registry::new(engine(), LimitsTable::default())
}

/// The text of the refusal of one module.
#[track_caller]
fn refusal(wat: &str) -> String {
    let registry = registry();
    let mut refused = registry.load(&[source("bad.wasm", wat)]);
    assert_eq!(
        (refused.len(), registry.types().iter().count()),
        (1, 0),
        "{refused:?}"
    );
    let text = refused.remove(0).to_string();
    text.strip_prefix("bad.wasm: ")
        .expect("the file is named")
        .to_owned()
}

#[track_caller]
fn refused(wat: &str, text: &str) {
    let refusal = refusal(wat);
    assert!(refusal.contains(text), "{refusal:?} does not say {text:?}");
}

/// A good module with something replaced.
#[track_caller]
fn refused_with(from: &str, to: &str, text: &str) {
    let good = module("good", FUNCTION, BODY);
    assert!(good.contains(from), "{good}");
    refused(&good.replace(from, to), text);
}

#[test]
fn a_good_module_is_loaded() {
    let registry = registry();
    assert!(
        registry
            .load(&[source("good.wasm", &module("good", FUNCTION, BODY))])
            .is_empty()
    );
    let types = registry.types();
    assert_eq!(types.named(b"good").unwrap().source_name(), "good.wasm");
    assert!(types.find(b"good:f").is_some());
    assert!(types.find(b"good:g").is_none() && types.find(b"bad:f").is_none());
    assert!(api::help::objects(&types, |_| false).starts_with("good 1  \n"));
}

#[test]
fn what_is_no_object_module_is_refused() {
    refused(
        "(module)",
        "no metadata section \"cacheismo.meta\"; is it built with cacheismo-sdk?",
    );
    refused(&module_with("{", BODY), "metadata is not readable");
    refused(
        &module_with(r#"{"abi":2}"#, BODY),
        "ABI version 2, but this server speaks 1",
    );
    let refused = registry().load(&[Source::embedded("text", b"not wasm")]);
    assert_eq!(refused[0].to_string(), "text: not a core wasm module");
}

#[test]
fn a_module_that_is_too_long_is_refused_unread() {
    let mut source = source("long.wasm", &module("good", FUNCTION, BODY));
    source.bytes_max = source.wasm.len() - 1;
    let text = registry().load(std::slice::from_ref(&source))[0].to_string();
    assert!(text.contains("is longer than"), "{text}");
    source.bytes_max += 1;
    assert!(registry().load(&[source]).is_empty());
}

#[test]
fn a_start_function_is_refused() {
    let body = format!("{BODY} (func $start) (start $start)");
    refused(
        &module("good", FUNCTION, &body),
        "a start function is not allowed",
    );
}

#[test]
fn imports_are_held_against_the_contract() {
    let with = |import: &str| module("good", FUNCTION, &format!("(import {import}) {BODY}"));
    let cases = [
        (
            r#""wasi_snapshot_preview1" "fd_write" (func)"#,
            "import wasi_snapshot_preview1.fd_write: there is no such import module",
        ),
        (
            r#""cacheismo_1" "field_got" (func)"#,
            "import cacheismo_1.field_got: there is no such host function",
        ),
        (
            r#""cacheismo_1" "now_ms" (func (result i32))"#,
            "import cacheismo_1.now_ms: is not a function \":I\"",
        ),
        (
            r#""cacheismo_1" "now_ms" (global i64)"#,
            "is not a function",
        ),
        (
            r#""cacheismo_items_1" "item_get" (func (param i32 i32) (result i32))"#,
            "import cacheismo_items_1.item_get: needs the capability \"items\"",
        ),
        (
            r#""cacheismo_items_1" "peer_get" (func (param i32 i32) (result i32))"#,
            "needs the capability \"peers\"",
        ),
    ];
    for (import, text) in cases {
        refused(&with(import), text);
    }
    let peers = r#"{"abi":1,"type":"p","version":"1","buffer":4096,"capabilities":["peers"],"functions":[{"name":"f","writes":false}]}"#;
    let import = |name: &str, signature: &str| {
        format!(r#"(import "cacheismo_items_1" "{name}" (func {signature})) {BODY}"#)
    };
    refused(
        &module_with(peers, &import("item_get", "(param i32 i32) (result i32)")),
        "needs the capability \"items\"",
    );
    let read = module_with(
        peers,
        &import("result_read", "(param i32 i32 i32) (result i32)"),
    );
    assert!(registry().load(&[source("p.wasm", &read)]).is_empty());
}

#[test]
fn an_imported_memory_is_refused() {
    let body = format!(
        r#"(import "cacheismo_1" "memory" (memory $m 2)) (export "memory" (memory $m)) {BODY}"#
    );
    let wat = module("good", FUNCTION, &body).replace(r#"(memory (export "memory") 2)"#, "");
    refused(
        &wat,
        "import cacheismo_1.memory: there is no such host function",
    );
}

#[test]
fn exports_are_held_against_the_contract() {
    refused_with(r#"(export "fn:f")"#, "", "export \"fn:f\": is missing");
    refused_with(r#"(export "memory")"#, "", "export \"memory\": is missing");
    refused_with(
        r#"(export "cacheismo_reserve")"#,
        "",
        "export \"cacheismo_reserve\": is missing",
    );
    refused_with(
        r#"(export "cacheismo_buffer")"#,
        "",
        "export \"cacheismo_buffer\": is missing",
    );
    refused_with(
        "(param i32) (result i64) (i64.const 0)",
        "(result i64) (i64.const 0)",
        "export \"fn:f\": is not a function \"i:I\"",
    );
    refused_with(
        "i32 (i32.const 1024)",
        "(mut i32) (i32.const 1024)",
        "is not a constant i32 global",
    );
    refused_with(
        "i32 (i32.const 1024)",
        "i64 (i64.const 1024)",
        "is not a constant i32 global",
    );
    for address in ["1025", "126977", "131072", "-8"] {
        refused_with(
            "(i32.const 1024)",
            &format!("(i32.const {address})"),
            "are not 8-byte aligned inside the memory",
        );
    }
    let good = module("good", FUNCTION, BODY).replace("(i32.const 1024)", "(i32.const 126976)");
    assert!(registry().load(&[source("last.wasm", &good)]).is_empty());
}

#[test]
fn what_is_switched_off_does_not_compile() {
    refused_with(
        r#"(memory (export "memory") 2)"#,
        r#"(memory (export "memory") 2) (memory 1)"#,
        "2 memories are more than 1",
    );
    refused_with(
        r#"(memory (export "memory") 2)"#,
        r#"(memory (export "memory") i64 2)"#,
        "does not compile",
    );
    refused_with(
        r#"(memory (export "memory") 2)"#,
        r#"(memory (export "memory") 1 2 shared)"#,
        "does not compile",
    );
    refused_with(
        "(i64.const 0)",
        "(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))) (i64.const 0)",
        "does not compile",
    );
    refused_with("(i64.const 0)", "(i32.const 0)", "does not compile");
}

#[test]
fn what_does_not_fit_its_limits_is_refused_at_the_start() {
    refused_with(
        r#"(memory (export "memory") 2)"#,
        r#"(memory (export "memory") 257)"#,
        "cannot be instantiated",
    );
    refused_with(
        "(memory",
        "(table 10001 funcref) (memory",
        "cannot be instantiated",
    );
    refused_with("(memory", "(table 1 funcref) (table 1 funcref) (memory", "");
    refused_with(
        "(memory",
        "(data (i32.const 131072) \"x\") (memory",
        "cannot be instantiated",
    );
}

#[test]
fn one_bad_module_does_not_keep_the_others_out() {
    let registry = registry();
    let good = |name: &str, file: &str| source(file, &module(name, FUNCTION, BODY));
    let refused = registry.load(&[
        good("a", "1.wasm"),
        source("2.wasm", "(module)"),
        good("a", "3.wasm"),
        good("b", "4.wasm"),
    ]);
    let texts: Vec<_> = refused.iter().map(ToString::to_string).collect();
    assert!(texts[0].starts_with("2.wasm: no metadata"), "{texts:?}");
    assert_eq!(texts[1], "3.wasm: type \"a\" is already loaded from 1.wasm");
    let names: Vec<_> = registry
        .types()
        .iter()
        .map(|t| t.metadata().type_name.clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        registry.load(&[good("b", "5.wasm")]).len(),
        1,
        "also in a later load"
    );
}

/// A directory that goes with the test.
struct TestDirectory(std::path::PathBuf);

impl TestDirectory {
    fn new(name: &str) -> TestDirectory {
        TestDirectory::below(&std::env::temp_dir(), name)
    }

    /// A directory where nobody else can put files: what lies in the directory for temporary files is trusted by
    /// nobody.
    fn private(name: &str) -> TestDirectory {
        TestDirectory::below(&std::env::home_dir().expect("a home"), name)
    }

    fn below(parent: &std::path::Path, name: &str) -> TestDirectory {
        let path = parent.join(format!("cacheismo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        TestDirectory(path)
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_directory_gives_its_modules_by_name() {
    let directory = TestDirectory::new("modules");
    let path = &directory.0;
    let error = Source::directory(path).unwrap_err();
    assert!(
        error.to_string().ends_with("there is no *.wasm file in it"),
        "{error}"
    );
    for name in ["b", "a"] {
        let wasm = source(name, &module(name, FUNCTION, BODY)).wasm;
        std::fs::write(path.join(format!("{name}.wasm")), wasm).unwrap();
    }
    std::fs::write(path.join("README"), "not a module").unwrap();
    let sources = Source::directory(path).unwrap();
    assert_eq!(sources.len(), 2);
    assert!(sources[0].name.ends_with("/a.wasm"), "{}", sources[0].name);
    assert!(registry().load(&sources).is_empty());

    let error = Source::directory(&path.join("nowhere")).unwrap_err();
    assert!(
        error.to_string().contains("nowhere: No such file"),
        "{error}"
    );
}

#[test]
fn an_entry_that_is_no_file_keeps_no_other_out() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = TestDirectory::new("entries");
    let path = &directory.0;
    let wasm = source("good", &module("good", FUNCTION, BODY)).wasm;
    std::fs::write(path.join("good.wasm"), &wasm).unwrap();
    std::fs::create_dir(path.join("a.wasm")).unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(path.join("b.wasm"))
        .status();
    assert!(fifo.unwrap().success());
    symlink("/dev/zero", path.join("c.wasm")).unwrap();
    symlink("b.wasm", path.join("d.wasm")).unwrap();
    symlink("nowhere", path.join("e.wasm")).unwrap();
    symlink("f.wasm", path.join("f.wasm")).unwrap();
    let long = std::fs::File::create(path.join("g.wasm")).unwrap();
    long.set_len(1 << 40).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("h.wasm")).unwrap();
    std::fs::write(path.join("i.wasm"), &wasm).unwrap();
    std::fs::set_permissions(path.join("i.wasm"), PermissionsExt::from_mode(0o0)).unwrap();
    let registry = registry();
    let refused = registry.load(&Source::directory(path).unwrap());
    let texts: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let no_file = "it is not a regular file";
    let mut reasons = vec![
        ("a", no_file),
        ("b", no_file),
        ("c", no_file),
        ("d", no_file),
        ("e", "No such file or directory"),
        ("f", "symbolic link"),
        ("g", "module of 1099511627776 bytes is longer than 4194304"),
        ("h", no_file),
    ];
    // A privileged user reads the file all the same, and finds the type of its neighbour.
    reasons.push(match std::fs::read(path.join("i.wasm")) {
        Ok(_) => ("i", "type \"good\" is already loaded"),
        Err(_) => ("i", "Permission denied"),
    });
    for (text, (name, reason)) in texts.iter().zip(&reasons) {
        assert!(
            text.contains(&format!("/{name}.wasm: ")) && text.contains(reason),
            "{text}"
        );
    }
    assert_eq!(texts.len(), reasons.len(), "{texts:?}");
    assert!(registry.types().find(b"good:f").is_some());
}

#[test]
fn compiled_code_is_kept_for_the_next_start() {
    let directory = TestDirectory::private("compiled");
    let good = source("good.wasm", &module("good", FUNCTION, BODY));
    for _ in 0..2 {
        let options = EngineOptions {
            instances_max: 4,
            cache_directory: Some(directory.0.clone()),
            ..EngineOptions::default()
        };
        let engine = api::Engine::new(&options).unwrap();
        assert_eq!(engine.warnings(), [""; 0]);
        let registry = Registry::new(engine, LimitsTable::default());
        assert!(registry.load(std::slice::from_ref(&good)).is_empty());
        assert!(std::fs::read_dir(&directory.0).unwrap().next().is_some());
    }
}
