//! Cases on plain keys: memcached's own text commands say what is right.

use super::case::{
    Case, GAT, GET, GETS, Kind, arith, deleted, fetched, item, store, stored, value,
};
use super::operation::{Answer, Operation, Token, Verb};

mod storage;

/// A key with a prefix, which `stats detail` counts by.
const KEY: &str = "plain:k";
/// Makes an item of text, with flags.
const TEXT: &str = "set plain:k 7 0 3\r\nabc";
/// Makes a number, with flags.
const NUMBER: &str = "set plain:k 7 0 2\r\n10";

fn on_key(name: &'static str, operation: Operation) -> Case {
    Case::new(name, Kind::Plain, KEY, operation)
}

/// A case on a key that has the text.
fn on_text(name: &'static str, operation: Operation) -> Case {
    let left = item("abc", 7, None);
    on_key(name, operation).with(&[TEXT]).leaves(left)
}

fn on_number(name: &'static str, operation: Operation) -> Case {
    let left = item("10", 7, None);
    on_key(name, operation).with(&[NUMBER]).leaves(left)
}

/// A look-up that finds something of so many bytes, or nothing.
fn look(found: Option<usize>) -> [String; 1] {
    [fetched(KEY, found)]
}

/// A look-up and a write.
fn write(found: Option<usize>, status: &str, command: &str, len: usize) -> [String; 2] {
    [fetched(KEY, found), stored(KEY, status, command, 0, len)]
}

/// All cases on plain keys, for a server that takes values of up to so many bytes.
#[must_use]
pub fn cases(value_bytes_max: usize) -> Vec<Case> {
    [
        retrieval(),
        storage::storage(),
        storage::conditions(),
        removal(),
        arithmetic(),
        limits(value_bytes_max),
    ]
    .concat()
}

fn retrieval() -> Vec<Case> {
    const HIT: &[(&str, i64)] = &[
        ("cmd_get", 1),
        ("get_hits", 1),
        ("detail get", 1),
        ("detail hit", 1),
    ];
    const MISS: &[(&str, i64)] = &[("cmd_get", 1), ("get_misses", 1), ("detail get", 1)];
    // memcached's gat counts as a touch and not as a get.
    const TOUCH_HIT: &[(&str, i64)] = &[
        ("cmd_touch", 1),
        ("touch_hits", 1),
        ("detail get", 1),
        ("detail hit", 1),
    ];
    const TOUCH_MISS: &[(&str, i64)] = &[("cmd_touch", 1), ("touch_misses", 1), ("detail get", 1)];
    let touched = item("abc", 7, Some(100));
    let made = item("", 0, Some(30));
    vec![
        on_text("get", GET)
            .answers(value("abc", 7))
            .counts(HIT)
            .tells(look(Some(3))),
        on_key("get of a missing key", GET)
            .answers(Answer::Miss)
            .counts(MISS)
            .tells(look(None)),
        on_text("gets", GETS)
            .answers(value("abc", 7))
            .counts(HIT)
            .tells(look(Some(3))),
        on_text("gat", GAT)
            .answers(value("abc", 7))
            .counts(TOUCH_HIT)
            .tells(look(Some(3)))
            .leaves(touched.clone()),
        on_key("gat of a missing key", GAT)
            .answers(Answer::Miss)
            .counts(TOUCH_MISS)
            .tells(look(None)),
        on_text("touch", Operation::Touch(100))
            .answers(Answer::Done)
            .counts(&[("cmd_touch", 1), ("touch_hits", 1)])
            .tells(look(Some(3)))
            .leaves(touched),
        on_key("touch of a missing key", Operation::Touch(100))
            .answers(Answer::NotFound)
            .counts(&[("cmd_touch", 1), ("touch_misses", 1)])
            .tells(look(None)),
        // Only meta commands can do this: the item is made, and that is a hit.
        on_key("get that makes an item", GET)
            .by("N30")
            .answers(value("", 0))
            .counts(HIT)
            .tells(look(None))
            .leaves(made),
    ]
}

