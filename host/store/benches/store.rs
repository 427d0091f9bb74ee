//! What one operation of the store costs, without sockets and protocol.
//!
//! `cargo bench -p cacheismo-store --bench store`

use std::cell::Cell;
use std::sync::OnceLock;

use cacheismo_store::{Config, Eviction, Expiry, GetOptions, Now, SetMode, Store, Write};
use divan::Bencher;
use divan::counter::ItemsCount;

const KEYS: u64 = 1_000_000;
const NOW: Now = Now {
    unix_s: 1_000_000,
    millis: 0,
};
const BATCH: usize = 64;

fn main() {
    divan::main();
}

fn name(i: u64, buffer: &mut [u8; 10]) -> &[u8] {
    let mut rest = i;
    for digit in buffer.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    buffer
}

fn store(memory_bytes_max: usize) -> Store {
    Store::new(&Config {
        memory_bytes_max,
        item_bytes_max: 1 << 20,
        shards: 16,
        eviction: Eviction::Lru,
        hash_seed: 1,
    })
}

/// A million items of 10 + 100 bytes.
fn filled() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = store(512 << 20);
        (0..KEYS).for_each(|i| put(&store, i, 100));
        store
    })
}

/// A store whose every set evicts.
fn full() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = store(64 << 20);
        (0..KEYS).for_each(|i| put(&store, i, 100));
        store
    })
}

fn put(store: &Store, i: u64, len: usize) {
    let value = [7; 1024];
    let write = Write {
        flags: 0,
        expiry: Expiry(None),
        value: &value[..len],
        mode: SetMode::Set,
        cas_compare: None,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    };
    store.set(store.key(name(i, &mut [0; 10])), NOW, &write);
}

fn read(store: &Store, i: u64, out: &mut Vec<u8>) {
    out.clear();
    store.get(
        store.key(name(i, &mut [0; 10])),
        NOW,
        &GetOptions::default(),
        |_, value| value.append_to(out),
    );
}

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

fn random() -> u64 {
    let x = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(x);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[divan::bench(threads = [1, 2])]
fn get(bencher: Bencher<'_, '_>) {
    let store = filled();
    bencher.bench(|| {
        let mut out = Vec::with_capacity(128);
        read(store, random() % KEYS, &mut out);
        out.len()
    });
}

#[divan::bench]
fn get_among_a_thousand_keys(bencher: Bencher<'_, '_>) {
    let store = filled();
    let mut out = Vec::with_capacity(128);
    bencher.bench_local(|| {
        read(store, random() % 1000, &mut out);
        out.len()
    });
}

#[divan::bench]
fn get_64_prefetched(bencher: Bencher<'_, '_>) {
    let store = filled();
    let mut out = Vec::with_capacity(128);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut names = [[0; 10]; BATCH];
        let mut hashes = [0; BATCH];
        for (buffer, hash) in names.iter_mut().zip(&mut hashes) {
            *hash = store.hash(name(random() % KEYS, buffer));
        }
        store.prefetch(&hashes);
        for (bytes, hash) in names.iter().zip(hashes) {
            out.clear();
            let key = cacheismo_store::Key { bytes, hash };
            store.get(key, NOW, &GetOptions::default(), |_, value| {
                value.append_to(&mut out)
            });
        }
        out.len()
    });
}

#[divan::bench(threads = [1, 2])]
fn set_over_the_same_length(bencher: Bencher<'_, '_>) {
    let store = filled();
    bencher.bench(|| put(store, random() % KEYS, 100));
}

#[divan::bench(threads = [1, 2])]
fn ninety_gets_ten_sets(bencher: Bencher<'_, '_>) {
    let store = filled();
    bencher.bench(|| {
        let mut out = Vec::with_capacity(128);
        let i = random() % KEYS;
        if random().is_multiple_of(10) {
            put(store, i, 100);
        } else {
            read(store, i, &mut out);
        }
        out.len()
    });
}

#[divan::bench(threads = [1, 2])]
fn set_new_evicting_one(bencher: Bencher<'_, '_>) {
    let store = full();
    bencher.bench(|| put(store, random() % 9_000_000_000, 100));
}

#[divan::bench(threads = [1, 2])]
fn set_new_of_mixed_sizes_evicting(bencher: Bencher<'_, '_>) {
    let store = full();
    bencher.bench(|| put(store, random() % 9_000_000_000, (random() % 1024) as usize));
}
