use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::Cursor;
use super::super::entries::Forward;
use super::super::node::{NODE_BYTES_MAX, NODE_BYTES_MIN};
use super::super::tree::heap::Heap;
use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn as_fields(changes: &Changes) -> Vec<(&[u8], Option<&[u8]>)> {
    changes
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_deref()))
        .collect()
}

/// What a walk through all nodes adds up to.
#[derive(Default)]
struct Seen {
    blobs: BTreeSet<u32>,
    fields: Model,
    bytes: usize,
    leaves: usize,
    leaf_bytes: usize,
    small_leaves: usize,
}

impl Seen {
    fn blob(&mut self, id: NodeId, len: usize) {
        assert!(self.blobs.insert(id.0), "a blob in two places");
        self.bytes += len;
    }

    fn walk(&mut self, heap: &Heap, id: NodeId, level: u8, low: &[u8], high: Option<&[u8]>) {
        let bytes = heap.blob(id);
        self.blob(id, bytes.len());
        assert_eq!(
            node::trim(bytes).len(),
            bytes.len(),
            "the length in the head"
        );
        assert_eq!(bytes[0], level, "all leaves are equally deep");
        if level == 0 {
            return self.leaf(heap, bytes, low, high);
        }
        let branch = Branch(bytes);
        assert!(branch.count() >= 1);
        for index in 0..branch.count() {
            let low = index
                .checked_sub(1)
                .map_or(low, |before| branch.separator(before));
            let high = if index + 1 < branch.count() {
                Some(branch.separator(index))
            } else {
                high
            };
            assert!(high.is_none_or(|high| low < high), "separators ascend");
            self.walk(heap, branch.child(index), level - 1, low, high);
        }
    }

    fn leaf(&mut self, heap: &Heap, bytes: &[u8], low: &[u8], high: Option<&[u8]>) {
        let mut walk = Forward::<INLINE>::new(bytes, LEAF_HEAD);
        let mut count = 0;
        for entry in walk.by_ref() {
            assert!(entry.name >= low && high.is_none_or(|high| entry.name < high));
            let value = match node::aside(&entry) {
                Some(blob) => {
                    self.blob(blob, entry.value_len);
                    heap.blob(blob)
                }
                None => entry.stored,
            };
            assert!(
                self.fields
                    .last_key_value()
                    .is_none_or(|(last, _)| last.as_slice() < entry.name)
            );
            self.fields.insert(entry.name.to_vec(), value.to_vec());
            count += 1;
        }
        assert_eq!(walk.offset(), bytes.len(), "well formed to its end");
        assert!(count > 0 && (count == 1 || bytes.len() <= NODE_BYTES_MAX));
        self.leaves += 1;
        self.leaf_bytes += bytes.len();
        self.small_leaves += usize::from(bytes.len() < NODE_BYTES_MIN);
    }
}

/// Checks every invariant: structure, contents, count, bytes, and that the heap holds nothing else.
fn check(tree: &Tree, heap: &Heap, model: &Model, value: Option<&[u8]>) -> Seen {
    let mut seen = Seen::default();
    assert_eq!(tree.root.is_some(), tree.height > 0);
    if let Some(root) = tree.root {
        seen.walk(heap, root, tree.height - 1, &[], None);
    }
    if let Some((len, Some(blob))) = tree.value {
        seen.blob(blob, len as usize);
    }
    let mut out = Vec::new();
    assert_eq!(tree.value(heap, &mut out), value.map(<[u8]>::len));
    assert_eq!(out, value.unwrap_or_default());
    assert_eq!(&seen.fields, model);
    assert_eq!(tree.count(), model.len() as u64);
    assert_eq!(tree.bytes(), seen.bytes as u64);
    assert!(seen.blobs.iter().eq(heap.blobs.keys()), "a leaked blob");
    assert_eq!(Tree::from_bytes(&tree.to_bytes()), *tree);
    seen
}

fn free_all(tree: Tree, heap: &mut Heap) {
    let mut retired = Retired::default();
    tree.retire(&mut retired);
    while !retired.is_empty() {
        let before = heap.blobs.len();
        let freed = retired.free_some(heap, 3);
        assert!(freed <= 3 && before - heap.blobs.len() == freed);
    }
    assert!(heap.blobs.is_empty());
}

