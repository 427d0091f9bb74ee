//! Wherever a log of many threads is cut, it is what had happened at some moment.

use cacheismo_journal::log::Fsync;
use cacheismo_store::{Change, Commit, Expiry, GetOptions, SetMode, Store, Write};

use crate::twin::{Inside, Twin};
use crate::{Logged, NOW, replay};

const NUMBERS: u32 = 3_000;

pub(crate) fn put(store: &Store, key: &[u8], value: &[u8]) {
    let write = Write {
        flags: 0,
        expiry: Expiry(None),
        value,
        mode: SetMode::Set,
        cas_compare: None,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    };
    store.set(store.key(key), NOW, &write);
}

pub(crate) fn read(store: &Store, key: &[u8]) -> Vec<u8> {
    let value = store.get(store.key(key), NOW, &GetOptions::default(), |_, value| {
        let mut out = Vec::new();
        value.append_to(&mut out);
        out
    });
    value.unwrap_or_default()
}

/// The value that a replay has under the key.
fn told<'a>(twin: &'a Twin, key: &[u8]) -> &'a [u8] {
    match twin.all().get(key) {
        Some((_, Inside::Plain(value))) => value,
        _ => &[],
    }
}

/// A thread writes what it has read of the thread before it, without an end.
fn follow(store: &Store, from: &[u8], to: &[u8]) {
    let mut value = Vec::new();
    while value != NUMBERS.to_be_bytes() {
        store.begin_turn();
        value = read(store, from);
        put(store, to, &value);
        store.end_turn();
    }
}

/// Two keys always have the same value.
fn commit_pairs(store: &Store) {
    for number in 0..NUMBERS {
        let value = number.to_be_bytes();
        let commit = |key| Commit {
            key: store.key(key),
            expected: None,
            place: None,
            blind: true,
            change: Change::Plain {
                flags: 0,
                value: &value,
            },
            expiry: Expiry(None),
        };
        let commits = [commit(b"left"), commit(b"right")];
        store.commit(NOW, &commits).expect("it is blind and small");
        // The others are in the same shards, in turns of their own.
        read(store, b"second");
    }
}

#[test]
fn no_cut_shows_an_effect_without_its_cause_or_half_a_commit() {
    for fsync in [Fsync::EverySecond, Fsync::Always] {
        let logged = Logged::new(fsync);
        let store = &*logged.store;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..=NUMBERS {
                    put(store, b"first", &number.to_be_bytes());
                }
            });
            scope.spawn(|| follow(store, b"first", b"second"));
            scope.spawn(|| follow(store, b"second", b"third"));
            scope.spawn(|| commit_pairs(store));
        });
        let mut records = 0;
        replay(&logged.bytes(), &mut Twin::default(), |_, twin| {
            assert!(told(twin, b"first") >= told(twin, b"second"));
            assert!(told(twin, b"second") >= told(twin, b"third"));
            assert_eq!(told(twin, b"left"), told(twin, b"right"));
            records += 1;
        });
        assert!(records > 2 * NUMBERS, "{records}");
    }
}
