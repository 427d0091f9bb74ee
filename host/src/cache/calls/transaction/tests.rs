//! A transaction against maps: every read sees what the maps say, commits keep, abandoned runs leave nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::cache::{Cache, Config, Standalone};
use crate::runtime::{Engine, EngineOptions, LimitsTable, NoLog, ObjectHost, Registry, Scan};
use cacheismo_abi::{SCAN_AFTER, SCAN_ENTRY_HEAD, SCAN_REVERSE, TTL_ABSENT, TTL_NEVER};

mod attack;

const NOW: Now = Now {
    unix_s: 1_000_000,
    millis: 0,
};

pub(in crate::cache) fn cache() -> Cache {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    cache_of(Registry::new(engine, LimitsTable::default()))
}

fn cache_of(registry: Registry) -> Cache {
    let config = Config::small();
    let registry = Arc::new(registry);
    Cache::new(&config, registry, Arc::new(Standalone), Arc::new(NoLog))
}

/// What an object should hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    value: Option<Vec<u8>>,
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>),
    Delete(u8),
    Value(Vec<u8>),
    Clear,
    DeleteObject,
    Create,
    Get(u8),
    Scan(u8, bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 900..1100),
    ];
    prop_oneof![
        8 => (any::<u8>(), bytes.clone()).prop_map(|(field, value)| Step::Put(field, value)),
        3 => any::<u8>().prop_map(Step::Delete),
        1 => bytes.prop_map(Step::Value),
        1 => Just(Step::Clear),
        1 => Just(Step::DeleteObject),
        1 => Just(Step::Create),
        3 => any::<u8>().prop_map(Step::Get),
        3 => (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(f, a, r)| Step::Scan(f, a, r)),
    ]
}

fn field(number: u8) -> Vec<u8> {
    format!("field-{number:03}").into_bytes()
}

/// Every field from `from` on, through a buffer that holds a few at a time.
fn scan(
    txn: &mut Transaction,
    h: Handle,
    from: &[u8],
    after: bool,
    reverse: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut buffer = vec![0; 1500];
    let mut from = from.to_vec();
    let mut flags = if after { SCAN_AFTER } else { 0 } | if reverse { SCAN_REVERSE } else { 0 };
    loop {
        let filled = match txn.field_scan(h, &from, flags, &mut buffer).unwrap() {
            Scan::Filled(0) => return found,
            Scan::Filled(filled) => filled,
            Scan::Needs(bytes) => panic!("entries have at most 1200 bytes, not {bytes}"),
        };
        let mut rest = &buffer[..filled];
        while !rest.is_empty() {
            let number =
                |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
            let (k, v) = (number(0), number(4));
            let body = &rest[SCAN_ENTRY_HEAD..];
            found.push((body[..k].to_vec(), body[k..k + v].to_vec()));
            rest = &body[k + v..];
        }
        assert!(found.len() <= 256, "fields are named by a byte");
        from = found.last().unwrap().0.clone();
        flags |= SCAN_AFTER;
    }
}

