//! A ring of any name behind one face.

use crate::continuum::Continuum;
use crate::hash::PointHash;
use crate::{KeyHash, NODES_MAX, Node, RingError, RingName, Slots, slot_bits};

/// Which of some nodes a key belongs to. Nodes are told by their index in the list that the ring was built from.
#[derive(Clone, Debug)]
pub struct Ring {
    name: RingName,
    nodes: usize,
    method: Method,
}

#[derive(Clone, Debug)]
enum Method {
    Slots(Slots, KeyHash),
    Continuum(Continuum),
    Modula,
}

impl Ring {
    /// Builds the ring of a name over a list of nodes. `hash_seed` is the seed of [`KeyHash`], by which slot tables hash
    /// keys; the rings of other clients have hashes of their own.
    ///
    /// # Errors
    /// When there are no nodes or too many, and when a node has an id or a name that this ring refuses.
    pub fn build(name: RingName, nodes: &[Node], hash_seed: u64) -> Result<Self, RingError> {
        match nodes.len() {
            0 => return Err(RingError::Empty),
            1..=NODES_MAX => (),
            count => return Err(RingError::TooMany(count)),
        }
        let slots = |bits| {
            Ok(Method::Slots(
                Slots::build(nodes, bits)?,
                KeyHash::new(hash_seed),
            ))
        };
        let method = match name {
            RingName::Slots => slots(slot_bits(nodes.len()))?,
            RingName::Slots16 => slots(16)?,
            RingName::Slots18 => slots(18)?,
            RingName::Slots20 => slots(20)?,
            RingName::Modula => Method::Modula,
            name => Method::Continuum(Continuum::build(name, nodes)?),
        };
        Ok(Self {
            name,
            nodes: nodes.len(),
            method,
        })
    }

    /// The name of the ring.
    pub fn name(&self) -> RingName {
        self.name
    }

    /// The slot table, for who has the hash of a key already; `None` for the rings of other clients.
    pub fn slots(&self) -> Option<&Slots> {
        match &self.method {
            Method::Slots(slots, _) => Some(slots),
            _ => None,
        }
    }

    /// The node that a key belongs to.
    pub fn owner(&self, key: &[u8]) -> usize {
        match &self.method {
            Method::Slots(slots, hash) => slots.owner(hash.of(key)),
            Method::Continuum(continuum) => continuum
                .walk(key)
                .next()
                .expect("a node with at least the average weight has points"),
            Method::Modula => modula(key, self.nodes),
        }
    }

    /// The first node of the key's preference that is live; `None` when none is.
    ///
    /// Only keys of nodes that are not live have another owner than before: nothing else moves.
    pub fn owner_among(&self, key: &[u8], is_live: impl Fn(usize) -> bool) -> Option<usize> {
        match &self.method {
            Method::Slots(slots, hash) => {
                slots.preference(hash.of(key)).find(|node| is_live(*node))
            }
            Method::Continuum(continuum) => continuum.walk(key).find(|node| is_live(*node)),
            Method::Modula => self.preference(key).find(|node| is_live(*node)),
        }
    }

    /// The nodes a key may go to, each once: its owner, then who stands in for the owner, and so on.
    ///
    /// The rings of other clients leave out nodes whose weight is too small for a point.
    pub fn preference<'a>(&'a self, key: &[u8]) -> Box<dyn Iterator<Item = usize> + 'a> {
        match &self.method {
            Method::Slots(slots, hash) => Box::new(slots.preference(hash.of(key))),
            Method::Continuum(continuum) => {
                let mut seen = vec![false; self.nodes];
                let first_time = move |node: &usize| !std::mem::replace(&mut seen[*node], true);
                Box::new(continuum.walk(key).filter(first_time))
            }
            Method::Modula => {
                let first = modula(key, self.nodes);
                Box::new((first..self.nodes).chain(0..first))
            }
        }
    }

    /// The share of keys that belongs to each node. The shares add up to 1.
    ///
    /// On the rings of other clients they are the shares of points, which the shares of keys resemble.
    pub fn shares(&self) -> Vec<f64> {
        let counts = match &self.method {
            Method::Slots(slots, _) => slots.counts(),
            Method::Continuum(continuum) => continuum.points_of(self.nodes),
            Method::Modula => vec![1; self.nodes],
        };
        let total: usize = counts.iter().sum();
        counts
            .iter()
            .map(|count| *count as f64 / total as f64)
            .collect()
    }
}

/// libmemcached's placement without a ring.
fn modula(key: &[u8], nodes: usize) -> usize {
    // With one node nothing is hashed.
    match nodes {
        1 => 0,
        nodes => PointHash::Jenkins.of(key) as usize % nodes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes(count: usize) -> Vec<Node> {
        (0..count)
            .map(|number| Node::new(format!("10.0.0.{number}"), 11211 + number as u16 % 3))
            .collect()
    }

    #[test]
    fn a_list_that_makes_no_ring_is_refused() {
        for name in RingName::all() {
            assert_eq!(Ring::build(name, &[], 0).err(), Some(RingError::Empty));
            let many = nodes(NODES_MAX + 1);
            let error = Ring::build(name, &many, 0).err();
            assert_eq!(error, Some(RingError::TooMany(NODES_MAX + 1)));
        }
        let twice = [Node::new("a", 1), Node::new("b", 1), Node::new("a", 1)];
        let error = Ring::build(RingName::Slots, &twice, 0).expect_err("an id stands for one node");
        assert!(error.to_string().contains("a:1"), "{error}");
        assert!(Ring::build(RingName::Ketama, &twice, 0).is_ok());
        let long = [Node::new("a-name-of-more-than-27-bytes", 1)];
        assert!(matches!(
            Ring::build(RingName::Cacheismo, &long, 0),
            Err(RingError::Name { .. })
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..Default::default() })]

        #[test]
        fn every_ring_prefers_each_node_once_and_skips_the_dead(
            count in 1_usize..12, keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 20), dead: u16
        ) {
            let nodes = nodes(count);
            let is_live = |node: usize| dead >> node & 1 == 0;
            // Three sizes of tables prove no more than one.
            for name in RingName::all().filter(|name| !name.is_slots() || *name == RingName::Slots16) {
                let ring = Ring::build(name, &nodes, 7).expect("the nodes differ");
                for key in &keys {
                    let preference: Vec<_> = ring.preference(key).collect();
                    let mut each = preference.clone();
                    each.sort_unstable();
                    prop_assert_eq!(each, (0..count).collect::<Vec<_>>(), "{}", name);
                    prop_assert_eq!(ring.owner(key), preference[0], "{}", name);
                    let live = preference.iter().copied().find(|node| is_live(*node));
                    prop_assert_eq!(ring.owner_among(key, is_live), live, "{}", name);
                }
                let shares: f64 = ring.shares().iter().sum();
                prop_assert!((shares - 1.0).abs() < 1e-9);
            }
        }
    }
}
