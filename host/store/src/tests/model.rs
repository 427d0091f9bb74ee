//! A long random life against a hash map and an ordered list.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

/// Deterministic numbers: splitmix.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The naive twin: it knows the order, and is told how many left.
#[derive(Default)]
struct Twin {
    items: HashMap<u64, (u64, Vec<u8>)>,
    order: BTreeMap<u64, u64>,
    tick: u64,
    payload: u64,
}

impl Twin {
    fn remove(&mut self, key: u64) -> Option<Vec<u8>> {
        let (tick, value) = self.items.remove(&key)?;
        self.order.remove(&tick);
        self.payload -= 8 + value.len() as u64;
        Some(value)
    }

    fn put(&mut self, key: u64, value: Vec<u8>) {
        self.remove(key);
        self.tick += 1;
        self.payload += 8 + value.len() as u64;
        self.order.insert(self.tick, key);
        self.items.insert(key, (self.tick, value));
    }

    fn bump(&mut self, key: u64) {
        if let Some(value) = self.remove(key) {
            self.put(key, value);
        }
    }

    fn evict(&mut self, count: u64) {
        for _ in 0..count {
            let key = *self.order.first_entry().expect("somebody to evict").get();
            self.remove(key);
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
pub(super) fn live(store: &Store, operations: u64, keys: u64, size_max: u64, seed: u64) {
    let mut twin = Twin::default();
    let mut random = Random(seed);
    let mut evictions = 0;
    for operation in 0..operations {
        // Popularity is skewed, and some keys come once.
        let key = random.below(keys) * random.below(keys) / keys;
        let name = key.to_le_bytes();
        // Most are small, few are large.
        let size = 1 << random.below(u64::from(size_max.ilog2()) + 1);
        let value = vec![random.next() as u8; random.below(size) as usize];
        let choice = random.below(20);
        let (mut got, mut outcome, mut done) = (None, SetOutcome::NotFound, DeleteOutcome::Done);
        match choice {
            0..9 => got = store.read(&name),
            9..16 => outcome = store.put(&name, &value),
            16 => done = store.delete(store.key(&name), NOW, &DeleteOptions::default()),
            17 => {
                let options = GetOptions {
                    want_cas: true,
                    no_bump: true,
                    ..GetOptions::default()
                };
                got = store.look(&name, NOW, &options).map(|(_, value)| value);
            }
            18 => done = store.touch(store.key(&name), NOW, until(1 + random.below(2) as u32)),
            _ => {
                let mode = if key.is_multiple_of(2) {
                    SetMode::Append
                } else {
                    SetMode::Prepend
                };
                outcome = store.set(
                    store.key(&name),
                    NOW,
                    &Write {
                        mode,
                        ..write(&value)
                    },
                );
            }
        }
        let evicted = store.stats().evictions - evictions;
        evictions += evicted;
        match choice {
            0..9 => twin.bump(key),
            // What leaves to make room leaves before the new value counts, and after the old one.
            9..16 => drop(twin.remove(key)),
            16 => assert_eq!(done == DeleteOutcome::Done, twin.remove(key).is_some()),
            17 => {}
            _ => twin.bump(key),
        }
        // A token makes an item longer: the oldest may leave for that, before it was got or after it.
        let before = (choice == 17).then(|| twin.items.get(&key).cloned());
        twin.evict(evicted);
        let old = twin.items.get(&key).map(|(_, value)| value);
        match choice {
            17 if got.is_some() => assert_eq!(got, before.flatten().map(|(_, value)| value)),
            0..9 | 17 => assert_eq!(got.as_ref(), old, "{operation}"),
            9..16 => {
                let len = value.len() as u32;
                assert_eq!(outcome, SetOutcome::Stored { cas: 0, len });
                twin.put(key, value);
            }
            16 => {}
            18 => assert_eq!(done == DeleteOutcome::Done, old.is_some()),
            _ => match old.cloned() {
                None => assert_eq!(outcome, SetOutcome::NotStored),
                Some(mut old) => {
                    assert!(matches!(outcome, SetOutcome::Stored { .. }), "{outcome:?}");
                    let at = if key.is_multiple_of(2) { old.len() } else { 0 };
                    old.splice(at..at, value);
                    twin.put(key, old);
                }
            },
        }
        let stats = store.stats();
        assert_eq!(
            (stats.curr_items, stats.payload_bytes),
            (twin.items.len() as u64, twin.payload),
            "{operation}"
        );
        if operation % (operations / 20).max(1) == 0 {
            store.audit();
        }
    }
    store.audit();
    for (key, (_, value)) in &twin.items {
        let options = GetOptions {
            no_bump: true,
            ..GetOptions::default()
        };
        assert_eq!(
            store
                .look(&key.to_le_bytes(), NOW, &options)
                .map(|(_, v)| v)
                .as_ref(),
            Some(value)
        );
    }
}

#[test]
fn a_million_operations_of_mixed_sizes_agree_with_the_twin() {
    // 2^32 - 300 000: ticks wrap on the way.
    let store = Store::starting_at(&config(2 << 20, 8), (1 << 32) - 300_000);
    live(&store, 1_000_000, 50_000, 16 << 10, 1);
    assert!(store.stats().evictions > 100_000, "{:?}", store.stats());
}

#[test]
fn large_values_among_small_ones_agree_with_the_twin() {
    let store = Store::new(&config(3 << 20, 4));
    live(&store, 100_000, 20_000, 1 << 19, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn short_lives_agree_with_the_twin(
        seed in any::<u64>(),
        keys in 10u64..5000,
        size_log in 3u32..15,
        shards_log in 0u32..5,
        memory in (256usize << 10)..(1 << 20),
    ) {
        let store = Store::new(&config(memory, 1 << shards_log));
        live(&store, 5000, keys, 1 << size_log, seed);
    }
}