fn scan_all(
    tree: &Tree,
    heap: &Heap,
    from: &[u8],
    after: bool,
    reverse: bool,
    batch: usize,
) -> Vec<Vec<u8>> {
    let (mut from, mut after, mut names) = (from.to_vec(), after, Vec::new());
    while tree.scan(
        heap,
        &from.clone(),
        after,
        reverse,
        batch,
        &mut |name, _| {
            names.push(name.to_vec());
            from = name.to_vec();
            true
        },
    ) {
        after = true;
    }
    names
}

fn check_scans(tree: &Tree, heap: &Heap, model: &Model, from: &[u8], batch: usize) {
    let names = || model.keys();
    let expect: Vec<_> = names().filter(|n| n.as_slice() >= from).cloned().collect();
    assert_eq!(scan_all(tree, heap, from, false, false, batch), expect);
    let expect: Vec<_> = names().filter(|n| n.as_slice() > from).cloned().collect();
    assert_eq!(scan_all(tree, heap, from, true, false, batch), expect);
    let expect: Vec<_> = names()
        .rev()
        .filter(|n| from.is_empty() || n.as_slice() <= from)
        .cloned()
        .collect();
    assert_eq!(scan_all(tree, heap, from, false, true, batch), expect);
    let expect: Vec<_> = names()
        .rev()
        .filter(|n| n.as_slice() < from)
        .cloned()
        .collect();
    assert_eq!(scan_all(tree, heap, from, true, true, batch), expect);
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => (0u32..2000).prop_map(|n| format!("{:04}", n).into_bytes()),
        10 => prop::collection::vec(prop_oneof![Just(0u8), Just(b'0'), Just(255)], 0..5),
        1 => (0u8..4, 200usize..3000).prop_map(|(b, n)| vec![b; n]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        10 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 200usize..300).prop_map(|(b, n)| vec![b; n]),
        1 => (any::<u8>(), 1000usize..9000).prop_map(|(b, n)| vec![b; n]),
    ]
}

fn changes() -> impl Strategy<Value = Changes> {
    let put = (name(), value()).prop_map(|(n, v)| (n, Some(v)));
    let delete = name().prop_map(|n| (n, None));
    let mixed = prop_oneof![3 => put, 2 => delete];
    // A stretch of neighbours, put or deleted in one go, empties and fills whole nodes.
    let stretch = (0u32..2000, 1u32..800, prop::option::of(value())).prop_map(|(start, n, v)| {
        (start..start + n)
            .map(|i| (format!("{i:04}").into_bytes(), v.clone()))
            .collect::<Vec<_>>()
    });
    prop_oneof![
        4 => prop::collection::vec(mixed, 0..60).boxed(),
        1 => stretch.boxed(),
    ]
    .prop_map(|list| list.into_iter().collect())
}

#[derive(Clone, Debug)]
struct Op {
    changes: Changes,
    clear: bool,
    value: Option<Option<Vec<u8>>>,
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop::option::weighted(0.2, prop::option::of(value()));
    (changes(), prop::bool::weighted(0.03), value).prop_map(|(changes, clear, value)| Op {
        changes,
        clear,
        value,
    })
}

fn run_model(op: &Op, model: &mut Model, value: &mut Option<Vec<u8>>) {
    if op.clear {
        model.clear();
    }
    for (name, new) in &op.changes {
        match new {
            Some(new) => drop(model.insert(name.clone(), new.clone())),
            None => drop(model.remove(name)),
        }
    }
    if let Some(new) = &op.value {
        value.clone_from(new);
    }
}

