//! The metadata, as `guest-sdk/ABI.md` describes it.

use serde_json::{Value, json};

use crate::model::{Argument, Function, ObjectType, Presence};

/// Number of the contract this macro writes for.
const ABI: u32 = 1;

/// The JSON of the custom section. `version` is the version of the crate that is compiled.
pub(crate) fn json(object: &ObjectType, version: &str) -> String {
    let mut meta = json!({
        "abi": ABI,
        "type": object.options.name,
        "version": version,
        "doc": object.doc,
        "example": object.options.example,
        "buffer": object.options.buffer,
        "capabilities": [],
        "functions": object.functions.iter().map(function).collect::<Vec<_>>(),
    });
    // Most types open only objects of their own: then the JSON has neither list.
    for (list, types) in [
        ("opens", &object.options.opens),
        ("writes", &object.options.writes),
    ] {
        if !types.is_empty() {
            meta[list] = json!(types);
        }
    }
    meta.to_string()
}

fn function(function: &Function) -> Value {
    json!({
        "name": function.name,
        "doc": function.doc,
        "writes": function.writes,
        "args": function.arguments().map(argument).collect::<Vec<_>>(),
    })
}

fn argument(argument: &Argument) -> Value {
    json!({
        "name": argument.name,
        "kind": argument.kind,
        "optional": argument.presence == Presence::Optional,
        "rest": argument.presence == Presence::Rest,
    })
}

/// How help shows the arguments: `a b [c] [d...]`.
pub(crate) fn usage(function: &Function) -> String {
    let words = function
        .arguments()
        .map(|argument| match argument.presence {
            Presence::Required => argument.name.clone(),
            Presence::Optional => format!("[{}]", argument.name),
            Presence::Rest => format!("[{}...]", argument.name),
        });
    words.collect::<Vec<_>>().join(" ")
}
