//! What the queue promises: nothing is lost before it is acknowledged, nobody acknowledges for another, no trap at damaged
//! state.

use std::time::Duration;

use cacheismo_object_queue::Queue;
use cacheismo_sdk::testing::{Failure, Harness};
use proptest::prelude::*;

/// The harness begins at this millisecond.
const START_MS: u64 = 1_704_067_200_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_message_is_delivered_until_it_is_acknowledged() {
    let mut t = Harness::new::<Queue>();
    t.assert_session(&[
        ("queue:push:q:wash", "1"),
        ("queue:push:q:dry", "2"),
        ("queue:len:q", "2"),
        ("queue:pop:q", "1-1-1704067230000 wash"),
        ("queue:pop:q:1000", "2-1-1704067201000 dry"),
        ("queue:pop:q", "NOT_FOUND"),
        ("queue:ack:q:1-1-1704067230000", "SUCCESS"),
        ("queue:ack:q:1-1-1704067230000", "NOT_FOUND"),
        ("queue:len:q", "1"),
    ]);
    t.advance(ms(1000));
    t.assert_session(&[
        ("queue:pop:q", "2-2-1704067231000 dry"),
        ("queue:ack:q:2-1-1704067201000", "NOT_FOUND"),
        ("queue:ack:q:2-2-1704067231000", "SUCCESS"),
        ("queue:len:q", "0"),
        ("queue:push:q:fold", "3"),
    ]);
}

#[test]
fn a_delivery_is_given_back_or_gets_more_time() {
    let mut t = Harness::new::<Queue>();
    t.assert_session(&[
        ("queue:push:q:wash", "1"),
        ("queue:pop:q", "1-1-1704067230000 wash"),
        ("queue:nack:q:1-1-1704067230000", "SUCCESS"),
        ("queue:ack:q:1-1-1704067230000", "NOT_FOUND"),
        ("queue:pop:q", "1-2-1704067230000 wash"),
        ("queue:nack:q:1-2-1704067230000:500", "SUCCESS"),
        ("queue:pop:q", "NOT_FOUND"),
    ]);
    t.advance(ms(500));
    t.assert_session(&[
        ("queue:pop:q:10", "1-3-1704067200510 wash"),
        ("queue:extend:q:1-3-1704067200510:100", "1-3-1704067200600"),
        ("queue:extend:q:1-3-1704067200510:100", "NOT_FOUND"),
    ]);
    t.advance(ms(99));
    t.assert_session(&[("queue:pop:q", "NOT_FOUND")]);
    t.advance(ms(1));
    t.assert_session(&[
        // Late, but nobody else has got it: acknowledged all the same.
        ("queue:ack:q:1-3-1704067200600", "SUCCESS"),
        ("queue:pop:q", "NOT_FOUND"),
    ]);
}

#[test]
fn a_message_that_was_delivered_too_often_is_dead_until_it_is_revived_or_forgotten() {
    let mut t = Harness::new::<Queue>();
    t.assert_session(&[
        ("queue:new:q:100:2", "CREATED"),
        ("queue:push:q:bad", "1"),
        ("queue:push:q:worse", "2"),
    ]);
    for _ in 0..2 {
        for _ in 0..2 {
            t.get("queue:pop:q").expect("a message");
        }
        t.advance(ms(100));
    }
    t.assert_session(&[
        ("queue:push:q:good", "3"),
        ("queue:pop:q", "3-1-1704067200300 good"),
        ("queue:len:q", "1"),
        ("queue:dead:q", "2"),
        ("queue:listdead:q", "1 bad\r\n2 worse\r\n"),
        ("queue:listdead:q:1", "1 bad\r\n"),
        ("queue:revive:q:1", "1"),
        ("queue:pop:q", "1-1-1704067200300 bad"),
        ("queue:forget:q", "1"),
        ("queue:dead:q", "0"),
        ("queue:listdead:q", ""),
        ("queue:len:q", "2"),
    ]);
}

