//! Pinned values: their bytes stay, and their memory comes back.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Buf;
use proptest::prelude::*;

use super::model::Random;
use super::*;

/// A pinned value and what it was.
struct Hold {
    lead: Vec<u8>,
    pinned: Pinned,
    whole: Vec<u8>,
}

impl Hold {
    fn of(store: &Arc<Store>, key: &[u8], now: Now, options: &GetOptions) -> Option<Hold> {
        let found = store.get(store.key(key), now, options, |_, value| {
            let (mut lead, mut whole) = (Vec::new(), Vec::new());
            value.append_to(&mut whole);
            let pinned = store.pin(&value, &mut lead)?;
            let first = pinned.chunk().as_ptr().addr();
            assert!(first.is_multiple_of(8), "no word is shared with a field");
            Some(Hold {
                lead,
                pinned,
                whole,
            })
        });
        found.flatten()
    }

    fn plain(store: &Arc<Store>, key: &[u8]) -> Option<Hold> {
        Hold::of(store, key, NOW, &GetOptions::default())
    }

    /// Takes some bytes as a writer would, and compares them with what they were.
    fn take(&mut self, random: &mut Random) {
        let mut slices = [IoSlice::new(&[]); 7];
        let count = self.pinned.chunks_vectored(&mut slices);
        let at = self.whole.len() - self.pinned.remaining();
        let mut end = at;
        for slice in &slices[..count] {
            assert_eq!(slice[..], self.whole[end..end + slice.len()]);
            end += slice.len();
        }
        assert_eq!(count == 0, !self.pinned.has_remaining());
        if count > 0 {
            assert_eq!(*self.pinned.chunk(), *slices[0]);
            let taken = 1 + random.below((end - at) as u64) as usize;
            self.pinned.advance(taken);
        }
    }

    fn take_all(mut self) {
        assert_eq!(self.lead, self.whole[..self.lead.len()]);
        let mut rest = vec![0; self.pinned.remaining()];
        let at = self.whole.len() - rest.len();
        self.pinned.copy_to_slice(&mut rest);
        assert_eq!(rest, self.whole[at..]);
    }
}

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    let seed = random.next();
    (0..len)
        .map(|i| (seed >> (i % 57)) as u8 ^ i as u8)
        .collect()
}

/// Numbers now and then, so that arithmetic finds some.
fn value(random: &mut Random, len: usize) -> Vec<u8> {
    let mut value = bytes(random, len);
    if random.below(3) == 0 && len > 3 {
        value[..3].copy_from_slice(b"19 ");
    }
    value
}

