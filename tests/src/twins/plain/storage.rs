//! Storing on plain keys, with and without a CAS.

use super::{KEY, on_key, on_text, write};
use crate::twins::case::{Case, fetched, item, store, stored};
use crate::twins::operation::{Answer, Operation, Token, Verb};
use crate::twins::text;

/// Every verb on a key that has a value, and on one that has none.
pub(super) fn storage() -> Vec<Case> {
    let mut cases = Vec::new();
    for (verb, over, fresh) in [
        (Verb::Set, Some("xy"), true),
        (Verb::Add, None, true),
        (Verb::Replace, Some("xy"), false),
        (Verb::Append, Some("abcxy"), false),
        (Verb::Prepend, Some("xyabc"), false),
    ] {
        let command = text::name(verb);
        let keeps_flags = matches!(verb, Verb::Append | Verb::Prepend);
        let over_case = on_text(command, store(verb, "xy", None));
        cases.push(match over {
            Some(text) => over_case
                .answers(Answer::Done)
                .counts(&[("cmd_set", 1), ("detail set", 1)])
                .tells(write(Some(3), "stored", command, 2))
                .leaves(item(text, if keeps_flags { 7 } else { 0 }, None)),
            None => over_case
                .answers(Answer::NotStored)
                .counts(&[("cmd_set", 1), ("detail set", 1)])
                .tells(write(Some(3), "not_stored", command, 2)),
        });
        let fresh_case = on_key(command, store(verb, "xy", None));
        cases.push(match fresh {
            true => fresh_case
                .answers(Answer::Done)
                .counts(&[("cmd_set", 1), ("detail set", 1)])
                .tells(write(None, "stored", command, 2))
                .leaves(item("xy", 0, None)),
            false => fresh_case
                .answers(Answer::NotStored)
                .counts(&[("cmd_set", 1), ("detail set", 1)])
                .tells(write(None, "not_stored", command, 2)),
        });
    }
    let timed = Operation::Store {
        verb: Verb::Set,
        flags: 9,
        exptime: 1000,
        value: b"\0END\r\n".to_vec(),
        cas: None,
    };
    cases.push(
        on_key("set with flags and lifetime", timed)
            .answers(Answer::Done)
            .counts(&[("cmd_set", 1), ("detail set", 1)])
            .tells([fetched(KEY, None), stored(KEY, "stored", "set", 1000, 6)])
            .leaves(item("\0END\r\n", 9, Some(1000))),
    );
    cases
}

/// Stores over a CAS. memcached counts CAS where it is the verb's only condition.
pub(super) fn conditions() -> Vec<Case> {
    const FITS: &[(&str, i64)] = &[("cmd_set", 1), ("cas_hits", 1), ("detail set", 1)];
    const DIFFERS: &[(&str, i64)] = &[("cmd_set", 1), ("cas_badval", 1), ("detail set", 1)];
    const MISSES: &[(&str, i64)] = &[("cmd_set", 1), ("cas_misses", 1), ("detail set", 1)];
    let mut cases = Vec::new();
    for (name, verb) in [("cas", Verb::Set), ("replace over a CAS", Verb::Replace)] {
        cases.extend([
            on_text(name, store(verb, "xy", Some(Token::Present)))
                .answers(Answer::Done)
                .counts(FITS)
                .tells(write(Some(3), "stored", "cas", 2))
                .leaves(item("xy", 0, None)),
            on_text(name, store(verb, "xy", Some(Token::Wrong)))
                .answers(Answer::Exists)
                .counts(DIFFERS)
                .tells(write(Some(3), "exists", "cas", 2)),
            on_key(name, store(verb, "xy", Some(Token::Wrong)))
                .answers(Answer::NotFound)
                .counts(MISSES)
                .tells(write(None, "not_found", "cas", 2)),
        ]);
    }
    cases.extend([
        on_text(
            "append over a CAS",
            store(Verb::Append, "xy", Some(Token::Present)),
        )
        .answers(Answer::Done)
        .counts(&[("cmd_set", 1), ("detail set", 1)])
        .tells(write(Some(3), "stored", "append", 2))
        .leaves(item("abcxy", 7, None)),
        on_text(
            "append over another CAS",
            store(Verb::Append, "xy", Some(Token::Wrong)),
        )
        .answers(Answer::Exists)
        .counts(&[("cmd_set", 1), ("detail set", 1)])
        .tells(write(Some(3), "exists", "append", 2)),
        on_key(
            "append over a CAS",
            store(Verb::Append, "xy", Some(Token::Wrong)),
        )
        .answers(Answer::NotStored)
        .counts(&[("cmd_set", 1), ("detail set", 1)])
        .tells(write(None, "not_stored", "append", 2)),
    ]);
    cases
}
