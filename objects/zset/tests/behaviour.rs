//! What the zset promises: order, ranks, few fields touched in a large one, all or nothing, no trap at damaged state.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cacheismo_object_zset::Zset;
use cacheismo_sdk::testing::{Failure, Harness, Stored};
use proptest::prelude::*;

#[test]
fn members_are_in_order_of_scores_and_then_of_bytes() {
    Harness::new::<Zset>().assert_session(&[
        ("zset:add:z:10:ann:7.5:bob:10:al", "3"),
        ("zset:add:z:8:bob", "0"),
        ("zset:card:z", "3"),
        ("zset:score:z:bob", "8"),
        ("zset:score:z:eve", "NOT_FOUND"),
        (
            "zset:range:z:0:-1:withscores",
            "8 bob\r\n10 al\r\n10 ann\r\n",
        ),
        ("zset:revrange:z:0:1", "ann\r\nal\r\n"),
        ("zset:rank:z:ann", "2"),
        ("zset:revrank:z:ann", "0"),
        ("zset:rank:z:eve", "NOT_FOUND"),
        ("zset:incrby:z:2.25:bob", "10.25"),
        ("zset:incrby:z:-1:new", "-1"),
        ("zset:rangebyscore:z:-inf:10", "new\r\nal\r\nann\r\n"),
        ("zset:rangebyscore:z:(-1:(10.25:1:1", "ann\r\n"),
        (
            "zset:rangebyscore:z:0:+inf:0:-1:withscores",
            "10 al\r\n10 ann\r\n10.25 bob\r\n",
        ),
        ("zset:revrangebyscore:z:10:(-1", "ann\r\nal\r\n"),
        ("zset:revrangebyscore:z:+inf:-inf:1:2", "ann\r\nal\r\n"),
        ("zset:rangebyscore:z:5:1", ""),
        ("zset:count:z:10:10", "2"),
        ("zset:popmin:z", "-1 new\r\n"),
        ("zset:popmax:z:2", "10.25 bob\r\n10 ann\r\n"),
        ("zset:rem:z:al:eve", "1"),
        ("zset:card:z", "ERROR_CACHE_MISS"),
    ]);
}

#[test]
fn a_zset_that_does_not_exist_is_a_cache_miss() {
    let mut t = Harness::new::<Zset>();
    for key in [
        "score:z:m",
        "rank:z:m",
        "revrank:z:m",
        "card:z",
        "count:z:0:1",
        "range:z:0:-1",
        "revrange:z:0:-1",
        "rangebyscore:z:0:1",
        "revrangebyscore:z:1:0",
        "popmin:z",
        "popmax:z:2",
        "rem:z:m",
        "remrangebyrank:z:0:1",
        "remrangebyscore:z:0:1",
    ] {
        t.assert_session(&[(&format!("zset:{key}"), "ERROR_CACHE_MISS")]);
    }
    assert!(t.state().is_empty(), "nothing came into being");
}

#[test]
fn what_is_no_score_no_bound_or_no_pair_is_refused() {
    let mut t = Harness::new::<Zset>();
    let long = "x".repeat(65_537);
    for (function, args, text) in [
        (
            "add",
            &["z", "ten", "m"][..],
            "score is not a finite number",
        ),
        ("add", &["z", "inf", "m"], "score is not a finite number"),
        ("add", &["z", "1", "m", "2"], "a score without a member"),
        (
            "add",
            &["z", "1", &long],
            "member is longer than 65536 bytes",
        ),
        (
            "incrby",
            &["z", "nan", "m"],
            "amount is not a finite number",
        ),
    ] {
        assert_eq!(
            t.call(function, args),
            Err(Failure::Refused(text.to_owned())),
            "{args:?}"
        );
    }
    assert!(t.state().is_empty(), "nothing of a refused call is kept");
    t.assert_session(&[("zset:add:z:1e308:m", "1")]);
    for (key, text) in [
        ("incrby:z:1e308:m", "the score would not be finite"),
        ("count:z:x:1", "min is not a number, (number, -inf or +inf"),
        (
            "count:z:1:((1",
            "max is not a number, (number, -inf or +inf",
        ),
        ("range:z:0:1:scores", "the last argument is not withscores"),
    ] {
        let answer = t.get(&format!("zset:{key}"));
        assert_eq!(answer, Err(Failure::Refused(text.to_owned())), "{key}");
    }
    t.assert_session(&[
        ("zset:add:y:-0:m:0:a", "2"),
        ("zset:range:y:0:-1:withscores", "0 a\r\n0 m\r\n"),
    ]);
}

