//! What a table promises: its shares, what moves, and that everybody builds the same one.

use proptest::prelude::*;

use super::*;

/// Nodes that differ from those of another `family`.
fn nodes(family: usize, count: usize) -> Vec<Node> {
    (0..count)
        .map(|number| Node::new(format!("node-{family}-{number}"), 11211))
        .collect()
}

fn table(nodes: &[Node]) -> Slots {
    Slots::build(nodes, slot_bits(nodes.len())).expect("ids differ")
}

/// Share of the slots that have another owner in the second table, in percent.
fn moved_percent(from: &Slots, to: &Slots) -> f64 {
    let moved = (0..from.len()).filter(|slot| from.owner_of_slot(*slot) != to.owner_of_slot(*slot));
    moved.count() as f64 / from.len() as f64 * 100.0
}

/// The most slots of a node, relative to its share by weight.
fn load_max(table: &Slots, nodes: &[Node]) -> f64 {
    let total: u32 = nodes.iter().map(Node::weight).sum();
    let load = |(count, node): (usize, &Node)| {
        count as f64 * f64::from(total) / (table.len() as f64 * f64::from(node.weight()))
    };
    table
        .counts()
        .into_iter()
        .zip(nodes)
        .map(load)
        .fold(0.0, f64::max)
}

/// A new node is the last of the list, so that the others keep their indexes.
#[test]
fn a_node_that_comes_or_goes_moves_its_share_and_next_to_nothing_else() {
    let mut furthest: f64 = 0.0;
    for (count, families) in [(3, 6), (5, 3), (9, 4), (10, 3), (63, 1)] {
        let ideal = 100.0 / (count as f64 + 1.0);
        for family in 0..families {
            let nodes = nodes(family, count + 1);
            let (few, many) = (table(&nodes[..count]), table(&nodes));
            let moved = moved_percent(&few, &many);
            assert!(
                (moved - ideal).abs() <= 0.2,
                "{count} nodes and one more: {moved} % of {ideal} %"
            );
            furthest = furthest.max((moved - ideal).abs());
            for (table, nodes) in [(&few, &nodes[..count]), (&many, &nodes[..])] {
                assert!(
                    load_max(table, nodes) <= 1.0051,
                    "{count} nodes: {}",
                    load_max(table, nodes)
                );
            }
        }
    }
    assert!(furthest > 0.0, "luck decides a little");
}

#[test]
fn a_large_cluster_is_balanced_with_few_slots_too() {
    let nodes = nodes(0, 300);
    let table = Slots::build(&nodes, 16).expect("ids differ");
    assert_eq!(table.len(), 1 << 16);
    assert!(load_max(&table, &nodes) <= 1.05);
}

#[test]
fn the_order_of_nodes_does_not_matter() {
    let weights = [1, 3, 1, 2, 7, 1, 1];
    for equal in [true, false] {
        let mut nodes = nodes(1, weights.len());
        for (node, weight) in nodes.iter_mut().zip(weights) {
            node.weight = if equal { 1 } else { weight };
        }
        let first = table(&nodes);
        let names = |table: &Slots, nodes: &[Node]| -> Vec<Vec<String>> {
            let slots = (0..table.len()).step_by(37);
            slots
                .map(|slot| {
                    table
                        .preference_of_slot(slot)
                        .map(|node| nodes[node].name.clone())
                        .collect()
                })
                .collect()
        };
        let expected = names(&first, &nodes);
        nodes.rotate_left(3);
        nodes.swap(0, 5);
        assert_eq!(names(&table(&nodes), &nodes), expected);
    }
}

#[test]
fn weights_are_respected_and_zero_counts_as_one() {
    let mut nodes = nodes(2, 4);
    for (node, weight) in nodes.iter_mut().zip([0, 1, 2, 6]) {
        node.weight = weight;
    }
    let table = table(&nodes);
    for (count, share) in table.counts().into_iter().zip([0.1, 0.1, 0.2, 0.6]) {
        let actual = count as f64 / table.len() as f64;
        assert!((actual / share - 1.0).abs() < 0.02, "{actual} of {share}");
    }
    assert!(load_max(&table, &nodes) <= 1.0051);
}