#[test]
fn a_message_can_wait_before_it_is_delivered() {
    let mut t = Harness::new::<Queue>();
    t.assert_session(&[
        ("queue:pushlater:q:1000:tea", "1"),
        ("queue:push:q:cup", "2"),
        ("queue:pop:q", "2-1-1704067230000 cup"),
        ("queue:pop:q", "NOT_FOUND"),
    ]);
    t.advance(ms(1000));
    t.assert_session(&[("queue:pop:q", "1-1-1704067231000 tea")]);
}

#[test]
fn what_is_no_queue_no_receipt_or_no_time_says_so() {
    let mut t = Harness::new::<Queue>();
    for key in [
        "pop:q",
        "len:q",
        "dead:q",
        "listdead:q",
        "revive:q",
        "forget:q",
        "ack:q:1-1-1",
        "nack:q:1-1-1",
        "extend:q:1-1-1:5",
    ] {
        t.assert_session(&[(&format!("queue:{key}"), "ERROR_CACHE_MISS")]);
    }
    assert!(t.state().is_empty(), "nothing came into being");
    for (key, text) in [
        ("new:q:0", "visibility_ms is not 1 to 2592000000"),
        (
            "pushlater:q:2592000001:m",
            "delay_ms is not 0 to 2592000000",
        ),
        ("ack:q:1", "receipt is not what pop answered"),
        ("ack:q:1-1-1-1", "receipt is not what pop answered"),
        ("ack:q:1-+1-1", "receipt is not what pop answered"),
    ] {
        let answer = t.get(&format!("queue:{key}"));
        assert_eq!(answer, Err(Failure::Refused(text.to_owned())), "{key}");
    }
    // A message that was not delivered yet cannot be acknowledged by guessing.
    t.assert_session(&[
        ("queue:push:q:m", "1"),
        ("queue:ack:q:1-0-1704067200000", "NOT_FOUND"),
    ]);
}

#[test]
fn a_large_queue_takes_few_host_calls() {
    let mut t = Harness::new::<Queue>();
    for i in 0..20_000 {
        t.call("push", &["q", &i.to_string()]).expect("pushed");
        assert!(t.host_calls() <= 3);
    }
    let answer = t.get("queue:pop:q").expect("a message").to_owned();
    assert!(t.host_calls() <= 5, "{}", t.host_calls());
    let receipt = answer.split(' ').next().expect("a receipt");
    assert_eq!(t.call("ack", &["q", receipt]), Ok("SUCCESS"));
    assert!(t.host_calls() <= 3);
    assert_eq!(t.call("len", &["q"]), Ok("19999"));
}

#[test]
fn a_call_that_fails_anywhere_changes_nothing() {
    let mut t = Harness::new::<Queue>();
    t.assert_all_or_nothing("push", &["q", "m"]);
    t.assert_all_or_nothing("pushlater", &["q", "5", "n"]);
    t.assert_all_or_nothing("pop", &["q"]);
    t.assert_all_or_nothing("extend", &["q", "1-1-1704067230000", "20"]);
    t.assert_all_or_nothing("nack", &["q", "1-1-1704067200020"]);
    t.assert_all_or_nothing("new", &["q", "10", "1"]);
    t.assert_all_or_nothing("push", &["q", "m"]);
    t.assert_all_or_nothing("pop", &["q"]);
    t.advance(ms(10));
    t.assert_all_or_nothing("pop", &["q"]);
    t.assert_session(&[("queue:dead:q", "1")]);
    t.assert_all_or_nothing("revive", &["q"]);
    t.assert_all_or_nothing("pop", &["q"]);
    t.assert_all_or_nothing("ack", &["q", "1-1-1704067200020"]);
}

