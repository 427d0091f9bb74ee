//! Listings against a naive model, and arguments from hostile bytes.

use std::collections::BTreeMap;

use cacheismo_sdk::private::Args;
use cacheismo_sdk::testing::Harness;
use cacheismo_sdk::{Object, Reply};
use proptest::prelude::*;

struct Lister;

#[cacheismo_sdk::object(name = "lister")]
impl Lister {
    fn put(o: &mut Object, field: &[u8], value: &[u8]) -> bool {
        o.put(field, value)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one for each way to narrow a scan"
    )]
    fn list(
        o: &Object,
        reverse: bool,
        keys: bool,
        start: Option<&[u8]>,
        from: Option<&[u8]>,
        until: Option<&[u8]>,
        limit: Option<u64>,
        out: &mut Reply,
    ) {
        let mut scan = if reverse {
            o.scan().reverse()
        } else {
            o.scan()
        };
        let from = from.unwrap_or_default();
        scan = match start {
            Some(b"at") => scan.at(from),
            Some(b"after") => scan.after(from),
            Some(b"prefix") => scan.prefix(from),
            _ => scan,
        };
        if let Some(until) = until.filter(|until| *until != b"-") {
            scan = scan.until(until);
        }
        scan = scan.limit(limit.unwrap_or(u64::MAX));
        if keys {
            while let Some(key) = scan.next_key() {
                write_entry(out, key, b"");
            }
        } else {
            scan.for_each(|(key, value)| write_entry(out, &key, &value));
        }
    }
}

fn write_entry(out: &mut Reply, key: &[u8], value: &[u8]) {
    for part in [key, value] {
        out.write(&(part.len() as u32).to_le_bytes());
        out.write(part);
    }
}

/// The same listing from a sorted map, with nothing but filters.
fn model(fields: &BTreeMap<Vec<u8>, Vec<u8>>, query: &Query) -> Vec<u8> {
    let reverse = query.reverse;
    let beyond = |a: &[u8], b: &[u8]| if reverse { a < b } else { a > b };
    let mut entries: Vec<_> = fields.iter().collect();
    if reverse {
        entries.reverse();
    }
    let chosen = entries.into_iter().filter(|(key, _)| match query.start {
        "at" => beyond(key, &query.from) || **key == query.from || query.from.is_empty(),
        "after" => beyond(key, &query.from),
        "prefix" => key.starts_with(&query.from),
        _ => true,
    });
    let until = query.until.as_deref().filter(|until| *until != b"-");
    let chosen = chosen.take_while(|(key, _)| until.is_none_or(|until| beyond(until, key)));
    let mut out = Vec::new();
    for (key, value) in chosen.take(query.limit as usize) {
        let value: &[u8] = if query.keys { b"" } else { value };
        for part in [key.as_slice(), value] {
            out.extend((part.len() as u32).to_le_bytes());
            out.extend(part);
        }
    }
    out
}

#[derive(Debug)]
struct Query {
    reverse: bool,
    keys: bool,
    start: &'static str,
    from: Vec<u8>,
    until: Option<Vec<u8>>,
    limit: u64,
}

/// Few different bytes, so that names meet each other's prefixes and ends; 255 has no successor.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, b'a', b'b', 0xff]), 0..4)
}

fn query() -> impl Strategy<Value = Query> {
    let starts = prop::sample::select(vec!["all", "at", "after", "prefix"]);
    let bounds = (starts, name(), prop::option::of(name()), 0..40u64);
    (any::<bool>(), any::<bool>(), bounds).prop_map(
        |(reverse, keys, (start, from, until, limit))| Query {
            reverse,
            keys,
            start,
            from,
            until,
            limit,
        },
    )
}

proptest! {
    #[test]
    fn a_listing_is_what_filters_on_a_sorted_map_give(
        fields in prop::collection::btree_map(name(), prop::sample::select(vec![0, 1, 3000, 9000, 20_000]), 0..30),
        query in query(),
    ) {
        let fields: BTreeMap<_, _> = fields.into_iter().map(|(key, length)| (key, vec![b'v'; length])).collect();
        let mut t = Harness::new::<Lister>();
        for (key, value) in &fields {
            prop_assert!(t.call("put", &[b"k", key.as_slice(), value]).is_ok());
        }
        let flag = |on: bool| if on { b"1".to_vec() } else { b"0".to_vec() };
        let args = [
            b"k".to_vec(),
            flag(query.reverse),
            flag(query.keys),
            query.start.as_bytes().to_vec(),
            query.from.clone(),
            query.until.clone().unwrap_or_else(|| b"-".to_vec()),
            query.limit.to_string().into_bytes(),
        ];
        let answer = t.call_bytes("list", &args).map(<[u8]>::to_vec);
        prop_assert_eq!(answer, Ok(model(&fields, &query)));
    }

    #[test]
    fn packed_arguments_are_read_within_their_bytes(packed: Vec<u8>) {
        let total: usize = Args::new(&packed).map(<[u8]>::len).sum();
        prop_assert!(total <= packed.len());
    }
}

#[test]
fn a_listing_of_many_batches_is_complete() {
    let mut t = Harness::new::<Lister>();
    let mut expected = Vec::new();
    for i in 0..3000u32 {
        let key = i.to_be_bytes();
        t.call("put", &[b"k", key.as_slice(), b"some value"])
            .expect("it answers");
        for part in [key.as_slice(), b"some value"] {
            expected.extend((part.len() as u32).to_le_bytes());
            expected.extend(part);
        }
    }
    assert_eq!(
        t.call_bytes("list", &["k", "0", "0"]),
        Ok(expected.as_slice())
    );
    assert!(
        t.host_calls() < 40,
        "{} host calls for 3000 entries",
        t.host_calls()
    );
}