#[test]
fn a_heavier_node_takes_from_the_others_only() {
    let light = nodes(3, 5);
    let mut heavy = light.clone();
    heavy[4].weight = 2;
    let (before, after) = (table(&light), table(&heavy));
    let astray = (0..before.len())
        .filter(|slot| {
            let (old, new) = (before.owner_of_slot(*slot), after.owner_of_slot(*slot));
            old != new && new != 4
        })
        .count();
    // Only what the load bound displaces.
    assert!(astray as f64 / (before.len() as f64) < 0.002, "{astray}");
}

#[test]
fn keys_of_a_dead_node_are_spread_over_all_others() {
    let nodes = nodes(4, 10);
    let table = table(&nodes);
    let mut heirs = [0_usize; 10];
    for slot in (0..table.len()).filter(|slot| table.owner_of_slot(*slot) == 3) {
        let heir = table.preference_of_slot(slot).find(|node| *node != 3);
        heirs[heir.expect("nine are alive")] += 1;
    }
    assert_eq!(heirs[3], 0);
    let total: usize = heirs.iter().sum();
    for (node, heirs) in heirs.into_iter().enumerate().filter(|(node, _)| *node != 3) {
        let share = heirs as f64 / total as f64;
        assert!(
            (0.08..0.15).contains(&share),
            "node {node} inherits {share}"
        );
    }
}

#[test]
fn a_table_never_changes() {
    // Nodes of several versions must agree, so this is fixed. A change of the number is a change of where data lives.
    let mut nodes = nodes(5, 5);
    nodes[2].weight = 3;
    let mix = |sum: u64, owner: usize| sum.wrapping_mul(31).wrapping_add(owner as u64);
    let sums: Vec<_> = [&nodes[..2], &nodes[..]]
        .iter()
        .map(|nodes| {
            let table = table(nodes);
            (0..table.len())
                .map(|slot| table.owner_of_slot(slot))
                .fold(0, mix)
        })
        .collect();
    assert_eq!(sums, [7457929224934058203, 8570785135130268130]);
}

#[test]
fn one_node_has_everything() {
    let table = table(&nodes(6, 1));
    assert_eq!(table.counts(), [1 << 18]);
    assert_eq!(table.preference(u64::MAX).collect::<Vec<_>>(), [0]);
}

/// The matching as its definition has it: of all pairs that are left, the fastest one is made, and so on.
fn naive(race: &Race, slots: usize, bounds: &[usize]) -> Vec<u16> {
    let mut pairs: Vec<_> = (0..slots)
        .flat_map(|slot| race.finishes(slot).map(move |finish| (finish, slot)))
        .collect();
    pairs.sort_unstable();
    let mut owners = vec![None; slots];
    let mut counts = vec![0; bounds.len()];
    for (finish, slot) in pairs {
        let node = usize::from(finish.node);
        if owners[slot].is_none() && counts[node] < bounds[node] {
            owners[slot] = Some(finish.node);
            counts[node] += 1;
        }
    }
    owners
        .into_iter()
        .map(|owner| owner.expect("there is room for all"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    #[test]
    fn a_table_is_the_one_that_its_definition_gives(
        weights in prop::collection::vec(0_u32..5, 1..9), slots in 1_usize..600, family in 0..1000_usize
    ) {
        let mut nodes = nodes(family, weights.len());
        for (node, weight) in nodes.iter_mut().zip(weights) {
            node.weight = weight;
        }
        let race = Race::new(&nodes).expect("ids differ");
        let (owners, after) = assign::assign(&race, slots);
        prop_assert_eq!(&owners, &naive(&race, slots, &assign::bounds(&race, slots)));
        let table = Slots { bits: 16, owners, after, race };
        for slot in 0..slots {
            let preference: Vec<_> = table.preference_of_slot(slot).collect();
            let owner = table.owner_of_slot(slot);
            let mut expected: Vec<_> = table.race.finishes(slot).filter(|finish| usize::from(finish.node) != owner).collect();
            expected.sort_unstable();
            let expected = expected.iter().map(|finish| usize::from(finish.node));
            prop_assert_eq!(preference, std::iter::once(owner).chain(expected).collect::<Vec<_>>());
        }
    }
}
