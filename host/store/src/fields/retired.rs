//! Trees that nobody can reach any more, freed a bounded number of blobs at a time.

use super::entries::Forward;
use super::node::{self, Branch, INLINE, LEAF_HEAD};
use super::{NodeId, Nodes};

/// Blobs to be freed, with everything under them.
///
/// At any time it lists at most the children of one node of each level of each tree, so it stays small.
#[derive(Debug, Default)]
pub struct Retired(Vec<Work>);

#[derive(Clone, Copy, Debug)]
enum Work {
    /// A node and all under it.
    Node(NodeId),
    /// A value's blob.
    Blob(NodeId),
}

impl Retired {
    /// Nothing is left to free.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Frees at most `budget` blobs; returns how many it freed, which is less only when none are left.
    pub fn free_some<N: Nodes>(&mut self, nodes: &mut N, budget: usize) -> usize {
        for freed in 0..budget {
            let id = match self.0.pop() {
                None => return freed,
                Some(Work::Blob(id)) => id,
                Some(Work::Node(id)) => {
                    nodes.read(id, |bytes| self.list_children(node::trim(bytes)));
                    id
                }
            };
            nodes.free(id);
        }
        budget
    }

    /// Takes over what another lists.
    pub fn append(&mut self, mut other: Retired) {
        self.0.append(&mut other.0);
    }

    pub(super) fn node(&mut self, id: NodeId) {
        self.0.push(Work::Node(id));
    }

    pub(super) fn blob(&mut self, id: NodeId) {
        self.0.push(Work::Blob(id));
    }

    fn list_children(&mut self, bytes: &[u8]) {
        if bytes[0] == 0 {
            let entries = Forward::<INLINE>::new(bytes, LEAF_HEAD);
            self.0.extend(
                entries
                    .filter_map(|entry| node::aside(&entry))
                    .map(Work::Blob),
            );
        } else {
            let branch = Branch(bytes);
            self.0
                .extend((0..branch.count()).map(|child| Work::Node(branch.child(child))));
        }
    }
}