#[derive(Clone, Debug)]
enum Step {
    Push(Option<u64>),
    Pop(u64),
    Ack(prop::sample::Index),
    Nack(prop::sample::Index, u64),
    Extend(prop::sample::Index, u64),
    Revive(u64),
    Forget(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::option::of(1..50u64).prop_map(Step::Push),
        8 => (1..50u64).prop_map(Step::Pop),
        4 => any::<prop::sample::Index>().prop_map(Step::Ack),
        2 => (any::<prop::sample::Index>(), 0..50u64).prop_map(|(which, ms)| Step::Nack(which, ms)),
        2 => (any::<prop::sample::Index>(), 1..50u64).prop_map(|(which, ms)| Step::Extend(which, ms)),
        1 => (0..3u64).prop_map(Step::Revive),
        1 => (0..3u64).prop_map(Step::Forget),
        5 => (0..40u64).prop_map(Step::Wait),
    ]
}

/// The naive twin: a list of messages, searched as a whole for each question.
#[derive(Clone, Debug)]
struct Message {
    id: u64,
    visible_ms: u64,
    deliveries: u64,
    dead: bool,
}

impl Message {
    fn receipt(&self) -> String {
        format!("{}-{}-{}", self.id, self.deliveries, self.visible_ms)
    }
}

struct Twin {
    now_ms: u64,
    messages: Vec<Message>,
    deliveries_max: u64,
}

impl Twin {
    fn pop(&mut self, visibility_ms: u64) -> Option<String> {
        loop {
            let now_ms = self.now_ms;
            let ready = self
                .messages
                .iter_mut()
                .filter(|m| !m.dead && m.visible_ms <= now_ms);
            let first = ready.min_by_key(|m| (m.visible_ms, m.id))?;
            if first.deliveries >= self.deliveries_max {
                first.dead = true;
                continue;
            }
            first.deliveries += 1;
            first.visible_ms = now_ms + visibility_ms;
            return Some(first.receipt());
        }
    }

    fn delivered(&mut self, receipt: &str) -> Option<&mut Message> {
        self.messages
            .iter_mut()
            .find(|m| !m.dead && m.deliveries > 0 && m.receipt() == receipt)
    }

    fn dead(&self, count: u64) -> Vec<u64> {
        let dead = self.messages.iter().filter(|m| m.dead).map(|m| m.id);
        dead.take(count as usize).collect()
    }
}

