//! Long values: they are freed bit by bit, and nobody waits while they move.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Buf;

use super::model::Random;
use super::*;
use crate::store::GARBAGE_PER_OPERATION;
use std::sync::atomic::Ordering::Relaxed;

const MIB: usize = 1 << 20;
/// What one write may free of a dead value, and give up of its own.
const FREED_PER_WRITE: u64 = (GARBAGE_PER_OPERATION as u64 + 1) * 16 * 1024;

fn store(memory_bytes_max: usize) -> Arc<Store> {
    Arc::new(Store::new(&Config {
        item_bytes_max: memory_bytes_max,
        ..config(memory_bytes_max, 4)
    }))
}

/// Bytes that show where they belong.
fn value(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed + i * 31 + i / 256) as u8).collect()
}

fn begin(store: &Arc<Store>, key: &[u8], len: usize) -> Upload {
    let announced = Announced {
        flags: 0,
        expiry: NEVER,
        len,
        want_cas: false,
    };
    store
        .upload(store.key(key), announced)
        .expect("it has room")
}

fn pin(store: &Arc<Store>, key: &[u8]) -> Option<(Vec<u8>, Pinned)> {
    let mut lead = Vec::new();
    let pinned = store.get(store.key(key), NOW, &GetOptions::default(), |_, value| {
        store.pin(&value, &mut lead)
    });
    Some((lead, pinned.flatten()?))
}

#[test]
fn it_is_freed_bit_by_bit_however_it_ends() {
    const LEN: usize = 20 * MIB;
    let store = store(64 * MIB);
    let long = value(1, LEN);
    let mut holder = None;
    let mut upload = None;
    for end in 0..5 {
        match end {
            3 => {
                store.put(b"long", &long);
                holder = pin(&store, b"long");
                store.delete(store.key(b"long"), NOW, &DeleteOptions::default());
            }
            4 => {
                let mut half = begin(&store, b"other", LEN);
                half.write(&long[1..]).expect("it has room");
                upload = Some(half);
            }
            _ => drop(store.put(b"long", &long)),
        }
        let before = store.stats().bytes;
        assert!(before > LEN as u64 - MIB as u64);
        match end {
            0 => drop(store.delete(store.key(b"long"), NOW, &DeleteOptions::default())),
            1 => drop(store.put(b"long", b"short")),
            2 => drop(store.evict_lru(None)),
            3 => drop(holder.take().expect("it was pinned")),
            _ => drop(upload.take().expect("it was begun")),
        }
        let mut used = store.stats().bytes;
        assert!(
            before - used <= FREED_PER_WRITE,
            "end {end}: {before}, {used}"
        );
        assert!(store.read(b"long").as_ref() != Some(&long));
        store.audit();
        // Writes free the rest.
        let mut writes = 0;
        while used > MIB as u64 {
            store.put(b"short", b"of no matter");
            let now = store.stats().bytes;
            assert!(used - now <= FREED_PER_WRITE, "end {end}");
            used = now;
            writes += 1;
            assert!(writes < LEN / 4096, "end {end}: it does not go");
        }
        store.audit();
        store.delete(store.key(b"short"), NOW, &DeleteOptions::default());
        store.delete(store.key(b"long"), NOW, &DeleteOptions::default());
    }
    while store.maintain(NOW, 1000) > 0 {}
    assert_eq!(store.stats().bytes, 0);
}

#[test]
fn what_is_left_of_it_makes_room_before_anybody_leaves() {
    let store = store(64 * MIB);
    store.put(b"resident", &value(1, 20 * MIB));
    for round in 0..20 {
        store.put(b"long", &value(round, 30 * MIB));
        store.delete(store.key(b"long"), NOW, &DeleteOptions::default());
    }
    assert_eq!(store.stats().evictions, 0);
    assert!(store.read(b"resident") == Some(value(1, 20 * MIB)));
    store.audit();
}

