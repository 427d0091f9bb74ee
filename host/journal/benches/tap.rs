//! What it costs to take down a change, and to put it into order.
//!
//! `cargo bench -p cacheismo-journal --bench tap`

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cacheismo_journal::Tap;
use cacheismo_journal::log::{Fsync, Log, Options, Sink};
use cacheismo_journal::segment::Position;
use cacheismo_store::{
    Config, Content, Eviction, Expiry, ItemInfo, Journal, Now, SetMode, Store, Write,
};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

const KEY: &[u8; 14] = b"key:0123456789";
const VALUE: [u8; 100] = [7; 100];
/// Changes in a turn.
const BATCH: u64 = 32;

/// A disk that takes no time.
struct Nowhere(u64);

impl Sink for Nowhere {
    type Error = Infallible;

    fn append(&mut self, sealed: &[u8]) -> Result<Position, Infallible> {
        self.0 += black_box(sealed).len() as u64;
        Ok(self.position())
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn position(&self) -> Position {
        Position {
            segment: 1,
            offset: self.0,
        }
    }

    fn begin_after_gap(&mut self) -> Result<Position, Infallible> {
        Ok(self.position())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn log(fsync: Fsync, clock: impl Fn() -> u64 + Send + 'static) -> (Log, Tap) {
    let options = Options {
        fsync,
        queue_bytes_max: Options::QUEUE_BYTES_MAX,
        clock: Box::new(clock),
        hash: Box::new(|key| key.len() as u64),
        want_snapshot: Box::new(|| {}),
    };
    Log::start(options, Nowhere(0)).expect("there can be a thread")
}

fn info() -> ItemInfo {
    ItemInfo {
        flags: 0,
        len: 100,
        expiry: Expiry(None),
        expiry_before: Expiry(None),
        cas: 0,
        fetched: false,
        idle_s: 0,
        stale: false,
        won: false,
        token_sent: false,
        object: false,
    }
}

fn clock() -> (Arc<AtomicU64>, impl Fn() -> u64 + Send + 'static) {
    let clock = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&clock);
    (clock, move || read.load(SeqCst))
}

/// A turn of some changes, with every `stride`-th tick.
fn tell_turn(tap: &Tap, tick: &mut u64, stride: u64) {
    let info = info();
    tap.turn_begins(*tick);
    for _ in 0..BATCH {
        tap.stored(*tick, KEY, &info, Content::State(black_box(&VALUE)));
        *tick += stride;
    }
    tap.turn_ends();
}

/// A change of 14 + 100 bytes, in turns of 32.
#[divan::bench(args = [Fsync::EverySecond, Fsync::Always])]
fn tell(bencher: Bencher, fsync: Fsync) {
    let (clock, read) = clock();
    let (log, tap) = log(fsync, read);
    let mut tick = 1;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        tell_turn(&tap, &mut tick, 1);
        clock.store(tick, SeqCst);
    });
    log.stop();
}

/// A turn that tells nothing.
#[divan::bench]
fn turn(bencher: Bencher) {
    let (log, tap) = log(Fsync::EverySecond, || 1);
    bencher.bench_local(|| {
        tap.turn_begins(black_box(1));
        tap.turn_ends();
    });
    log.stop();
}

fn store() -> Arc<Store> {
    Arc::new(Store::new(&Config {
        memory_bytes_max: 64 << 20,
        item_bytes_max: 1 << 20,
        shards: 16,
        eviction: Eviction::Lru,
        hash_seed: 1,
    }))
}

fn set(store: &Store) {
    let write = Write {
        flags: 0,
        expiry: Expiry(None),
        value: black_box(&VALUE),
        mode: SetMode::Set,
        cas_compare: None,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    };
    let now = Now {
        unix_s: 1_000_000,
        millis: 0,
    };
    store.begin_turn();
    for _ in 0..BATCH {
        store.set(store.key(black_box(KEY)), now, &write);
    }
    store.end_turn();
}

/// A set of the store, while nobody listens.
#[divan::bench]
fn set_without_log(bencher: Bencher) {
    let store = store();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| set(&store));
}

/// The same with a log: what is more than without is what a change costs the worker.
#[divan::bench]
fn set_with_log(bencher: Bencher) {
    let store = store();
    let clock = Arc::clone(&store);
    let (log, tap) = log(Fsync::EverySecond, move || clock.clock_now());
    store.listen(Box::new(tap));
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| set(&store));
    log.stop();
}

/// All that the log's thread does for 16,000 changes of one or two workers, with a disk that takes no time.
#[divan::bench(args = [1, 2], sample_count = 50, sample_size = 1)]
fn write_down(bencher: Bencher, workers: u64) {
    const CHANGES: u64 = 16_000;
    let (clock, read) = clock();
    let (log, tap) = log(Fsync::Off, read);
    // The clock stands still while the workers tell.
    let told = || {
        let begin = clock.load(SeqCst);
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let tap = &tap;
                scope.spawn(move || {
                    let mut tick = begin + worker;
                    while tick < begin + CHANGES {
                        tell_turn(tap, &mut tick, workers);
                    }
                });
            }
        });
        begin + CHANGES + 2 * BATCH
    };
    bencher
        .counter(ItemsCount::new(CHANGES))
        .with_inputs(told)
        .bench_local_values(|end| {
            clock.store(end, SeqCst);
            log.flush().expect("nothing fails");
        });
    log.stop();
}
