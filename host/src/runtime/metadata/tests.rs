use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn sample() -> Value {
    json!({
        "abi": 1, "type": "set", "version": "0.1.0", "doc": "A set.", "example": "get set:put:f:a",
        "buffer": 16384, "capabilities": ["items"], "opens": ["map"], "writes": [], "later": {"unknown": true},
        "functions": [
            {"name": "put", "doc": "Adds.", "writes": true,
             "args": [{"name": "member", "kind": "bytes", "optional": false, "rest": false}]},
            {"name": "list", "writes": false,
             "args": [{"name": "from", "kind": "str", "optional": true}, {"name": "n", "kind": "uint", "optional": true}]},
            {"name": "union", "writes": true,
             "args": [{"name": "first", "kind": "bytes", "rest": false}, {"name": "more", "kind": "bytes", "rest": true}]},
        ],
    })
}

fn parse(value: &Value) -> Result<Metadata, MetadataError> {
    Metadata::parse(value.to_string().as_bytes())
}

/// The error after setting `pointer` to `value` must contain `words`.
#[track_caller]
fn refused(pointer: &str, value: Value, words: &str) {
    let mut sample = sample();
    *sample.pointer_mut(pointer).expect("the sample has it") = value;
    let error = parse(&sample).expect_err("a broken rule").to_string();
    assert!(error.contains(words), "{error:?} does not say {words:?}");
}

#[test]
fn a_good_section_is_read_whole() {
    let metadata = parse(&sample()).unwrap();
    assert_eq!(metadata.type_name, "set");
    assert!(metadata.has_capability("items") && !metadata.has_capability("peers"));
    assert_eq!(
        (&metadata.opens[..], metadata.writes.len()),
        (&["map".to_owned()][..], 0)
    );
    let [put, list, union] = &metadata.functions[..] else {
        panic!()
    };
    assert_eq!((put.required(), put.most()), (1, 1));
    assert_eq!((list.required(), list.most()), (0, 2));
    assert_eq!((union.required(), union.most()), (1, usize::MAX));
    assert_eq!(put.usage("set"), "set:put:<set>:<member>");
    assert_eq!(list.usage("set"), "set:list:<set>[:<from>[:<n>]]");
    assert_eq!(union.usage("set"), "set:union:<set>:<first>[:<more>...]");
}

#[test]
fn every_rule_has_its_refusal() {
    refused("/abi", json!(2), "ABI version 2, but this server speaks 1");
    refused("/abi", json!("1"), "not readable");
    for name in [
        "",
        "Set",
        "1set",
        "_x",
        "se-t",
        "a:b",
        "a$b",
        &"s".repeat(33),
    ] {
        refused("/type", json!(name), "type name");
    }
    refused("/type", json!("help"), "belongs to the server");
    for version in ["", "1 2", "1\n", &"1".repeat(65)] {
        refused("/version", json!(version), "version");
    }
    refused("/buffer", json!(1023), "buffer of 1023 bytes");
    refused("/buffer", json!(1024 * 1024 + 1), "buffer");
    refused("/buffer", json!(-1), "not readable");
    refused(
        "/capabilities",
        json!(["root"]),
        "unknown capability \"root\"",
    );
    refused("/capabilities", json!(["items", "items"]), "twice");
    for list in ["opens", "writes"] {
        let member = format!("/{list}");
        let rule = |text: &str| format!("{list}: {text}");
        refused(&member, json!(["Set"]), &rule("type name \"Set\""));
        refused(
            &member,
            json!(["a", "a"]),
            &rule("type \"a\" is there twice"),
        );
        let many: Vec<String> = (0..65).map(|n| format!("t{n}")).collect();
        refused(&member, json!(many), &rule("more than 64 types"));
        refused(&member, json!("set"), "not readable");
    }
    refused("/functions", json!([]), "no functions");
    refused(
        "/functions/1/name",
        json!("put"),
        "function \"put\" is there twice",
    );
    for name in ["", "a:b", "a b", "9a", "a\r\n", &"n".repeat(65)] {
        refused("/functions/0/name", json!(name), "function name");
        refused("/functions/0/args/0/name", json!(name), "argument name");
    }
    refused("/functions/0/args/0/kind", json!("blob"), "unknown variant");
    refused(
        "/functions/1/args/1/optional",
        json!(false),
        "\"n\" follows an optional one",
    );
    refused(
        "/functions/2/args/0/rest",
        json!(true),
        "\"first\" is not the last",
    );
    refused(
        "/functions/2/args/1/name",
        json!("first"),
        "argument \"first\" is there twice",
    );
}

#[test]
fn too_long_a_section_is_refused_unread() {
    let section = vec![b' '; METADATA_BYTES_MAX + 1];
    assert!(matches!(
        Metadata::parse(&section),
        Err(MetadataError::TooLong(_))
    ));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Metadata::parse(&bytes);
    }

    /// One byte of a good section is changed: what is still accepted still obeys the rules the host relies on.
    #[test]
    fn what_is_accepted_obeys_the_rules(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut section = sample().to_string().into_bytes();
        let at = at.index(section.len());
        section[at] = byte;
        if let Ok(metadata) = Metadata::parse(&section) {
            prop_assert_eq!(metadata.abi, ABI_VERSION);
            prop_assert!(!metadata.type_name.contains([':', '$', ' ']));
            prop_assert!((1024..=1 << 20).contains(&metadata.buffer));
            for function in &metadata.functions {
                prop_assert!(function.required() <= function.most());
                prop_assert!(!function.name.contains([':', ' ', '\r', '\n']));
            }
        }
    }
}
