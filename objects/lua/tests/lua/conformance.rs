//! Snippets of Lua, and what Debian's `lua5.1` prints for them. `conformance/record.lua` runs
//! them on both sides.

use crate::host::{Answer, Client};
use std::process::Command;

const SCRIPT: &str = concat!(
    include_str!("conformance/record.lua"),
    "\nsnippet = { run = function(c, k, object, code) writeStringAsValue(c, k, runSnippet(code)) end }"
);
const SNIPPETS: &str = include_str!("conformance/snippets.txt");
const EXPECTED: &str = include_str!("conformance/expected.txt");

/// The text without addresses, which differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split("0x").enumerate() {
        if n > 0 {
            out.push_str("0x");
        }
        let after = out.ends_with(": 0x");
        out.push_str(if after {
            part.trim_start_matches(|c: char| c.is_ascii_hexdigit())
        } else {
            part
        });
    }
    out
}

fn snippets() -> impl Iterator<Item = &'static str> {
    SNIPPETS
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
}

#[test]
fn snippets_print_what_lua_prints() {
    let mut wrong = Vec::new();
    let expected: Vec<&str> = EXPECTED.split("\n--\n").collect();
    assert_eq!(snippets().count() + 1, expected.len());
    for (code, expected) in snippets().zip(expected) {
        // A fresh state for each: they set globals.
        let mut client = Client::new(&[("record.lua", SCRIPT)]).expect("loads");
        let key = "snippet:run:x";
        let answer = match client.call(key, &[key], Some(code.as_bytes())) {
            Some(Answer::Reply(reply)) => String::from_utf8_lossy(&reply[1..]).into_owned(),
            other => format!("{other:?}"),
        };
        if without_addresses(&answer) != without_addresses(expected) {
            wrong.push(format!("{code}\n--- is\n{answer}\n--- not\n{expected}\n"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_expectations_are_those_of_the_lua_on_this_machine() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua/conformance");
    let output = Command::new("lua5.1")
        .args(["record.lua", "snippets.txt"])
        .current_dir(directory)
        .env("TZ", "UTC")
        .output();
    // Machines without Debian's lua5.1 have the recording.
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(without_addresses(&text), without_addresses(EXPECTED));
}
