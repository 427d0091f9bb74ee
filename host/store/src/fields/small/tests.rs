use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The ten-line twin of a small object.
#[derive(Clone, Debug, Default)]
struct Naive {
    value: Option<Vec<u8>>,
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Naive {
    fn scan(&self, from: &[u8], after: bool, reverse: bool) -> Vec<(&[u8], &[u8])> {
        let all = self
            .fields
            .iter()
            .map(|(k, v)| (k.as_slice(), v.as_slice()));
        if reverse {
            let whole = from.is_empty() && !after;
            all.rev()
                .filter(|(k, _)| whole || if after { *k < from } else { *k <= from })
                .collect()
        } else {
            all.filter(|(k, _)| if after { *k > from } else { *k >= from })
                .collect()
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Put(Vec<u8>, Vec<u8>),
    Push(Vec<u8>),
    Delete(Vec<u8>),
    Value(Option<Vec<u8>>),
    Clear,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => prop::collection::vec(prop_oneof![Just(0u8), Just(b'a'), Just(b'b'), Just(255)], 0..4),
        1 => prop::collection::vec(any::<u8>(), 100..300),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..6),
        1 => prop::collection::vec(any::<u8>(), 100..20_000),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        20 => (name(), value()).prop_map(|(n, v)| Edit::Put(n, v)),
        3 => value().prop_map(Edit::Push),
        8 => name().prop_map(Edit::Delete),
        2 => prop::option::of(value()).prop_map(Edit::Value),
        1 => Just(Edit::Clear),
    ]
}

fn did(before: Option<&Vec<u8>>, now: Option<&Vec<u8>>) -> Put {
    match before {
        before if before == now => Put::Same,
        None => Put::New,
        Some(_) => Put::Changed,
    }
}

fn run(edit: &Edit, naive: &mut Naive, state: &mut Vec<u8>) {
    match edit {
        Edit::Put(n, v) => {
            let did = did(naive.fields.insert(n.clone(), v.clone()).as_ref(), Some(v));
            assert_eq!(put(state, n, v), did);
        }
        Edit::Push(v) => {
            let mut n = naive.fields.keys().next_back().cloned().unwrap_or_default();
            n.push(0);
            push(state, &n, v);
            naive.fields.insert(n, v.clone());
        }
        Edit::Delete(n) => {
            assert_eq!(delete(state, n), naive.fields.remove(n).is_some());
        }
        Edit::Value(v) => {
            let did = did(naive.value.as_ref(), v.as_ref());
            naive.value.clone_from(v);
            assert_eq!(set_value(state, v.as_deref()), did);
        }
        Edit::Clear => {
            naive.fields.clear();
            clear_fields(state);
        }
    }
}

/// Calls everything that reads.
fn exercise(small: SmallRef<'_>, names: &[Vec<u8>]) -> usize {
    let mut seen = small.count() + small.value().map_or(0, <[u8]>::len) + small.iter().count();
    for n in names {
        seen += small.get(n).map_or(0, <[u8]>::len);
        for (after, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            seen += small.range_from(n, after, reverse).count();
        }
    }
    seen
}

proptest! {
    #[test]
    fn edits_and_reads_agree_with_a_btreemap(
        edits in prop::collection::vec(edit(), 0..200),
        probes in prop::collection::vec(name(), 1..6),
    ) {
        let (mut naive, mut state) = (Naive::default(), Vec::new());
        for edit in &edits {
            run(edit, &mut naive, &mut state);
            let small = SmallRef::parse(&state).expect("edits keep it well formed");
            prop_assert_eq!(small.count(), naive.fields.len());
            prop_assert_eq!(small.value(), naive.value.as_deref());
        }
        let small = SmallRef::trusted(&state);
        prop_assert_eq!(small.iter().collect::<Vec<_>>(), naive.scan(&[], false, false));
        for probe in &probes {
            prop_assert_eq!(small.get(probe), naive.fields.get(probe).map(Vec::as_slice));
            for (after, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
                let got: Vec<_> = small.range_from(probe, after, reverse).collect();
                prop_assert_eq!(got, naive.scan(probe, after, reverse));
            }
        }
    }

    #[test]
    fn equal_contents_are_equal_bytes(edits in prop::collection::vec(edit(), 0..60)) {
        let (mut naive, mut state) = (Naive::default(), vec![0]);
        for edit in &edits {
            run(edit, &mut naive, &mut state);
        }
        let mut pushed = vec![0];
        for (n, v) in &naive.fields {
            push(&mut pushed, n, v);
        }
        set_value(&mut pushed, naive.value.as_deref());
        prop_assert_eq!(pushed, state);
    }

    #[test]
    fn hostile_bytes_never_panic(
        mut bytes in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..80),
        probes in prop::collection::vec(name(), 1..4),
        edits in prop::collection::vec(edit(), 0..4),
    ) {
        if let Ok(small) = SmallRef::parse(&bytes) {
            prop_assert_eq!(small.iter().count(), small.count());
        }
        exercise(SmallRef::trusted(&bytes), &probes);
        for edit in &edits {
            match edit {
                Edit::Put(n, v) => _ = put(&mut bytes, n, v),
                Edit::Push(v) => push(&mut bytes, b"x", v),
                Edit::Delete(n) => drop(delete(&mut bytes, n)),
                Edit::Value(v) => _ = set_value(&mut bytes, v.as_deref()),
                Edit::Clear => clear_fields(&mut bytes),
            }
            exercise(SmallRef::trusted(&bytes), &probes);
        }
    }

