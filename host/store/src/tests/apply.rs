//! What becomes of single effects, and of a store that goes on after a replay.

use std::sync::Arc;

use super::*;

const PLAIN: Head = Head {
    flags: 5,
    expiry: NEVER,
    cas: 0,
    stale: false,
    token_sent: false,
    object: false,
};
const OBJECT: Head = Head {
    flags: 0,
    cas: 9,
    object: true,
    ..PLAIN
};

fn store() -> Store {
    Store::new(&config(4 << 20, 4))
}

fn stored<'a>(head: Head, body: Body<'a>) -> Effect<'a> {
    Effect::Stored {
        key: b"k",
        head,
        body,
    }
}

fn fields<'a>(clear: bool, fresh: bool, value: Option<&'a [u8]>) -> Body<'a> {
    Body::Fields {
        fields: [(b"f".as_slice(), Some(b"v".as_slice()))].into(),
        clear,
        fresh,
        value,
    }
}

fn append(at: u32) -> Body<'static> {
    Body::Appended { at, bytes: b"new" }
}

/// The state of an object that has a tree.
fn large_state() -> &'static [u8] {
    static STATE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    STATE.get_or_init(|| {
        let mut state = Vec::new();
        for name in 0..200u8 {
            crate::fields::small::put(&mut state, &[name], &[1; 30]);
        }
        state
    })
}

/// What the key `k` holds after a value of three bytes, or an object, or nothing, and then an effect.
fn after(before: Option<Effect<'_>>, effect: &Effect<'_>) -> (Applied, Option<Vec<u8>>) {
    let store = store();
    if let Some(before) = before {
        assert_eq!(store.apply(NOW, 10, &before), Applied::Done);
    }
    let applied = store.apply(NOW, 20, effect);
    store.audit();
    (applied, store.read(b"k"))
}

#[test]
fn an_effect_is_skipped_where_what_it_changes_is_not_there() {
    let value = || Some(stored(PLAIN, Body::Value(b"old")));
    let object = || Some(stored(OBJECT, Body::State(&[0])));
    let old = Some(b"old".to_vec());
    for body in [Body::Same, append(0), append(3)] {
        assert_eq!(after(None, &stored(PLAIN, body)), (Applied::Missing, None));
    }
    for body in [
        Body::Same,
        fields(false, false, None),
        fields(true, false, None),
    ] {
        let effect = stored(OBJECT, body);
        assert_eq!(after(None, &effect), (Applied::Missing, None));
        assert_eq!(after(value(), &effect), (Applied::Missing, old.clone()));
    }
    for body in [Body::Same, append(0)] {
        let kept = after(object(), &stored(PLAIN, body));
        assert_eq!(kept, (Applied::Missing, Some(vec![0])));
    }
    assert_eq!(
        after(value(), &stored(PLAIN, append(4))),
        (Applied::Missing, old)
    );
}

#[test]
fn an_effect_does_what_it_says_whatever_is_there() {
    let befores = || {
        [
            None,
            Some(stored(PLAIN, Body::Value(b"old"))),
            Some(stored(OBJECT, Body::State(&[0]))),
            Some(stored(OBJECT, Body::State(large_state()))),
        ]
    };
    for before in befores() {
        let value = after(before.clone(), &stored(PLAIN, Body::Value(b"v")));
        assert_eq!(value, (Applied::Done, Some(b"v".to_vec())));
        let state = after(before.clone(), &stored(OBJECT, Body::State(&[0])));
        assert_eq!(state, (Applied::Done, Some(vec![0])));
        let fresh = after(before.clone(), &stored(OBJECT, fields(true, true, None)));
        assert_eq!(fresh, (Applied::Done, Some(b"\x02\x01\x01fv".to_vec())));
        let cleared = after(
            before.clone(),
            &stored(OBJECT, fields(true, false, Some(b"o"))),
        );
        assert_eq!(
            cleared,
            (Applied::Done, Some(b"\x03\x01o\x01\x01fv".to_vec()))
        );
        let gone = after(before.clone(), &Effect::Deleted { key: b"k" });
        assert_eq!(gone, (Applied::Done, None));
        let gone = after(before.clone(), &Effect::Flushed);
        assert_eq!(gone, (Applied::Done, None));
        // What is over, does not fit or is not whole leaves nothing that is older.
        let head = Head {
            expiry: until(0),
            ..PLAIN
        };
        let over = after(before.clone(), &stored(head, Body::Same));
        assert_eq!(over, (Applied::Expired, None));
        let too_long = vec![1; (1 << 20) + 1];
        let too_long = after(before.clone(), &stored(PLAIN, Body::Value(&too_long)));
        assert_eq!(too_long, (Applied::NoRoom, None));
        for (head, body) in [
            (OBJECT, Body::State(&[4])),
            (OBJECT, Body::Value(b"v")),
            (PLAIN, Body::State(&[0])),
            (Head { cas: 0, ..OBJECT }, Body::State(&[0])),
        ] {
            let malformed = after(before.clone(), &stored(head, body));
            assert_eq!(malformed, (Applied::Malformed, None));
        }
    }
    for at in 0..=3 {
        let before = Some(stored(PLAIN, Body::Value(b"old")));
        let appended = [&b"old"[..at], b"new"].concat();
        let after = after(before, &stored(PLAIN, append(at as u32)));
        assert_eq!(after, (Applied::Done, Some(appended)));
    }
}

