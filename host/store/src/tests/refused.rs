//! Writes that are refused leave what was there; only a plain set that finds no room drops it.

use std::sync::Arc;

use super::*;

/// Longest value in bytes.
const ITEM_BYTES_MAX: usize = 1 << 20;

fn with_policy(memory_bytes_max: usize, eviction: Eviction) -> Arc<Store> {
    Arc::new(Store::new(&Config {
        eviction,
        ..config(memory_bytes_max, 1)
    }))
}

/// All that a client can see of an item.
fn seen(store: &Store, key: &[u8]) -> Option<(u32, Expiry, u64, bool, Vec<u8>)> {
    let unnoticed = GetOptions {
        no_bump: true,
        ..GetOptions::default()
    };
    store
        .look(key, NOW, &unnoticed)
        .map(|(info, value)| (info.flags, info.expiry, info.cas, info.stale, value))
}

/// Puts a stale item with flags, expiry and token; returns the token.
fn put_stale(store: &Store, key: &[u8], value: &[u8]) -> u64 {
    let put = Write {
        flags: 5,
        expiry: until(100),
        want_cas: true,
        ..write(value)
    };
    store.set(store.key(key), NOW, &put);
    let stale = DeleteOptions {
        mark_stale: true,
        ..DeleteOptions::default()
    };
    store.delete(store.key(key), NOW, &stale);
    seen(store, key).expect("it was put").2
}

/// Every way to write that keeps the old value, with a short name.
fn careful_writes(value: &[u8], token: u64) -> [(&'static str, Write<'_>); 6] {
    let with = |mode, cas_compare| Write {
        mode,
        cas_compare,
        ..write(value)
    };
    [
        ("add", with(SetMode::Add, None)),
        ("replace", with(SetMode::Replace, None)),
        ("append", with(SetMode::Append, None)),
        ("prepend", with(SetMode::Prepend, None)),
        ("cas", with(SetMode::Set, Some(token))),
        ("other cas", with(SetMode::Set, Some(token + 1))),
    ]
}

#[test]
fn a_value_over_the_limit_is_dropped_for_a_plain_set_only() {
    let store = with_policy(8 << 20, Eviction::Lru);
    let long = vec![1; ITEM_BYTES_MAX + 1];
    let token = put_stale(&store, b"k", b"value");
    let before = seen(&store, b"k");
    for (name, refused) in careful_writes(&long, token) {
        let outcome = store.set(store.key(b"k"), NOW, &refused);
        assert_eq!(outcome, SetOutcome::TooLarge, "{name}");
        assert_eq!(seen(&store, b"k"), before, "{name}");
    }
    assert_eq!(store.put(b"k", &long), SetOutcome::TooLarge);
    assert_eq!(seen(&store, b"k"), None);
    store.audit();
}

#[test]
fn a_value_that_would_grow_over_the_limit_stays_as_it_was() {
    let store = with_policy(8 << 20, Eviction::Lru);
    let half = vec![1; ITEM_BYTES_MAX / 2 + 1];
    put_stale(&store, b"k", &half);
    let before = seen(&store, b"k");
    for mode in [SetMode::Append, SetMode::Prepend] {
        let more = Write {
            mode,
            ..write(&half)
        };
        let outcome = store.set(store.key(b"k"), NOW, &more);
        assert_eq!(outcome, SetOutcome::NotStored);
        assert_eq!(seen(&store, b"k"), before);
    }
    store.audit();
}

#[test]
fn a_write_without_memory_leaves_the_old_value() {
    let store = with_policy(1 << 20, Eviction::Refuse);
    let token = put_stale(&store, b"k", b"value");
    put_stale(&store, b"n", b"1");
    let mut others = 0u32..;
    while store.put(&others.next().expect("numbers").to_le_bytes(), &[1; 20])
        != SetOutcome::TooLarge
    {}
    let before = (seen(&store, b"k"), seen(&store, b"n"));
    for (name, refused) in careful_writes(&[1; 5000], token) {
        let expected = match name {
            "add" | "append" | "prepend" => SetOutcome::NotStored,
            "other cas" => SetOutcome::Exists,
            _ => SetOutcome::TooLarge,
        };
        let outcome = store.set(store.key(b"k"), NOW, &refused);
        assert_eq!(outcome, expected, "{name}");
        assert_eq!(seen(&store, b"k"), before.0, "{name}");
    }
    let add = Arith {
        delta: 10_000_000_000_000_000_000,
        decrement: false,
        vivify: None,
        touch: Some(until(9)),
        cas_compare: None,
        cas_override: None,
        want_cas: true,
    };
    let outcome = store.arith(store.key(b"n"), NOW, &add);
    assert!(matches!(outcome, ArithOutcome::TooLarge), "{outcome:?}");
    assert_eq!(seen(&store, b"n"), before.1);
    assert_eq!(store.put(b"k", &[1; 5000]), SetOutcome::TooLarge);
    assert_eq!(seen(&store, b"k"), None);
    store.audit();
}

#[test]
fn a_value_that_grows_never_leaves_for_its_own_longer_copy() {
    for eviction in [Eviction::Lru, Eviction::SizeIdle] {
        let store = with_policy(2 << 20, eviction);
        let (value, more) = (vec![1; 900 << 10], vec![2; 100 << 10]);
        put_stale(&store, b"k", &value);
        store.put(b"other", b"value");
        let before = seen(&store, b"k");
        // Nothing of this is in the index, and it can't leave. Without it there would be room for both copies.
        let announced = Announced {
            flags: 0,
            expiry: NEVER,
            len: 300 << 10,
            want_cas: false,
        };
        let mut upload = store
            .upload(store.key(b"u"), announced)
            .expect("nobody else announced any");
        upload.write(&more).expect("there is room");
        upload.write(&more).expect("there is room");
        let append = Write {
            mode: SetMode::Append,
            ..write(&more)
        };
        let outcome = store.set(store.key(b"k"), NOW, &append);
        assert_eq!(outcome, SetOutcome::NotStored, "{eviction:?}");
        assert_eq!(seen(&store, b"k"), before, "{eviction:?}");
        drop(upload);
        let outcome = store.set(store.key(b"k"), NOW, &append);
        assert!(matches!(outcome, SetOutcome::Stored { .. }), "{outcome:?}");
        store.audit();
    }
}

#[test]
fn nobody_leaves_for_a_longer_value_that_can_never_stand_beside_the_old_one() {
    let store = with_policy(1 << 20, Eviction::Lru);
    store.put(b"k", &[1; 500 << 10]);
    store.put(b"other", b"value");
    let append = Write {
        mode: SetMode::Append,
        ..write(&[2; 100 << 10])
    };
    let outcome = store.set(store.key(b"k"), NOW, &append);
    assert_eq!(outcome, SetOutcome::NotStored);
    assert_eq!(store.stats().evictions, 0);
    assert_eq!(store.read(b"k"), Some(vec![1; 500 << 10]));
}
