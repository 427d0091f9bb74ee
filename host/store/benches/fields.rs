//! What fields cost: small objects of ten fields, trees of a million, time and bytes.
//!
//! `cargo bench -p cacheismo-store --bench fields`

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;

use cacheismo_store::fields::{NoRoom, NodeId, Nodes, SmallRef, Tree, small};
use divan::Bencher;

const MEMBERS: u32 = 1_000_000;

fn main() {
    for (order, tree) in [("ascending", ascending()), ("random", random())] {
        let (tree, pool) = tree;
        println!(
            "{MEMBERS} members of 10 bytes, {order}: {:.2} MB in nodes, {:.2} MB held for them",
            tree.bytes() as f64 / 1e6,
            pool.bytes() as f64 / 1e6,
        );
    }
    divan::main();
}

/// Blobs rounded up to 32 bytes, 8 more each for whoever has to find them.
#[derive(Default)]
struct Pool {
    blobs: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Pool {
    fn bytes(&self) -> usize {
        self.blobs
            .iter()
            .filter(|blob| !blob.is_empty())
            .map(|blob| blob.len() + 8)
            .sum()
    }
}

impl Nodes for Pool {
    fn alloc(&mut self, bytes: &[u8]) -> Result<NodeId, NoRoom> {
        let id = self.free.pop().unwrap_or_else(|| {
            self.blobs.push(Box::default());
            self.blobs.len() as u32 - 1
        });
        let mut blob = Vec::with_capacity(bytes.len().next_multiple_of(32));
        blob.extend_from_slice(bytes);
        blob.resize(blob.capacity(), 0);
        self.blobs[id as usize] = blob.into_boxed_slice();
        Ok(NodeId(id))
    }

    fn read<R>(&self, id: NodeId, see: impl FnOnce(&[u8]) -> R) -> R {
        see(&self.blobs[id.0 as usize])
    }

    fn append_to(&self, id: NodeId, len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blobs[id.0 as usize][..len]);
    }

    fn fits(&self, id: NodeId, len: usize) -> bool {
        len.next_multiple_of(32) == self.blobs[id.0 as usize].len()
    }

    fn overwrite(&mut self, id: NodeId, bytes: &[u8]) {
        self.blobs[id.0 as usize][..bytes.len()].copy_from_slice(bytes);
    }

    fn free(&mut self, id: NodeId) {
        self.blobs[id.0 as usize] = Box::default();
        self.free.push(id.0);
    }
}

/// The `n`th of all numbers below ten billion, in a scattered order.
fn member(n: u32) -> [u8; 10] {
    let mut number = u64::from(n) * 3_141_592_653 % 9_999_999_967;
    let mut name = [b'0'; 10];
    for digit in name.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    name
}

fn random() -> (Tree, Pool) {
    let (mut tree, mut pool) = (Tree::default(), Pool::default());
    for n in 0..MEMBERS {
        tree.put(&mut pool, &member(n), b"").expect("memory");
    }
    (tree, pool)
}

fn ascending() -> (Tree, Pool) {
    let (mut tree, mut pool) = (Tree::default(), Pool::default());
    for n in 0..MEMBERS {
        tree.put(&mut pool, format!("{n:010}").as_bytes(), b"")
            .expect("memory");
    }
    (tree, pool)
}

fn ten_fields() -> Vec<u8> {
    let mut state = Vec::with_capacity(1024);
    for n in 0..10 {
        small::put(&mut state, format!("field{n}").as_bytes(), b"12345678");
    }
    state
}

#[divan::bench]
fn small_get(bencher: Bencher<'_, '_>) {
    let (state, at) = (ten_fields(), Cell::new(0u8));
    bencher.bench_local(|| {
        at.set((at.get() + 1) % 10);
        SmallRef::trusted(black_box(&state)).get(&[b'f', b'i', b'e', b'l', b'd', b'0' + at.get()])
    });
}

#[divan::bench]
fn small_overwrite(bencher: Bencher<'_, '_>) {
    let (mut state, mut at) = (ten_fields(), 0);
    bencher.bench_local(|| {
        at = (at + 1) % 10;
        small::put(
            black_box(&mut state),
            &[b'f', b'i', b'e', b'l', b'd', b'0' + at],
            b"87654321",
        )
    });
}

#[divan::bench]
fn small_put_and_delete(bencher: Bencher<'_, '_>) {
    let mut state = ten_fields();
    bencher.bench_local(|| {
        small::put(black_box(&mut state), b"field55", b"12345678");
        small::delete(black_box(&mut state), b"field55")
    });
}

/// A get from the standard library's map of the same fields, as a yardstick.
#[divan::bench(sample_count = 300, sample_size = 1_000)]
fn btreemap_get(bencher: Bencher<'_, '_>) {
    let map: BTreeMap<[u8; 10], Vec<u8>> = (0..MEMBERS).map(|n| (member(n), Vec::new())).collect();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 7_919) % MEMBERS;
        map.get(&member(n)).map(Vec::len)
    });
}

/// A put and a delete in that map.
#[divan::bench(sample_count = 300, sample_size = 1_000)]
fn btreemap_put_and_delete(bencher: Bencher<'_, '_>) {
    let mut map: BTreeMap<[u8; 10], Vec<u8>> =
        (0..MEMBERS).map(|n| (member(n), Vec::new())).collect();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 7_919) % MEMBERS;
        (
            map.insert(member(MEMBERS + n), Vec::new()),
            map.remove(&member(MEMBERS + n)),
        )
    });
}

#[divan::bench(sample_count = 300, sample_size = 1_000)]
fn tree_get(bencher: Bencher<'_, '_>) {
    let (tree, pool) = random();
    let (mut n, mut out) = (0, Vec::new());
    bencher.bench_local(|| {
        n = (n + 7_919) % MEMBERS;
        out.clear();
        tree.get(&pool, &member(n), &mut out)
    });
}

#[divan::bench(sample_count = 300, sample_size = 1_000)]
fn tree_overwrite(bencher: Bencher<'_, '_>) {
    let (mut tree, mut pool) = random();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 7_919) % MEMBERS;
        tree.put(&mut pool, &member(n), b"")
    });
}

#[divan::bench(sample_count = 300, sample_size = 1_000)]
fn tree_put_and_delete(bencher: Bencher<'_, '_>) {
    let (mut tree, mut pool) = random();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 7_919) % MEMBERS;
        let new = tree.put(&mut pool, &member(MEMBERS + n), b"");
        (new, tree.delete(&mut pool, &member(MEMBERS + n)))
    });
}

#[divan::bench(sample_count = 5)]
fn tree_scan_a_million(bencher: Bencher<'_, '_>) {
    let (tree, pool) = random();
    bencher.bench_local(|| {
        let mut count = 0;
        tree.scan(&pool, &[], false, false, usize::MAX, &mut |name, _| {
            count += name.len();
            true
        });
        count
    });
}

#[divan::bench(sample_count = 5)]
fn tree_scan_a_million_descending(bencher: Bencher<'_, '_>) {
    let (tree, pool) = random();
    bencher.bench_local(|| {
        let mut count = 0;
        tree.scan(&pool, &[], false, true, usize::MAX, &mut |name, _| {
            count += name.len();
            true
        });
        count
    });
}

#[divan::bench(sample_count = 3)]
fn tree_build_a_million_ascending() -> u64 {
    ascending().0.count()
}

#[divan::bench(sample_count = 3)]
fn tree_build_a_million_random() -> u64 {
    random().0.count()
}
