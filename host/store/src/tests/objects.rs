//! Objects and commits.

use std::collections::BTreeMap;

use super::model::Random;
use super::*;
use crate::fields::{SmallRef, small};

type Fields = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn commit<'a>(
    store: &Store,
    key: &'a [u8],
    expected: Option<Version>,
    change: Change<'a>,
) -> Commit<'a> {
    Commit {
        key: store.key(key),
        expected,
        place: None,
        blind: false,
        change,
        expiry: NEVER,
    }
}

fn open(store: &Store, key: &[u8]) -> Option<(ObjectInfo, Vec<u8>)> {
    let mut state = Vec::new();
    let info = store
        .object_open(store.key(key), NOW, &mut state)
        .expect("an object or nothing");
    info.map(|info| (info, state))
}

/// Everything an object holds.
fn contents(store: &Store, key: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let (info, state) = open(store, key)?;
    let mut all = BTreeMap::new();
    if info.loaded {
        all.extend(
            SmallRef::trusted(&state)
                .iter()
                .map(|(name, value)| (name.to_vec(), value.to_vec())),
        );
    } else {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let from = last.clone().unwrap_or_default();
            let more = store
                .object_scan(
                    store.key(key),
                    info.version,
                    &from,
                    last.is_some(),
                    false,
                    &mut |name, value| {
                        all.insert(name.to_vec(), value.to_vec());
                        last = Some(name.to_vec());
                        true
                    },
                )
                .expect("nobody else writes");
            if !more {
                break;
            }
        }
    }
    assert_eq!(info.fields, all.len() as u64);
    Some(all)
}

#[test]
fn a_version_holds_until_the_next_commit() {
    let store = Store::new(&config(1 << 20, 4));
    let mut state = Vec::new();
    small::put(&mut state, b"field", b"value");
    store
        .commit(
            NOW,
            &[commit(&store, b"set$k", None, Change::Small(&state))],
        )
        .expect("stored");
    let (info, read) = open(&store, b"set$k").expect("there");
    assert!(info.loaded && info.fields == 1 && read == state);
    let again = [commit(&store, b"set$k", None, Change::Small(&state))];
    assert_eq!(store.commit(NOW, &again), Err(CommitError::Gone));
    store
        .commit(
            NOW,
            &[commit(
                &store,
                b"set$k",
                Some(info.version),
                Change::Small(&state),
            )],
        )
        .expect("stored");
    let stale = [commit(&store, b"set$k", Some(info.version), Change::Delete)];
    assert_eq!(store.commit(NOW, &stale), Err(CommitError::Gone));
    assert_eq!(store.put(b"set$k", b"forged"), SetOutcome::IsObject);
    assert_eq!(
        store.touch(store.key(b"set$k"), NOW, until(9)),
        DeleteOutcome::Done
    );
    assert_eq!(
        store.delete(store.key(b"set$k"), NOW, &DeleteOptions::default()),
        DeleteOutcome::Done
    );
    store.put(b"plain", b"12345");
    let plain = store.object_open(store.key(b"plain"), NOW, &mut Vec::new());
    assert_eq!(plain.expect_err("not an object"), PlainItem { len: 5 });
    store.audit();
}

#[test]
fn whoever_gives_an_object_another_expiry_wins_over_a_call_under_way() {
    let store = Store::new(&config(1 << 20, 1));
    let key = store.key(b"set$k");
    let mut state = Vec::new();
    small::put(&mut state, b"field", b"value");
    store
        .commit(
            NOW,
            &[commit(&store, b"set$k", None, Change::Small(&state))],
        )
        .expect("stored");
    let touch: [&dyn Fn(); 2] = [
        &|| assert_eq!(store.touch(key, NOW, until(9)), DeleteOutcome::Done),
        &|| {
            let options = GetOptions {
                touch: Some(until(8)),
                ..GetOptions::default()
            };
            assert!(store.get(key, NOW, &options, |_, _| ()).is_some());
        },
    ];
    for touch in touch {
        let opened = store.object_open(key, NOW, &mut Vec::new());
        let version = opened.expect("an object").expect("there").version;
        touch();
        let late = commit(&store, b"set$k", Some(version), Change::Small(&state));
        assert_eq!(store.commit(NOW, &[late]), Err(CommitError::Gone));
    }
}

