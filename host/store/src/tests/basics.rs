//! One promise a test.

use super::*;

fn store() -> Store {
    Store::new(&config(1 << 20, 4))
}

fn plain() -> GetOptions {
    GetOptions::default()
}

/// The value that is there now has `len` bytes, and its item no token.
fn stored(len: usize) -> SetOutcome {
    SetOutcome::Stored {
        cas: 0,
        len: len as u32,
    }
}

#[test]
fn what_is_set_is_got_whatever_its_length() {
    let store = store();
    for len in [
        0, 1, 2, 3, 7, 8, 9, 100, 1000, 16_380, 65_534, 65_535, 65_536, 300_000,
    ] {
        for key_len in [1, 2, 3, 10, 250] {
            let key = vec![b'k'; key_len];
            let value: Vec<u8> = (0..len).map(|i| (i * 7 + key_len) as u8).collect();
            assert_eq!(store.put(&key, &value), stored(len));
            assert_eq!(
                store.read(&key).as_deref(),
                Some(&value[..]),
                "{len} {key_len}"
            );
            store.audit();
        }
    }
}

#[test]
fn keys_that_share_a_beginning_are_different() {
    let store = store();
    for key in [&b"a"[..], b"a\0", b"ab", b"abc", b"abd"] {
        store.put(key, key);
    }
    for key in [&b"a"[..], b"a\0", b"ab", b"abc", b"abd"] {
        assert_eq!(store.read(key).as_deref(), Some(key));
    }
    assert_eq!(store.read(b"b"), None);
    assert_eq!(store.read(b""), None);
}

#[test]
fn modes_do_what_they_say() {
    let store = store();
    let set = |key: &[u8], value: &[u8], mode| {
        store.set(
            store.key(key),
            NOW,
            &Write {
                mode,
                ..write(value)
            },
        )
    };
    assert_eq!(set(b"k", b"1", SetMode::Replace), SetOutcome::NotStored);
    assert_eq!(set(b"k", b"1", SetMode::Append), SetOutcome::NotStored);
    assert_eq!(set(b"k", b"1", SetMode::Add), stored(1));
    assert_eq!(set(b"k", b"2", SetMode::Add), SetOutcome::NotStored);
    assert_eq!(set(b"k", b"3", SetMode::Replace), stored(1));
    assert_eq!(set(b"k", b"4", SetMode::Append), stored(2));
    assert_eq!(set(b"k", &[b'2'; 300], SetMode::Prepend), stored(302));
    assert_eq!(set(b"k", &[b'5'; 300], SetMode::Append), stored(602));
    assert_eq!(
        store.read(b"k").expect("hit"),
        [&[b'2'; 300][..], b"34", &[b'5'; 300]].concat()
    );
    store.audit();
}

#[test]
fn a_token_is_given_when_first_wanted_and_changes_with_each_write() {
    let store = store();
    store.put(b"k", b"1");
    assert_eq!(store.look(b"k", NOW, &plain()).expect("hit").0.cas, 0);
    let token = store
        .look(
            b"k",
            NOW,
            &GetOptions {
                want_cas: true,
                ..plain()
            },
        )
        .expect("hit")
        .0
        .cas;
    assert_ne!(token, 0);
    assert_eq!(store.look(b"k", NOW, &plain()).expect("hit").0.cas, token);
    let cas = |token, value| {
        store.set(
            store.key(b"k"),
            NOW,
            &Write {
                cas_compare: Some(token),
                ..write(value)
            },
        )
    };
    assert_eq!(cas(token + 1, b"2"), SetOutcome::Exists);
    assert_eq!(cas(token, b"2"), stored(1));
    assert_eq!(cas(token, b"3"), SetOutcome::Exists);
    assert_eq!(store.read(b"k").as_deref(), Some(&b"2"[..]));
    let missing = store.set(
        store.key(b"x"),
        NOW,
        &Write {
            cas_compare: Some(1),
            ..write(b"")
        },
    );
    assert_eq!(missing, SetOutcome::NotFound);
}

