//! Limits that go down while large objects are in the way.

use std::collections::BTreeMap;

use super::*;

fn grow_object(store: &Store, key: &[u8], from: u32, fields: u32) {
    let fields: BTreeMap<_, _> = (from..from + fields)
        .map(|i| {
            (
                i.to_be_bytes().to_vec(),
                Some(vec![i as u8; 20 + i as usize % 300]),
            )
        })
        .collect();
    let change = Change::Fields {
        fields: &fields,
        clear: false,
        fresh: false,
        value: None,
    };
    let commit = Commit {
        key: store.key(key),
        expected: None,
        place: None,
        blind: true,
        change,
        expiry: NEVER,
    };
    store.commit(NOW, &[commit]).expect("room");
}

fn fields_of(store: &Store, key: &[u8]) -> u64 {
    let info = store
        .object_open(store.key(key), NOW, &mut Vec::new())
        .expect("an object");
    let info = info.expect("it stayed");
    let mut last = Vec::new();
    let mut count = 0;
    while store
        .object_scan(
            store.key(key),
            info.version,
            &last.clone(),
            count > 0,
            false,
            &mut |name, value| {
                let i = u32::from_be_bytes(name.try_into().expect("four bytes"));
                assert_eq!(value, vec![i as u8; 20 + i as usize % 300]);
                last = name.to_vec();
                count += 1;
                true
            },
        )
        .expect("nobody writes")
    {}
    assert_eq!(info.fields, count);
    count
}

#[test]
fn a_lower_limit_moves_large_objects_and_evicts_nobody_whom_it_can_hold() {
    let store = Store::new(&config(16 << 20, 4));
    // Filler that leaves holes behind, so that objects lie all over the arena.
    for i in 0..60_000u32 {
        store.put(&i.to_le_bytes(), &[7; 150]);
    }
    for round in 0..20 {
        for object in 0..5u8 {
            grow_object(&store, &[b'o', object], round * 200, 200);
        }
        for i in (round..60_000).step_by(20) {
            store.delete(store.key(&i.to_le_bytes()), NOW, &DeleteOptions::default());
        }
        for i in 0..1000 {
            store.put(&(1_000_000 + round * 1000 + i).to_le_bytes(), &[8; 40]);
        }
    }
    let before = store.stats();
    let limit = (before.bytes + before.hash_bytes) as usize + (1 << 20);
    assert!(
        (before.resident_bytes as usize) > limit,
        "there is something to give back"
    );
    store.set_memory_limit(limit);
    while store.maintain(NOW, 1000) > 0 {}
    let after = store.stats();
    assert!(after.resident_bytes as usize <= limit, "{after:?}");
    assert_eq!((after.curr_items, after.evictions), (before.curr_items, 0));
    for object in 0..5u8 {
        assert_eq!(fields_of(&store, &[b'o', object]), 4000);
    }
    store.audit();
    // Far below what there is: the least recently used leave until it fits, objects as whole.
    store.set_memory_limit(2 << 20);
    while store.maintain(NOW, 1000) > 0 {}
    let least = store.stats();
    assert!(least.resident_bytes <= 2 << 20, "{least:?}");
    assert!(
        least.payload_bytes > 1 << 20,
        "no more than needed left: {least:?}"
    );
    store.audit();
}