#[test]
fn an_object_grows_into_a_tree_and_shrinks_back() {
    let store = Store::new(&config(8 << 20, 4));
    let mut twin = BTreeMap::new();
    let mut random = Random(3);
    for round in 0..400 {
        let growing = round < 200;
        let mut fields = Fields::new();
        for _ in 0..random.below(40) {
            let name = format!("name{}", random.below(3000)).into_bytes();
            let len_max = if random.below(20) == 0 { 3000 } else { 30 };
            let value = vec![b'v'; random.below(len_max) as usize];
            let value = (growing && random.below(4) > 0).then_some(value);
            fields.insert(name, value);
        }
        if !growing {
            fields.extend(
                twin.keys()
                    .take(40)
                    .map(|name: &Vec<u8>| (name.clone(), None)),
            );
        }
        let version = open(&store, b"o").map(|(info, _)| info.version);
        let change = Change::Fields {
            fields: &fields,
            clear: round == 100,
            fresh: false,
            value: None,
        };
        store
            .commit(NOW, &[commit(&store, b"o", version, change)])
            .expect("stored");
        if round == 100 {
            twin.clear();
        }
        for (name, value) in fields {
            match value {
                Some(value) => drop(twin.insert(name, value)),
                None => drop(twin.remove(&name)),
            }
        }
        assert_eq!(contents(&store, b"o").as_ref(), Some(&twin), "{round}");
        let (info, _) = open(&store, b"o").expect("there");
        if !info.loaded {
            let mut out = Vec::new();
            let (name, value) = twin.iter().next().expect("a tree has fields");
            let len = store.object_field(store.key(b"o"), info.version, name, &mut out);
            assert_eq!((len, &out), (Ok(Some(value.len())), value));
            assert_eq!(
                store.object_field(store.key(b"o"), info.version, b"none", &mut out),
                Ok(None)
            );
            assert_eq!(
                store.object_field(store.key(b"o"), Version(0), name, &mut out),
                Err(Gone)
            );
        }
    }
    assert!(open(&store, b"o").expect("there").0.loaded);
    store.audit();
    store.delete(store.key(b"o"), NOW, &DeleteOptions::default());
    while store.maintain(NOW, 100) > 0 {}
    assert_eq!((store.stats().bytes, store.stats().payload_bytes), (0, 0));
    store.audit();
}

#[test]
fn large_objects_push_out_the_oldest_and_are_pushed_out_whole() {
    let store = Store::new(&config(2 << 20, 4));
    for object in 0..40u32 {
        let key = format!("o{object}").into_bytes();
        for batch in 0..10u32 {
            let field = |i: u32| format!("field {batch} {i}").into_bytes();
            let fields: Fields = (0..200).map(|i| (field(i), Some(vec![b'v'; 40]))).collect();
            let version = open(&store, &key).map(|(info, _)| info.version);
            let change = Change::Fields {
                fields: &fields,
                clear: false,
                fresh: false,
                value: None,
            };
            store
                .commit(NOW, &[commit(&store, &key, version, change)])
                .expect("stored");
        }
        store.put(format!("plain {object}").as_bytes(), &[1; 1000]);
    }
    store.audit();
    let left: Vec<_> = (0..40u32)
        .filter(|i| open(&store, format!("o{i}").as_bytes()).is_some())
        .collect();
    // 2000 fields of some 55 bytes: about 17 objects fit.
    assert!((14..=18).contains(&left.len()), "{left:?}");
    assert!(
        left.iter().rev().zip((0..40).rev()).all(|(a, b)| *a == b),
        "the newest stay: {left:?}"
    );
    for object in left {
        let key = format!("o{object}").into_bytes();
        assert_eq!(contents(&store, &key).expect("there").len(), 2000);
        store.delete(store.key(&key), NOW, &DeleteOptions::default());
    }
    store.set_memory_limit(1 << 20);
    while store.maintain(NOW, 100) > 0 {}
    store.audit();
    assert!(store.stats().resident_bytes <= 1 << 20);
}

#[test]
fn an_object_that_can_never_fit_changes_nothing() {
    let store = Store::new(&config(1 << 20, 4));
    store.put(b"a", b"1");
    let fields: Fields = (0..30_000u32)
        .map(|i| (i.to_be_bytes().to_vec(), Some(vec![0; 60])))
        .collect();
    let change = Change::Fields {
        fields: &fields,
        clear: false,
        fresh: false,
        value: None,
    };
    let outcome = store.commit(NOW, &[commit(&store, b"o", None, change)]);
    assert_eq!(outcome, Err(CommitError::TooLarge));
    assert!(open(&store, b"o").is_none());
    store.audit();
}

