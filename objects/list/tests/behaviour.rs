//! What the list promises: order, any size at the same cost, all or nothing, no trap at damaged state.

use std::collections::VecDeque;

use cacheismo_object_list::List;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn elements_come_and_go_at_both_ends() {
    Harness::new::<List>().assert_session(&[
        ("list:rpush:l:a:b:c", "3"),
        ("list:lpush:l:d:e", "5"),
        ("list:range:l:0:-1", "e\r\nd\r\na\r\nb\r\nc\r\n"),
        ("list:len:l", "5"),
        ("list:lpop:l", "e"),
        ("list:rpop:l", "c"),
        ("list:index:l:0", "d"),
        ("list:index:l:-1", "b"),
        ("list:index:l:3", "NOT_FOUND"),
        ("list:index:l:-4", "NOT_FOUND"),
        ("list:set:l:1:x", "SUCCESS"),
        ("list:set:l:3:x", "NOT_FOUND"),
        ("list:range:l:-2:9", "x\r\nb\r\n"),
        ("list:range:l:2:1", ""),
        ("list:trim:l:1:-1", "SUCCESS"),
        ("list:rpop:l:5", "b\r\nx\r\n"),
        ("list:len:l", "ERROR_CACHE_MISS"),
    ]);
}

#[test]
fn a_list_that_does_not_exist_is_a_cache_miss() {
    let mut t = Harness::new::<List>();
    t.assert_session(&[
        ("list:len:l", "ERROR_CACHE_MISS"),
        ("list:lpop:l", "ERROR_CACHE_MISS"),
        ("list:rpop:l:2", "ERROR_CACHE_MISS"),
        ("list:index:l:0", "ERROR_CACHE_MISS"),
        ("list:set:l:0:x", "ERROR_CACHE_MISS"),
        ("list:range:l:0:-1", "ERROR_CACHE_MISS"),
        ("list:trim:l:0:-1", "ERROR_CACHE_MISS"),
        ("list:move:l:m:left:right", "ERROR_CACHE_MISS"),
    ]);
    assert!(t.state().is_empty(), "nothing came into being");
}

#[test]
fn an_element_moves_between_lists_and_within_one() {
    let mut t = Harness::new::<List>();
    let long = "x".repeat(1000);
    t.call("rpush", &["todo", "wash", &long]).expect("pushed");
    t.assert_session(&[
        ("list:move:todo:doing:left:right", "wash"),
        ("list:range:doing:0:-1", "wash\r\n"),
        ("list:move:doing:doing:left:right", "wash"),
        ("list:len:doing", "1"),
        ("list:len:todo", "1"),
    ]);
    assert_eq!(
        t.call("move", &["todo", "doing", "right", "left"]),
        Ok(&*long)
    );
    t.assert_session(&[
        ("list:len:todo", "ERROR_CACHE_MISS"),
        ("list:index:doing:1", "wash"),
        ("list:move:doing:doing:right:left", "wash"),
    ]);
    assert_eq!(t.call("index", &["doing", "1"]), Ok(&*long));
    assert_eq!(
        t.get("list:move:doing:other:up:left"),
        Err(Failure::Refused("from is not left or right".to_owned()))
    );
}

#[test]
fn elements_may_be_any_bytes_of_any_length() {
    let mut t = Harness::new::<List>();
    for length in [0, 1, 253, 254, 255, 256, 100_000] {
        let element: Vec<u8> = (0..length).map(|i| i as u8).collect();
        t.call("lpush", &[b"l".as_slice(), &element])
            .expect("pushed");
        assert_eq!(t.call_bytes("index", &["l", "0"]), Ok(&element[..]));
        assert_eq!(t.call_bytes("rpop", &["l"]), Ok(&element[..]));
    }
}

#[test]
fn both_ends_and_the_middle_of_a_large_list_take_few_host_calls() {
    let mut t = Harness::new::<List>();
    for i in 0..50_000 {
        let function = if i % 2 == 0 { "rpush" } else { "lpush" };
        t.call(function, &["l", &i.to_string()]).expect("pushed");
        assert!(t.host_calls() <= 2, "{function}: {}", t.host_calls());
    }
    for (key, calls) in [
        ("list:index:l:25000", 1),
        ("list:set:l:12345:x", 2),
        ("list:lpop:l", 2),
        ("list:rpop:l", 2),
        ("list:len:l", 0),
        ("list:range:l:20000:20099", 3),
        ("list:trim:l:1:-1", 2),
    ] {
        t.get(key).expect("an answer");
        assert!(t.host_calls() <= calls, "{key}: {}", t.host_calls());
    }
    t.get("list:trim:l:100:199").expect("an answer");
    t.assert_session(&[("list:len:l", "100")]);
    let fields = t.object("l").expect("the list").fields.len();
    assert!(fields <= 8, "{fields} fields for 100 elements");
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<List>();
    let long = "x".repeat(300);
    t.assert_all_or_nothing("rpush", &["l", "a", &long, "b"]);
    t.assert_all_or_nothing("lpush", &["l", "c", &long]);
    t.assert_all_or_nothing("set", &["l", "0", "short"]);
    t.assert_all_or_nothing("set", &["l", "1", &long]);
    t.assert_all_or_nothing("move", &["l", "m", "left", "right"]);
    t.assert_all_or_nothing("lpop", &["l", "2"]);
    t.assert_all_or_nothing("trim", &["l", "0", "0"]);
    t.assert_all_or_nothing("rpop", &["l"]);
    assert_eq!(t.object("l"), None);
}

