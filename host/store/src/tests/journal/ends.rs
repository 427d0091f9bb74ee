//! Effects at their ends: values of no bytes and of many, keys as long as can be, objects of no fields and of a tree,
//! times that are over, and what does not fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::*;
use super::held;
use super::mirror::{Mirror, keep};
use super::twin::Told;
use crate::fields::small;

const LONG: usize = 1 << 20;

fn roomy() -> Arc<Store> {
    Arc::new(Store::new(&config(16 << 20, 2)))
}

fn change(store: &Store, name: &[u8], change: Change<'_>) {
    let commit = Commit {
        key: store.key(name),
        expected: None,
        place: None,
        blind: true,
        change,
        expiry: NEVER,
    };
    store.commit(NOW, &[commit]).expect("there is room");
}

/// An object of so many fields, as a tree unless it is small.
fn object(store: &Store, name: &[u8], fields: u32) {
    let names = 0..fields;
    let mut fields: BTreeMap<_, _> = names
        .map(|field| (field.to_be_bytes().to_vec(), Some(vec![1; 20])))
        .collect();
    fields.insert(Vec::new(), Some(Vec::new()));
    fields.insert(vec![200; 250], Some(vec![2; 40_000]));
    let fields = &fields;
    let value = Some(b"opaque".as_slice());
    let (clear, fresh) = (true, true);
    change(
        store,
        name,
        Change::Fields {
            fields,
            clear,
            fresh,
            value,
        },
    );
}

/// Everything there can be in an item.
fn fill(store: &Store) {
    let long = vec![3; LONG];
    let values: [&[u8]; 6] = [
        b"",
        b"1",
        &long[..4097],
        &long[..65_534],
        &long[..65_535],
        &long,
    ];
    for (number, value) in values.iter().enumerate() {
        let key = vec![b'a' + number as u8; [1, 2, 250, 255, 30, 31][number]];
        let write = Write {
            flags: [0, u32::MAX, 1][number % 3],
            expiry: [NEVER, until(1000)][number % 2],
            cas_override: [None, Some(u64::MAX), Some(7)][number / 2],
            ..write(value)
        };
        store.set(store.key(&key), NOW, &write);
    }
    let stale = DeleteOptions {
        mark_stale: true,
        ..DeleteOptions::default()
    };
    store.put(b"stale", b"value");
    store.delete(store.key(b"stale"), NOW, &stale);
    let vivify = GetOptions {
        vivify: Some(until(50)),
        ..GetOptions::default()
    };
    store.look(b"promised", NOW, &vivify);
    change(store, b"no bytes", Change::Small(b""));
    change(store, b"no fields", Change::Small(&[0]));
    let mut state = Vec::new();
    small::put(&mut state, b"field", b"");
    small::set_value(&mut state, Some(b""));
    change(store, b"small", Change::Small(&state));
    small::put(&mut state, b"long", &[5; 5000]);
    change(store, b"of a state", Change::Small(&state));
    let fields = &BTreeMap::new();
    let (clear, fresh, value) = (false, true, None);
    change(
        store,
        b"fresh",
        Change::Fields {
            fields,
            clear,
            fresh,
            value,
        },
    );
    object(store, b"large", 3000);
}

fn export(store: &Arc<Store>, see: &mut dyn FnMut(u8, u64, &Effect<'_>)) {
    let mut export = store.export(NOW);
    while export.step(NOW, see) {}
}

#[test]
fn whatever_an_item_may_hold_is_told_and_exported() {
    let store = roomy();
    let recorder = super::Recorder::default();
    store.listen(Box::new(recorder.clone()));
    fill(&store);
    let (told, exported) = (Mirror(roomy()), Mirror(roomy()));
    told.replay(&recorder.take());
    export(&store, &mut |_, tick, effect| {
        let applied = exported.0.apply(Now::BEFORE_ALL, tick, effect);
        assert_eq!(applied, Applied::Done, "{effect:?}");
        let again = exported.0.apply(Now::BEFORE_ALL, tick, effect);
        assert_eq!(again, Applied::Done, "{effect:?}");
    });
    for mirror in [told, exported] {
        super::assert_same(&held(&mirror.0, NOW), &held(&store, NOW));
        mirror.0.audit();
    }
    assert!(recorder.take().is_empty(), "an export tells nothing");
}

#[test]
fn pieces_are_short_whatever_there_is() {
    let store = Arc::new(Store::new(&Config {
        item_bytes_max: 12 << 20,
        ..config(32 << 20, 2)
    }));
    store.put(b"long", &vec![9; 12 << 20]);
    object(&store, b"large", 30_000);
    let mut pieces = 0;
    export(&store, &mut |_, _, effect| {
        pieces += 1;
        let Effect::Stored { body, .. } = effect else {
            panic!("{effect:?}");
        };
        let bytes = match body {
            Body::Value(bytes) | Body::Appended { bytes, .. } => bytes.len(),
            Body::Fields { fields, .. } => fields
                .iter()
                .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len))
                .sum(),
            other => panic!("{other:?}"),
        };
        assert!(bytes <= 128 << 10, "{bytes}");
    });
    assert!(pieces > 100, "{pieces}");
}