fn apply(txn: &mut Transaction, h: Handle, model: &mut Option<Model>, step: &Step) {
    let empty = Model::default();
    match step {
        Step::Put(number, value) => {
            let fields = &mut model.get_or_insert_default().fields;
            let new = fields.insert(field(*number), value.clone()).is_none();
            assert_eq!(txn.field_put(h, &field(*number), value), Ok(new));
        }
        Step::Delete(number) => {
            let was = model
                .as_mut()
                .is_some_and(|m| m.fields.remove(&field(*number)).is_some());
            assert_eq!(txn.field_delete(h, &field(*number)), Ok(was));
        }
        Step::Value(value) => {
            model.get_or_insert_default().value = Some(value.clone());
            txn.value_set(h, value).unwrap();
        }
        Step::Clear => {
            if let Some(model) = model {
                model.fields.clear();
            }
            txn.field_clear(h).unwrap();
        }
        Step::DeleteObject => assert_eq!(txn.delete(h), Ok(model.take().is_some())),
        Step::Create => {
            assert_eq!(txn.create(h), Ok(model.is_none()));
            model.get_or_insert_default();
        }
        Step::Get(number) => {
            let expected = model.as_ref().unwrap_or(&empty).fields.get(&field(*number));
            let value = txn.field(h, &field(*number), <[u8]>::to_vec).unwrap();
            assert_eq!(value.as_ref(), expected);
        }
        Step::Scan(number, after, reverse) => {
            let from = field(*number);
            let fields = &model.as_ref().unwrap_or(&empty).fields;
            let keep = |key: &Vec<u8>| match (key.cmp(&from), after, reverse) {
                (std::cmp::Ordering::Equal, after, _) => !after,
                (order, _, false) => order.is_gt(),
                (order, _, true) => order.is_lt(),
            };
            let mut expected: Vec<_> = fields
                .iter()
                .filter(|(key, _)| keep(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if *reverse {
                expected.reverse();
            }
            assert_eq!(scan(txn, h, &from, *after, *reverse), expected);
        }
    }
    assert_eq!(txn.exists(h), Ok(model.is_some()));
    let fields = model.as_ref().map_or(0, |model| model.fields.len() as u64);
    assert_eq!(txn.field_count(h), Ok(fields));
}

fn whole(txn: &mut Transaction, h: Handle) -> Option<Model> {
    if !txn.exists(h).unwrap() {
        return None;
    }
    let mut out = vec![0; 2000];
    let value = txn
        .value_get(h, 0, &mut out)
        .unwrap()
        .map(|len| out[..len].to_vec());
    Some(Model {
        value,
        fields: scan(txn, h, b"", false, false).into_iter().collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn calls_on_two_objects_keep_all_or_nothing(
        calls in prop::collection::vec(
            (prop::collection::vec((any::<bool>(), step()), 1..40), any::<bool>()), 1..20),
    ) {
        let cache = cache();
        let mut txn = Transaction::new(Arc::clone(&cache.shared));
        let mut kept: [Option<Model>; 2] = [None, None];
        for (steps, keep) in calls {
            txn.begin(NOW, cache.shared.store.key(b"t$first"), true, false);
            prop_assert!(txn.lock());
            let second = txn.open_object(b"t", b"second").unwrap();
            let mut models = kept.clone();
            for (on_second, step) in &steps {
                let (h, model) = if *on_second { (second, 1) } else { (Handle(0), 0) };
                apply(&mut txn, h, &mut models[model], step);
            }
            if keep {
                txn.commit().unwrap();
                kept = models;
            } else {
                txn.abandon();
            }
            txn.begin(NOW, cache.shared.store.key(b"t$first"), false, false);
            prop_assert!(txn.lock());
            let second = txn.open_object(b"t", b"second").unwrap();
            prop_assert_eq!(whole(&mut txn, Handle(0)), kept[0].clone());
            prop_assert_eq!(whole(&mut txn, second), kept[1].clone());
            txn.abandon();
        }
    }
}

#[test]
fn an_object_deleted_under_a_running_call_makes_it_start_again() {
    let cache = cache();
    let mut txn = Transaction::new(Arc::clone(&cache.shared));
    txn.begin(NOW, cache.shared.store.key(b"t$k"), true, false);
    assert!(txn.lock());
    txn.field_put(Handle(0), b"f", b"1").unwrap();
    txn.commit().unwrap();

    txn.begin(NOW, cache.shared.store.key(b"t$k"), true, false);
    assert!(txn.lock());
    txn.field_put(Handle(0), b"f", b"2").unwrap();
    let store = &cache.shared.store;
    store.delete(
        store.key(b"t$k"),
        NOW,
        &crate::store::DeleteOptions::default(),
    );
    assert_eq!(txn.commit(), Err(CommitError::Gone));
    txn.abandon();
    assert!(txn.lock());
    assert_eq!(txn.exists(Handle(0)), Ok(false));
}

/// A call that uses nothing but its own object, up to its commit.
fn alone(txn: &mut Transaction, key: Key<'_>, value: &[u8]) {
    txn.begin(NOW, key, true, false);
    txn.go_alone();
    assert!(txn.lock());
    txn.value_set(Handle(0), value).unwrap();
}

#[test]
fn of_two_calls_that_are_alone_on_an_object_the_slower_one_starts_again() {
    let cache = cache();
    let store = &cache.shared.store;
    let key = store.key(b"t$k");
    let mut slower = Transaction::new(Arc::clone(&cache.shared));
    let mut faster = Transaction::new(Arc::clone(&cache.shared));
    // The faster call writes into nothing, as many bytes, fewer, and a large object.
    let long = vec![7; 5000];
    for value in [&b"one"[..], b"two", b"3", &long] {
        alone(&mut slower, key, b"lost");
        alone(&mut faster, key, value);
        assert_eq!(faster.commit(), Ok(()));
        assert_eq!(
            slower.commit(),
            Err(CommitError::Gone),
            "{} bytes",
            value.len()
        );
        // Now the slower one has the lock, and nobody is faster.
        slower.abandon();
        assert!(slower.lock());
        let mut read = vec![0; value.len()];
        assert_eq!(
            slower.value_get(Handle(0), 0, &mut read),
            Ok(Some(value.len()))
        );
        assert_eq!(read, value);
        faster.begin(NOW, key, true, false);
        faster.go_alone();
        assert!(!faster.lock(), "the slower one has it");
        slower.value_set(Handle(0), value).unwrap();
        slower.commit().unwrap();
    }
    let key = store.key(b"t$flushed");
    alone(&mut slower, key, b"1");
    slower.commit().unwrap();
    alone(&mut slower, key, b"2");
    store.flush_all(NOW, NOW);
    assert_eq!(slower.commit(), Err(CommitError::Gone));
}

#[test]
fn a_ttl_set_by_a_call_ends_the_object() {
    let cache = cache();
    let mut txn = Transaction::new(Arc::clone(&cache.shared));
    txn.begin(NOW, cache.shared.store.key(b"t$k"), true, false);
    assert!(txn.lock());
    assert_eq!(txn.ttl_ms(Handle(0)), Ok(TTL_ABSENT));
    assert_eq!(txn.set_ttl_ms(Handle(0), 5000), Ok(false));
    txn.create(Handle(0)).unwrap();
    assert_eq!(txn.ttl_ms(Handle(0)), Ok(TTL_NEVER));
    assert_eq!(txn.set_ttl_ms(Handle(0), 5000), Ok(true));
    txn.commit().unwrap();
    for (later_s, present) in [(4, true), (6, false)] {
        let now = Now {
            unix_s: NOW.unix_s + later_s,
            ..NOW
        };
        txn.begin(now, cache.shared.store.key(b"t$k"), false, false);
        assert!(txn.lock());
        assert_eq!(txn.exists(Handle(0)), Ok(present), "{later_s} s later");
        txn.abandon();
    }
}
