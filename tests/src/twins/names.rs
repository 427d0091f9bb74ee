//! Cases on `type$key`, the names under which objects keep their state.

use super::case::{Case, GAT, GET, GETS, Item, Kind, arith, deleted, fetched, item, store, value};
use super::operation::{Answer, Operation, Token, Verb};

const NAME: &str = "set$s";
/// Shows the state by a function.
const SHOW: &str = "set:getall:s";
/// Makes the object.
const NEW: &[&str] = &["get set:new:s", "get set:put:s:fig"];
/// The state as `get` shows it.
const SHOWN: &str = "fig : \r\n";

/// A case on an object that is there, and stays as it is.
fn on_object(name: &'static str, operation: Operation) -> Case {
    Case::new(name, Kind::Name, NAME, operation)
        .with(NEW)
        .leaves_at(SHOW, item("fig\r\n", 0, None))
}

/// A case on an object that is not there.
fn on_none(name: &'static str, operation: Operation) -> Case {
    Case::new(name, Kind::Name, NAME, operation).leaves_at(SHOW, none())
}

fn none() -> Option<Item> {
    item("ERROR_CACHE_MISS", 0, None)
}

/// A look-up. Watchers read the length of the state, which nobody promises.
fn look() -> String {
    without_size(&fetched(NAME, Some(0)))
}

fn without_size(line: &str) -> String {
    line.replace("size=0", "size=")
}

/// All cases on names of objects.
#[must_use]
pub fn cases() -> Vec<Case> {
    [readings(), removals(), refusals()].concat()
}

fn readings() -> Vec<Case> {
    let hit = |name, operation| {
        on_object(name, operation)
            .answers(value(SHOWN, 0))
            .counts(&[("cmd_get", 1), ("get_hits", 1)])
            .tells([look()])
    };
    vec![
        hit("get", GET),
        hit("gets", GETS),
        hit("gat", GAT)
            .counts(&[("cmd_touch", 1), ("touch_hits", 1)])
            .leaves_at(NAME, item(SHOWN, 0, Some(100))),
        on_none("get", GET)
            .answers(Answer::Miss)
            .counts(&[("cmd_get", 1), ("get_misses", 1)])
            .tells([fetched(NAME, None)]),
    ]
}

fn removals() -> Vec<Case> {
    let delete = || Operation::Delete { cas: None };
    let touch = Operation::Touch(100);
    vec![
        on_object("delete", delete())
            .answers(Answer::Done)
            .counts(&[("delete_hits", 1)])
            .tells([look(), without_size(&deleted(NAME, 0))])
            .leaves(none()),
        on_none("delete", delete())
            .answers(Answer::NotFound)
            .counts(&[("delete_misses", 1)])
            .tells([fetched(NAME, None)]),
        on_object("touch", touch.clone())
            .answers(Answer::Done)
            .counts(&[("cmd_touch", 1), ("touch_hits", 1)])
            .tells([look()])
            .leaves_at(NAME, item(SHOWN, 0, Some(100))),
        on_none("touch", touch)
            .answers(Answer::NotFound)
            .counts(&[("cmd_touch", 1), ("touch_misses", 1)])
            .tells([fetched(NAME, None)]),
    ]
}

/// Requests that would forge state, or keep an item without it, whether the object is there or not.
fn refusals() -> Vec<Case> {
    const REFUSAL: &str = "the state of an object is written by its functions only";
    let mut cases = Vec::new();
    let mut refused = |name, operation: Operation, flags, counters: &[(&'static str, i64)]| {
        for case in [on_object(name, operation.clone()), on_none(name, operation)] {
            let refusal = Answer::Refused(REFUSAL.to_owned());
            cases.push(case.by(flags).answers(refusal).counts(counters));
        }
    };
    for verb in [
        Verb::Set,
        Verb::Add,
        Verb::Replace,
        Verb::Append,
        Verb::Prepend,
    ] {
        let name = super::text::name(verb);
        refused(name, store(verb, "7", None), "", &[("cmd_set", 1)]);
    }
    for token in [Token::Present, Token::Wrong] {
        let operation = store(Verb::Set, "7", Some(token));
        refused("store over a CAS", operation, "", &[("cmd_set", 1)]);
    }
    for flags in ["I C1", "E123"] {
        let operation = store(Verb::Set, "7", None);
        refused("ms with flags", operation, flags, &[("cmd_set", 1)]);
    }
    for create in [None, Some((3, 100))] {
        refused("incr", arith(false, create, None), "", &[]);
        refused("decr", arith(true, create, None), "", &[]);
    }
    for flags in ["I", "x", "I T30", "x C1"] {
        let operation = Operation::Delete { cas: None };
        refused("md that keeps the item", operation, flags, &[]);
    }
    refused("get that makes an item", GET, "N30", &[("cmd_get", 1)]);
    cases
}
