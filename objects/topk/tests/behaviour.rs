//! What the topk promises: counts within their errors, every frequent element, a fixed size, no trap at damaged state.

use std::collections::{BTreeMap, HashMap};

use cacheismo_object_topk::Topk;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

#[test]
fn the_most_frequent_elements_are_listed() {
    let mut t = Harness::new::<Topk>();
    t.assert_session(&[
        ("topk:add:t:a", "ERROR_CACHE_MISS"),
        ("topk:top:t", "ERROR_CACHE_MISS"),
        ("topk:count:t:a", "ERROR_CACHE_MISS"),
        ("topk:least:t:a", "ERROR_CACHE_MISS"),
        ("topk:total:t", "ERROR_CACHE_MISS"),
        ("topk:new:t:2", "CREATED"),
        ("topk:top:t", ""),
        ("topk:add:t:a", "1"),
        ("topk:add:t:b:5", "5"),
        ("topk:add:t:a", "2"),
        ("topk:add:t:c", "3"),
        ("topk:top:t", "5 b\r\n3 c\r\n"),
        ("topk:top:t:1", "5 b\r\n"),
        ("topk:count:t:a", "NOT_FOUND"),
        ("topk:count:t:c", "3"),
        ("topk:least:t:c", "1"),
        ("topk:least:t:b", "5"),
        ("topk:least:t:a", "NOT_FOUND"),
        ("topk:total:t", "8"),
        ("topk:new:t:1", "CREATED"),
        ("topk:total:t", "0"),
    ]);
    let refused = Err(Failure::Refused("slots is not 1 to 1000000".to_owned()));
    assert_eq!(t.get("topk:new:t:0"), refused);
    assert_eq!(t.get("topk:new:t:1000001"), refused);
}

#[test]
fn a_call_takes_few_host_calls_and_changes_nothing_when_it_fails() {
    let mut t = Harness::new::<Topk>();
    t.assert_all_or_nothing("new", &["t", "1000"]);
    for n in 0..5000 {
        t.call("add", &["t", &(n * n % 3001).to_string()])
            .expect("added");
        assert!(t.host_calls() <= 6, "{}", t.host_calls());
    }
    assert_eq!(t.object("t").expect("the topk").fields.len(), 2000);
    for element in ["1", "never", "again"] {
        t.assert_all_or_nothing("add", &["t", element, "3"]);
    }
    assert_eq!(t.call("total", &["t"]), Ok("5009"));
}

proptest! {
    /// Two twins: the algorithm on a searched list answers the same, and exact counts are within the errors.
    #[test]
    fn counts_are_within_their_errors(
        slots in 1usize..12,
        stream in prop::collection::vec((prop::collection::vec(0u8..6, 1..3), 0u64..4), 1..300),
    ) {
        let mut t = Harness::new::<Topk>();
        t.call("new", &["t", &slots.to_string()]).expect("made");
        let mut exact: HashMap<String, u64> = HashMap::new();
        let mut table: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut total = 0;
        for (letters, times) in stream {
            let element: String = letters.iter().map(|letter| char::from(b'a' + letter)).collect();
            if !table.contains_key(&element) {
                let mut begins = 0;
                if table.len() == slots {
                    let lowest = table.iter().min_by_key(|(element, (count, _))| (*count, (*element).clone()));
                    let lowest = lowest.map(|(element, _)| element.clone()).expect("a slot");
                    begins = table.remove(&lowest).expect("it is there").0;
                }
                table.insert(element.clone(), (begins, begins));
            }
            let count = table.get_mut(&element).expect("it is there");
            count.0 += times;
            *exact.entry(element.clone()).or_default() += times;
            total += times;
            prop_assert_eq!(t.call("add", &["t", &element, &times.to_string()]), Ok(&*count.0.to_string()));
        }
        for (element, seen) in &exact {
            let answer = t.call("count", &["t", element]).expect("an answer").to_owned();
            if answer == "NOT_FOUND" {
                prop_assert!(seen * slots as u64 <= total, "{} was seen {} times of {}", element, seen, total);
                continue;
            }
            let count: u64 = answer.parse().expect("a count");
            let least: u64 = t.call("least", &["t", element]).expect("an answer").parse().expect("a count");
            prop_assert!(least <= *seen && *seen <= count);
            prop_assert!((count - least) * slots as u64 <= total);
        }
        let mut top: Vec<_> = table.iter().map(|(element, (count, _))| (*count, element.clone())).collect();
        top.sort();
        let lines: String = top.iter().rev().take(5).map(|(count, element)| format!("{count} {element}\r\n")).collect();
        prop_assert_eq!(t.call("top", &["t", "5"]), Ok(&*lines));
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        value in prop::option::of(prop::collection::vec(any::<u8>(), 12..20)),
        field in any::<prop::sample::Index>(),
        name in prop::option::of("[ec][a-z]{0,10}"),
        bytes in prop::option::of(prop::collection::vec(any::<u8>(), 0..18)),
    ) {
        let mut t = Harness::new::<Topk>();
        t.assert_session(&[("topk:new:t:3", "CREATED"), ("topk:add:t:a", "1"), ("topk:add:t:b:4", "4"), ("topk:add:t:c", "1")]);
        let stored = t.object_mut("t").expect("the topk");
        let known = field.get(&stored.fields.keys().cloned().collect::<Vec<_>>()).clone();
        let name = name.map_or(known, String::into_bytes);
        match bytes {
            Some(bytes) => drop(stored.fields.insert(name, bytes)),
            None => drop(stored.fields.remove(&name)),
        }
        if value.is_some() {
            stored.value = value;
        }
        for key in ["top:t", "count:t:a", "least:t:a", "total:t", "add:t:a", "add:t:d", "add:t:e", "add:t:f", "add:t:g", "top:t"] {
            let parts: Vec<&str> = key.split(':').collect();
            let answer = t.call_bytes(parts[0], &parts[1..]);
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
