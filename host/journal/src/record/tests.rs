//! Records: what is written is read, and nothing else is.

use std::collections::BTreeMap;

use cacheismo_store::{Body, Effect, Expiry, Head};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// An effect with bytes of its own.
#[derive(Clone, Debug)]
pub(crate) enum Owned {
    Stored(Vec<u8>, Head, OwnedBody),
    Deleted(Vec<u8>),
    Flushed,
    FlushPlanned(u32),
}

#[derive(Clone, Debug)]
pub(crate) enum OwnedBody {
    Value(Vec<u8>),
    Appended(u32, Vec<u8>),
    Same,
    State(Vec<u8>),
    Fields(
        BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        bool,
        bool,
        Option<Vec<u8>>,
    ),
}

impl Owned {
    pub(crate) fn effect(&self) -> Effect<'_> {
        match self {
            Owned::Stored(key, head, body) => Effect::Stored {
                key,
                head: *head,
                body: body.body(),
            },
            Owned::Deleted(key) => Effect::Deleted { key },
            Owned::Flushed => Effect::Flushed,
            Owned::FlushPlanned(at_s) => Effect::FlushPlanned { at_s: *at_s },
        }
    }
}

impl OwnedBody {
    fn body(&self) -> Body<'_> {
        match self {
            OwnedBody::Value(value) => Body::Value(value),
            OwnedBody::Appended(at, bytes) => Body::Appended { at: *at, bytes },
            OwnedBody::Same => Body::Same,
            OwnedBody::State(state) => Body::State(state),
            OwnedBody::Fields(fields, clear, fresh, value) => Body::Fields {
                fields: fields
                    .iter()
                    .map(|(name, value)| (&name[..], value.as_deref()))
                    .collect(),
                clear: *clear,
                fresh: *fresh,
                value: value.as_deref(),
            },
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 1..6), 1 => vec(any::<u8>(), 255)]
}

fn head() -> impl Strategy<Value = Head> {
    let number = || prop_oneof![Just(0), any::<u64>()];
    (
        number(),
        option::of(any::<u64>()),
        number(),
        any::<[bool; 3]>(),
    )
        .prop_map(|(flags, expiry, cas, [stale, token_sent, object])| Head {
            flags: flags as u32,
            expiry: Expiry(expiry),
            cas,
            stale,
            token_sent,
            object,
        })
}

pub(crate) fn effect() -> impl Strategy<Value = Owned> {
    let fields = proptest::collection::btree_map(bytes(), option::of(bytes()), 0..4);
    let body = prop_oneof![
        bytes().prop_map(OwnedBody::Value),
        (any::<u32>(), bytes()).prop_map(|(at, bytes)| OwnedBody::Appended(at, bytes)),
        Just(OwnedBody::Same),
        bytes().prop_map(OwnedBody::State),
        (fields, any::<bool>(), any::<bool>(), option::of(bytes())).prop_map(
            |(fields, clear, fresh, value)| OwnedBody::Fields(fields, clear, fresh, value)
        ),
    ];
    prop_oneof![
        6 => (key(), head(), body).prop_map(|(key, head, body)| Owned::Stored(key, head, body)),
        2 => key().prop_map(Owned::Deleted),
        1 => Just(Owned::Flushed),
        1 => any::<u32>().prop_map(Owned::FlushPlanned),
    ]
}

/// Some records.
pub(crate) fn steps() -> impl Strategy<Value = Vec<(u64, Vec<Owned>)>> {
    vec((any::<u64>(), vec(effect(), 0..4)), 0..8)
}

/// The bytes of records, and where each ends.
pub(crate) fn write(steps: &[(u64, Vec<Owned>)]) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    for (tick, changes) in steps {
        let mut open = begin(&mut out, *tick);
        for change in changes {
            add(&mut out, &mut open, &change.effect());
        }
        end(&mut out, open);
        ends.push(out.len());
    }
    seal(&mut out);
    (out, ends)
}

