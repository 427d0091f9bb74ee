//! What the dict promises: types are kept, sums are exact or refused, all or nothing, no trap at damaged state.

use std::collections::BTreeMap;

use cacheismo_object_dict::Dict;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

fn refused(text: &str) -> Result<&'static str, Failure> {
    Err(Failure::Refused(text.to_owned()))
}

#[test]
fn a_value_keeps_its_type() {
    Harness::new::<Dict>().assert_session(&[
        ("dict:set:d:age:int:42", "SUCCESS"),
        ("dict:set:d:score:float:4", "SUCCESS"),
        ("dict:set:d:name:string:42", "SUCCESS"),
        ("dict:set:d:blob:bytes:42", "SUCCESS"),
        ("dict:set:d:on:bool:true", "SUCCESS"),
        ("dict:set:d:off:bool:0", "SUCCESS"),
        ("dict:set:d:gone:null", "SUCCESS"),
        ("dict:set:d:tags:json:[1,{}]", "SUCCESS"),
        ("dict:set:d:empty:string", "SUCCESS"),
        ("dict:get:d:age", "42"),
        ("dict:get:d:score", "4.0"),
        ("dict:get:d:name", "42"),
        ("dict:get:d:on", "true"),
        ("dict:get:d:gone", "null"),
        ("dict:get:d:empty", ""),
        ("dict:gets:d:age", "int 42"),
        ("dict:gets:d:name", "string 42"),
        ("dict:gets:d:tags", "json [1,{}]"),
        ("dict:gets:d:gone", "null null"),
        ("dict:type:d:blob", "bytes"),
        ("dict:type:d:off", "bool"),
        ("dict:get:d:none", "NOT_FOUND"),
        ("dict:gets:d:none", "NOT_FOUND"),
        ("dict:type:d:none", "NOT_FOUND"),
        ("dict:exist:d:age", "EXISTS"),
        ("dict:exist:d:none", "NOT_FOUND"),
        ("dict:count:d", "9"),
        ("dict:json:d", r#"{"age":42,"blob":"NDI=","empty":"","gone":null,"name":"42","off":false,"on":true,"score":4.0,"tags":[1,{}]}"#),
        ("dict:delete:d:blob", "SUCCESS"),
        ("dict:delete:d:blob", "SUCCESS"),
        ("dict:delete:d:empty", "SUCCESS"),
        ("dict:delete:d:tags", "SUCCESS"),
        ("dict:delete:d:off", "SUCCESS"),
        ("dict:delete:d:on", "SUCCESS"),
        ("dict:getkeys:d", "age\r\ngone\r\nname\r\nscore\r\n"),
        ("dict:getall:d", "age : int 42\r\ngone : null null\r\nname : string 42\r\nscore : float 4.0\r\n"),
    ]);
}

#[test]
fn numbers_are_added_and_a_float_makes_a_float() {
    let mut t = Harness::new::<Dict>();
    t.assert_session(&[
        ("dict:increment:d:n", "1"),
        ("dict:increment:d:n:9", "10"),
        ("dict:decrement:d:n", "9"),
        ("dict:decrement:d:n:-1", "10"),
        ("dict:add:d:n:0.5", "10.5"),
        ("dict:type:d:n", "float"),
        ("dict:increment:d:n", "11.5"),
        ("dict:add:d:f:1e3", "1000.0"),
        ("dict:set:d:max:int:9223372036854775807", "SUCCESS"),
        ("dict:set:d:s:string:5", "SUCCESS"),
    ]);
    let beyond = "the sum is beyond 64 bits or not finite";
    assert_eq!(t.get("dict:increment:d:max"), refused(beyond));
    assert_eq!(
        t.get("dict:decrement:d:new:-9223372036854775808"),
        refused(beyond)
    );
    assert_eq!(
        t.get("dict:add:d:max:9223372036854775808"),
        refused("number is not an int or a finite float")
    );
    assert_eq!(
        t.get("dict:add:d:n:nan"),
        refused("number is not an int or a finite float")
    );
    assert_eq!(
        t.get("dict:add:d:s:1"),
        refused("the field is of type string, not a number")
    );
    t.assert_session(&[
        ("dict:get:d:max", "9223372036854775807"),
        ("dict:get:d:new", "NOT_FOUND"),
    ]);
}

#[test]
fn what_is_not_of_its_type_is_refused() {
    let mut t = Harness::new::<Dict>();
    for (type_name, value, text) in [
        ("int", "4.0", "value is not an integer of 64 bits"),
        ("int", "", "value is not an integer of 64 bits"),
        ("float", "inf", "value is not a finite number"),
        ("bool", "yes", "value is not 0 or 1"),
        ("null", "0", "value is not null"),
        (
            "json",
            "5",
            "value is not a JSON array or object of at most 64 levels",
        ),
        (
            "json",
            "{a:1}",
            "value is not a JSON array or object of at most 64 levels",
        ),
        (
            "text",
            "x",
            "type is not int, float, string, bytes, bool, null or json",
        ),
    ] {
        assert_eq!(
            t.call("set", &["d", "f", type_name, value]),
            refused(text),
            "{type_name} {value}"
        );
    }
    let bytes = [b"d".as_slice(), b"f", b"string", b"\xff"];
    assert_eq!(t.call("set", &bytes), refused("value is not UTF-8"));
    let bytes = [b"d".as_slice(), b"\xff", b"null"];
    assert_eq!(t.call("set", &bytes), refused("field is not UTF-8"));
    assert!(t.state().is_empty());
}

#[test]
fn a_dict_that_does_not_exist_is_a_cache_miss_and_an_emptied_one_is_gone() {
    let mut t = Harness::new::<Dict>();
    for key in [
        "get:d:f",
        "gets:d:f",
        "type:d:f",
        "exist:d:f",
        "delete:d:f",
        "count:d",
        "getkeys:d",
        "getall:d",
        "json:d",
    ] {
        t.assert_session(&[(&format!("dict:{key}"), "ERROR_CACHE_MISS")]);
    }
    assert!(t.state().is_empty());
    t.assert_session(&[
        ("dict:set:d:f:int:1", "SUCCESS"),
        ("dict:delete:d:f", "SUCCESS"),
    ]);
    assert_eq!(t.object("d"), None);
}

#[test]
fn a_call_takes_few_host_calls_and_changes_nothing_when_it_fails() {
    let mut t = Harness::new::<Dict>();
    for i in 0..5000 {
        t.call("set", &["d", &i.to_string(), "int", "7"])
            .expect("set");
    }
    for (function, args, calls) in [
        ("set", &["d", "2500", "float", "1.5"][..], 1),
        ("get", &["d", "2500"], 1),
        ("gets", &["d", "2500"], 1),
        ("increment", &["d", "2500"], 2),
        ("delete", &["d", "2500"], 2),
    ] {
        t.call(function, args).expect("an answer");
        assert!(t.host_calls() <= calls, "{function}: {}", t.host_calls());
        t.assert_all_or_nothing(function, args);
    }
}

/// A value of DistCache's types: what is sent, and what `gets` and JSON show.
fn value() -> impl Strategy<Value = (&'static str, Vec<u8>, serde_json::Value)> {
    prop_oneof![
        any::<i64>().prop_map(|n| ("int", n.to_string().into_bytes(), n.into())),
        // The parser of the test reads these exactly.
        any::<i32>().prop_map(|n| f64::from(n) / 8.0).prop_map(|n| (
            "float",
            format!("{n:?}").into_bytes(),
            n.into()
        )),
        "\\PC{0,9}|[\u{0}-\u{20}\"\\\\]{0,9}|a{300}".prop_map(|text| (
            "string",
            text.clone().into_bytes(),
            text.into()
        )),
        any::<bool>().prop_map(|truth| ("bool", truth.to_string().into_bytes(), truth.into())),
        Just(("null", b"null".to_vec(), serde_json::Value::Null)),
        prop::collection::vec(any::<i32>(), 0..5).prop_map(|list| (
            "json",
            serde_json::Value::from(list.clone())
                .to_string()
                .into_bytes(),
            list.into()
        )),
    ]
}

proptest! {
    #[test]
    fn what_is_set_is_shown_with_its_type_and_in_json(
        fields in prop::collection::btree_map("\\PC{0,5}|[\u{0}-\u{1f}\"]{1,3}", value(), 1..12),
    ) {
        let mut t = Harness::new::<Dict>();
        for (field, (type_name, text, _)) in &fields {
            let args = [b"d".as_slice(), field.as_bytes(), type_name.as_bytes(), text];
            prop_assert_eq!(t.call("set", &args), Ok("SUCCESS"));
        }
        for (field, (type_name, text, _)) in &fields {
            let args = [b"d".as_slice(), field.as_bytes()];
            prop_assert_eq!(t.call("type", &args), Ok(*type_name));
            prop_assert_eq!(t.call_bytes("get", &args), Ok(&text[..]));
            let typed = [type_name.as_bytes(), b" ", text].concat();
            prop_assert_eq!(t.call_bytes("gets", &args), Ok(&typed[..]));
        }
        let shown: serde_json::Value = serde_json::from_str(t.call("json", &["d"]).expect("JSON")).expect("JSON");
        let expected: serde_json::Map<_, _> = fields.into_iter().map(|(field, (_, _, value))| (field, value)).collect();
        prop_assert_eq!(shown, serde_json::Value::Object(expected));
    }

    #[test]
    fn sums_are_those_of_integers_and_of_doubles(
        steps in prop::collection::vec(("[a-c]", prop_oneof![any::<i64>().prop_map(Err), (-100i64..100).prop_map(Err), (-1e9..1e9).prop_map(Ok)]), 1..60),
    ) {
        let mut t = Harness::new::<Dict>();
        // The naive twin: a double, or an integer as an error.
        let mut twin: BTreeMap<String, Result<f64, i64>> = BTreeMap::new();
        for (field, number) in steps {
            let text = number.map_or_else(|int| int.to_string(), |float| format!("{float:?}"));
            let sum = match (twin.get(&field), number) {
                (None, number) => Some(number),
                (Some(Err(a)), Err(b)) => a.checked_add(b).map(Err),
                (Some(a), b) => {
                    let double = |n: Result<f64, i64>| n.unwrap_or_else(|int| int as f64);
                    Some(Ok(double(*a) + double(b)))
                }
            };
            let answer = t.call("add", &["d", &field, &text]).map(str::to_owned);
            match sum {
                Some(sum) => {
                    prop_assert_eq!(answer, Ok(sum.map_or_else(|int| int.to_string(), |float| format!("{float:?}"))));
                    twin.insert(field, sum);
                }
                None => prop_assert!(matches!(answer, Err(Failure::Refused(_)))),
            }
        }
    }

    #[test]
    fn bytes_are_in_base64_in_json(bytes: Vec<u8>) {
        let mut t = Harness::new::<Dict>();
        prop_assert_eq!(t.call("set", &[b"d".as_slice(), b"f", b"bytes", &bytes]), Ok("SUCCESS"));
        prop_assert_eq!(t.call_bytes("get", &["d", "f"]), Ok(&bytes[..]));
        let json = t.call("json", &["d"]).expect("JSON").to_owned();
        let text = json.strip_prefix("{\"f\":\"").and_then(|text| text.strip_suffix("\"}")).expect("a field");
        let value = |letter: u8| match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let bits: String = text.trim_end_matches('=').bytes().map(|letter| format!("{:06b}", value(letter))).collect();
        let read: Vec<u8> = bits.as_bytes().chunks_exact(8).map(|byte| {
            byte.iter().fold(0, |number, bit| number * 2 + (bit - b'0'))
        }).collect();
        prop_assert_eq!(read, bytes);
        prop_assert_eq!(text.len() % 4, 0);
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(name: Vec<u8>, bytes in "[ifsbtunjx]?".prop_flat_map(|letter| prop::collection::vec(any::<u8>(), 0..12).prop_map(move |bytes| [letter.as_bytes(), &bytes].concat()))) {
        let mut t = Harness::new::<Dict>();
        t.assert_session(&[("dict:set:d:f:int:1", "SUCCESS")]);
        let fields = &mut t.object_mut("d").expect("the dict").fields;
        fields.insert(b"f".to_vec(), bytes);
        fields.insert(name, b"i".to_vec());
        for (function, args) in [("get", &["d", "f"][..]), ("gets", &["d", "f"]), ("type", &["d", "f"]), ("getall", &["d"]), ("json", &["d"]), ("add", &["d", "f", "1"])] {
            let answer = t.call_bytes(function, args);
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
