//! What readers without a lock may meet, and states that take very long to come about.

use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;

use super::super::item::{Item, KEY_BYTES_MAX};
use super::*;
use crate::memory::arena::{self, Arena};

proptest! {
    #[test]
    fn nonsense_read_without_a_lock_is_a_key_or_none_and_never_a_panic(
        words in proptest::collection::vec(
            prop_oneof![any::<u64>(), any::<u32>().prop_map(|link| u64::from(link % 9000) << 32 | 3)],
            64,
        ),
        addr in prop_oneof![0u32..8192, any::<u32>()],
    ) {
        let arena = Arena::new(1 << 16, 1 << 16);
        for i in 0..8192 {
            arena.store(i, words[i % 64]);
        }
        if arena.holds(addr, 1) {
            let mut buffer = [0; KEY_BYTES_MAX];
            let key = Item::at(&arena, addr).racy_key(&mut buffer);
            prop_assert!(key.is_none_or(|key| (1..=KEY_BYTES_MAX).contains(&key.len())));
        }
    }
}

#[test]
fn a_flush_ends_items_however_long_they_were_not_asked_for() {
    for idle in [1 << 20, (1 << 31) - 1, 1 << 31, 3 << 30, 1 << 32, 5 << 32] {
        let store = Store::new(&config(1 << 20, 2));
        store.put(b"old", b"1");
        store.tick.fetch_add(idle, Relaxed);
        store.put(b"young", b"2");
        store.flush_all(NOW, NOW);
        store.put(b"new", b"3");
        assert_eq!(store.read(b"old"), None, "idle for {idle}");
        assert_eq!(store.read(b"young"), None);
        assert_eq!(store.read(b"new").as_deref(), Some(&b"3"[..]));
        store.audit();
    }
}

#[test]
fn memory_whose_tags_do_not_add_up_is_a_panic_and_not_an_endless_loop() {
    let store = Store::new(&config(1 << 20, 1));
    for i in 0..100u32 {
        store.put(&i.to_le_bytes(), &[7; 100]);
    }
    let oldest = store.tails.oldest(store.clock_now());
    let (shard, list) = store.list_at(oldest.expect("there are a hundred").1);
    let victim = store.lock_shard(shard).shard.lists[list].oldest;
    store.arena.word0(victim).store(0, Relaxed);
    let region = victim / arena::REGION_GRAINS;
    let walk = || {
        store
            .alloc
            .lock()
            .walk_used(&store.arena, region, |_, _| ())
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(walk)).is_err());
}

#[test]
fn a_time_that_no_region_has_any_more_does_not_hide_later_ones() {
    let store = Store::new(&config(64 << 20, 1));
    for i in 0..5000u32 {
        let write = Write {
            expiry: until(5),
            ..write(&[7; 1000])
        };
        store.set(store.key(&i.to_le_bytes()), NOW, &write);
    }
    // Two threads leave it so, when one notes a time while the other takes it.
    store.due.lower_top_only(NOW.unix_s);
    while store.maintain(at(6), 100) > 0 {}
    assert_eq!(store.stats().curr_items, 0);
}