#[test]
fn numbers_count_in_place_and_keep_their_length_when_they_shrink() {
    let store = store();
    let count = |delta, decrement| {
        let arith = Arith {
            delta,
            decrement,
            vivify: None,
            touch: None,
            cas_compare: None,
            cas_override: None,
            want_cas: false,
        };
        match store.arith(store.key(b"n"), NOW, &arith) {
            ArithOutcome::Done { value, .. } => Some(value),
            _ => None,
        }
    };
    assert_eq!(count(1, false), None);
    store.put(b"n", b"10");
    assert_eq!(count(1, true), Some(9));
    assert_eq!(store.read(b"n").as_deref(), Some(&b"9 "[..]));
    assert_eq!(count(91, false), Some(100));
    assert_eq!(count(1000, true), Some(0));
    assert_eq!(count(u64::MAX, false), Some(u64::MAX));
    assert_eq!(count(2, false), Some(1));
    store.put(b"n", b"12x");
    assert_eq!(count(1, false), None);
    store.put(b"n", b"99999999999999999999");
    assert_eq!(count(1, false), None);
    store.audit();
}

#[test]
fn items_expire_lazily_and_in_the_background() {
    let store = store();
    for i in 0..1000u32 {
        let write = Write {
            expiry: until(1 + i % 10),
            ..write(b"value")
        };
        store.set(store.key(&i.to_le_bytes()), NOW, &write);
    }
    assert!(store.look(&9u32.to_le_bytes(), at(9), &plain()).is_some());
    assert!(store.look(&9u32.to_le_bytes(), at(10), &plain()).is_none());
    let mut done = 0;
    loop {
        match store.maintain(at(5), 50) {
            0 => break,
            n => done += n,
        }
    }
    assert_eq!(store.stats().curr_items, 499);
    assert!(done >= 500, "{done}");
    assert_eq!(store.stats().reclaimed, 501);
    while store.maintain(at(10), 50) > 0 {}
    assert_eq!(store.stats().curr_items, 0);
    assert_eq!(store.stats().bytes, 0);
    store.audit();
}

#[test]
fn touching_gives_moves_and_takes_an_expiry() {
    let store = store();
    store.put(b"k", b"value");
    assert_eq!(
        store.touch(store.key(b"k"), NOW, until(5)),
        DeleteOutcome::Done
    );
    assert_eq!(
        store.touch(store.key(b"k"), NOW, until(50)),
        DeleteOutcome::Done
    );
    while store.maintain(at(6), 50) > 0 {}
    assert_eq!(
        store.look(b"k", at(6), &plain()).expect("hit").0.expiry,
        until(50)
    );
    assert_eq!(
        store.touch(store.key(b"k"), at(6), NEVER),
        DeleteOutcome::Done
    );
    assert_eq!(store.look(b"k", at(60), &plain()).expect("hit").1, b"value");
    assert_eq!(
        store.touch(store.key(b"x"), NOW, NEVER),
        DeleteOutcome::NotFound
    );
}

#[test]
fn a_flush_ends_what_was_stored_before_it_and_nothing_else() {
    let store = store();
    store.put(b"a", b"1");
    store.flush_all(NOW, NOW);
    assert_eq!(store.read(b"a"), None);
    store.put(b"b", b"2");
    assert_eq!(store.read(b"b").as_deref(), Some(&b"2"[..]));
    store.flush_all(NOW, at(10));
    assert!(store.look(b"b", at(9), &plain()).is_some());
    store.set(store.key(b"c"), at(9), &write(b"3"));
    assert!(store.look(b"b", at(10), &plain()).is_none());
    assert!(store.look(b"c", at(10), &plain()).is_none());
    while store.maintain(at(10), 10) > 0 {}
    assert_eq!(store.stats().bytes, 0);
    store.audit();
}

#[test]
fn an_item_that_can_never_fit_is_refused_and_evicts_nobody() {
    let store = store();
    for i in 0..500u32 {
        store.put(&i.to_le_bytes(), &[1; 100]);
    }
    let before = store.stats();
    assert_eq!(
        store.put(&7u32.to_le_bytes(), &vec![0; 1 << 20]),
        SetOutcome::TooLarge
    );
    assert_eq!(
        store.put(b"new", &vec![0; (1 << 20) + 1]),
        SetOutcome::TooLarge
    );
    let after = store.stats();
    assert_eq!(
        (after.evictions, after.curr_items),
        (0, before.curr_items - 1)
    );
    assert_eq!(store.read(&7u32.to_le_bytes()), None);
}

