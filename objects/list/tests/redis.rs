//! The same operations on a list of Redis and on this one: the same answers.

use cacheismo_object_list::List;
use cacheismo_redis::{Answer, Redis};
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The words of Redis, and the function here.
fn operation() -> impl Strategy<Value = (Vec<String>, &'static str)> {
    let element = || prop_oneof!["[a-z0-9]{1,4}", "[a-z]{100,300}"];
    let index = || (-40i64..40).prop_map(|index| index.to_string());
    let on = |command: &str, args: Vec<String>| {
        [vec![command.to_owned(), "l".to_owned()], args].concat()
    };
    let elements = || prop::collection::vec(element(), 1..20);
    prop_oneof![
        3 => elements().prop_map(move |args| (on("RPUSH", args), "rpush")),
        3 => elements().prop_map(move |args| (on("LPUSH", args), "lpush")),
        3 => Just((on("LPOP", vec![]), "lpop")),
        3 => Just((on("RPOP", vec![]), "rpop")),
        2 => (1u64..30).prop_map(move |n| (on("LPOP", vec![n.to_string()]), "lpop")),
        2 => (1u64..30).prop_map(move |n| (on("RPOP", vec![n.to_string()]), "rpop")),
        3 => index().prop_map(move |index| (on("LINDEX", vec![index]), "index")),
        3 => (index(), element()).prop_map(move |(index, e)| (on("LSET", vec![index, e]), "set")),
        3 => (index(), index()).prop_map(move |(from, to)| (on("LRANGE", vec![from, to]), "range")),
        1 => (index(), index()).prop_map(move |(from, to)| (on("LTRIM", vec![from, to]), "trim")),
        1 => Just((on("LLEN", vec![]), "len")),
        1 => Just((on("LMOVE", ["l", "LEFT", "RIGHT"].map(str::to_owned).to_vec()), "move")),
    ]
}

/// What this list answers where Redis answers that, on a list that exists.
fn expected(answer: &Answer, function: &str) -> String {
    match answer {
        Answer::List(_) => answer
            .texts()
            .iter()
            .map(|text| format!("{text}\r\n"))
            .collect(),
        Answer::Status(_) => "SUCCESS".to_owned(),
        Answer::Nil if function == "index" => "NOT_FOUND".to_owned(),
        Answer::Error(text) if text.contains("out of range") => "NOT_FOUND".to_owned(),
        other => other.text(),
    }
}

#[test]
fn it_answers_as_redis_does() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let operations = prop::collection::vec(operation(), 3000);
    let operations = operations
        .new_tree(&mut runner)
        .expect("operations")
        .current();
    let mut t = Harness::new::<List>();
    for (words, function) in operations {
        let exists = redis.ask(&["EXISTS", "l"]) == Answer::Integer(1);
        let answer = redis.ask(&words);
        let args: Vec<String> = words[1..]
            .iter()
            .map(|word| match word.as_str() {
                "LEFT" => "left".to_owned(),
                "RIGHT" => "right".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        let expected = match exists || function.ends_with("push") {
            true => expected(&answer, function),
            false => "ERROR_CACHE_MISS".to_owned(),
        };
        assert_eq!(t.call(function, &args), Ok(&*expected), "{words:?}");
    }
}