const LIMIT: usize = 3 << 20;

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
fn step(store: &Arc<Store>, holds: &mut Vec<Hold>, random: &mut Random) {
    let name = format!(
        "{:0len$}",
        random.below(20),
        len = 1 + random.below(3) as usize * 7
    );
    let key = store.key(name.as_bytes());
    let now = at(random.below(3) as u32);
    let len = 1 << random.below(18);
    let len = random.below(3 * len) as usize;
    let expiry = match random.below(3) {
        0 => until(1 + random.below(4) as u32),
        _ => NEVER,
    };
    match random.below(16) {
        0..4 => {
            let value = value(random, len);
            let mode = match random.below(6) {
                0 => SetMode::Append,
                1 => SetMode::Prepend,
                _ => SetMode::Set,
            };
            let write = Write {
                mode,
                expiry,
                flags: random.below(2) as u32,
                want_cas: random.below(2) == 0,
                ..write(&value)
            };
            let _ = store.set(key, now, &write);
        }
        // A value of the same length, which is written over the old one when it may be.
        4 => {
            if let Some((info, old)) = store.look(name.as_bytes(), now, &GetOptions::default()) {
                let value = value(random, old.len());
                let write = Write {
                    flags: info.flags,
                    expiry: info.expiry,
                    want_cas: info.cas != 0,
                    ..write(&value)
                };
                let _ = store.set(key, now, &write);
            }
        }
        5..9 => {
            let options = GetOptions {
                want_cas: random.below(2) == 0,
                touch: (random.below(2) == 0).then_some(expiry),
                ..GetOptions::default()
            };
            holds.extend(Hold::of(store, name.as_bytes(), now, &options));
        }
        9 => {
            let _ = store.touch(key, now, expiry);
        }
        10 => {
            let arith = Arith {
                delta: random.next() >> random.below(64),
                decrement: random.below(2) == 0,
                vivify: None,
                touch: None,
                cas_compare: None,
                cas_override: None,
                want_cas: false,
            };
            let _ = store.arith(key, now, &arith);
        }
        11 => {
            let options = DeleteOptions {
                mark_stale: random.below(2) == 0,
                drop_value: random.below(4) == 0,
                ..DeleteOptions::default()
            };
            let _ = store.delete(key, now, &options);
        }
        12 if random.below(8) == 0 => store.flush_all(now, now),
        12 => store.evict(random.below(LIMIT as u64 / 4) as usize),
        13 => {
            let commit = Commit {
                key,
                expected: None,
                place: None,
                blind: true,
                change: Change::Plain {
                    flags: 0,
                    value: &value(random, len),
                },
                expiry,
            };
            let _ = store.commit(now, &[commit]);
        }
        14 => {
            store.set_memory_limit(LIMIT / 2 + random.below(LIMIT as u64 / 2) as usize);
            let _ = store.maintain(now, 2000);
        }
        _ => {
            let _ = store.maintain(now, 1000);
        }
    }
}

/// Everything happens while values are pinned, and what is pinned stays as it was.
fn live(seed: u64, steps: u32, holds_max: u64, shards: usize, eviction: Eviction) {
    let store = Arc::new(Store::new(&Config {
        eviction,
        ..config(LIMIT, shards)
    }));
    let random = &mut Random(seed);
    let mut holds = Vec::new();
    for i in 0..steps {
        step(&store, &mut holds, random);
        if !holds.is_empty() {
            let one = random.below(holds.len() as u64) as usize;
            holds[one].take(random);
            if random.below(holds_max) < holds.len() as u64 {
                holds.swap_remove(one).take_all();
            }
        }
        if i % 256 == 0 {
            store.set_memory_limit(LIMIT);
            store.audit();
        }
    }
    holds.into_iter().for_each(Hold::take_all);
    store.set_memory_limit(LIMIT);
    store.audit();
    store.flush_all(at(3), at(3));
    while store.maintain(at(3), 1000) > 0 {}
    let stats = store.stats();
    assert_eq!((stats.curr_items, stats.payload_bytes), (0, 0));
    assert_eq!((stats.bytes, store.pins.left_bytes()), (0, 0), "a leak");
}

#[test]
fn what_is_pinned_stays_whatever_happens() {
    live(1, 40_000, 16, 4, Eviction::Lru);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_pinned_stays_in_short_lives(
        seed in any::<u64>(),
        holds_max in 1u64..40,
        shards_log in 0u32..4,
        by_size in any::<bool>(),
    ) {
        let eviction = if by_size { Eviction::SizeIdle } else { Eviction::Lru };
        live(seed, 600, holds_max, 1 << shards_log, eviction);
    }
}

#[test]
fn threads_pin_what_others_write_and_free() {
    let store = Arc::new(Store::new(&config(LIMIT, 4)));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let random = &mut Random(thread);
                let mut holds = Vec::new();
                for _ in 0..4000 {
                    step(store, &mut holds, random);
                    if let Some(last) = holds.last_mut() {
                        last.take(random);
                    }
                    if holds.len() > 4 {
                        holds.swap_remove(0).take_all();
                    }
                }
                holds.into_iter().for_each(Hold::take_all);
            });
        }
    });
    store.set_memory_limit(LIMIT);
    store.audit();
    store.flush_all(at(3), at(3));
    while store.maintain(at(3), 1000) > 0 {}
    assert_eq!(store.stats().bytes, 0, "a leak");
}

