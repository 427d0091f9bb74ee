//! How fast a store is written out and filled again: an export, and effects applied by one thread and by two.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cacheismo_store::{Body, Effect, Eviction, Expiry, Head, Now, Part, Store};

use super::{NOW, digits, put, schedule, sharded};

const ITEMS: u64 = 10_000_000;
const MEMORY_BYTES: usize = 2 << 30;
const SHARDS: usize = 256;
/// Effects that are handed over together, as they may come from a file.
const BATCH: usize = 256;
const VALUE: [u8; 100] = [7; 100];
const HEAD: Head = Head {
    flags: 0,
    expiry: Expiry(None),
    cas: 0,
    stale: false,
    token_sent: false,
    object: false,
};

pub(super) fn restore() {
    for threads in [1, 2] {
        let store = sharded(MEMORY_BYTES, Eviction::Lru, SHARDS);
        let start = Instant::now();
        store.expect_items(ITEMS);
        let cpu_s = std::thread::scope(|scope| {
            let part = |number| Part {
                number,
                of: threads,
            };
            let loaders: Vec<_> = (0..threads)
                .map(|number| {
                    scope.spawn({
                        let store = &store;
                        move || load(store, part(number))
                    })
                })
                .collect();
            let times = loaders
                .into_iter()
                .map(|loader| loader.join().expect("it ends"));
            times.max_by(f64::total_cmp).unwrap_or(0.0)
        });
        println!(
            "restore: {ITEMS} items of 10 + 100 bytes by {threads} threads: {:.2} s, of which at most {cpu_s:.2} s on a processor",
            start.elapsed().as_secs_f64(),
        );
        assert_eq!(store.stats().curr_items, ITEMS);
    }
    export();
}

/// Applies the items of a part, the oldest first. Returns for how many seconds the thread had a processor.
fn load(store: &Store, part: Part) -> f64 {
    let mut keys = vec![[0; 10]; BATCH];
    for from in (0..ITEMS).step_by(BATCH) {
        let numbers = from..ITEMS.min(from + BATCH as u64);
        let mut effects = Vec::with_capacity(BATCH);
        for (tick, key) in numbers.zip(&mut keys) {
            // No two are neighbours that were written together.
            let key = digits(tick * 7_368_787 % ITEMS, key);
            let (head, body) = (HEAD, Body::Value(&VALUE));
            effects.push((tick + 1, Effect::Stored { key, head, body }));
        }
        let tally = store.apply_all(Now::BEFORE_ALL, part, &effects);
        assert_eq!((tally.no_room, tally.malformed), (0, 0));
    }
    schedule()[0] as f64 / 1e9
}

fn export() {
    let store = Arc::new(sharded(MEMORY_BYTES, Eviction::Lru, SHARDS));
    let mut key = [0; 10];
    for number in 0..ITEMS {
        put(&store, digits(number, &mut key), 100);
    }
    let (mut items, mut bytes, mut longest) = ([0u64; 64], 0, Duration::ZERO);
    let start = Instant::now();
    let mut export = store.export(NOW);
    let mut visit = |class: u8, _: u64, effect: &Effect<'_>| {
        items[usize::from(class)] += 1;
        bytes += effect.key().map_or(0, <[u8]>::len) + VALUE.len();
    };
    loop {
        let step = Instant::now();
        let more = export.step(NOW, &mut visit);
        longest = longest.max(step.elapsed());
        if !more {
            break;
        }
    }
    println!(
        "export: {bytes} bytes in {:.2} s, the longest step {longest:?}; {} to {} items in a class",
        start.elapsed().as_secs_f64(),
        items.iter().min().unwrap_or(&0),
        items.iter().max().unwrap_or(&0),
    );
}