#[test]
fn a_commit_with_one_stale_version_changes_nothing() {
    let store = Store::new(&config(1 << 20, 4));
    store.put(b"plain", b"old");
    let fields: Fields = (0..100u32)
        .map(|i| (i.to_be_bytes().to_vec(), Some(vec![0; 60])))
        .collect();
    let tree = Change::Fields {
        fields: &fields,
        clear: false,
        fresh: false,
        value: Some(b"opaque"),
    };
    let plain = Commit {
        blind: true,
        ..commit(
            &store,
            b"plain",
            None,
            Change::Plain {
                flags: 5,
                value: b"new",
            },
        )
    };
    let stale = commit(&store, b"other", Some(Version(99)), Change::Unchanged);
    let all = [commit(&store, b"o", None, tree), plain, stale];
    assert_eq!(store.commit(NOW, &all), Err(CommitError::Gone));
    assert!(open(&store, b"o").is_none());
    assert_eq!(store.read(b"plain").as_deref(), Some(&b"old"[..]));
    store.commit(NOW, &all[..2]).expect("both hold");
    assert_eq!(store.read(b"plain").as_deref(), Some(&b"new"[..]));
    let (info, _) = open(&store, b"o").expect("there");
    let mut out = Vec::new();
    assert_eq!(
        store.object_value(store.key(b"o"), info.version, &mut out),
        Ok(Some(6))
    );
    assert_eq!((info.fields, &out[..]), (100, &b"opaque"[..]));
    store.audit();
}

#[test]
fn transfers_between_objects_are_never_seen_half_done() {
    let store = Store::new(&config(4 << 20, 8));
    let accounts: Vec<Vec<u8>> = (0..6).map(|i| format!("account{i}").into_bytes()).collect();
    let balance = |n: u64| {
        let mut state = Vec::new();
        small::put(&mut state, b"balance", &n.to_le_bytes());
        state
    };
    let look = |key: &[u8]| {
        let (info, state) = open(&store, key).expect("never evicted");
        let bytes = SmallRef::trusted(&state).get(b"balance").expect("there");
        (
            info.version,
            u64::from_le_bytes(bytes.try_into().expect("8 bytes")),
        )
    };
    for key in &accounts {
        store
            .commit(
                NOW,
                &[commit(&store, key, None, Change::Small(&balance(1000)))],
            )
            .expect("stored");
    }
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (store, accounts, look, balance) = (&store, &accounts, &look, &balance);
            scope.spawn(move || {
                let mut random = Random(thread);
                let mut done = 0;
                while done < 2000 {
                    let from = random.below(6) as usize;
                    let to = (from + 1 + random.below(5) as usize) % 6;
                    let ((v1, b1), (v2, b2)) = (look(&accounts[from]), look(&accounts[to]));
                    let amount = random.below(b1 + 1);
                    let (less, more) = (balance(b1 - amount), balance(b2 + amount));
                    let both = [
                        commit(store, &accounts[from], Some(v1), Change::Small(&less)),
                        commit(store, &accounts[to], Some(v2), Change::Small(&more)),
                    ];
                    match store.commit(NOW, &both) {
                        Ok(()) => done += 1,
                        Err(error) => assert_eq!(error, CommitError::Gone),
                    }
                    store.put(&random.next().to_le_bytes(), &[0; 500]);
                }
            });
        }
    });
    assert_eq!(accounts.iter().map(|key| look(key).1).sum::<u64>(), 6000);
    store.audit();
}

#[test]
fn a_set_of_a_million_members_costs_less_than_20_bytes_each() {
    let store = Store::new(&config(256 << 20, 4));
    let mut version = None;
    for batch in 0..1000u64 {
        let fields: Fields = (0..1000)
            .map(|i| {
                (
                    format!("{:010}", (batch * 1000 + i) * 7919 % 1_000_003).into_bytes(),
                    Some(Vec::new()),
                )
            })
            .collect();
        let change = Change::Fields {
            fields: &fields,
            clear: false,
            fresh: false,
            value: None,
        };
        store
            .commit(NOW, &[commit(&store, b"s", version, change)])
            .expect("stored");
        version = open(&store, b"s").map(|(info, _)| info.version);
    }
    let (info, _) = open(&store, b"s").expect("there");
    assert_eq!(info.fields, 1_000_000);
    let each = store.stats().bytes as f64 / 1e6;
    assert!(each < 20.0, "{each}");
}
