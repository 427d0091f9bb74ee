//! Who leaves, and in which order: several threads and shards, and lifetimes of all kinds.

use std::sync::atomic::Ordering::Relaxed;

use super::super::item::Item;
use super::model::Random;
use super::*;

#[test]
fn what_threads_used_leaves_in_the_one_order_of_their_accesses() {
    let store = Store::starting_at(&config(8 << 20, 16), (1 << 32) - 150_000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..100_000 {
                    let name = random.below(60_000).to_le_bytes();
                    if random.below(3) == 0 {
                        store.put(&name, &vec![7; random.below(300) as usize]);
                    } else {
                        store.read(&name);
                    }
                }
            });
        }
    });
    store.audit();
    // Every item, by the tick of its last access; ticks are given once each.
    let mut order = Vec::new();
    for id in 0..store.shards.len() {
        let locked = store.lock_shard(id);
        let mut tick = store.tails[id].load(Relaxed);
        let mut addr = locked.shard.oldest;
        while addr != 0 {
            let item = Item::at(&store.arena, addr);
            let age = item.tick().wrapping_sub(tick as u32);
            assert!(age < 1 << 31, "a shard's list is in order");
            tick += u64::from(age);
            order.push(tick);
            addr = item.newer();
        }
    }
    order.sort_unstable();
    assert!(order.len() > 20_000 && order.windows(2).all(|pair| pair[0] < pair[1]));
    for expected in order {
        let oldest = store.oldest_tail().map(|(tick, _)| tick);
        assert_eq!(oldest, Some(expected));
        assert!(store.evict_lru(None).is_some());
    }
    assert!(store.evict_lru(None).is_none());
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