#[test]
fn one_large_item_evicts_just_what_it_needs() {
    let store = store();
    let mut i = 0u32;
    while store.stats().evictions == 0 {
        store.put(&i.to_le_bytes(), &[1; 100]);
        i += 1;
    }
    let before = store.stats();
    assert_eq!(store.put(b"large", &vec![2; 400_000]), stored(400_000));
    let after = store.stats();
    store.audit();
    // Small holes cost the head of a piece each: 128 bytes in the arena hold 120.
    let evicted = (after.evictions - before.evictions) * 128;
    assert!(evicted < 400_000 * 128 / 120 + 2000, "{evicted}");
    assert_eq!(store.read(b"large").expect("hit").len(), 400_000);
}

#[test]
fn a_million_small_items_cost_28_bytes_each_over_their_payload() {
    let store = Store::new(&config(256 << 20, 16));
    for i in 0..1_000_000u32 {
        store.put(format!("{i:010}").as_bytes(), &[b'v'; 100]);
    }
    let stats = store.stats();
    assert_eq!(
        (stats.curr_items, stats.payload_bytes),
        (1_000_000, 110_000_000)
    );
    let over = (stats.resident_bytes - stats.payload_bytes) as f64 / 1e6;
    assert!(over < 28.0, "{over}");
    store.audit();
}

#[test]
fn the_one_who_may_recache_is_one() {
    let store = store();
    let vivify = GetOptions {
        vivify: Some(until(30)),
        ..plain()
    };
    let first = store.look(b"k", NOW, &vivify).expect("made").0;
    assert!(first.won && !first.token_sent);
    let second = store.look(b"k", NOW, &vivify).expect("there").0;
    assert!(!second.won && second.token_sent);
    store.set(
        store.key(b"k"),
        NOW,
        &Write {
            expiry: until(30),
            ..write(b"v")
        },
    );
    let early = GetOptions {
        recache_below_s: Some(20),
        ..plain()
    };
    assert!(!store.look(b"k", at(5), &early).expect("hit").0.won);
    assert!(store.look(b"k", at(15), &early).expect("hit").0.won);
    assert!(!store.look(b"k", at(15), &early).expect("hit").0.won);
    store.delete(
        store.key(b"k"),
        at(15),
        &DeleteOptions {
            mark_stale: true,
            ..DeleteOptions::default()
        },
    );
    // A plain get could not tell that it won, so it does not.
    let stale = store.look(b"k", at(15), &plain()).expect("hit").0;
    assert!(stale.stale && !stale.won);
    let meta = GetOptions {
        may_win: true,
        ..plain()
    };
    let stale = store.look(b"k", at(15), &meta).expect("hit").0;
    assert!(stale.stale && stale.won);
    assert!(!store.look(b"k", at(15), &meta).expect("hit").0.won);
}

#[test]
fn a_store_is_large_when_its_items_are_many() {
    let store = Store::new(&config(8 << 20, 4));
    let set = |n: u32| assert_eq!(store.put(n.to_string().as_bytes(), b""), stored(0));
    (0..1000).for_each(set);
    assert!(!store.is_large());
    (1000..40_000).for_each(set);
    assert!(store.is_large());
}

#[test]
fn a_scan_meets_everybody() {
    let store = store();
    for i in 0..3000u32 {
        store.put(&i.to_le_bytes(), b"v");
    }
    let mut seen = std::collections::HashSet::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = store.scan(NOW, at, &mut |key, _, _| assert!(seen.insert(key.to_vec())));
    }
    assert_eq!(seen.len(), 3000);
}