#[test]
fn what_an_effect_replaces_is_freed() {
    let state = large_state();
    let ways = [
        stored(PLAIN, Body::Value(b"v")),
        stored(OBJECT, Body::State(&[0])),
        stored(OBJECT, Body::State(state)),
        stored(OBJECT, fields(true, true, Some(b"o"))),
        stored(OBJECT, Body::Same),
    ];
    for way in &ways {
        let store = store();
        let empty = store.stats();
        store.apply(NOW, 1, &stored(OBJECT, Body::State(state)));
        assert_eq!(store.apply(NOW, 2, way), Applied::Done);
        store.apply(NOW, 3, &Effect::Deleted { key: b"k" });
        store.maintain(NOW, 10_000);
        let stats = store.stats();
        assert_eq!(
            (stats.bytes, stats.payload_bytes),
            (empty.bytes, 0),
            "{way:?}"
        );
    }
}

#[test]
fn an_object_that_grows_beyond_the_memory_leaves_nothing() {
    let store = Store::new(&config(320 << 10, 1));
    store.put(b"another", b"value");
    let value = [1; 1000];
    let mut applied = Applied::Done;
    for tick in 1..1000u64 {
        let name = tick.to_be_bytes();
        let body = Body::Fields {
            fields: [(&name[..], Some(&value[..]))].into(),
            clear: false,
            fresh: tick == 1,
            value: None,
        };
        applied = store.apply(NOW, tick, &stored(OBJECT, body));
        if applied != Applied::Done {
            break;
        }
    }
    assert_eq!((applied, store.read(b"k")), (Applied::NoRoom, None));
    store.audit();
}

#[test]
fn keys_and_ticks_that_no_store_has_are_refused() {
    let (store, long) = (store(), [b'k'; 256]);
    for key in [&b""[..], &long] {
        let (head, body) = (PLAIN, Body::Value(b"v"));
        let effect = Effect::Stored { key, head, body };
        assert_eq!(store.apply(NOW, 1, &effect), Applied::Malformed);
        assert_eq!(store.apply(NOW, 1, &Effect::Deleted { key }), Applied::Done);
    }
    let effect = stored(PLAIN, Body::Value(b"v"));
    assert_eq!(store.apply(NOW, u64::MAX, &effect), Applied::Malformed);
    store.resume_at(NOW, u64::MAX);
    store.put(b"k", b"v");
    store.audit();
}

/// A head's fields in all combinations, each over each.
#[test]
fn a_head_is_set_as_it_is_told() {
    let heads: Vec<Head> = (0..32)
        .map(|bits| Head {
            flags: [0, 7][bits & 1],
            expiry: [NEVER, until(9)][bits >> 1 & 1],
            cas: [0, u64::MAX][bits >> 2 & 1],
            stale: bits >> 3 & 1 == 1,
            token_sent: bits >> 4 & 1 == 1,
            object: false,
        })
        .collect();
    let store = store();
    for first in &heads {
        for second in &heads {
            let bodies = [Body::Same, append(2), Body::Value(b"v")];
            for (body, value) in bodies.into_iter().zip([&b"old"[..], b"olnew", b"v"]) {
                store.apply(NOW, 1, &stored(*first, Body::Value(b"old")));
                assert_eq!(store.apply(NOW, 2, &stored(*second, body)), Applied::Done);
                let key = store.key(b"k");
                let look = GetOptions {
                    no_bump: true,
                    ..GetOptions::default()
                };
                let (head, found) = store
                    .get(key, NOW, &look, |info, value| {
                        let mut out = Vec::new();
                        value.append_to(&mut out);
                        (Head::from(info), out)
                    })
                    .expect("it is there");
                assert_eq!((head, &found[..]), (*second, value));
            }
        }
    }
    store.audit();
}

