//! The nodes and the ring over them. A change of the list of nodes makes a new cluster.

use std::sync::Arc;

use cacheismo_rings::{KeyHash, NodeError, Ring, parse_nodes};

use crate::error::Cause;
use crate::node::Node;
use crate::{BuildError, Error, Options};

#[derive(Debug)]
pub(crate) struct Cluster {
    listed: Vec<cacheismo_rings::Node>,
    nodes: Vec<Arc<Node>>,
    ring: Ring,
    /// Chooses the connection of a key.
    link_hash: KeyHash,
}

impl Cluster {
    /// A cluster of the listed nodes. Those that `before` has, too, keep their connections.
    pub(crate) fn new(
        listed: Vec<cacheismo_rings::Node>,
        options: &Arc<Options>,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let ring = Ring::build(options.ring, &listed, options.hash_seed)?;
        let nodes = listed
            .iter()
            .map(|node| {
                let known = before.and_then(|cluster| cluster.find(node));
                known.unwrap_or_else(|| Arc::new(Node::new(node, options)))
            })
            .collect();
        Ok(Self {
            listed,
            nodes,
            ring,
            link_hash: KeyHash::new(0),
        })
    }

    fn find(&self, node: &cacheismo_rings::Node) -> Option<Arc<Node>> {
        let is_same = |other: &&cacheismo_rings::Node| {
            (&other.name, &other.host, other.port) == (&node.name, &node.host, node.port)
        };
        let at = self.listed.iter().position(|other| is_same(&other))?;
        Some(Arc::clone(&self.nodes[at]))
    }

    pub(crate) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(crate) fn listed(&self) -> &[cacheismo_rings::Node] {
        &self.listed
    }

    /// The node that a request for the place goes to now: the first of its preference that is up.
    pub(crate) fn pick(&self, place: &[u8]) -> Option<usize> {
        self.ring
            .owner_among(place, |node| self.nodes[node].is_up())
    }

    /// The connection that requests for the place use.
    pub(crate) fn link(&self, place: &[u8], links: usize) -> usize {
        match links {
            1 => 0,
            links => (self.link_hash.of(place) % links as u64) as usize,
        }
    }

    /// That there is nobody to ask.
    pub(crate) fn no_nodes(&self) -> Error {
        let cause = self.nodes.iter().find_map(|node| node.outage());
        Error::NoNodes {
            nodes: self.nodes.len(),
            // A node may have come back just now.
            cause: cause.map_or(Cause::Closed, |(cause, _)| cause),
        }
    }
}

/// What a client accepts as a list of nodes.
pub trait IntoNodes {
    /// The nodes.
    ///
    /// # Errors
    /// When the list is text that cannot be read.
    fn into_nodes(self) -> Result<Vec<cacheismo_rings::Node>, NodeError>;
}

impl IntoNodes for &str {
    fn into_nodes(self) -> Result<Vec<cacheismo_rings::Node>, NodeError> {
        parse_nodes(self)
    }
}

impl IntoNodes for &String {
    fn into_nodes(self) -> Result<Vec<cacheismo_rings::Node>, NodeError> {
        parse_nodes(self)
    }
}

impl IntoNodes for Vec<cacheismo_rings::Node> {
    fn into_nodes(self) -> Result<Vec<cacheismo_rings::Node>, NodeError> {
        Ok(self)
    }
}
