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

/// Flags of the mapping that this part of the arena belongs to, as the kernel tells them.
fn mapping_flags(store: &Store, byte: usize) -> String {
    let address = std::ptr::from_ref(&store.arena.words(byte / 8, 1)[0]).addr();
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux tells");
    let mut inside = false;
    for line in maps.lines() {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let hex = |number| usize::from_str_radix(number, 16).ok();
        if let Some((Some(start), Some(end))) = range.map(|(start, end)| (hex(start), hex(end))) {
            inside = (start..end).contains(&address);
        } else if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
            return format!("{flags} ");
        }
    }
    panic!("not mapped");
}

#[test]
#[cfg_attr(miri, ignore = "knows no mappings")]
fn nothing_beyond_the_limit_becomes_a_huge_page_by_itself() {
    const MIB: usize = 1 << 20;
    if !std::fs::exists("/sys/kernel/mm/transparent_hugepage").expect("Linux tells") {
        return;
    }
    let store = Store::new(&config(128 * MIB, 4));
    let is_huge = |mib: usize| mapping_flags(&store, mib * MIB).contains(" hg ");
    let is_small = |mib: usize| mapping_flags(&store, mib * MIB).contains(" nh ");
    assert!(is_huge(0) && is_huge(127) && is_small(129));
    store.set_memory_limit(64 * MIB);
    assert!(is_huge(63) && is_small(65) && is_small(127));
    store.set_memory_limit(16 * MIB);
    assert!(is_small(0) && is_small(63));
    store.set_memory_limit(256 * MIB);
    assert!(is_huge(0) && is_huge(255));
}