fn run_tree(op: &Op, tree: &mut Tree, heap: &mut Heap) -> Result<(), NoRoom> {
    let fields = as_fields(&op.changes);
    let value = op.value.as_ref().map(Option::as_deref);
    let mut retired = Retired::default();
    let done = tree.apply(
        heap,
        &Batch {
            fields: &fields,
            clear: op.clear,
            value,
        },
        &mut retired,
    );
    assert!(done.is_ok() || retired.is_empty());
    retired.free_some(heap, usize::MAX);
    done
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn batches_and_reads_agree_with_a_btreemap(
        ops in prop::collection::vec(op(), 1..25),
        grain in prop_oneof![Just(1usize), Just(16), Just(64)],
        probes in prop::collection::vec(name(), 1..8),
        batch in 1usize..3000,
    ) {
        let (mut tree, mut heap) = (Tree::default(), Heap::with_grain(grain));
        let (mut model, mut value) = (Model::new(), None);
        for op in &ops {
            run_model(op, &mut model, &mut value);
            run_tree(op, &mut tree, &mut heap).expect("room enough");
            check(&tree, &heap, &model, value.as_deref());
        }
        for probe in &probes {
            let mut out = b"kept".to_vec();
            let len = tree.get(&heap, probe, &mut out);
            prop_assert_eq!(len.map(|_| &out[4..]), model.get(probe).map(Vec::as_slice));
            prop_assert_eq!(&out[..4], b"kept");
            check_scans(&tree, &heap, &model, probe, batch);
        }
        let owned = |(n, v): (&Vec<u8>, &Vec<u8>)| (n.clone(), v.clone());
        prop_assert_eq!(tree.first(&heap), model.first_key_value().map(owned));
        prop_assert_eq!(tree.last(&heap), model.last_key_value().map(owned));
        let small = tree.to_small(&heap);
        let again = Tree::from_small(&mut heap, SmallRef::parse(&small).expect("well formed")).expect("room");
        free_one(tree, &mut heap);
        check(&again, &heap, &model, value.as_deref());
        free_all(again, &mut heap);
    }

    #[test]
    fn single_changes_agree_with_a_btreemap(
        ops in prop::collection::vec((name(), prop::option::weighted(0.6, value())), 1..400),
        start in 0u32..1500,
    ) {
        let (mut tree, mut heap, mut model) = (Tree::default(), Heap::with_grain(16), Model::new());
        for i in 0..start {
            let name = format!("{i:04}").into_bytes();
            prop_assert!(tree.put(&mut heap, &name, b"1").expect("room"));
            model.insert(name, b"1".to_vec());
        }
        for (name, value) in ops {
            match value {
                Some(value) => {
                    let new = tree.put(&mut heap, &name, &value).expect("room");
                    prop_assert_eq!(new, model.insert(name, value).is_none());
                }
                None => {
                    let there = tree.delete(&mut heap, &name).expect("room");
                    prop_assert_eq!(there, model.remove(&name).is_some());
                }
            }
        }
        check(&tree, &heap, &model, None);
        let names: Vec<_> = model.keys().cloned().collect();
        for name in names {
            prop_assert!(tree.delete(&mut heap, &name).expect("room"));
        }
        check(&tree, &heap, &Model::new(), None);
    }

    #[test]
    fn a_batch_that_finds_no_room_changes_nothing(
        ops in prop::collection::vec(op(), 1..8),
        last in op(),
        grain in prop_oneof![Just(1usize), Just(64)],
    ) {
        let (mut tree, mut heap) = (Tree::default(), Heap::with_grain(grain));
        let (mut model, mut value) = (Model::new(), None);
        for op in &ops {
            run_model(op, &mut model, &mut value);
            run_tree(op, &mut tree, &mut heap).expect("room enough");
        }
        let (tree_before, blobs_before) = (tree, heap.blobs.clone());
        for allocs in 0.. {
            heap.allocs_left = Some(allocs);
            if run_tree(&last, &mut tree, &mut heap).is_ok() {
                break;
            }
            prop_assert_eq!(tree, tree_before);
            prop_assert!(heap.blobs == blobs_before);
        }
        run_model(&last, &mut model, &mut value);
        check(&tree, &heap, &model, value.as_deref());
    }
}

/// Frees one tree while others live in the same heap.
fn free_one(tree: Tree, heap: &mut Heap) {
    let mut retired = Retired::default();
    tree.retire(&mut retired);
    retired.free_some(heap, usize::MAX);
}

/// The numbers below `n` in an order that is random and the same every time.
fn shuffled(n: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..n).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for i in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(i, (state % (i as u64 + 1)) as usize);
    }
    numbers
}

#[test]
fn ascending_names_fill_their_leaves() {
    let (mut tree, mut heap) = (Tree::default(), Heap::with_grain(16));
    let mut model = Model::new();
    for i in 0..20_000 {
        let name = format!("{i:010}").into_bytes();
        tree.put(&mut heap, &name, b"").expect("room");
        model.insert(name, Vec::new());
    }
    let seen = check(&tree, &heap, &model, None);
    assert!(seen.leaf_bytes > seen.leaves * NODE_BYTES_MAX * 95 / 100);
}