#[test]
fn it_moves_out_of_memory_that_is_given_back_and_keeps_its_place() {
    let store = store(64 * MIB);
    for i in 0..24u8 {
        store.put(&[i], &value(i.into(), MIB));
    }
    for i in 24..48u8 {
        let mut upload = begin(&store, &[i], MIB);
        upload.write(&value(i.into(), MIB)).expect("it has room");
        upload.publish(NOW);
    }
    for i in 0..24u8 {
        store.delete(store.key(&[i]), NOW, &DeleteOptions::default());
    }
    // The values are at the end of the arena, and the limit is where they begin.
    store.set_memory_limit(26 * MIB);
    while store.maintain(NOW, 1000) > 0 {}
    let stats = store.stats();
    assert!(stats.resident_bytes <= 26 * MIB as u64, "{stats:?}");
    assert_eq!((stats.evictions, stats.curr_items), (0, 24));
    store.audit();
    for i in 24..48u8 {
        let there = |i| {
            store.get(
                store.key(&[i]),
                NOW,
                &GetOptions {
                    no_bump: true,
                    ..GetOptions::default()
                },
                |_, _| (),
            )
        };
        assert!(there(i).is_some());
        store.evict_lru(None);
        assert!(there(i).is_none(), "{i} is the oldest");
    }
    store.audit();
}

#[test]
fn a_limit_below_its_length_has_it_leave() {
    let store = store(64 * MIB);
    store.put(b"long", &value(1, 40 * MIB));
    store.put(b"short", b"stays");
    store.set_memory_limit(8 * MIB);
    while store.maintain(NOW, 1000) > 0 {}
    assert!(store.stats().resident_bytes <= 8 * MIB as u64);
    assert_eq!(store.read(b"long"), None);
    assert_eq!(store.read(b"short").as_deref(), Some(&b"stays"[..]));
    store.audit();
}

#[test]
fn whoever_reads_or_changes_it_meanwhile_sees_no_move() {
    let store = store(32 * MIB);
    let moved = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (store, moved) = (&store, &moved);
            scope.spawn(move || {
                let mut random = Random(thread);
                while !moved.load(Relaxed) {
                    use_one(store, &mut random);
                }
            });
        }
        let mut random = Random(7);
        for _ in 0..if cfg!(miri) { 2 } else { 100 } {
            store.set_memory_limit(MIB * (4 + random.below(28) as usize));
            while store.maintain(NOW, 1000) >= 1000 {}
        }
        moved.store(true, Relaxed);
    });
    store.set_memory_limit(32 * MIB);
    while store.maintain(NOW, 1000) > 0 {}
    store.audit();
}

/// Does something with one of a few values. All bytes of one are the same, whichever it was last.
fn use_one(store: &Arc<Store>, random: &mut Random) {
    let name = [random.below(6) as u8];
    let key = store.key(&name);
    match random.below(8) {
        0 => {
            let expiry = [NEVER, until(1000)][random.below(2) as usize];
            let value = vec![random.next() as u8; random.below(MIB as u64) as usize];
            let write = Write {
                expiry,
                ..write(&value)
            };
            store.set(key, NOW, &write);
        }
        1 => drop(store.touch(key, NOW, until(500 + random.below(500) as u32))),
        2 => drop(store.delete(key, NOW, &DeleteOptions::default())),
        3 => {
            let mut upload = begin(store, &name, MIB / 2);
            let fill = vec![random.next() as u8; MIB / 2];
            if upload.write(&fill).is_ok() && random.below(3) > 0 {
                upload.publish(NOW);
            }
        }
        4 | 5 => {
            let Some((lead, mut pinned)) = pin(store, &name) else {
                return;
            };
            let mut rest = vec![0; pinned.remaining()];
            pinned.copy_to_slice(&mut rest);
            assert!(lead.iter().chain(&rest).all(|byte| *byte == rest[0]));
        }
        _ => {
            let value = store.read(&name).unwrap_or_default();
            assert!(value.iter().all(|byte| *byte == value[0]));
        }
    }
}
