//! Cases on virtual keys: functions of a module's object, and of scripts.

use super::case::{
    Case, GAT, GET, GETS, Item, Kind, arith, called, called_by_set, fetched, item, store, value,
};
use super::operation::{Answer, Operation, Token, Verb};

/// Scripts with functions that end in every way.
pub const SCRIPTS: &str = "worker = {}
function worker.hello(command, key) writeStringAsValue(command, key, 'hello') end
function worker.nothing() end
function worker.fails() error('no luck') end
function worker.loops() while true do end end
function worker.slow(command, key)
  local n = 0
  for i = 1, 3e5 do n = n + i end
  writeStringAsValue(command, key, 'slow')
end
";

/// Adds to the counter.
const ADD: &str = "counter:add:c";
/// Shows the counter.
const SHOW: &str = "counter:get:c";
/// Puts into a map that does not exist.
const NO_MAP: &str = "map:put:none:key";
/// Makes the counter.
const NEW: &[&str] = &["delete counter$c", "get counter:new:c:10"];

const GET_CALL: &[(&str, i64)] = &[
    ("cmd_get", 1),
    ("get_hits", 1),
    ("object_calls", 1),
    ("detail get", 1),
    ("detail hit", 1),
];
// A failed call is neither a hit nor a miss, also for the prefix.
const GET_FAILURE: &[(&str, i64)] = &[("cmd_get", 1), ("object_calls", 1), ("object_errors", 1)];
const SET_CALL: &[(&str, i64)] = &[("cmd_set", 1), ("object_calls", 1), ("detail set", 1)];
const SET_FAILURE: &[(&str, i64)] = &[
    ("cmd_set", 1),
    ("object_calls", 1),
    ("object_errors", 1),
    ("detail set", 1),
];

/// A case on the counter, which is 10 and stays so.
fn on_counter(name: &'static str, key: &'static str, operation: Operation) -> Case {
    Case::new(name, Kind::Call, key, operation)
        .with(NEW)
        .leaves_at(SHOW, ten())
}

fn ten() -> Option<Item> {
    item("10", 0, None)
}

/// A case on a script's function, which leaves nothing.
fn on_script(name: &'static str, key: &'static str, operation: Operation) -> Case {
    Case::new(name, Kind::ScriptCall, key, operation).leaves_at("nothing", None)
}

/// All cases on virtual keys.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        gets(),
        sets(),
        script_gets(),
        script_sets(),
        refusals(),
        strangers(),
    ]
    .concat()
}

fn gets() -> Vec<Case> {
    const ADD_5: &str = "counter:add:c:5";
    const JUNK: &str = "counter:add:c:junk";
    let fifteen = || item("15", 0, None);
    let hit = |case: Case| {
        case.answers(value("15", 0))
            .counts(GET_CALL)
            .tells([called(ADD_5, Some(2))])
            .leaves(fifteen())
    };
    let touched = &[
        ("cmd_touch", 1),
        ("touch_hits", 1),
        ("object_calls", 1),
        ("detail get", 1),
        ("detail hit", 1),
    ];
    vec![
        hit(on_counter("call by get", ADD_5, GET)),
        hit(on_counter("call by gets", ADD_5, GETS)),
        hit(on_counter("call by gat", ADD_5, GAT)).counts(touched),
        on_counter("failing call by get", JUNK, GET)
            .answers(Answer::Failed("counter:add: ".to_owned()))
            .counts(GET_FAILURE)
            .tells([called(JUNK, None)]),
    ]
}

fn sets() -> Vec<Case> {
    let stored = |case: Case| {
        case.answers(Answer::Done)
            .counts(SET_CALL)
            .tells([called_by_set(ADD, "stored", 1)])
            .leaves(item("17", 0, None))
    };
    vec![
        stored(on_counter("call by set", ADD, store(Verb::Set, "7", None))),
        stored(on_counter("call by ms of mode set", ADD, store(Verb::Set, "7", None)).by("MS")),
        on_counter("failing call by set", ADD, store(Verb::Set, "abc", None))
            .answers(Answer::Failed("counter:add: ".to_owned()))
            .counts(SET_FAILURE)
            .tells([called_by_set(ADD, "not_stored", 3)]),
        Case::new(
            "refused call by set",
            Kind::Call,
            NO_MAP,
            store(Verb::Set, "7", None),
        )
        .answers(Answer::NotStored)
        .counts(SET_CALL)
        .tells([called_by_set(NO_MAP, "not_stored", 1)])
        .leaves_at("nothing", None),
    ]
}