/// A store of 100 values of 100 KiB.
fn filled() -> Arc<Store> {
    let store = Arc::new(Store::new(&config(12 << 20, 4)));
    for i in 0..100u8 {
        store.put(&[b'k', i], &vec![i; 100 << 10]);
    }
    assert_eq!(store.stats().curr_items, 100);
    store
}

#[test]
fn pins_take_at_most_half_of_the_limit() {
    let store = filled();
    let pin = |i| Hold::plain(&store, &[b'k', i]);
    let mut holds: Vec<_> = (0..100).filter_map(pin).collect();
    assert_eq!(holds.len(), 6 * 1024 / 100);
    assert!(pin(99).is_none(), "too much is pinned");
    assert!(pin(0).is_some(), "what is pinned already costs nothing");
    holds.pop();
    assert!(pin(99).is_some(), "room for another");
}

#[test]
fn a_value_of_half_the_limit_can_be_pinned() {
    let store = Arc::new(Store::new(&Config {
        item_bytes_max: 6 << 20,
        ..config(12 << 20, 1)
    }));
    store.put(b"k", &vec![7; 6 << 20]);
    assert!(Hold::plain(&store, b"k").is_some());
}

#[test]
fn small_values_are_copied() {
    let store = Arc::new(Store::new(&config(1 << 20, 1)));
    store.put(b"k", &[7; PINNED_BYTES_MIN - 1]);
    assert!(Hold::plain(&store, b"k").is_none());
    store.put(b"k", &[7; PINNED_BYTES_MIN]);
    assert!(Hold::plain(&store, b"k").is_some());
}

#[test]
fn memory_of_pinned_values_counts_until_they_are_sent() {
    let store = filled();
    let before = store.stats();
    let hold = Hold::plain(&store, b"k\0").expect("pinned");
    let again = Hold::plain(&store, b"k\0").expect("pinned");
    store.delete(store.key(b"k\0"), NOW, &DeleteOptions::default());
    let deleted = store.stats();
    assert_eq!((deleted.curr_items, deleted.bytes), (99, before.bytes));
    hold.take_all();
    assert_eq!(store.stats().bytes, before.bytes, "it is pinned once more");
    again.take_all();
    store.free_garbage(usize::MAX);
    assert!(store.stats().bytes < before.bytes - (100 << 10));
    store.audit();
}

#[test]
fn a_value_that_finds_no_room_beside_pinned_ones_evicts_nobody() {
    let store = Arc::new(Store::new(&Config {
        item_bytes_max: 8 << 20,
        ..config(12 << 20, 4)
    }));
    store.put(b"pinned", &vec![1; 5 << 20]);
    let hold = Hold::plain(&store, b"pinned").expect("pinned");
    store.delete(store.key(b"pinned"), NOW, &DeleteOptions::default());
    store.put(b"other", b"value");
    assert_eq!(store.put(b"big", &vec![2; 8 << 20]), SetOutcome::TooLarge);
    assert_eq!(store.read(b"other").as_deref(), Some(&b"value"[..]));
    hold.take_all();
    let stored = store.put(b"big", &vec![2; 8 << 20]);
    assert!(matches!(stored, SetOutcome::Stored { .. }), "{stored:?}");
}

#[test]
fn a_lower_limit_is_reached_around_pinned_values() {
    let store = filled();
    let holds: Vec<_> = (0..3)
        .filter_map(|i| Hold::plain(&store, &[b'k', i * 49]))
        .collect();
    assert_eq!(holds.len(), 3);
    let limit = 2 << 20;
    store.set_memory_limit(limit);
    for _ in 0..100 {
        store.maintain(NOW, 1000);
    }
    assert!(
        store.stats().resident_bytes <= limit as u64,
        "{:?}",
        store.stats()
    );
    holds.into_iter().for_each(Hold::take_all);
    while store.maintain(NOW, 1000) > 0 {}
    store.audit();
}
