//! Moving a tree's blobs elsewhere, a bounded number at a time, while nobody else reads or writes the tree.
//!
//! Ids have a fixed length wherever they are stored, so that a parent is corrected in place and no node changes its
//! size.

use super::entries::Forward;
use super::node::{self, Branch, INLINE, LEAF_HEAD, NODE_BYTES_MAX};
use super::{NoRoom, NodeId, Nodes, Tree};

/// Where a relocation stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Names below this one were seen to.
    from: Vec<u8>,
    /// Whether all names were seen to.
    done: bool,
}

impl Cursor {
    /// Whether the whole tree was seen to.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

struct Relocation<'a, N> {
    nodes: &'a mut N,
    /// Whether a blob has to move.
    must: &'a dyn Fn(NodeId) -> bool,
    /// Blobs still to be looked at before the walk stops.
    budget: usize,
    /// Where to go on, once the walk stopped.
    stopped: Option<Vec<u8>>,
}

impl Tree {
    /// Moves the blobs of which `must` says so, from `cursor` on, and looks at about `budget` blobs. Changes the tree's
    /// root only if the root's node moves: the caller stores the root, also after an error.
    ///
    /// # Errors
    /// When there is no room for a blob's copy. The tree is whole, and some of it was moved.
    pub fn relocate<N: Nodes>(
        &mut self,
        nodes: &mut N,
        must: &dyn Fn(NodeId) -> bool,
        budget: usize,
        cursor: &mut Cursor,
    ) -> Result<(), NoRoom> {
        if let Some((len, Some(blob))) = self.value
            && must(blob)
        {
            let moved = move_blob(nodes, blob, len as usize)?;
            self.value = Some((len, Some(moved)));
        }
        let Some(root) = self.root else {
            cursor.done = true;
            return Ok(());
        };
        let mut relocation = Relocation {
            nodes,
            must,
            budget,
            stopped: None,
        };
        let from = std::mem::take(&mut cursor.from);
        let (root, result) = relocation.node(root, &from, None);
        self.root = Some(root);
        match (relocation.stopped, result) {
            // What was moved need not move again.
            (_, Err(_)) => cursor.from = from,
            (Some(next), _) => cursor.from = next,
            (None, _) => cursor.done = true,
        }
        result
    }
}

impl<N: Nodes> Relocation<'_, N> {
    /// Sees to a node and what is under it, from the name `from` on; `next` is the lowest name behind the node. Returns
    /// where the node is now, which holds after an error too.
    fn node(
        &mut self,
        id: NodeId,
        from: &[u8],
        next: Option<&[u8]>,
    ) -> (NodeId, Result<(), NoRoom>) {
        let mut bytes = self.nodes.read(id, |bytes| node::trim(bytes).to_vec());
        let before = bytes.clone();
        let mut result = match bytes[0] {
            0 => self.leaf(&mut bytes, next),
            _ => self.branch(&mut bytes, from, next),
        };
        if (self.must)(id) && result.is_ok() {
            match self.nodes.alloc(&bytes) {
                Ok(moved) => {
                    self.nodes.free(id);
                    return (moved, result);
                }
                Err(no_room) => result = Err(no_room),
            }
        }
        if bytes != before {
            self.nodes.overwrite(id, &bytes);
        }
        (id, result)
    }

    fn branch(&mut self, bytes: &mut [u8], from: &[u8], next: Option<&[u8]>) -> Result<(), NoRoom> {
        let (start, count) = {
            let branch = Branch(bytes);
            (branch.index_of(from), branch.count())
        };
        for index in start..count {
            let behind = match index + 1 < count {
                true => Some(Branch(bytes).separator(index).to_vec()),
                false => next.map(<[u8]>::to_vec),
            };
            let from = if index == start { from } else { &[] };
            let child = Branch(bytes).child(index);
            let (moved, result) = self.node(child, from, behind.as_deref());
            node::set_child(bytes, index, moved);
            result?;
            if self.stopped.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, bytes: &mut [u8], next: Option<&[u8]>) -> Result<(), NoRoom> {
        let aside: Vec<_> = Forward::<INLINE>::new(bytes, LEAF_HEAD)
            .filter_map(|entry| node::aside(&entry).map(|id| (entry.end, entry.value_len, id)))
            .collect();
        self.budget = self.budget.saturating_sub(1 + aside.len());
        for (end, len, id) in aside {
            if (self.must)(id) {
                self.budget = self.budget.saturating_sub(len / NODE_BYTES_MAX);
                let moved = move_blob(self.nodes, id, len)?;
                bytes[end - 4..end].copy_from_slice(&moved.0.to_le_bytes());
            }
        }
        if self.budget == 0 {
            self.stopped = next.map(<[u8]>::to_vec);
        }
        Ok(())
    }
}

fn move_blob<N: Nodes>(nodes: &mut N, id: NodeId, len: usize) -> Result<NodeId, NoRoom> {
    let mut bytes = Vec::new();
    nodes.append_to(id, len, &mut bytes);
    let moved = nodes.alloc(&bytes)?;
    nodes.free(id);
    Ok(moved)
}