#[test]
fn a_value_that_is_replaced_while_it_is_exported_is_exported_as_it_was() {
    let store = roomy();
    store.put(b"k", &[1; LONG]);
    let (loaded, mut pieces) = (roomy(), 0);
    let mut export = store.export(NOW);
    while export.step(NOW, &mut |_, tick, effect| {
        loaded.apply(NOW, tick, effect);
        pieces += 1;
        store.put(b"k", &[2; LONG]);
    }) {}
    assert!(pieces > 4);
    assert_eq!(loaded.read(b"k"), Some(vec![1; LONG]));
    assert_eq!(store.pins.left_bytes(), 0, "nothing is pinned any more");
}

/// Exports an object, to which something happens after the first piece.
fn exported_while(happens: &dyn Fn(&Store)) -> (Arc<Store>, Vec<Told>) {
    let store = roomy();
    object(&store, b"large", 3000);
    let mut told = Vec::new();
    let mut export = store.export(NOW);
    while export.step(NOW, &mut |_, tick, effect| {
        told.push(keep(tick, effect));
        if told.len() == 1 {
            happens(&store);
        }
    }) {}
    (store, told)
}

#[test]
fn an_object_that_left_while_it_was_exported_is_deleted() {
    let ways: [&dyn Fn(&Store); 3] = [
        &|store| store.evict(16 << 20),
        &|store| change(store, b"large", Change::Delete),
        &|store| {
            let (flags, value) = (0, b"plain".as_slice());
            change(store, b"large", Change::Plain { flags, value });
        },
    ];
    for way in ways {
        let (_, told) = exported_while(way);
        assert!(
            matches!(told.last(), Some(Told::Deleted { .. })),
            "{told:?}"
        );
        let ticks: Vec<u64> = told.iter().map(Told::tick).collect();
        assert!(ticks.iter().all(|tick| *tick == ticks[0]), "{ticks:?}");
        let loaded = Mirror(roomy());
        loaded.replay(&told);
        assert_eq!(loaded.0.stats().curr_items, 0);
    }
}

#[test]
fn an_object_that_shrank_while_it_was_exported_has_all_its_fields() {
    let gone: BTreeMap<_, _> = (5..2995u32)
        .map(|field| (field.to_be_bytes().to_vec(), None))
        .chain([(vec![200; 250], None)])
        .collect();
    let (store, mut told) = exported_while(&|store| {
        let (fields, clear, fresh, value) = (&gone, false, false, None);
        change(
            store,
            b"large",
            Change::Fields {
                fields,
                clear,
                fresh,
                value,
            },
        );
    });
    let mut state = Vec::new();
    let opened = store.object_open(store.key(b"large"), NOW, &mut state);
    let info = opened.expect("an object").expect("it is there");
    assert!(info.loaded, "it is small now");
    // The change itself was told as well.
    let effect = Effect::Stored {
        key: b"large",
        head: Head {
            flags: 0,
            expiry: NEVER,
            cas: info.version.0,
            stale: false,
            token_sent: false,
            object: true,
        },
        body: Body::Fields {
            fields: gone.keys().map(|name| (name.as_slice(), None)).collect(),
            clear: false,
            fresh: false,
            value: None,
        },
    };
    told.push(keep(info.version.0, &effect));
    let loaded = Mirror(roomy());
    loaded.replay(&told);
    super::assert_same(&held(&loaded.0, NOW), &held(&store, NOW));
    loaded.0.audit();
}
