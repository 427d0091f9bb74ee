//! The same operations on a sorted set of Redis and on this one: the same answers.

use cacheismo_object_zset::Zset;
use cacheismo_redis::{Answer, Redis};
use cacheismo_sdk::testing::Harness;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The command of Redis, and the arguments of both behind the key.
fn operation() -> impl Strategy<Value = (&'static str, Vec<String>)> {
    let member = || (0u32..1000).prop_map(|n| format!("member {n}"));
    // Halves are written alike by both.
    let score = || (-2000i32..2000).prop_map(|n| (f64::from(n) / 2.0).to_string());
    let bound = || {
        prop_oneof![
            8 => score(),
            4 => score().prop_map(|score| format!("({score}")),
            1 => Just("-inf".to_owned()),
            1 => Just("+inf".to_owned()),
        ]
    };
    let index = || (-1000i64..1000).prop_map(|index| index.to_string());
    let page = || {
        (0u64..50, -1i64..50).prop_map(|(offset, count)| [offset.to_string(), count.to_string()])
    };
    prop_oneof![
        20 => (score(), member()).prop_map(|(score, member)| ("ZADD", vec![score, member])),
        8 => (score(), member()).prop_map(|(score, member)| ("ZINCRBY", vec![score, member])),
        4 => member().prop_map(|member| ("ZREM", vec![member])),
        3 => member().prop_map(|member| ("ZSCORE", vec![member])),
        6 => member().prop_map(|member| ("ZRANK", vec![member])),
        3 => member().prop_map(|member| ("ZREVRANK", vec![member])),
        2 => (index(), index()).prop_map(|(from, to)| ("ZRANGE", vec![from, to, "withscores".into()])),
        2 => (index(), index()).prop_map(|(from, to)| ("ZREVRANGE", vec![from, to])),
        2 => (bound(), bound()).prop_map(|(min, max)| ("ZRANGEBYSCORE", vec![min, max])),
        2 => (bound(), bound(), page()).prop_map(|(min, max, page)| ("ZRANGEBYSCORE", [vec![min, max], page.to_vec()].concat())),
        2 => (bound(), bound(), page()).prop_map(|(max, min, page)|
            ("ZREVRANGEBYSCORE", [vec![max, min], page.to_vec(), vec!["withscores".into()]].concat())),
        2 => (bound(), bound()).prop_map(|(min, max)| ("ZCOUNT", vec![min, max])),
        2 => (1u64..4).prop_map(|count| ("ZPOPMIN", vec![count.to_string()])),
        2 => Just(("ZPOPMAX", vec![])),
        1 => Just(("ZCARD", vec![])),
        1 => (index(), index()).prop_map(|(from, to)| ("ZREMRANGEBYRANK", vec![from, to])),
        1 => (score(), score()).prop_map(|(min, max)| ("ZREMRANGEBYSCORE", vec![min, max])),
    ]
}

/// The arguments as Redis wants them: a page is behind `LIMIT` there.
fn for_redis(command: &str, args: &[String]) -> Vec<String> {
    let mut words = vec![command.to_owned(), "z".to_owned()];
    words.extend_from_slice(args);
    if command.ends_with("BYSCORE") && args.len() > 3 {
        words.insert(4, "LIMIT".to_owned());
    }
    words
}

/// What this zset answers where Redis answers that, on one that exists.
fn expected(answer: &Answer, scored: bool) -> String {
    match answer {
        Answer::List(_) if scored => {
            let texts = answer.texts();
            let pairs = texts
                .chunks(2)
                .map(|pair| format!("{} {}\r\n", pair[1], pair[0]));
            pairs.collect()
        }
        Answer::List(_) => answer
            .texts()
            .iter()
            .map(|text| format!("{text}\r\n"))
            .collect(),
        Answer::Nil => "NOT_FOUND".to_owned(),
        other => other.text(),
    }
}

#[test]
fn it_answers_as_redis_does() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let operations = prop::collection::vec(operation(), 4000);
    let operations: Vec<_> = operations
        .new_tree(&mut runner)
        .expect("operations")
        .current();
    let mut t = Harness::new::<Zset>();
    for (command, args) in operations {
        let exists = redis.ask(&["EXISTS", "z"]) == Answer::Integer(1);
        let answer = redis.ask(&for_redis(command, &args));
        let function = command[1..].to_lowercase();
        let scored =
            function.starts_with("pop") || args.last().is_some_and(|word| word == "withscores");
        let expected = match exists || ["add", "incrby"].contains(&&*function) {
            true => expected(&answer, scored),
            false => "ERROR_CACHE_MISS".to_owned(),
        };
        let here: Vec<String> = [vec!["z".to_owned()], args.clone()].concat();
        assert_eq!(
            t.call(&function, &here),
            Ok(&*expected),
            "{command} {args:?}"
        );
    }
}