/// Checks each post of each level against the members that are there, and answers how many posts there are.
fn audit(stored: &Stored) -> usize {
    let named = |level: u8| {
        let fields = stored.fields.range(vec![level]..vec![level + 1]);
        fields.map(|(name, value)| (name[1..].to_vec(), value.clone()))
    };
    let members: Vec<Vec<u8>> = named(b'0').map(|(key, _)| key).collect();
    let head = stored.value.as_deref().expect("a head");
    let head_members = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
    assert_eq!(named(b'm').count(), head_members);
    if head[12] == 255 {
        assert!(members.is_empty() && head_members <= 128);
        return 0;
    }
    assert_eq!(members.len(), head_members);
    let mut posts = 0;
    for level in 1..=head[12] {
        let level: Vec<_> = named(b'0' + level).collect();
        for (at, (low, count)) in level.iter().enumerate() {
            let end = level.get(at + 1).map(|(end, _)| end);
            let inside = |key: &&Vec<u8>| *key >= low && end.is_none_or(|end| *key < end);
            let expected = members.iter().filter(inside).count() as u32;
            assert_eq!(count[..], expected.to_le_bytes(), "{low:?}");
        }
        posts += level.len();
    }
    posts
}

fn large(t: &mut Harness, members: u64) {
    for i in 0..members {
        let score = (i * 7919 % members).to_string();
        t.call("add", &["z", &score, &format!("member {i}")])
            .expect("added");
    }
}

#[test]
fn a_large_zset_takes_few_host_calls() {
    const MEMBERS: u64 = 20_000;
    let mut t = Harness::new::<Zset>();
    t.set_seed(7);
    large(&mut t, MEMBERS);
    let posts = audit(t.object("z").expect("the zset"));
    assert!((500..900).contains(&posts), "{posts} posts");
    let member = format!("member {}", 10_000 * 12_239 % MEMBERS);
    for (function, args, calls) in [
        ("score", &["z", &member][..], 1),
        ("rank", &["z", &member], 12),
        ("add", &["z", "3.5", &member], 25),
        ("add", &["z", "3.5", "another"], 14),
        ("incrby", &["z", "0.5", &member], 25),
        ("range", &["z", "10000", "10009"], 12),
        ("rangebyscore", &["z", "5000", "5009"], 35),
        ("count", &["z", "100", "19000"], 25),
        ("popmin", &["z"], 14),
        ("popmax", &["z"], 14),
        ("rem", &["z", &member], 14),
        ("card", &["z"], 0),
    ] {
        t.call(function, args).expect("an answer");
        assert!(
            t.host_calls() <= calls,
            "{function}: {} host calls",
            t.host_calls()
        );
    }
    for rank in [0, 1, 63, 64, 5_000, 19_990] {
        let line = t
            .call("range", &["z", &rank.to_string(), &rank.to_string()])
            .expect("a member");
        let member = line.trim_end().to_owned();
        assert_eq!(t.call("rank", &["z", &member]), Ok(&*rank.to_string()));
    }
    assert_eq!(t.call("remrangebyrank", &["z", "10", "-11"]), Ok("19978"));
    assert_eq!(t.call("card", &["z"]), Ok("20"));
    audit(t.object("z").expect("the zset"));
}

#[test]
fn a_small_zset_is_one_field_for_each_member_until_it_grows() {
    let mut t = Harness::new::<Zset>();
    large(&mut t, 128);
    assert_eq!(t.object("z").expect("the zset").fields.len(), 128);
    t.assert_session(&[("zset:rank:z:member 5", "43"), ("zset:add:z:0.5:new", "1")]);
    assert!(t.object("z").expect("the zset").fields.len() > 258);
    audit(t.object("z").expect("the zset"));
    t.assert_session(&[("zset:rank:z:member 5", "44"), ("zset:rank:z:new", "1")]);
    let long = "x".repeat(65);
    t.call("add", &["y", "1", "a"]).expect("added");
    t.call("add", &["y", "1", &long]).expect("added");
    assert!(t.object("y").expect("the zset").fields.len() >= 4);
    audit(t.object("y").expect("the zset"));
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Zset>();
    t.assert_all_or_nothing("add", &["z", "1", "a"]);
    large(&mut t, 127);
    t.assert_all_or_nothing("add", &["z", "5.5", "b"]);
    t.assert_all_or_nothing("rem", &["z", "b"]);
    large(&mut t, 300);
    t.assert_all_or_nothing("add", &["z", "5.5", "a", "6", "b"]);
    t.assert_all_or_nothing("incrby", &["z", "100", "a"]);
    t.assert_all_or_nothing("popmax", &["z", "3"]);
    t.assert_all_or_nothing("rem", &["z", "a"]);
    t.assert_all_or_nothing("remrangebyscore", &["z", "-inf", "+inf"]);
    assert_eq!(t.object("z"), None);
}

