//! What a lookup costs, and building a ring.
//!
//! `cargo bench -p cacheismo-rings`

use std::hint::black_box;

use cacheismo_rings::{KeyHash, Node, Ring, RingName};
use divan::Bencher;
use divan::counter::ItemsCount;

/// Lookups a sample. A random key each, so that the table is not read where it was read before.
const KEYS: u64 = 4096;

fn main() {
    divan::main();
}

fn ring(name: RingName, nodes: u64) -> Ring {
    let nodes: Vec<_> = (0..nodes)
        .map(|number| Node::new(format!("10.0.{}.{}", number / 250, number % 250), 11211))
        .collect();
    Ring::build(name, &nodes, 0).expect("the nodes differ")
}

fn hashes() -> Vec<u64> {
    let hash = KeyHash::new(1);
    (0..KEYS)
        .map(|number| hash.of(&number.to_le_bytes()))
        .collect()
}

fn keys() -> Vec<String> {
    hashes().iter().map(|hash| format!("key:{hash}")).collect()
}

/// Of a key whose hash is there already.
#[divan::bench(args = [3, 10, 100, 300])]
fn slot_of_a_hash(bencher: Bencher, nodes: u64) {
    let ring = ring(RingName::Slots, nodes);
    let slots = ring.slots().expect("the ring is a table");
    let hashes = hashes();
    bencher.counter(ItemsCount::new(KEYS)).bench(|| {
        for hash in &hashes {
            black_box(slots.owner(black_box(*hash)));
        }
    });
}

/// The owner and the next two.
#[divan::bench(args = [3, 10, 100])]
fn preference_of_a_hash(bencher: Bencher, nodes: u64) {
    let ring = ring(RingName::Slots, nodes);
    let slots = ring.slots().expect("the ring is a table");
    let hashes = hashes();
    bencher.counter(ItemsCount::new(KEYS)).bench(|| {
        for hash in &hashes {
            black_box(slots.preference(black_box(*hash)).take(3).last());
        }
    });
}

/// Of a key of some 24 bytes, with its hash.
#[divan::bench(args = [RingName::Slots, RingName::Ketama, RingName::KetamaWeighted, RingName::Omcache, RingName::Cacheismo])]
fn owner_of_a_key(bencher: Bencher, name: RingName) {
    let ring = ring(name, 10);
    let keys = keys();
    bencher.counter(ItemsCount::new(KEYS)).bench(|| {
        for key in &keys {
            black_box(ring.owner(black_box(key.as_bytes())));
        }
    });
}

#[divan::bench(args = [10, 100], sample_count = 5, sample_size = 1)]
fn build_slots(nodes: u64) -> Ring {
    ring(RingName::Slots, nodes)
}

#[divan::bench(args = [10, 100], sample_count = 10, sample_size = 1)]
fn build_ketama(nodes: u64) -> Ring {
    ring(RingName::KetamaWeighted, nodes)
}
