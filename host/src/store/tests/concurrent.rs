//! Several threads at once: nothing torn, nothing lost, memory accounted for at the end.

use super::model::Random;
use super::*;

/// A value that shows whose it is and whether it is whole.
fn value(key: u64, version: u64, len: usize) -> Vec<u8> {
    let seed = (key as u8).wrapping_mul(31).wrapping_add(version as u8);
    (0..len).map(|i| seed.wrapping_add(i as u8)).collect()
}

#[test]
fn threads_never_see_torn_or_foreign_values() {
    let store = Store::new(&config(2 << 20, 16));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                for i in 0..60_000u64 {
                    let key = random.below(8000);
                    let name = key.to_le_bytes();
                    match random.below(10) {
                        0..4 => {
                            let size = 1 << random.below(14);
                            let len = 1 + random.below(size) as usize;
                            let written = store.put(&name, &value(key, i, len));
                            assert!(matches!(written, SetOutcome::Stored { .. }), "{written:?}");
                        }
                        4 => {
                            store.touch(store.key(&name), NOW, until(1 + random.below(100) as u32));
                        }
                        5 => {
                            store.delete(store.key(&name), NOW, &DeleteOptions::default());
                        }
                        6 if i % 100 == 0 => {
                            store.set_memory_limit((1 << 20) + random.below(2 << 20) as usize);
                            store.maintain(at(random.below(50) as u32), 100);
                        }
                        _ => {
                            if let Some(got) = store.read(&name) {
                                let whole = value(0, 0, got.len());
                                let shift = got[0].wrapping_sub(whole[0]);
                                assert!(
                                    got.iter()
                                        .zip(&whole)
                                        .all(|(a, b)| a.wrapping_sub(*b) == shift),
                                    "torn"
                                );
                            }
                        }
                    }
                }
            });
        }
    });
    store.set_memory_limit(3 << 20);
    store.audit();
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