/// An operation with its arguments, as `call` takes them.
type Operation = (&'static str, Vec<String>);

fn operation() -> impl Strategy<Value = Operation> {
    let member = || (0u32..400).prop_map(|n| format!("m{n}"));
    let score = || (-20i32..20).prop_map(|n| (f64::from(n) / 2.0).to_string());
    let bound = || prop_oneof![8 => score(), 4 => score().prop_map(|n| format!("({n}")), 1 => Just("-inf".to_owned()), 1 => Just("+inf".to_owned())];
    let index = || (-500i64..500).prop_map(|index| index.to_string());
    prop_oneof![
        8 => (score(), member()).prop_map(|(score, member)| ("add", vec![score, member])),
        4 => (score(), member()).prop_map(|(score, member)| ("incrby", vec![score, member])),
        3 => member().prop_map(|member| ("rem", vec![member])),
        2 => member().prop_map(|member| ("score", vec![member])),
        4 => member().prop_map(|member| ("rank", vec![member])),
        2 => member().prop_map(|member| ("revrank", vec![member])),
        2 => (index(), index()).prop_map(|(from, to)| ("range", vec![from, to, "withscores".into()])),
        2 => (index(), index()).prop_map(|(from, to)| ("revrange", vec![from, to])),
        2 => (bound(), bound()).prop_map(|(min, max)| ("rangebyscore", vec![min, max])),
        2 => (bound(), bound(), 0u64..50, -1i64..50).prop_map(|(max, min, offset, count)|
            ("revrangebyscore", vec![max, min, offset.to_string(), count.to_string(), "withscores".into()])),
        2 => (bound(), bound(), 0u64..50, -1i64..50).prop_map(|(min, max, offset, count)|
            ("rangebyscore", vec![min, max, offset.to_string(), count.to_string()])),
        2 => (bound(), bound()).prop_map(|(min, max)| ("count", vec![min, max])),
        1 => (0u64..3).prop_map(|count| ("popmin", vec![count.to_string()])),
        1 => Just(("popmax", vec![])),
        1 => index().prop_map(|from| ("remrangebyrank", vec![from.clone(), from])),
    ]
}

/// The naive twin: a sorted list made anew for each question.
#[derive(Default)]
struct Twin(BTreeMap<String, f64>);

impl Twin {
    fn sorted(&self) -> Vec<(f64, String)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(member, score)| (*score, member.clone()))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        all
    }

    fn ranks(&self, args: &[String]) -> Range<usize> {
        let length = self.0.len() as i64;
        let [from, to] = [0, 1].map(|at| {
            let index: i64 = args[at].parse().expect("an index");
            let index = if index < 0 { length + index } else { index };
            (index + at as i64).clamp(0, length) as usize
        });
        from..to.max(from)
    }

    fn between(&self, min: &str, max: &str) -> Vec<(f64, String)> {
        let bound = |text: &str| match text.strip_prefix('(') {
            Some(number) => (number.parse::<f64>().expect("a bound"), true),
            None => (text.parse::<f64>().expect("a bound"), false),
        };
        let ((min, above), (max, below)) = (bound(min), bound(max));
        let inside = |score: f64| if above { score > min } else { score >= min } && if below { score < max } else { score <= max };
        self.sorted()
            .into_iter()
            .filter(|(score, _)| inside(*score))
            .collect()
    }

    fn limited(members: Vec<(f64, String)>, args: &[String]) -> Vec<(f64, String)> {
        let number = |at: usize, or: i64| {
            args.get(at)
                .map_or(or, |text| text.parse().expect("a number"))
        };
        let count = usize::try_from(number(3, -1)).unwrap_or(usize::MAX);
        members
            .into_iter()
            .skip(number(2, 0) as usize)
            .take(count)
            .collect()
    }

    fn lines(members: &[(f64, String)], scored: bool) -> String {
        let line = |(score, member): &(f64, String)| {
            if scored {
                format!("{score} {member}\r\n")
            } else {
                format!("{member}\r\n")
            }
        };
        members.iter().map(line).collect()
    }

    fn take(&mut self, members: &[(f64, String)]) {
        let gone: BTreeSet<&String> = members.iter().map(|(_, member)| member).collect();
        self.0.retain(|member, _| !gone.contains(member));
    }

    fn answer(&mut self, function: &str, args: &[String]) -> String {
        if self.0.is_empty() && !["add", "incrby"].contains(&function) {
            return "ERROR_CACHE_MISS".to_owned();
        }
        let sorted = self.sorted();
        let rank = |member: &String| sorted.iter().position(|(_, known)| known == member);
        let or_missing = |answer: Option<String>| answer.unwrap_or_else(|| "NOT_FOUND".to_owned());
        let scored = args.last().is_some_and(|word| word == "withscores");
        match function {
            "add" => u8::from(
                self.0
                    .insert(args[1].clone(), args[0].parse().expect("a score"))
                    .is_none(),
            )
            .to_string(),
            "incrby" => {
                let score = self.0.entry(args[1].clone()).or_default();
                *score += args[0].parse::<f64>().expect("a score");
                score.to_string()
            }
            "rem" => u8::from(self.0.remove(&args[0]).is_some()).to_string(),
            "score" => or_missing(self.0.get(&args[0]).map(f64::to_string)),
            "rank" => or_missing(rank(&args[0]).map(|rank| rank.to_string())),
            "revrank" => {
                or_missing(rank(&args[0]).map(|rank| (sorted.len() - 1 - rank).to_string()))
            }
            "range" => Self::lines(&sorted[self.ranks(args)], scored),
            "revrange" => {
                let down: Vec<_> = sorted.into_iter().rev().collect();
                Self::lines(&down[self.ranks(args)], scored)
            }
            "rangebyscore" => Self::lines(
                &Self::limited(self.between(&args[0], &args[1]), args),
                scored,
            ),
            "revrangebyscore" => {
                let down = self.between(&args[1], &args[0]).into_iter().rev().collect();
                Self::lines(&Self::limited(down, args), scored)
            }
            "count" => self.between(&args[0], &args[1]).len().to_string(),
            "popmin" => {
                let count: usize = args[0].parse().expect("a count");
                let taken = &sorted[..count.min(sorted.len())];
                self.take(taken);
                Self::lines(taken, true)
            }
            "popmax" => {
                let taken = &sorted[sorted.len() - 1..];
                self.take(taken);
                Self::lines(taken, true)
            }
            "remrangebyrank" => {
                let taken = &sorted[self.ranks(args)];
                self.take(taken);
                taken.len().to_string()
            }
            other => panic!("no {other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_answers_as_a_sorted_list_does(
        seed: u64,
        many in prop::sample::select(vec![0, 120, 400]),
        operations in prop::collection::vec(operation(), 1..160),
    ) {
        let mut t = Harness::new::<Zset>();
        t.set_seed(seed);
        let mut twin = Twin::default();
        for n in 0..many {
            let add = vec![((n % 30 - 15) as f64 / 2.0).to_string(), format!("m{n}")];
            twin.answer("add", &add);
            t.call("add", &[vec!["z".to_owned()], add].concat()).expect("added");
        }
        for (function, args) in operations {
            let expected = twin.answer(function, &args);
            let args: Vec<String> = [vec!["z".to_owned()], args].concat();
            prop_assert_eq!(t.call(function, &args), Ok(&*expected), "{} {:?}", function, args);
        }
        match t.object("z") {
            Some(stored) => drop(audit(stored)),
            None => prop_assert!(twin.0.is_empty()),
        }
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        many in prop::sample::select(vec![40, 300]),
        whole in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        field in any::<prop::sample::Index>(),
        name in prop::option::of("[m0-6][a-z]{0,9}"),
        bytes in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
        operations in prop::collection::vec(operation(), 1..6),
    ) {
        let mut t = Harness::new::<Zset>();
        large(&mut t, many);
        let stored = t.object_mut("z").expect("the zset");
        let known = field.get(&stored.fields.keys().cloned().collect::<Vec<_>>()).clone();
        let name = name.map_or(known, String::into_bytes);
        match bytes {
            Some(bytes) => drop(stored.fields.insert(name, bytes)),
            None => drop(stored.fields.remove(&name)),
        }
        if whole.is_some() {
            stored.value = whole;
        }
        for (function, args) in operations {
            let args: Vec<String> = [vec!["z".to_owned()], args].concat();
            let answer = t.call_bytes(function, &args);
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