fn read(bytes: &[u8]) -> (Vec<Record<'_>>, Option<Damage>) {
    let mut records = Vec::new();
    for record in iter(bytes) {
        match record {
            Ok(record) => records.push(record),
            Err(damage) => return (records, Some(damage)),
        }
    }
    (records, None)
}

proptest! {
    #[test]
    fn what_is_written_is_read(steps in steps(), zeros in 0..30usize) {
        let (mut bytes, ends) = write(&steps);
        bytes.resize(bytes.len() + zeros, 0);
        let (records, damage) = read(&bytes);
        prop_assert_eq!(damage, None);
        prop_assert_eq!(records.len(), steps.len());
        let mut offset = 0;
        for ((record, (tick, changes)), end) in records.iter().zip(&steps).zip(ends) {
            prop_assert_eq!(record.offset, offset);
            prop_assert_eq!(record.tick, *tick);
            let expected: Vec<_> = changes.iter().map(Owned::effect).collect();
            prop_assert_eq!(&record.changes, &expected);
            offset = end;
        }
    }

    #[test]
    fn every_prefix_gives_a_prefix(steps in steps()) {
        let (bytes, ends) = write(&steps);
        let (all, _) = read(&bytes);
        for cut in 0..=bytes.len() {
            let (some, damage) = read(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(&some[..], &all[..whole]);
            // A few zeros of the next length are an end, too.
            let last = ends.iter().rfind(|end| **end <= cut).copied().unwrap_or(0);
            prop_assert_eq!(damage.is_some(), !is_zero(&bytes[last..cut]));
        }
    }

    #[test]
    fn any_bytes_are_records_or_damage(bytes in vec(any::<u8>(), 0..200)) {
        read(&bytes);
        mark::Mark::read(&bytes);
    }

    /// With the right checksum it is the changes that are distrusted.
    #[test]
    fn any_content_is_changes_or_damage(tick: u64, content in vec(prop_oneof![0..9u8, any::<u8>()], 0..100)) {
        let mut bytes = Vec::new();
        let open = begin(&mut bytes, tick);
        bytes.extend(&content);
        end(&mut bytes, open);
        seal(&mut bytes);
        let (records, damage) = read(&bytes);
        prop_assert!(matches!(damage, None | Some(Damage::Content)));
        // What is understood is written as it was.
        for record in records {
            let mut again = Vec::new();
            let mut open = begin(&mut again, record.tick);
            record.changes.iter().for_each(|change| add(&mut again, &mut open, change));
            end(&mut again, open);
            seal(&mut again);
            prop_assert_eq!(read(&again).0, vec![record]);
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(steps in steps(), at: prop::sample::Index, bit in 0..8u8) {
        let (mut bytes, _) = write(&steps);
        prop_assume!(!bytes.is_empty());
        let original = bytes.clone();
        bytes[at.index(original.len())] ^= 1u8 << bit;
        let (some, damage) = read(&bytes);
        let (all, _) = read(&original);
        prop_assert!(damage.is_some());
        prop_assert!(all.starts_with(&some));
    }
}

#[test]
fn a_key_that_no_item_has_is_refused() {
    for key in [&[][..], &[b'k'; 256]] {
        let mut bytes = Vec::new();
        let mut open = begin(&mut bytes, 1);
        add(&mut bytes, &mut open, &Effect::Deleted { key });
        end(&mut bytes, open);
        seal(&mut bytes);
        assert_eq!(read(&bytes).1, Some(Damage::Length(u32::MAX)));
        assert_eq!(whole_bytes(&bytes), None);
    }
}

#[test]
fn a_mark_is_no_record_of_the_store() {
    let mark = mark::Mark {
        node: [7; 16],
        offset: 1,
        synced: 2,
        unix_ms: 3,
    };
    let (mut bytes, _) = write(&[(5, vec![Owned::Flushed])]);
    bytes.splice(0..0, mark.to_bytes());
    bytes.extend(mark.to_bytes());
    let (records, damage) = read(&bytes);
    assert_eq!((records.len(), damage), (1, None));
    assert_eq!(mark::Mark::read(&bytes), Some(mark));
}
