//! The real store, its log, and a disk in memory: wherever the log is cut, it holds what the store held.

mod life;
mod memory;
mod orders;
mod twin;
mod waits;

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};

use cacheismo_journal::log::{Fsync, Log, Options};
use cacheismo_journal::record;
use cacheismo_store::{Config, Content, Eviction, ItemInfo, Journal, Now, Store};

use life::Life;
use memory::{Memory, Written};
use twin::{Entry, Twin, held};

const NOW: Now = Now {
    unix_s: 1_000_000,
    millis: 0,
};

/// A store that nothing has to leave, and its log.
struct Logged {
    store: Arc<Store>,
    log: Log,
    written: Arc<Mutex<Written>>,
}

impl Logged {
    fn new(fsync: Fsync) -> Logged {
        let store = Arc::new(Store::new(&Config {
            memory_bytes_max: 16 << 20,
            item_bytes_max: 1 << 20,
            shards: 4,
            eviction: Eviction::Refuse,
            hash_seed: 7,
        }));
        let written = Arc::new(Mutex::new(Written::default()));
        let (clock, hash) = (Arc::clone(&store), Arc::clone(&store));
        let options = Options {
            fsync,
            queue_bytes_max: Options::QUEUE_BYTES_MAX,
            clock: Box::new(move || clock.clock_now()),
            hash: Box::new(move |key| hash.hash(key)),
            want_snapshot: Box::new(|| panic!("nothing fails")),
        };
        let memory = Memory::new(Arc::clone(&written));
        let (log, tap) = Log::start(options, memory).expect("there can be a thread");
        store.listen(Box::new(tap));
        Logged {
            store,
            log,
            written,
        }
    }

    /// All bytes of the log, when all that was told is there.
    fn bytes(&self) -> Vec<u8> {
        self.log.flush().expect("nothing fails");
        let written = self.written.lock().expect("nobody panicked");
        assert_eq!(written.synced, written.bytes.len());
        written.bytes.clone()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.log.stop();
    }
}

/// Counts the records that a log makes of what is told.
#[derive(Clone, Debug, Default)]
struct Count(Arc<Mutex<(usize, bool)>>);

impl Count {
    fn add(&self) {
        let (count, in_commit) = &mut *self.0.lock().expect("nobody panicked");
        *count += usize::from(!*in_commit);
    }

    fn get(&self) -> usize {
        self.0.lock().expect("nobody panicked").0
    }
}

impl Journal for Count {
    fn wants_departures(&self) -> bool {
        false
    }

    fn commit_begins(&self, _: usize) {
        self.add();
        self.0.lock().expect("nobody panicked").1 = true;
    }

    fn commit_ends(&self) {
        self.0.lock().expect("nobody panicked").1 = false;
    }

    fn stored(&self, _: u64, _: &[u8], _: &ItemInfo, _: Content<'_>) {
        self.add();
    }

    fn deleted(&self, _: u64, _: &[u8]) {
        self.add();
    }

    fn flushed(&self, _: u64) {
        self.add();
    }

    fn flush_planned(&self, _: u64, _: u32) {
        self.add();
    }
}

/// Replays a log, and calls `look` after each record with how many there were.
fn replay(bytes: &[u8], twin: &mut Twin, mut look: impl FnMut(usize, &Twin)) {
    for (number, record) in record::iter(bytes).enumerate() {
        let record = record.expect("the log is whole");
        for change in &record.changes {
            twin.apply(change);
        }
        look(number + 1, twin);
    }
}

#[test]
fn after_each_operation_the_log_holds_what_the_store_holds() {
    let logged = Logged::new(Fsync::EverySecond);
    let count = Count::default();
    logged.store.listen(Box::new(count.clone()));
    let mut life = Life::new(Arc::clone(&logged.store), 1);
    let mut seen: BTreeMap<usize, BTreeMap<Vec<u8>, Entry>> = BTreeMap::new();
    for step in 0..3_000 {
        match step % 100 {
            // For some time there are no turns.
            0..30 => logged.store.end_turn(),
            _ if step % 7 == 0 => {
                logged.store.end_turn();
                logged.store.begin_turn();
            }
            _ => {}
        }
        life.step();
        let held = held(&logged.store);
        // What changes nothing tells nothing.
        assert_eq!(
            *seen.entry(count.get()).or_insert_with(|| held.clone()),
            held
        );
    }
    logged.store.end_turn();
    let mut looked = 0;
    let bytes = logged.bytes();
    replay(&bytes, &mut Twin::default(), |records, twin| {
        if let Some(held) = seen.get(&records) {
            assert_eq!(twin.all(), held);
            looked += 1;
        }
    });
    assert!(looked > 1_000, "{looked}");
    assert_eq!(seen.keys().next_back(), Some(&record::iter(&bytes).count()));
}

#[test]
fn what_threads_do_at_once_is_in_the_log_as_it_was_in_the_store() {
    const THREADS: u64 = 3;
    const ROUNDS: usize = 20;
    let logged = Logged::new(Fsync::EverySecond);
    let barrier = Barrier::new(THREADS as usize + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut life = Life::new(Arc::clone(&logged.store), 10 + thread);
            let (store, barrier) = (&logged.store, &barrier);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    for step in 0..400 {
                        // One thread works without turns.
                        if thread > 0 && step % 9 == 0 {
                            store.end_turn();
                            store.begin_turn();
                        }
                        life.step();
                    }
                    store.end_turn();
                    barrier.wait();
                    barrier.wait();
                }
            });
        }
        let (mut twin, mut done) = (Twin::default(), 0);
        for _ in 0..ROUNDS {
            barrier.wait();
            let bytes = logged.bytes();
            replay(&bytes[done..], &mut twin, |_, _| {});
            done = bytes.len();
            assert_eq!(twin.all(), &held(&logged.store));
            barrier.wait();
        }
    });
}
