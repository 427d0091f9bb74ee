//! Short lives in little memory, so short that an interpreter that looks for undefined behaviour ends them, too
//! (`make miri`): everything happens once that reads memory without its lock, or lends it to somebody.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Buf;

use super::model::Random;
use super::*;

const LIMIT: usize = 96 << 10;
/// Bytes of a value that is pinned: the least.
const BIG: usize = PINNED_BYTES_MIN;

fn store(limit: usize) -> Arc<Store> {
    Arc::new(Store::new(&config(limit, 2)))
}

fn upload(store: &Arc<Store>, key: &[u8], len: usize) -> Upload {
    let announced = Announced {
        flags: 3,
        expiry: NEVER,
        len,
        want_cas: true,
    };
    store
        .upload(store.key(key), announced)
        .expect("it has room")
}

#[test]
fn items_leave_for_others_and_when_their_time_has_come() {
    let store = store(LIMIT);
    for i in 0..20u8 {
        let value = [i; 60];
        let brief = Write {
            expiry: until(1),
            ..write(&value)
        };
        store.set(store.key(&[b'e', i]), NOW, &brief);
    }
    for i in 0..60u8 {
        store.put(&[b'v', i], &[i; 2000]);
    }
    assert!(store.stats().evictions > 10);
    while store.maintain(at(2), 100) > 0 {}
    assert_eq!(store.read(&[b'e', 19]), None);
    assert_eq!(store.read(&[b'v', 59]), Some(vec![59; 2000]));
    store.audit();
}

#[test]
fn a_pinned_value_stays_while_its_item_changes_and_leaves() {
    let store = store(4 * BIG);
    store.put(b"big", &[1; BIG]);
    let mut lead = Vec::new();
    let pinned = store.get(
        store.key(b"big"),
        NOW,
        &GetOptions::default(),
        |_, value| store.pin(&value, &mut lead),
    );
    let mut pinned = pinned.flatten().expect("there is little pinned");
    store.touch(store.key(b"big"), NOW, until(5));
    store.put(b"big", &[2; 100]);
    for i in 0..10u8 {
        store.put(&[i], &[3; 8000]);
    }
    let mut ones = lead.len();
    while pinned.has_remaining() {
        let run = pinned.chunk();
        assert!(run.iter().all(|byte| *byte == 1));
        ones += run.len();
        pinned.advance(run.len());
    }
    assert_eq!(ones, BIG);
    drop(pinned);
    store.free_garbage(usize::MAX);
    store.audit();
}

#[test]
fn an_upload_comes_in_parts_or_not_at_all() {
    let store = store(LIMIT);
    store.put(b"key", b"before");
    let mut whole = upload(&store, b"key", 3000);
    let mut part = upload(&store, b"other", 12_000);
    for _ in 0..3 {
        whole.write(&[1; 1000]).expect("room");
        part.write(&[2; 3000]).expect("room");
    }
    drop(part);
    assert_eq!(store.read(b"key").as_deref(), Some(&b"before"[..]));
    whole.publish(NOW);
    assert_eq!(store.read(b"key"), Some(vec![1; 3000]));
    store.audit();
}

#[test]
fn an_object_becomes_a_tree_moves_and_is_freed() {
    let store = store(LIMIT);
    for i in 0..40u8 {
        store.put(&[b'f', i], &[i; 300]);
    }
    let mut fields = BTreeMap::new();
    for i in 0..40u8 {
        fields.insert(vec![i; 4], Some(vec![i; 70]));
    }
    let mut commit = Commit {
        key: store.key(b"o$1"),
        expected: None,
        place: None,
        blind: true,
        change: Change::Fields {
            fields: &fields,
            clear: false,
            fresh: false,
            value: None,
        },
        expiry: NEVER,
    };
    store
        .commit(NOW, std::slice::from_ref(&commit))
        .expect("room");
    for i in 0..40u8 {
        store.delete(store.key(&[b'f', i]), NOW, &DeleteOptions::default());
    }
    store.set_memory_limit(LIMIT / 2);
    while store.maintain(NOW, 1000) > 0 {}
    let info = store.object_open(commit.key, NOW, &mut Vec::new());
    let info = info.expect("an object").expect("it stayed");
    assert_eq!(info.fields, 40);
    let mut value = Vec::new();
    let there = store.object_field(commit.key, info.version, &[9; 4], &mut value);
    assert_eq!((there, value), (Ok(Some(70)), vec![9; 70]));
    commit.change = Change::Delete;
    store
        .commit(NOW, std::slice::from_ref(&commit))
        .expect("room");
    store.free_garbage(usize::MAX);
    store.audit();
}

#[test]
fn two_threads_share_what_there_is() {
    let store = store(LIMIT);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..60 {
                    let name = [random.below(12) as u8];
                    let len = random.below(6000) as usize;
                    match random.below(4) {
                        0 | 1 => drop(store.put(&name, &vec![name[0]; len])),
                        2 => drop(store.delete(store.key(&name), NOW, &DeleteOptions::default())),
                        _ => {
                            let value = store.read(&name).unwrap_or_default();
                            assert!(value.iter().all(|byte| *byte == name[0]));
                        }
                    }
                }
            });
        }
    });
    store.audit();
}