fn removal() -> Vec<Case> {
    let delete = |cas| Operation::Delete { cas };
    const HIT: &[(&str, i64)] = &[("delete_hits", 1), ("detail del", 1)];
    const MISS: &[(&str, i64)] = &[("delete_misses", 1), ("detail del", 1)];
    let gone = || [fetched(KEY, Some(3)), deleted(KEY, 3)];
    vec![
        on_text("delete", delete(None))
            .answers(Answer::Done)
            .counts(HIT)
            .tells(gone())
            .leaves(None),
        on_key("delete of a missing key", delete(None))
            .answers(Answer::NotFound)
            .counts(MISS)
            .tells(look(None)),
        on_text("delete over a CAS", delete(Some(Token::Present)))
            .answers(Answer::Done)
            .counts(HIT)
            .tells(gone())
            .leaves(None),
        on_text("delete over another CAS", delete(Some(Token::Wrong)))
            .answers(Answer::Exists)
            .counts(&[("detail del", 1)])
            .tells(look(Some(3))),
        // Only meta commands can do this. The item stays, so nothing was deleted.
        on_text("delete that marks as stale", delete(None))
            .by("I")
            .answers(Answer::Done)
            .counts(&[("detail del", 1)])
            .tells(look(Some(3))),
        on_key("delete that marks a missing item", delete(None))
            .by("I")
            .answers(Answer::NotFound)
            .counts(MISS)
            .tells(look(None)),
        on_text("flush", Operation::Flush)
            .answers(Answer::Done)
            .counts(&[("cmd_flush", 1)])
            .leaves(None),
    ]
}

fn arithmetic() -> Vec<Case> {
    let mut cases = Vec::new();
    for (down, [name, making], hits, misses, number, text) in [
        (
            false,
            ["incr", "incr that makes a number"],
            "incr_hits",
            "incr_misses",
            15,
            "15",
        ),
        // A number that gets shorter keeps its length.
        (
            true,
            ["decr", "decr that makes a number"],
            "decr_hits",
            "decr_misses",
            5,
            "5 ",
        ),
    ] {
        let created = Some((3, 100));
        cases.extend([
            on_number(name, arith(down, None, None))
                .answers(Answer::Number(number))
                .counts(&[(hits, 1)])
                .tells(look(Some(2)))
                .leaves(item(text, 7, None)),
            on_text(name, arith(down, None, None))
                .answers(Answer::NonNumeric)
                .tells(look(Some(3))),
            on_key(name, arith(down, None, None))
                .answers(Answer::NotFound)
                .counts(&[(misses, 1)])
                .tells(look(None)),
            on_number(name, arith(down, created, None))
                .answers(Answer::Number(number))
                .counts(&[(hits, 1)])
                .tells(look(Some(2)))
                .leaves(item(text, 7, None)),
            // A number that is made is neither a hit nor a miss.
            on_key(making, arith(down, created, None))
                .answers(Answer::Number(3))
                .counts(&[])
                .tells([fetched(KEY, None), stored(KEY, "stored", "add", 100, 1)])
                .leaves(item("3", 0, Some(100))),
            on_number(name, arith(down, None, Some(Token::Present)))
                .answers(Answer::Number(number))
                .counts(&[(hits, 1)])
                .tells(look(Some(2)))
                .leaves(item(text, 7, None)),
            on_number(name, arith(down, None, Some(Token::Wrong)))
                .answers(Answer::Exists)
                .tells(look(Some(2))),
        ]);
    }
    cases
}

/// A set of so many bytes on a server that has no room for them, and may evict nothing.
#[must_use]
pub fn without_room(bytes: usize) -> Case {
    on_key(
        "set without room",
        store(Verb::Set, &"x".repeat(bytes), None),
    )
    .answers(Answer::NoMemory)
    .counts(&[("cmd_set", 1), ("store_no_memory", 1), ("detail set", 1)])
    .tells(write(None, "no_memory", "set", bytes))
}

/// Values over `-I`.
fn limits(value_bytes_max: usize) -> Vec<Case> {
    let large = "x".repeat(value_bytes_max + 1);
    const COUNTERS: &[(&str, i64)] = &[("store_too_large", 1), ("detail set", 1)];
    let line = stored(KEY, "too_large", "set", 0, 0);
    vec![
        // What was there would be taken for the new value.
        on_text("set of too much", store(Verb::Set, &large, None))
            .answers(Answer::TooLarge)
            .counts(COUNTERS)
            .tells([line, fetched(KEY, Some(3))])
            .leaves(None),
        on_text("add of too much", store(Verb::Add, &large, None))
            .answers(Answer::TooLarge)
            .counts(COUNTERS)
            .tells([]),
    ]
}
