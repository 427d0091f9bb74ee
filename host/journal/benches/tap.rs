//! What it costs to take down a change, and to put it into order.
//!
//! `cargo bench -p cacheismo-journal --bench tap`

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::OnceLock;

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

/// A change of 14 + 100 bytes, in turns of 32. The log's thread drops what comes: its clock stands still.
#[divan::bench(args = [Fsync::EverySecond, Fsync::Always])]
fn tell(bencher: Bencher, fsync: Fsync) {
    let (_log, tap) = log(fsync, || 1);
    let info = info();
    let mut tick = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        tap.turn_begins(tick);
        for _ in 0..BATCH {
            tick += 1;
            tap.stored(tick, KEY, &info, Content::State(black_box(&VALUE)));
        }
        tap.turn_ends();
    });
}

/// A turn that tells nothing.
#[divan::bench]
fn turn(bencher: Bencher) {
    let (_log, tap) = log(Fsync::EverySecond, || 1);
    bencher.bench_local(|| {
        tap.turn_begins(black_box(1));
        tap.turn_ends();
    });
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
    drop(log);
}

/// All that the log's thread does for 10,000 changes of one or two workers, with a disk that takes no time.
#[divan::bench(args = [1, 2], sample_count = 50)]
fn write_down(bencher: Bencher, workers: u64) {
    const CHANGES: u64 = 10_000;
    static CLOCK: OnceLock<Arc<std::sync::atomic::AtomicU64>> = OnceLock::new();
    let _ = (&CLOCK, workers, CHANGES);
    bencher.bench_local(|| ());
}
