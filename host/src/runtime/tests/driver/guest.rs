//! The guest's text, made from `abi::imports`.

use std::fmt::Write as _;

use super::{BUFFER, BUFFER_BYTES, OUT_BYTES, RESERVED, RESULTS, STEPS_MAX, imports, width};
use crate::runtime::tests::module_with;

/// Operation numbers beyond those of the imports, see `Step::encode`.
const MISDEEDS: &[(u8, &str)] = &[
    (200, "(return (i64.const -1))"),
    (201, "(unreachable)"),
    (202, "(loop $forever (br $forever))"),
    (203, "(drop (call $recurse (i32.const 0)))"),
    (
        204,
        "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) (unreachable)",
    ),
    (
        205,
        "(i64.store (local.get $r) (i64.extend_i32_s (memory.grow (i32.load offset=1 (local.get $p)))))",
    ),
    (206, "(loop $storm (drop (call $now_ms)) (br $storm))"),
    (207, "(return (i64.load offset=1 (local.get $p)))"),
    (208, "(call_indirect $table (type $nothing) (i32.const 0))"),
];

/// The guest's text; it may touch objects of all types.
pub(in crate::runtime::tests) fn text(type_name: &str, version: &str) -> String {
    text_with(type_name, version, r#""writes":["*"]"#)
}

/// The guest's text, with one more member of the metadata.
#[expect(clippy::too_many_lines, reason = "one text from beginning to end")]
pub(in crate::runtime::tests) fn text_with(type_name: &str, version: &str, member: &str) -> String {
    let mut declarations = String::new();
    let mut cases = String::new();
    for (op, (module, name, signature)) in imports().enumerate() {
        let (params, result) = signature.split_once(':').expect("a colon");
        let types: Vec<_> = params.chars().map(wasm_type).collect();
        let returns = result
            .chars()
            .map(wasm_type)
            .map(|ty| format!("(result {ty})"));
        let _ = write!(
            declarations,
            r#"(import "{module}" "{name}" (func ${name} (param {}) {}))"#,
            types.join(" "),
            returns.collect::<String>()
        );
        let mut offset = 1;
        let mut call = format!("(call ${name}");
        for letter in params.chars() {
            let _ = write!(
                call,
                " ({}.load offset={offset} (local.get $p))",
                wasm_type(letter)
            );
            offset += width(letter);
        }
        call.push(')');
        let act = match result {
            "" => call,
            "i" => format!("(i64.store (local.get $r) (i64.extend_i32_s {call}))"),
            _ => format!("(i64.store (local.get $r) {call})"),
        };
        let _ = write!(
            cases,
            "(if (i32.eq (local.get $op) (i32.const {op})) (then {act}))"
        );
    }
    for (op, act) in MISDEEDS {
        let _ = write!(
            cases,
            "(if (i32.eq (local.get $op) (i32.const {op})) (then {act}))"
        );
    }
    let reply_bytes = 8 * STEPS_MAX + OUT_BYTES;
    let rest = r#"[{"name":"steps","kind":"bytes","rest":true}]"#;
    module_with(
        &format!(
            r#"{{"abi":1,"type":"{type_name}","version":"{version}","buffer":{BUFFER_BYTES},{member},"capabilities":["items","peers"],
            "functions":[{{"name":"run","writes":true,"args":{rest}}},{{"name":"look","writes":false,"args":{rest}}}]}}"#
        ),
        &format!(
            r#"{declarations}
            (type $nothing (func))
            (table $table 1 funcref)
            (func $recurse (param i32) (result i32)
              (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
            (func $interpret (param $len i32) (result i64)
              (local $head i32) (local $n i32) (local $i i32) (local $p i32) (local $op i32) (local $r i32)
              (local.set $head (select (i32.const {RESERVED}) (i32.const {BUFFER}) (i32.lt_s (local.get $len) (i32.const 0))))
              (local.set $n (i32.load (local.get $head)))
              (local.set $p (i32.add (i32.add (local.get $head) (i32.const 4)) (i32.shl (local.get $n) (i32.const 2))))
              (local.set $r (i32.const {results_before}))
              (memory.fill (i32.const {RESULTS}) (i32.const 0) (i32.const {reply_bytes}))
              (loop $next
                (local.set $head (i32.add (local.get $head) (i32.const 4)))
                (local.set $p (i32.add (local.get $p) (i32.load (local.get $head))))
                (local.set $r (i32.add (local.get $r) (i32.const 8)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (if (i32.lt_u (local.get $i) (local.get $n)) (then
                  (local.set $op (i32.load8_u (local.get $p)))
                  {cases}
                  (br $next))))
              (i64.or (i64.shl (i64.const {RESULTS}) (i64.const 32)) (i64.const {reply_bytes})))
            (export "fn:run" (func $interpret))
            (export "fn:look" (func $interpret))"#,
            results_before = RESULTS - 8,
        ),
    )
}

fn wasm_type(letter: char) -> &'static str {
    if letter == 'i' { "i32" } else { "i64" }
}