proptest! {
    #[test]
    fn it_answers_as_a_searched_list_does(steps in prop::collection::vec(step(), 1..250)) {
        let mut t = Harness::new::<Queue>();
        t.assert_session(&[("queue:new:q:30:2", "CREATED")]);
        let mut twin = Twin { now_ms: START_MS, messages: Vec::new(), deliveries_max: 2 };
        let (mut receipts, mut pushed) = (vec!["9-9-9".to_owned()], 0);
        for step in steps {
            let (function, args, expected) = match step {
                Step::Wait(by_ms) => {
                    twin.now_ms += by_ms;
                    t.advance(ms(by_ms));
                    continue;
                }
                Step::Push(delay_ms) => {
                    pushed += 1;
                    let visible_ms = twin.now_ms + delay_ms.unwrap_or(0);
                    twin.messages.push(Message { id: pushed, visible_ms, deliveries: 0, dead: false });
                    let message = format!("message {pushed}");
                    match delay_ms {
                        Some(delay_ms) => ("pushlater", vec![delay_ms.to_string(), message], pushed.to_string()),
                        None => ("push", vec![message], pushed.to_string()),
                    }
                }
                Step::Pop(visibility_ms) => {
                    let expected = twin.pop(visibility_ms).map_or("NOT_FOUND".to_owned(), |receipt| {
                        let id = receipt.split('-').next().expect("a number").to_owned();
                        receipts.push(receipt.clone());
                        format!("{receipt} message {id}")
                    });
                    ("pop", vec![visibility_ms.to_string()], expected)
                }
                Step::Ack(which) => {
                    let receipt = which.get(&receipts).clone();
                    let expected = match twin.delivered(&receipt).map(|m| m.id) {
                        Some(id) => {
                            twin.messages.retain(|m| m.id != id);
                            "SUCCESS"
                        }
                        None => "NOT_FOUND",
                    };
                    ("ack", vec![receipt], expected.to_owned())
                }
                Step::Nack(which, delay_ms) => {
                    let (receipt, now_ms) = (which.get(&receipts).clone(), twin.now_ms);
                    let found = twin.delivered(&receipt).map(|m| m.visible_ms = now_ms + delay_ms);
                    let expected = if found.is_some() { "SUCCESS" } else { "NOT_FOUND" };
                    ("nack", vec![receipt, delay_ms.to_string()], expected.to_owned())
                }
                Step::Extend(which, by_ms) => {
                    let (receipt, now_ms) = (which.get(&receipts).clone(), twin.now_ms);
                    let extended = twin.delivered(&receipt).map(|m| {
                        m.visible_ms = now_ms + by_ms;
                        m.receipt()
                    });
                    receipts.extend(extended.clone());
                    ("extend", vec![receipt, by_ms.to_string()], extended.unwrap_or("NOT_FOUND".to_owned()))
                }
                Step::Revive(count) => {
                    let ids = twin.dead(count);
                    for m in twin.messages.iter_mut().filter(|m| ids.contains(&m.id)) {
                        *m = Message { visible_ms: twin.now_ms, deliveries: 0, dead: false, ..m.clone() };
                    }
                    ("revive", vec![count.to_string()], ids.len().to_string())
                }
                Step::Forget(count) => {
                    let ids = twin.dead(count);
                    twin.messages.retain(|m| !ids.contains(&m.id));
                    ("forget", vec![count.to_string()], ids.len().to_string())
                }
            };
            let args: Vec<String> = [vec!["q".to_owned()], args].concat();
            prop_assert_eq!(t.call(function, &args), Ok(&*expected), "{} {:?}", function, args);
            let alive = twin.messages.iter().filter(|m| !m.dead).count();
            prop_assert_eq!(t.call("len", &["q"]), Ok(&*alive.to_string()));
            let dead = twin.dead(u64::MAX).len();
            prop_assert_eq!(t.call("dead", &["q"]), Ok(&*dead.to_string()));
        }
        let fields = t.object("q").expect("the queue").fields.len();
        prop_assert_eq!(fields, 2 * twin.messages.len());
    }

    #[test]
    fn damaged_state_is_refused_and_never_a_trap(
        whole in prop::option::of(prop::collection::vec(any::<u8>(), 20..32)),
        field in any::<prop::sample::Index>(),
        name in prop::option::of(prop_oneof!["[mvd][a-z]{0,20}", Just("v\u{0}".to_owned()), Just("d\u{0}".to_owned())]),
        bytes in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
    ) {
        let mut t = Harness::new::<Queue>();
        t.assert_session(&[("queue:new:q:10:1", "CREATED")]);
        for i in 0..4 {
            t.call("push", &["q", &i.to_string()]).expect("pushed");
        }
        t.get("queue:pop:q").expect("popped");
        t.advance(ms(10));
        t.get("queue:pop:q").expect("popped");
        let stored = t.object_mut("q").expect("the queue");
        let known = field.get(&stored.fields.keys().cloned().collect::<Vec<_>>()).clone();
        let name = name.map_or(known, String::into_bytes);
        match bytes {
            Some(bytes) => drop(stored.fields.insert(name, bytes)),
            None => drop(stored.fields.remove(&name)),
        }
        if whole.is_some() {
            stored.value = whole;
        }
        let keys = ["len:q", "dead:q", "listdead:q", "pop:q", "ack:q:2-1-1704067200020", "pop:q", "revive:q:1", "forget:q", "push:q:m"];
        for key in keys {
            let parts: Vec<&str> = key.split(':').collect();
            let answer = t.call_bytes(parts[0], &parts[1..]);
            prop_assert!(!matches!(answer, Err(Failure::Trapped(_))), "{:?}", answer);
        }
    }
}
