//! The order across threads that work in turns.

use std::sync::mpsc;
use std::thread;

use super::order::name_of;
use super::*;

/// A name in each of the first shards.
fn names(store: &Store, count: usize) -> Vec<[u8; 8]> {
    let name_in = |shard| {
        let mut names = (0..).map(|number| name_of(0, number));
        names.find(|name| store.shard_of(store.hash(name)) == shard)
    };
    (0..count).filter_map(name_in).collect()
}

fn there(store: &Store, name: &[u8]) -> bool {
    let options = GetOptions {
        no_bump: true,
        ..GetOptions::default()
    };
    store.look(name, NOW, &options).is_some()
}

/// Puts a name, in a turn of so many accesses or in none.
fn put_in_turn(store: &Store, name: &[u8], accesses: u64) {
    if accesses > 0 {
        store.begin_turn();
    }
    for _ in 0..accesses.max(1) {
        store.put(name, b"value");
    }
    store.end_turn();
}

#[test]
fn what_a_thread_touches_when_it_was_told_of_a_touch_leaves_later() {
    const ROUNDS: u64 = 30_000;
    let store = &Store::new(&config(4 << 20, 16));
    let names = &names(store, 2);
    names.iter().for_each(|name| {
        store.put(name, b"value");
    });
    // Each touches its name when the other has told that it did.
    let run = |own: usize, hear: mpsc::Receiver<()>, tell: mpsc::Sender<()>| {
        let mut random = super::model::Random(own as u64);
        for round in 0..ROUNDS {
            if hear.recv().is_err() {
                return;
            }
            put_in_turn(store, &names[own], random.below(40));
            if round > 0 || own > 0 {
                let next = store.tails.oldest(store.clock_now());
                let next = next.map(|(_, number)| store.list_at(number).0);
                assert_eq!(next, Some(1 - own), "the younger is next in round {round}");
            }
            if random.below(8) == 0 {
                store.evict(1);
                assert!(there(store, &names[own]) && !there(store, &names[1 - own]));
            }
            let _ended = tell.send(());
        }
    };
    let (to_first, first) = mpsc::channel();
    let (to_second, second) = mpsc::channel();
    to_first.send(()).expect("the receiver is here");
    thread::scope(|scope| {
        scope.spawn(move || run(0, first, to_second));
        run(1, second, to_first);
    });
    store.audit();
}

/// Has another thread work while a turn of this one is open.
fn meanwhile(work: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(work).join().expect("it ends"));
}

#[test]
fn what_comes_in_an_old_turn_is_younger_than_what_left() {
    let store = Store::new(&config(4 << 20, 16));
    let names = names(&store, 3);
    store.begin_turn();
    meanwhile(|| {
        // Nobody ends this turn.
        store.begin_turn();
        for _ in 0..100 {
            store.put(&names[0], b"first");
        }
        store.put(&names[1], b"second");
        store.evict(1);
        assert!(!there(&store, &names[0]));
        store.evict(1);
        assert!(!there(&store, &names[1]));
        store.put(&names[1], b"third");
    });
    let tick = |name: &[u8; 8]| {
        let key = store.key(name);
        let mut locked = store.lock(key.hash);
        locked.find(key, NOW).expect("it was put").item.tick()
    };
    store.put(&names[2], b"fourth");
    assert!(tick(&names[2]) > 101, "the second left at 101");
    store.end_turn();
    store.audit();
}

#[test]
fn a_thread_that_saw_a_value_comes_after_who_wrote_it() {
    let store = Store::new(&config(4 << 20, 16));
    let names = names(&store, 2);
    store.begin_turn();
    meanwhile(|| {
        store.begin_turn();
        for _ in 0..100 {
            store.put(&names[0], b"value");
        }
        store.put(&names[1], b"value");
    });
    // In a turn that began before, and without any answer sent.
    assert!(there(&store, &names[0]));
    store.read(&names[0]);
    store.read(&names[1]);
    store.end_turn();
    store.evict(1);
    assert!(!there(&store, &names[0]) && there(&store, &names[1]));
}

#[test]
fn a_flush_ends_what_turns_under_way_have_put_and_not_what_they_put_then() {
    let store = Store::new(&config(4 << 20, 16));
    let names = names(&store, 4);
    store.begin_turn();
    store.put(&names[0], b"before");
    meanwhile(|| {
        store.begin_turn();
        for _ in 0..100 {
            store.put(&names[1], b"before");
        }
        store.flush_all(NOW, NOW);
        store.put(&names[2], b"after");
    });
    store.put(&names[3], b"after");
    let there: Vec<_> = names.iter().map(|name| there(&store, name)).collect();
    assert_eq!(there, [false, false, true, true]);
    store.end_turn();
    store.audit();
}

#[test]
fn a_turn_of_one_store_says_nothing_to_another() {
    let (first, second) = (
        Store::new(&config(1 << 20, 4)),
        Store::new(&config(1 << 20, 4)),
    );
    first.begin_turn();
    second.put(b"key", b"value");
    assert!(
        second.clock_now() > 1,
        "a put outside of turns is published"
    );
    first.end_turn();
    assert_eq!(first.clock_now(), 1, "nothing was accessed");
}