/// An operation with its arguments, as `call` takes them.
type Operation = (&'static str, Vec<String>);

fn element() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{0,3}", 1 => "[a-z]{245,265}"]
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = || (-12i64..12).prop_map(|index| index.to_string());
    prop_oneof![
        4 => prop::collection::vec(element(), 1..6).prop_map(|elements| ("rpush", elements)),
        4 => prop::collection::vec(element(), 1..6).prop_map(|elements| ("lpush", elements)),
        2 => Just(("lpop", vec![])),
        2 => Just(("rpop", vec![])),
        1 => (0u64..5).prop_map(|count| ("lpop", vec![count.to_string()])),
        1 => (0u64..20).prop_map(|count| ("rpop", vec![count.to_string()])),
        2 => index().prop_map(|index| ("index", vec![index])),
        2 => (index(), element()).prop_map(|(index, element)| ("set", vec![index, element])),
        2 => (index(), index()).prop_map(|(from, to)| ("range", vec![from, to])),
        1 => (index(), index()).prop_map(|(from, to)| ("trim", vec![from, to])),
        1 => Just(("len", vec![])),
        1 => Just(("move", vec!["l".into(), "right".into(), "left".into()])),
    ]
}

/// The naive twin: a deque, and indexes as Python has them.
#[derive(Default)]
struct Twin(VecDeque<String>);

impl Twin {
    fn position(&self, index: &str) -> Option<usize> {
        let index: i64 = index.parse().expect("an index");
        let from = if index < 0 { self.0.len() as i64 } else { 0 };
        usize::try_from(from + index)
            .ok()
            .filter(|at| *at < self.0.len())
    }

    fn bounds(&self, args: &[String]) -> (usize, usize) {
        let length = self.0.len() as i64;
        let [from, to] = [0, 1].map(|at| {
            let index: i64 = args[at].parse().expect("an index");
            let index = if index < 0 { length + index } else { index };
            (index + at as i64).clamp(0, length) as usize
        });
        (from, to.max(from))
    }

    fn lines(elements: impl Iterator<Item = String>) -> String {
        elements.map(|element| element + "\r\n").collect()
    }

    fn answer(&mut self, function: &str, args: &[String]) -> String {
        if self.0.is_empty() && !function.ends_with("push") {
            return "ERROR_CACHE_MISS".to_owned();
        }
        let missing = || "NOT_FOUND".to_owned();
        match function {
            "rpush" => self.0.extend(args.iter().cloned()),
            "lpush" => args
                .iter()
                .for_each(|element| self.0.push_front(element.clone())),
            "lpop" if args.is_empty() => return self.0.pop_front().expect("not empty"),
            "rpop" if args.is_empty() => return self.0.pop_back().expect("not empty"),
            "lpop" | "rpop" => {
                let count: usize = args[0].parse().expect("a count");
                let mut pop = || {
                    if function == "lpop" {
                        self.0.pop_front()
                    } else {
                        self.0.pop_back()
                    }
                };
                return Self::lines((0..count).map_while(|_| pop()));
            }
            "index" => {
                return self
                    .position(&args[0])
                    .map_or_else(missing, |at| self.0[at].clone());
            }
            "set" => {
                let Some(at) = self.position(&args[0]) else {
                    return missing();
                };
                self.0[at].clone_from(&args[1]);
                return "SUCCESS".to_owned();
            }
            "range" => {
                let (from, to) = self.bounds(args);
                return Self::lines(self.0.range(from..to).cloned());
            }
            "trim" => {
                let (from, to) = self.bounds(args);
                self.0 = self.0.range(from..to).cloned().collect();
                return "SUCCESS".to_owned();
            }
            "move" => {
                self.0.rotate_right(1);
                return self.0[0].clone();
            }
            "len" => {}
            other => panic!("no {other}"),
        }
        self.0.len().to_string()
    }
}

proptest! {
    #[test]
    fn it_answers_as_a_deque_does(operations in prop::collection::vec(operation(), 1..120)) {
        let mut t = Harness::new::<List>();
        let mut twin = Twin::default();
        for (function, args) in operations {
            let expected = twin.answer(function, &args);
            let args: Vec<String> = [vec!["l".to_owned()], args].concat();
            prop_assert_eq!(t.call(function, &args), Ok(&*expected), "{} {:?}", function, args);
        }
        let listed = t.call("range", &["l", "0", "-1"]).map(str::to_owned);
        let expected = match twin.0.is_empty() {
            true => "ERROR_CACHE_MISS".to_owned(),
            false => Twin::lines(twin.0.into_iter()),
        };
        prop_assert_eq!(listed, Ok(expected));
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        value in prop_oneof![Just(None), prop::collection::vec(any::<u8>(), 0..20).prop_map(Some),
            (any::<u64>(), any::<u64>()).prop_map(|(first, length)| Some([first.to_le_bytes(), length.to_le_bytes()].concat()))],
        field in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        (function, args) in operation(),
    ) {
        let mut t = Harness::new::<List>();
        let long = "x".repeat(300);
        let elements: Vec<String> = (0..40).map(|i| if i % 9 == 0 { long.clone() } else { i.to_string() }).collect();
        t.call("rpush", &[vec!["l".to_owned()], elements].concat()).expect("pushed");
        let stored = t.object_mut("l").expect("the list");
        match value {
            Some(value) => stored.value = Some(value),
            None => {
                let name = field.get(&stored.fields.keys().cloned().collect::<Vec<_>>()).clone();
                stored.fields.insert(name, bytes);
            }
        }
        let args: Vec<String> = [vec!["l".to_owned()], args].concat();
        let answer = t.call_bytes(function, &args);
        prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
    }
}
