//! Several threads at once: nothing torn, nothing lost, memory accounted for at the end.

use std::collections::BTreeMap;

use super::model::Random;
use super::*;

/// A value that shows whose it is and whether it is whole.
fn value(key: u64, version: u64, len: usize) -> Vec<u8> {
    let seed = (key as u8).wrapping_mul(31).wrapping_add(version as u8);
    (0..len).map(|i| seed.wrapping_add(i as u8)).collect()
}

/// A value as it was written by somebody, whole.
fn is_whole(got: &[u8]) -> bool {
    let shift = got.first().copied().unwrap_or(0);
    got.iter()
        .enumerate()
        .all(|(i, byte)| byte.wrapping_sub(i as u8) == shift)
}

/// Changes some fields of one of so many objects, which are mostly large; somebody else's change in between is as good.
pub(super) fn change_object(store: &Store, random: &mut Random, objects: u64) {
    let name = format!("o${}", random.below(objects)).into_bytes();
    let mut state = Vec::new();
    let opened = store.object_open(store.key(&name), NOW, &mut state);
    let info = opened.expect("only objects have these names");
    let fields: BTreeMap<_, _> = (0..random.below(60))
        .map(|_| {
            let field = random.below(400).to_be_bytes().to_vec();
            let len = if random.below(50) == 0 { 2000 } else { 20 };
            let value = value(0, 0, random.below(len) as usize);
            (field, (random.below(4) > 0).then_some(value))
        })
        .collect();
    let change = Change::Fields {
        fields: &fields,
        clear: random.below(30) == 0,
        fresh: false,
        value: None,
    };
    let commit = Commit {
        key: store.key(&name),
        expected: info.map(|info| info.version),
        place: info.map(|info| info.place),
        blind: false,
        change,
        expiry: NEVER,
    };
    let done = store.commit(NOW, std::slice::from_ref(&commit));
    assert_ne!(done, Err(CommitError::TooLarge));
    if let Some(info) = info.filter(|info| !info.loaded) {
        let _gone = store.object_scan(
            commit.key,
            info.version,
            &[],
            false,
            false,
            &mut |_, value| {
                assert!(is_whole(value), "torn field");
                true
            },
        );
    }
}

fn step(store: &Store, random: &mut Random, i: u64, limits: (u64, u64)) {
    let key = random.below(8000);
    let name = key.to_le_bytes();
    let key_of = store.key(&name);
    match random.below(12) {
        0..4 => {
            let size = 1 << random.below(14);
            let len = 1 + random.below(size) as usize;
            let value = value(key, i, len);
            let expiry = match random.below(4) {
                0 => until(1 + random.below(50) as u32),
                _ => NEVER,
            };
            let write = Write {
                expiry,
                ..write(&value)
            };
            let written = store.set(key_of, NOW, &write);
            assert!(matches!(written, SetOutcome::Stored { .. }), "{written:?}");
        }
        4 => drop(store.touch(key_of, NOW, until(1 + random.below(100) as u32))),
        5 => drop(store.delete(key_of, NOW, &DeleteOptions::default())),
        6 if i.is_multiple_of(50) => {
            store.set_memory_limit(random.below(limits.1 - limits.0) as usize + limits.0 as usize);
        }
        6 if i % 50 < 20 => drop(store.maintain(at(random.below(50) as u32), 100)),
        6 if i % 50 == 20 => store.evict(random.below(20_000) as usize),
        6 if i % 50 == 21 => {
            let mut cursor = Some(crate::Cursor::default());
            while let Some(from) = cursor {
                cursor = store.scan(NOW, from, &mut |_, info, value| {
                    assert_eq!(info.len as usize, value.len());
                });
            }
        }
        6 if i % 200 == 22 => store.flush_all(NOW, NOW),
        7 => change_object(store, random, 6),
        8 => store.prefetch(&[key_of.hash, random.next(), random.next()]),
        _ => {
            if let Some(got) = store.read(&name) {
                assert!(is_whole(&got), "torn");
            }
        }
    }
}

/// Several threads do everything at once.
fn lives(threads: u64, steps: u64, shards: usize, limits: (u64, u64), eviction: Eviction) {
    let store = Store::new(&Config {
        eviction,
        ..config(limits.0 as usize, shards)
    });
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                for i in 0..steps {
                    step(store, &mut random, i, limits);
                }
            });
        }
    });
    // Below the limit again, however it went down last.
    store.set_memory_limit(limits.1 as usize);
    while store.maintain(NOW, 1000) > 0 {}
    store.audit();
    store.set_memory_limit(limits.0 as usize);
    while store.maintain(NOW, 1000) > 0 {}
    store.audit();
}

#[test]
fn threads_never_see_torn_or_foreign_values() {
    lives(4, 60_000, 16, (1 << 20, 3 << 20), Eviction::Lru);
}

#[test]
fn threads_share_one_shard_of_little_memory() {
    lives(3, 15_000, 1, (600 << 10, 900 << 10), Eviction::Lru);
}

#[test]
fn threads_evict_by_size_and_idle_time() {
    lives(2, 15_000, 4, (1 << 20, 2 << 20), Eviction::SizeIdle);
}

#[test]
fn counters_lose_no_increment() {
    let store = Store::new(&config(1 << 20, 8));
    store.put(b"n", b"0");
    let arith = Arith {
        delta: 1,
        decrement: false,
        vivify: None,
        touch: None,
        cas_compare: None,
        cas_override: None,
        want_cas: false,
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    assert!(matches!(
                        store.arith(store.key(b"n"), NOW, &arith),
                        ArithOutcome::Done { .. }
                    ));
                }
            });
        }
    });
    assert_eq!(store.read(b"n").as_deref(), Some(&b"80000"[..]));
    store.audit();
}
