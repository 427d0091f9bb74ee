//! Who leaves, and in which order: several threads and shards against lists, and lifetimes of all kinds.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::model::Random;
use super::*;

/// Names of each thread.
const NAMES: u64 = 20_000;
/// Operations of a turn on the average.
const TURN: u64 = 30;

/// When an item was used last. Rounds follow each other, and so do the operations of one thread; of two threads in the
/// same round nothing is known.
#[derive(Clone, Copy, Debug)]
struct Used {
    round: u64,
    thread: u64,
    operation: u64,
}

impl Used {
    /// Orders the uses of one thread.
    fn of_thread(&self) -> (u64, u64) {
        (self.round, self.operation)
    }

    fn before(self, other: Used) -> bool {
        self.round < other.round
            || self.thread == other.thread && self.of_thread() < other.of_thread()
    }
}

/// What one thread put into the store, by the number of the name, each with its value.
type Twin = HashMap<u64, (Used, Vec<u8>)>;

pub(super) fn name_of(thread: u64, number: u64) -> [u8; 8] {
    (thread << 32 | number).to_le_bytes()
}

fn number_of(name: &[u8]) -> (u64, u64) {
    let name = u64::from_le_bytes(name.try_into().expect("eight bytes"));
    (name >> 32, name & 0xffff_ffff)
}

/// Puts and gets names of a thread's own, and checks each value got.
fn work(store: &Store, twin: &mut Twin, thread: u64, round: u64, operations: u64) {
    let mut random = Random(round << 8 | thread);
    for operation in 0..operations {
        if random.below(TURN) == 0 {
            // Every other thread works in turns.
            store.end_turn();
            if thread.is_multiple_of(2) {
                store.begin_turn();
            }
        }
        let used = Used {
            round,
            thread,
            operation,
        };
        // Some are asked for often, and some come once.
        let number = random.below(NAMES) * random.below(NAMES) / NAMES;
        let name = name_of(thread, number);
        if random.below(3) == 0 {
            let size = 1 << random.below(13);
            let value = vec![operation as u8; random.below(size) as usize];
            let outcome = store.put(&name, &value);
            assert!(matches!(outcome, SetOutcome::Stored { .. }), "{outcome:?}");
            twin.insert(number, (used, value));
        } else if let Some(value) = store.read(&name) {
            let there = twin.get_mut(&number).expect("somebody put it");
            assert_eq!(there.1, value);
            there.0 = used;
        } else {
            twin.remove(&number);
        }
    }
    store.end_turn();
}

/// Who left since the last round, out of `twins`. Nobody who stayed was used before any of them.
fn check_round(store: &Store, twins: &mut [Twin]) {
    let mut there = HashSet::new();
    let mut cursor = Some(crate::Cursor::default());
    while let Some(from) = cursor {
        cursor = store.scan(NOW, from, &mut |name, _, _| {
            there.insert(number_of(name));
        });
    }
    // It is enough to compare the last of each thread that left with the first that stayed.
    let (mut left, mut stayed) = (Vec::<Used>::new(), Vec::<Used>::new());
    for (thread, twin) in twins.iter_mut().enumerate() {
        let gone = twin.extract_if(|number, _| !there.contains(&(thread as u64, *number)));
        left.extend(gone.map(|(_, (used, _))| used).max_by_key(Used::of_thread));
        let rest = twin.values().map(|(used, _)| *used);
        stayed.extend(rest.min_by_key(Used::of_thread));
    }
    assert_eq!(twins.iter().map(Twin::len).sum::<usize>(), there.len());
    for left in &left {
        for stayed in &stayed {
            assert!(!stayed.before(*left), "{left:?} left and {stayed:?} stayed");
        }
    }
}

/// Names in the order in which they were evicted.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<(u64, u64)>>>);

impl Journal for Log {
    fn wants_changes(&self) -> bool {
        false
    }

    fn left(&self, _: u64, name: &[u8], _: &ItemInfo, _: Cause, _: u32) {
        self.0
            .lock()
            .expect("nobody panicked")
            .push(number_of(name));
    }
}

/// Threads put and get, round after round; then everybody is evicted.
pub(super) fn lives(store: &Store, threads: u64, rounds: u64, operations_per_round: u64) {
    let mut twins: Vec<Twin> = (0..threads).map(|_| Twin::new()).collect();
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for (thread, twin) in twins.iter_mut().enumerate() {
                let thread = thread as u64;
                scope.spawn(move || work(store, twin, thread, round, operations_per_round));
            }
        });
        check_round(store, &mut twins);
    }
    store.audit();
    let log = Log::default();
    store.listen(Box::new(log.clone()));
    let count = store.stats().curr_items;
    while store.stats().curr_items > 0 {
        store.evict(1);
    }
    let order = log.0.lock().expect("nobody panicked");
    assert_eq!(order.len() as u64, count);
    let mut left: Vec<Option<Used>> = vec![None; twins.len()];
    for (thread, number) in order.iter() {
        let used = twins[*thread as usize][number].0;
        for earlier in left.iter().flatten() {
            assert!(!used.before(*earlier), "{earlier:?} left before {used:?}");
        }
        left[*thread as usize] = Some(used);
    }
}

#[test]
fn a_million_operations_of_threads_are_forgotten_in_their_order() {
    // Ticks run over 32 bits on the way.
    let store = Store::starting_at(&config(8 << 20, 16), (1 << 32) - 500_000);
    lives(&store, 4, 64, 4096);
    assert!(store.stats().total_items > 300_000, "{:?}", store.stats());
}

#[test]
fn expired_items_make_room_before_live_ones_leave() {
    let store = Store::new(&config(4 << 20, 8));
    for i in 0..8_000u32 {
        store.put(&i.to_be_bytes(), &[1; 100]);
    }
    // A second's items live one to nine seconds, so about two mebibytes of them are alive at any time, and thirty
    // times as many come and go. Nothing is removed but for room.
    let mut random = Random(5);
    let mut stored = 0;
    for second in 0..150 {
        for _ in 0..2_000 {
            let write = Write {
                expiry: until(second + 1 + random.below(9) as u32),
                ..write(&[2; 150])
            };
            stored += 1;
            let name = (1_000_000 + stored as u32).to_be_bytes();
            let outcome = store.set(store.key(&name), at(second), &write);
            assert!(
                matches!(outcome, SetOutcome::Stored { cas: 0, .. }),
                "{outcome:?}"
            );
        }
    }
    let stats = store.stats();
    assert_eq!(stats.evictions, 0, "{stats:?}");
    assert!(stats.reclaimed > 250_000, "{stats:?}");
    assert!((0..8_000u32).all(|i| {
        store
            .look(&i.to_be_bytes(), at(149), &GetOptions::default())
            .is_some()
    }));
    store.audit();
}