    #[test]
    fn every_cut_and_most_flips_are_refused(edits in prop::collection::vec(edit(), 1..20), flip in any::<prop::sample::Index>()) {
        let (mut naive, mut state) = (Naive::default(), vec![0]);
        for edit in &edits {
            run(edit, &mut naive, &mut state);
        }
        for cut in 1..state.len().min(400) {
            prop_assert!(SmallRef::parse(&state[..cut]).is_err());
        }
        state.push(0);
        prop_assert!(SmallRef::parse(&state).is_err(), "a byte too many");
        state.pop();
        // A flipped bit may hit a value and still parse: it must only never panic.
        let at = flip.index(state.len());
        state[at] ^= 0x40;
        let _ = SmallRef::parse(&state).map(|small| exercise(small, &[]));
    }
}

#[test]
fn a_small_object_has_these_bytes() {
    let mut state = Vec::new();
    put(&mut state, b"b", b"22");
    assert_eq!(state, b"\x02\x01\x02b22");
    put(&mut state, b"a", b"");
    set_value(&mut state, Some(b"v"));
    assert_eq!(state, b"\x05\x01v\x01\x00a\x01\x02b22");
    clear_fields(&mut state);
    assert_eq!(state, b"\x01\x01v");
    set_value(&mut state, None);
    assert_eq!(state, b"\x00");
}

#[test]
fn no_bytes_and_one_zero_byte_are_empty_objects() {
    for bytes in [&b""[..], b"\0"] {
        let small = SmallRef::parse(bytes).expect("empty is well formed");
        assert_eq!(
            (small.count(), small.value(), small.iter().next()),
            (0, None, None)
        );
    }
}

#[test]
fn names_and_values_of_a_mebibyte_are_held() {
    let big = vec![7; 1 << 20];
    let mut state = Vec::new();
    assert_eq!(put(&mut state, &big, &big), Put::New);
    assert_eq!(put(&mut state, b"a", b"1"), Put::New);
    assert_eq!(put(&mut state, b"a", b"1"), Put::Same);
    assert_eq!(put(&mut state, &big, b"short"), Put::Changed);
    let small = SmallRef::parse(&state).expect("well formed");
    assert_eq!(
        (small.get(&big), small.get(b"a")),
        (Some(&b"short"[..]), Some(&b"1"[..]))
    );
}

#[test]
fn an_overwrite_of_equal_length_moves_nothing() {
    let mut state = Vec::new();
    for i in 0..10 {
        put(&mut state, format!("field{i}").as_bytes(), b"0000");
    }
    let (before, place) = (state.clone(), state.as_ptr());
    assert_eq!(put(&mut state, b"field4", b"1234"), Put::Changed);
    assert_eq!((state.len(), state.as_ptr()), (before.len(), place));
    let changed = before.iter().zip(&state).filter(|(a, b)| a != b).count();
    assert_eq!(changed, 4);
}
