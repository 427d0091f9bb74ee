//! The tap and the sequencer under a model checker for threads: all switches between threads that it can think of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cacheismo_store::Effect;
use shuttle::rand::{Rng, thread_rng};

use crate::log::{Fsync, Shared};
use crate::point::{model, point};
use crate::record;
use crate::sequence::Sequencer;
use crate::tap::local::Local;

const KEYS: usize = 2;
const TURNS: usize = 3;
const WORKERS: usize = 3;

/// A store, as far as ticks go: its clock, and the next tick of each key.
struct Store {
    clock: AtomicU64,
    keys: [shuttle::sync::Mutex<(u64, u64)>; KEYS],
}

impl Store {
    fn clock(&self) -> u64 {
        point();
        self.clock.load(SeqCst)
    }

    fn turn(&self, local: &mut Local) {
        local.turn_begins(self.clock());
        let mut next = self.clock();
        for _ in 0..thread_rng().gen_range(0..3) {
            let key = thread_rng().gen_range(0..KEYS);
            let mut shard = self.keys[key].lock().expect("nobody panicked");
            let (tick, count) = *shard;
            let tick = tick.max(next);
            next = tick + 1;
            *shard = (next, count + 1);
            let name = [key as u8, count as u8];
            local.change(tick, Some(&name), |out, open| {
                record::add(out, open, &Effect::Deleted { key: &name });
            });
        }
        point();
        self.clock.fetch_max(next, SeqCst);
        local.turn_ends();
    }
}

/// What came out of the sequencer.
#[derive(Default)]
struct Emitted {
    last: u64,
    counts: [u64; KEYS],
}

impl Emitted {
    /// Takes all that may be emitted now: ticks rise, and each key's changes come in their order.
    fn take(&mut self, store: &Store, shared: &Shared, sequencer: &mut Sequencer) {
        let look = |slot, queue: &mut _| sequencer.take(slot, queue);
        let watermark = shared.intake.look(&|| store.clock(), look);
        sequencer.raise(watermark);
        let mut out = Vec::new();
        let left = sequencer.emit(&mut out, usize::MAX);
        shared.intake.left(left);
        record::seal(&mut out);
        for record in record::iter(&out) {
            let record = record.expect("whole records are emitted");
            assert!(
                record.tick >= self.last,
                "{} after {}",
                record.tick,
                self.last
            );
            self.last = record.tick;
            let [Effect::Deleted { key }] = record.changes[..] else {
                panic!("{record:?}")
            };
            let count = &mut self.counts[usize::from(key[0])];
            assert_eq!(u64::from(key[1]), *count);
            *count += 1;
        }
    }
}

fn store() -> Arc<Store> {
    Arc::new(Store {
        clock: AtomicU64::new(1),
        keys: std::array::from_fn(|_| shuttle::sync::Mutex::new((0, 0))),
    })
}

fn worker(store: &Arc<Store>, shared: &Arc<Shared>) -> shuttle::thread::JoinHandle<()> {
    let (store, shared) = (Arc::clone(store), Arc::clone(shared));
    shuttle::thread::spawn(move || {
        let mut local = Local::new(shared);
        for _ in 0..TURNS {
            store.turn(&mut local);
        }
    })
}

fn workers_and_a_log() {
    let store = store();
    let shared = Arc::new(Shared::new(Fsync::Off, usize::MAX, 1, Box::new(|_| 0)));
    let workers: Vec<_> = (0..WORKERS).map(|_| worker(&store, &shared)).collect();
    let (mut sequencer, mut emitted) = (Sequencer::default(), Emitted::default());
    for _ in 0..4 {
        emitted.take(&store, &shared, &mut sequencer);
    }
    for worker in workers {
        worker.join().expect("workers do not panic");
    }
    emitted.take(&store, &shared, &mut sequencer);
    for (key, count) in store.keys.iter().zip(emitted.counts) {
        assert_eq!(key.lock().expect("nobody panicked").1, count);
    }
    assert!(sequencer.is_empty());
    assert_eq!(shared.intake.waiting(), 0);
}

#[test]
fn however_threads_interleave_records_come_in_order_and_all_of_them() {
    model::checked(|| shuttle::check_random(workers_and_a_log, 2_000));
    model::checked(|| shuttle::check_pct(workers_and_a_log, 1_000, 4));
}