#[test]
fn a_scan_meets_everybody_who_stays_while_the_index_shrinks_and_grows() {
    let store = store();
    let keep = |i: u32| i.is_multiple_of(64);
    for i in 0..20_000u32 {
        store.put(&i.to_le_bytes(), b"v");
    }
    let mut seen = std::collections::HashSet::new();
    let mut cursor = Some(Cursor::default());
    let (mut calls, mut gone) = (0u32, 0);
    while let Some(at) = cursor {
        cursor = store.scan(NOW, at, &mut |key, _, _| {
            seen.insert(key.to_vec());
        });
        calls += 1;
        // Shrinks while the first half of the scan goes on, then grows again.
        let removed = gone..(gone + 500).min(20_000);
        gone = removed.end;
        for i in removed.filter(|i| !keep(*i)) {
            store.delete(store.key(&i.to_le_bytes()), NOW, &DeleteOptions::default());
        }
        while store.maintain(NOW, 1000) > 0 {}
        if gone == 20_000 {
            store.put(&(1_000_000 + calls).to_le_bytes(), b"v");
        }
    }
    for i in (0..20_000u32).filter(|i| keep(*i)) {
        assert!(seen.contains(&i.to_le_bytes()[..]), "{i} was not met");
    }
}

#[test]
fn the_limit_moves_down_and_up_while_items_stay() {
    let store = Store::new(&config(8 << 20, 4));
    for i in 0..40_000u32 {
        store.put(&i.to_le_bytes(), &[3; 150]);
    }
    store.set_memory_limit(4 << 20);
    while store.maintain(NOW, 1000) > 0 {}
    store.audit();
    assert!(store.stats().resident_bytes <= 4 << 20);
    assert!(store.read(&39_999u32.to_le_bytes()).is_some());
    assert!(store.stats().payload_bytes > 3 << 20, "{:?}", store.stats());
    store.set_memory_limit(16 << 20);
    for i in 0..120_000u32 {
        store.put(&i.to_le_bytes(), &[3; 150]);
    }
    assert!(
        store.stats().payload_bytes > 12 << 20,
        "{:?}",
        store.stats()
    );
    store.audit();
}

#[test]
fn without_eviction_writes_are_refused_when_memory_is_full() {
    let store = Store::new(&Config {
        eviction: Eviction::Refuse,
        ..config(1 << 20, 1)
    });
    let stored = (0..100_000u32)
        .take_while(|i| store.put(&i.to_le_bytes(), &[1; 50]) != SetOutcome::TooLarge)
        .count();
    assert!(stored > 8000, "{stored}");
    assert_eq!(store.stats().curr_items, stored as u64);
    store.audit();
}

#[test]
fn idle_seconds_are_told() {
    let store = store();
    let asking = GetOptions {
        want_idle: true,
        ..plain()
    };
    store.put(b"k", b"v");
    store.put(b"other", b"v");
    for s in 0..12 {
        store.look(b"other", at(s), &asking);
    }
    assert_eq!(store.look(b"k", at(12), &asking).expect("hit").0.idle_s, 12);
    assert_eq!(store.look(b"k", at(12), &asking).expect("hit").0.idle_s, 0);
}

#[test]
fn a_reset_forgets_what_happened_and_keeps_what_is() {
    let store = store();
    let brief = Write {
        expiry: until(1),
        ..write(&[1; 100])
    };
    for i in 0..20_000u32 {
        store.set(store.key(&i.to_le_bytes()), NOW, &brief);
    }
    store.put(b"k", b"value");
    while store.maintain(at(2), 1000) > 0 {}
    let before = store.stats();
    for counted in [
        before.evictions,
        before.evicted_unfetched,
        before.evicted_nonzero,
        before.reclaimed,
        before.expired_unfetched,
    ] {
        assert!(counted > 0, "{before:?}");
    }
    assert_eq!((before.total_items, before.curr_items), (20_001, 1));
    store.reset_stats();
    let after = store.stats();
    let zero = StoreStats {
        total_items: 0,
        evictions: 0,
        evicted_unfetched: 0,
        evicted_nonzero: 0,
        reclaimed: 0,
        expired_unfetched: 0,
        ..before
    };
    assert_eq!(format!("{after:?}"), format!("{zero:?}"));
    store.put(b"l", b"value");
    assert_eq!(
        (store.stats().total_items, store.stats().curr_items),
        (1, 2)
    );
}
