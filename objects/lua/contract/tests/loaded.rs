//! The answer to the scripts is read as it was written.

use cacheismo_lua_contract::{Loaded, LoadedError, LoadedFunction, LoadedType, Style};
use proptest::collection::vec;
use proptest::prelude::*;

fn types() -> impl Strategy<Value = Loaded> {
    let function = (".*", any::<bool>()).prop_map(|(name, writes)| LoadedFunction { name, writes });
    let style = prop_oneof![Just(Style::Legacy), Just(Style::Object)];
    let of = (".*", style, vec(function, 0..4)).prop_map(|(name, style, functions)| LoadedType {
        name,
        style,
        functions,
    });
    vec(of, 0..4).prop_map(Loaded::Types)
}

fn error() -> impl Strategy<Value = Loaded> {
    (".*", any::<u32>(), ".*").prop_map(|(script, line, message)| {
        Loaded::Error(LoadedError {
            script,
            line,
            message,
        })
    })
}

proptest! {
    #[test]
    fn an_answer_comes_back(loaded in prop_oneof![types(), error()]) {
        let read = Loaded::from_json(loaded.to_json().as_bytes());
        prop_assert_eq!(read.expect("JSON"), loaded);
    }

    #[test]
    fn any_bytes_are_refused_or_read(hostile in vec(any::<u8>(), 0..200)) {
        if let Ok(loaded) = Loaded::from_json(&hostile) {
            prop_assert_eq!(Loaded::from_json(loaded.to_json().as_bytes()).expect("JSON"), loaded);
        }
    }
}

#[test]
fn the_json_is_that_of_the_page() {
    let loaded = Loaded::Types(vec![LoadedType {
        name: "set".into(),
        style: Style::Legacy,
        functions: vec![LoadedFunction {
            name: "put".into(),
            writes: true,
        }],
    }]);
    let json =
        r#"{"types":[{"name":"set","style":"legacy","functions":[{"name":"put","writes":true}]}]}"#;
    assert_eq!(loaded.to_json(), json);
    let error = Loaded::Error(LoadedError {
        script: "a\"\\\n.lua".into(),
        line: 12,
        message: "no".into(),
    });
    let json = r#"{"error":{"script":"a\"\\\u000a.lua","line":12,"message":"no"}}"#;
    assert_eq!(error.to_json(), json);
}