#[test]
fn a_time_that_is_over_may_be_longer_in_the_end() {
    let store = store();
    let (over, later) = (
        Head {
            expiry: until(1),
            ..PLAIN
        },
        Head {
            expiry: until(50),
            ..PLAIN
        },
    );
    store.apply(Now::BEFORE_ALL, 1, &stored(over, Body::Value(b"v")));
    store.apply(Now::BEFORE_ALL, 2, &stored(later, Body::Same));
    let (head, body) = (over, Body::Value(b"v"));
    store.apply(
        Now::BEFORE_ALL,
        3,
        &Effect::Stored {
            key: b"over",
            head,
            body,
        },
    );
    store.resume_at(at(10), 4);
    let there = |key| store.look(key, at(10), &GetOptions::default()).is_some();
    assert!(there(b"k") && !there(b"over"));
}

#[test]
fn after_a_replay_no_token_comes_again() {
    let first = Arc::new(store());
    let tokens = |store: &Store, name: &[u8]| {
        let asking = GetOptions {
            want_cas: true,
            ..GetOptions::default()
        };
        let seen = store.look(name, NOW, &asking);
        seen.map_or(0, |(info, _)| info.cas)
    };
    let mut highest = 0;
    for number in 0..500u32 {
        first.put(&number.to_le_bytes(), b"v");
        highest = highest.max(tokens(&first, &(number / 2).to_le_bytes()));
    }
    let second = store();
    let mut export = first.export(NOW);
    while export.step(NOW, &mut |_, tick, effect| {
        second.apply(Now::BEFORE_ALL, tick, effect);
    }) {}
    second.resume_at(NOW, first.next_tick());
    second.put(b"new", b"v");
    assert!(tokens(&second, b"new") > highest);
    assert_eq!(tokens(&second, &[0; 4]), tokens(&first, &[0; 4]));
    second.audit();
}

#[test]
fn a_planned_flush_comes_when_it_is_due_although_nobody_was_there() {
    for (resumed, there) in [(at(4), true), (at(5), false), (at(90), false)] {
        let first = Arc::new(store());
        first.put(b"k", b"v");
        first.flush_all(NOW, at(5));
        let second = store();
        // Somebody has told the time before.
        second.look(b"k", resumed, &GetOptions::default());
        let mut export = first.export(NOW);
        while export.step(NOW, &mut |class, tick, effect| {
            second.apply(Now::BEFORE_ALL, tick, effect);
            let planned = matches!(effect, Effect::FlushPlanned { .. });
            assert!(!planned || class == 63, "it is not left out with old items");
        }) {}
        second.resume_at(resumed, first.next_tick());
        let look = second.look(b"k", resumed, &GetOptions::default());
        assert_eq!(look.is_some(), there);
        let look = second.look(b"k", at(100), &GetOptions::default());
        assert!(look.is_none());
    }
}

/// Class, tick, key and about the bytes of an item.
type Exported = (u8, u64, Vec<u8>, usize);

/// Items of a few sizes, exported.
fn many(items: u32) -> (Arc<Store>, Vec<Exported>) {
    let store = Arc::new(Store::new(&config(32 << 20, 16)));
    let mut random = model::Random(3);
    for number in 0..items {
        store.put(&number.to_le_bytes(), &vec![1; random.below(900) as usize]);
        store.read(&(random.below(u64::from(number) + 1) as u32).to_le_bytes());
    }
    let mut all = Vec::new();
    let mut export = store.export(NOW);
    while export.step(NOW, &mut |class, tick, effect| {
        if let Effect::Stored {
            key,
            body: Body::Value(value),
            ..
        } = effect
        {
            all.push((class, tick, key.to_vec(), value.len() + 30));
        }
    }) {}
    assert_eq!(all.len(), items as usize);
    all.sort_by_key(|(_, tick, ..)| *tick);
    (store, all)
}

#[test]
fn each_class_has_its_share() {
    let (_, all) = many(30_000);
    let mut bytes = [0; 64];
    for (class, _, _, len) in &all {
        bytes[usize::from(*class)] += len;
    }
    let share = bytes.iter().sum::<usize>() / bytes.len();
    assert!(
        bytes.iter().all(|bytes| bytes.abs_diff(share) < share / 4),
        "{bytes:?}"
    );
    assert!(all.is_sorted_by_key(|(class, ..)| *class));
}

#[test]
fn a_store_with_less_memory_keeps_the_newest() {
    let (_, all) = many(10_000);
    let less = Store::new(&config(2 << 20, 16));
    let value = [1; 1000];
    for (_, tick, key, len) in &all {
        let (head, body) = (PLAIN, Body::Value(&value[..*len - 30]));
        let effect = Effect::Stored { key, head, body };
        assert_eq!(less.apply(Now::BEFORE_ALL, *tick, &effect), Applied::Done);
    }
    less.resume_at(NOW, 0);
    let there: Vec<bool> = all
        .iter()
        .map(|(_, _, key, _)| less.read(key).is_some())
        .collect();
    let kept = there.iter().filter(|there| **there).count();
    assert!(
        kept > 2000 && there[there.len() - kept..].iter().all(|there| *there),
        "{kept}"
    );
    less.audit();
}