fn script_gets() -> Vec<Case> {
    let hit = |name, key, text: &str| {
        on_script(name, key, GET)
            .answers(value(text, 0))
            .counts(GET_CALL)
            .tells([called(key, Some(text.len()))])
    };
    let failure = |name, key, text: &str| {
        on_script(name, key, GET)
            .answers(Answer::Failed(text.to_owned()))
            .counts(GET_FAILURE)
            .tells([called(key, None)])
    };
    vec![
        hit("script by get", "worker:hello:x", "hello"),
        // The call goes on on a lane, and is one call.
        hit("slow script by get", "worker:slow:x", "slow"),
        on_script("script that answers a miss", "worker:nothing:x", GET)
            .answers(Answer::Miss)
            .counts(&[
                ("cmd_get", 1),
                ("get_misses", 1),
                ("object_calls", 1),
                ("detail get", 1),
            ])
            .tells([called("worker:nothing:x", None)]),
        failure(
            "failing script by get",
            "worker:fails:x",
            "lua worker:fails: no luck",
        ),
        failure(
            "script stopped at its deadline by get",
            "worker:loops:x",
            "lua worker:loops: ",
        ),
    ]
}

fn script_sets() -> Vec<Case> {
    let set = || store(Verb::Set, "data", None);
    let stored = |name, key| {
        on_script(name, key, set())
            .answers(Answer::Done)
            .counts(SET_CALL)
            .tells([called_by_set(key, "stored", 4)])
    };
    let failure = |name, key, text: &str| {
        on_script(name, key, set())
            .answers(Answer::Failed(text.to_owned()))
            .counts(SET_FAILURE)
            .tells([called_by_set(key, "not_stored", 4)])
    };
    vec![
        stored("script by set", "worker:hello:x"),
        stored("slow script by set", "worker:slow:x"),
        failure(
            "failing script by set",
            "worker:fails:x",
            "lua worker:fails: no luck",
        ),
        failure(
            "script stopped at its deadline by set",
            "worker:loops:x",
            "lua worker:loops: ",
        ),
    ]
}

/// Requests that only look like a set: they must not call.
fn refusals() -> Vec<Case> {
    let refused = |name, operation| {
        on_counter(name, ADD, operation)
            .answers(Answer::Refused("only set calls a function".to_owned()))
            .counts(&[("cmd_set", 1), ("detail set", 1)])
    };
    let mut cases = Vec::new();
    for verb in [Verb::Add, Verb::Replace, Verb::Append, Verb::Prepend] {
        cases.push(refused(super::text::name(verb), store(verb, "7", None)));
    }
    for verb in [Verb::Set, Verb::Replace, Verb::Append] {
        let operation = store(verb, "7", Some(Token::Wrong));
        cases.push(refused("store over a CAS", operation));
    }
    for flags in ["I", "E123", "N30", "I C1"] {
        let operation = store(Verb::Set, "7", None);
        cases.push(refused("ms with a condition or a CAS of its own", operation).by(flags));
    }
    for (name, down) in [("incr that creates", false), ("decr that creates", true)] {
        cases.push(refused(name, arith(down, Some((3, 100)), None)).counts(&[]));
    }
    cases
}

/// Operations to which a virtual key is a key as any other.
fn strangers() -> Vec<Case> {
    let missing = |name, operation, counters| {
        on_counter(name, ADD, operation)
            .answers(Answer::NotFound)
            .counts(counters)
            .tells([fetched(ADD, None)])
    };
    vec![
        missing("incr", arith(false, None, None), &[("incr_misses", 1)]),
        missing("decr", arith(true, None, None), &[("decr_misses", 1)]),
        missing(
            "delete",
            Operation::Delete { cas: None },
            &[("delete_misses", 1), ("detail del", 1)],
        ),
        missing(
            "touch",
            Operation::Touch(100),
            &[("cmd_touch", 1), ("touch_misses", 1)],
        ),
    ]
}