#[test]
fn random_puts_and_deletes_leave_little_besides_the_entries() {
    let (mut tree, mut heap) = (Tree::default(), Heap::with_grain(16));
    let mut model = Model::new();
    let n = 20_000;
    for i in shuffled(n) {
        let name = format!("{i:010}").into_bytes();
        tree.put(&mut heap, &name, b"").expect("room");
        model.insert(name, Vec::new());
    }
    let seen = check(&tree, &heap, &model, None);
    assert!(seen.leaf_bytes > seen.leaves * NODE_BYTES_MAX * 60 / 100);
    assert!(
        tree.bytes() < u64::from(n) * 12 * 105 / 100,
        "{}",
        tree.bytes()
    );
    for i in shuffled(n).into_iter().filter(|i| i % 16 != 0) {
        let name = format!("{i:010}").into_bytes();
        assert!(tree.delete(&mut heap, &name).expect("room"));
        model.remove(&name);
    }
    let seen = check(&tree, &heap, &model, None);
    assert_eq!(seen.small_leaves, 0);
    assert!(
        tree.bytes() < model.len() as u64 * 12 * 110 / 100,
        "{}",
        tree.bytes()
    );
    let blobs_max = heap.blobs.len();
    assert!(blobs_max < model.len() * 12 / NODE_BYTES_MIN + 10);
}

#[test]
fn the_root_has_these_bytes() {
    let tree = Tree {
        root: Some(NodeId(0x0403_0201)),
        height: 3,
        value: Some((5, Some(NodeId(9)))),
        count: 0x0102,
        bytes: 0x0a_0000_0000,
    };
    let bytes =
        *b"\x03\x01\0\0\x01\x02\x03\x04\x09\0\0\0\x05\0\0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\x0a\0\0\0";
    assert_eq!(tree.to_bytes(), bytes);
    assert_eq!(Tree::from_bytes(&bytes), tree);
    assert_eq!(Tree::from_bytes(&[0; 32]), Tree::default());
}

#[test]
fn a_name_beyond_the_limit_finds_no_room_and_changes_nothing() {
    let (mut tree, mut heap) = (Tree::default(), Heap::with_grain(16));
    let longest = vec![1; super::super::NAME_BYTES_MAX];
    for first in 0..5 {
        let mut name = longest.clone();
        name[0] = first;
        assert_eq!(tree.put(&mut heap, &name, &name), Ok(true));
    }
    let (before, blobs) = (tree, heap.blobs.len());
    assert_eq!(
        tree.put(&mut heap, &[&longest[..], b"1"].concat(), b""),
        Err(NoRoom)
    );
    assert_eq!((tree, heap.blobs.len()), (before, blobs));
    assert_eq!(
        tree.get(&heap, &longest, &mut Vec::new()),
        Some(longest.len())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_tree_moves_bit_by_bit_and_stays_whole_when_room_runs_out(
        fields in proptest::collection::btree_map(name(), value(), 0..400),
        value in proptest::option::of(value()),
        budget in 1usize..50,
        room in 1usize..60,
    ) {
        let mut heap = Heap::with_grain(32);
        let mut tree = Tree::default();
        let changes: Changes = fields.iter().map(|(n, v)| (n.clone(), Some(v.clone()))).collect();
        let batch = Batch { fields: &as_fields(&changes), clear: false, value: value.as_deref().map(Some) };
        tree.apply(&mut heap, &batch, &mut Retired::default()).expect("room");
        let old: BTreeSet<u32> = heap.blobs.keys().copied().collect();
        let mut cursor = Cursor::default();
        let mut steps = 0;
        while !cursor.is_done() {
            heap.allocs_left = Some(room);
            let before = heap.blobs.keys().filter(|id| old.contains(id)).count();
            let done = tree.relocate(&mut heap, &|id| old.contains(&id.0), budget, &mut cursor);
            let after = heap.blobs.keys().filter(|id| old.contains(id)).count();
            prop_assert!(done.is_ok() || after < before, "some of it was moved");
            check(&tree, &heap, &fields, value.as_deref());
            steps += 1;
            prop_assert!(steps < 10_000);
        }
        prop_assert!(heap.blobs.keys().all(|id| !old.contains(id)), "all were moved");
    }
}
