//! The rings of other clients against recordings of what those clients do.

use std::collections::BTreeMap;

use cacheismo_rings::{Node, Ring, RingName, parse_nodes};
use serde::Deserialize;

/// Recordings of libmemcached and OMcache.
const CLIENTS: &str = include_str!("data/clients.json");
/// Recordings of the original Cacheismo.
const CACHEISMO: &str = include_str!("data/cacheismo.json");

#[derive(Deserialize)]
struct Clients {
    lists: BTreeMap<String, String>,
    groups: Vec<Group>,
}

/// Keys, and where clients send them.
#[derive(Deserialize)]
struct Group {
    keys: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ring: String,
    list: String,
    /// Points of each node, where the client tells them.
    points: Option<Vec<f64>>,
    /// A digit in base 36 for each key: the index of its node.
    owners: String,
}

#[derive(Deserialize)]
struct Original {
    lists: Vec<OriginalList>,
}

#[derive(Deserialize)]
struct OriginalList {
    list: String,
    /// Name of the node by key.
    owners: BTreeMap<String, String>,
}

fn clients() -> Clients {
    serde_json::from_str(CLIENTS).expect("the recordings are well formed")
}

#[test]
fn every_key_goes_where_other_clients_send_it() {
    let clients = clients();
    let mut checked = Vec::new();
    for Group { keys, cases } in &clients.groups {
        for case in cases {
            let nodes = parse_nodes(&clients.lists[&case.list]).expect("the lists are well formed");
            let name: RingName = case.ring.parse().expect("the names are ours");
            let ring = Ring::build(name, &nodes, 0).expect("the lists make rings");
            assert_eq!(keys.len(), case.owners.len());
            let wrong: Vec<_> = keys
                .iter()
                .zip(case.owners.chars())
                .filter(|(key, owner)| {
                    ring.owner(key.as_bytes()) != owner.to_digit(36).unwrap_or(36) as usize
                })
                .collect();
            assert!(wrong.is_empty(), "{name} of {}: {wrong:?}", case.list);
            checked.push(keys.len());
        }
    }
    assert_eq!(checked, [[500; 72].as_slice(), &[60; 8]].concat());
}

#[test]
fn every_node_has_as_many_points_as_in_other_clients() {
    let clients = clients();
    let mut checked = 0;
    for case in clients.groups.iter().flat_map(|group| &group.cases) {
        let Some(points) = &case.points else { continue };
        let nodes = parse_nodes(&clients.lists[&case.list]).expect("the lists are well formed");
        let name: RingName = case.ring.parse().expect("the names are ours");
        let ring = Ring::build(name, &nodes, 0).expect("the lists make rings");
        let total: f64 = points.iter().sum();
        for (share, points) in ring.shares().into_iter().zip(points) {
            assert!(
                (share * total - points).abs() < 1e-6,
                "{name} of {}",
                case.list
            );
        }
        checked += 1;
    }
    assert!(checked >= 63, "{checked}");
}

#[test]
fn every_key_goes_where_the_original_cacheismo_sent_it() {
    let original: Original =
        serde_json::from_str(CACHEISMO).expect("the recordings are well formed");
    let mut checked = 0;
    for OriginalList { list, owners } in original.lists {
        let names = cacheismo_ring::names(list.as_bytes());
        let nodes: Vec<Node> = names
            .map(|name| {
                let name = str::from_utf8(name).expect("the names are text");
                name.parse().expect("the names are addresses")
            })
            .collect();
        let ring = Ring::build(RingName::Cacheismo, &nodes, 0).expect("the lists make rings");
        for (key, owner) in owners {
            assert_eq!(
                nodes[ring.owner(key.as_bytes())].name,
                owner,
                "{key} of {list:?}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 57);
}
