//! The naive map that a log is replayed into, and the same of what the store holds.

use std::collections::BTreeMap;

use cacheismo_store::fields::SmallRef;
use cacheismo_store::{Body, Cursor, Effect, Head, Store};

use crate::NOW;

/// What is in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    Plain(Vec<u8>),
    Object {
        fields: BTreeMap<Vec<u8>, Vec<u8>>,
        value: Option<Vec<u8>>,
    },
}

/// An item.
pub(crate) type Entry = (Head, Inside);

/// What a log has told.
#[derive(Debug, Default)]
pub(crate) struct Twin(BTreeMap<Vec<u8>, Entry>);

impl Twin {
    pub(crate) fn all(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.0
    }

    pub(crate) fn apply(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Stored { key, head, body } => {
                let old = self.0.remove(*key).map(|(_, old)| old);
                self.0.insert(key.to_vec(), (*head, changed(old, body)));
            }
            Effect::Deleted { key } => drop(self.0.remove(*key)),
            Effect::Flushed => self.0.clear(),
            Effect::FlushPlanned { .. } => {}
        }
    }
}

fn changed(old: Option<Inside>, body: &Body<'_>) -> Inside {
    match body {
        Body::Value(value) => Inside::Plain(value.to_vec()),
        Body::State(state) => small(state),
        Body::Same => old.expect("something was there"),
        Body::Appended { at, bytes } => match old {
            Some(Inside::Plain(mut value)) => {
                assert_eq!(value.len(), *at as usize);
                value.extend_from_slice(bytes);
                Inside::Plain(value)
            }
            other => panic!("bytes put behind {other:?}"),
        },
        Body::Fields {
            fields: changes,
            clear,
            fresh,
            value: new,
        } => {
            let (mut fields, mut value) = match old {
                Some(Inside::Object { fields, value }) if !fresh => (fields, value),
                _ if *fresh => (BTreeMap::new(), None),
                other => panic!("fields changed of {other:?}"),
            };
            if *clear {
                fields.clear();
            }
            for (name, change) in changes {
                match change {
                    Some(value) => drop(fields.insert(name.to_vec(), value.to_vec())),
                    None => drop(fields.remove(*name)),
                }
            }
            value = new.map(<[u8]>::to_vec).or(value);
            Inside::Object { fields, value }
        }
    }
}

fn small(state: &[u8]) -> Inside {
    let state = SmallRef::parse(state).expect("a small object");
    Inside::Object {
        fields: state
            .iter()
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect(),
        value: state.value().map(<[u8]>::to_vec),
    }
}

/// Everything the store holds.
pub(crate) fn held(store: &Store) -> BTreeMap<Vec<u8>, Entry> {
    let mut held = BTreeMap::new();
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        cursor = store.scan(NOW, from, &mut |key, info, value| {
            let mut bytes = Vec::new();
            value.append_to(&mut bytes);
            held.insert(key.to_vec(), (Head::from(info), Inside::Plain(bytes)));
        });
    }
    for (key, (_, inside)) in held.iter_mut().filter(|(_, (head, _))| head.object) {
        *inside = object(store, key);
    }
    held
}

fn object(store: &Store, name: &[u8]) -> Inside {
    let key = store.key(name);
    let mut state = Vec::new();
    let info = store.object_open(key, NOW, &mut state);
    let info = info.expect("an object").expect("it was there");
    if info.loaded {
        return small(&state);
    }
    let mut fields = BTreeMap::new();
    let mut more = true;
    while more {
        let last = fields.keys().next_back().cloned();
        let from = last.clone().unwrap_or_default();
        let mut visit = |name: &[u8], value: &[u8]| {
            fields.insert(name.to_vec(), value.to_vec());
            true
        };
        let scanned =
            store.object_scan(key, info.version, &from, last.is_some(), false, &mut visit);
        more = scanned.expect("nobody else writes");
    }
    let mut out = Vec::new();
    let value = store.object_value(key, info.version, &mut out);
    let value = value.expect("nobody else writes").map(|_| out);
    Inside::Object { fields, value }
}
