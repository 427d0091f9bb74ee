//! A large object: its fields in a B+tree whose nodes are blobs of the store, its opaque value in one more blob.
//!
//! The root is a [`Tree`] of 32 bytes that the store keeps as the item's value; see [`Tree::to_bytes`]. Nodes are
//! exactly as long as what they hold, so a half-full one wastes nothing but its share of a blob's overhead.
//!
//! Reading descends without copying. A change of one field rewrites one leaf of at most
//! [`NODE_BYTES_MAX`](super::NODE_BYTES_MAX) bytes; whatever a batch changes, it touches a node once. How batches are
//! all or nothing is told in `batch`.

use std::ops::ControlFlow;

use super::entries::{self, Place, Run};
use super::node::{self, Branch, INLINE, LEAF_HEAD};
use super::{Batch, NoRoom, NodeId, Nodes, Retired, SmallRef, batch, small};

/// The root of a large object. Copies of it share the nodes: whoever keeps one decides which is the valid one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The topmost node; none when there are no fields.
    pub(super) root: Option<NodeId>,
    /// Levels of nodes; 0 when there are no fields.
    pub(super) height: u8,
    /// The opaque value: its length, and its blob unless it's empty.
    pub(super) value: Option<(u32, Option<NodeId>)>,
    /// Number of fields.
    pub(super) count: u64,
    /// Bytes in all blobs.
    pub(super) bytes: u64,
}

/// A leaf and, unless it's the root, which child of which branch it is.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) id: NodeId,
    pub(super) parent: Option<(NodeId, usize)>,
}

/// What a scan visits.
#[derive(Clone, Copy)]
struct Range<'a> {
    from: &'a [u8],
    after: bool,
    reverse: bool,
}

impl Tree {
    /// Length of an encoded root.
    pub const BYTES: usize = 32;

    /// The root in 32 bytes, little-endian:
    ///
    /// ```text
    ///  0      1       2..4  4..8     8..12      12..16        16..24  24..32
    ///  height has one zero  root id  value id   value length  count   bytes
    /// ```
    /// `height` 0 means no root; `has one` is 1 when there is an opaque value, whose id counts only if it isn't empty.
    pub fn to_bytes(&self) -> [u8; Tree::BYTES] {
        let (value_len, value_id) = self.value.unwrap_or_default();
        let mut out = [0; Tree::BYTES];
        out[0] = self.height;
        out[1] = u8::from(self.value.is_some());
        out[4..8].copy_from_slice(&self.root.map_or(0, |id| id.0).to_le_bytes());
        out[8..12].copy_from_slice(&value_id.map_or(0, |id| id.0).to_le_bytes());
        out[12..16].copy_from_slice(&value_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.count.to_le_bytes());
        out[24..32].copy_from_slice(&self.bytes.to_le_bytes());
        out
    }

    /// The root from its bytes; they are trusted, as the store alone writes them.
    pub fn from_bytes(bytes: &[u8; Tree::BYTES]) -> Tree {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let value_len = word(12);
        Tree {
            root: (bytes[0] > 0).then(|| NodeId(word(4))),
            height: bytes[0],
            value: (bytes[1] == 1).then(|| (value_len, (value_len > 0).then(|| NodeId(word(8))))),
            count: long(16),
            bytes: long(24),
        }
    }

    /// Number of fields.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes in all blobs, without what the holder of the blobs adds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a field's value to `out`; returns its length, or `None` when there is no such field.
    pub fn get<N: Nodes>(&self, nodes: &N, field: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let leaf = self.leaf_of(nodes, field)?;
        nodes.read(leaf.id, |bytes| {
            node::warm(bytes);
            match entries::find::<INLINE>(node::trim(bytes), LEAF_HEAD, field) {
                Place::Absent(_) => None,
                Place::Found(entry) => {
                    match node::aside(&entry) {
                        Some(blob) => nodes.append_to(blob, entry.value_len, out),
                        None => out.extend_from_slice(entry.stored),
                    }
                    Some(entry.value_len)
                }
            }
        })
    }

    /// The leaf where a field is or belongs.
    #[inline]
    pub(super) fn leaf_of<N: Nodes>(&self, nodes: &N, field: &[u8]) -> Option<Leaf> {
        let mut leaf = Leaf {
            id: self.root?,
            parent: None,
        };
        for _ in 1..self.height {
            leaf = nodes.read(leaf.id, |bytes| {
                node::warm(bytes);
                let branch = Branch(node::trim(bytes));
                let index = branch.index_of(field);
                Leaf {
                    id: branch.child(index),
                    parent: Some((leaf.id, index)),
                }
            });
        }
        Some(leaf)
    }

    /// Appends the opaque value to `out`; returns its length.
    pub fn value<N: Nodes>(&self, nodes: &N, out: &mut Vec<u8>) -> Option<usize> {
        let (len, blob) = self.value?;
        if let Some(blob) = blob {
            nodes.append_to(blob, len as usize, out);
        }
        Some(len as usize)
    }

    /// Visits fields and values: ascending from the first not below `from`, or with `reverse` descending from the
    /// last not above it, where an empty `from` without `after` means the last of all. `after` leaves out `from`
    /// itself. Stops when `visit` says false, and after names and values of `bytes_max` bytes.
    ///
    /// Returns false when the end was reached; otherwise go on after the name visited last.
    pub fn scan<N: Nodes>(
        &self,
        nodes: &N,
        from: &[u8],
        after: bool,
        reverse: bool,
        bytes_max: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> bool {
        let Some(root) = self.root else { return false };
        let mut left = bytes_max;
        let mut value = Vec::new();
        let mut each = |entry: &entries::Entry<'_>| {
            let whole = match node::aside(entry) {
                None => entry.stored,
                Some(blob) => {
                    value.clear();
                    nodes.append_to(blob, entry.value_len, &mut value);
                    &value
                }
            };
            left = left.saturating_sub(entry.name.len() + whole.len());
            if visit(entry.name, whole) && left > 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        scan_node(
            nodes,
            root,
            Range {
                from,
                after,
                reverse,
            },
            &mut each,
        )
        .is_break()
    }

    /// The first field and its value.
    pub fn first<N: Nodes>(&self, nodes: &N) -> Option<(Vec<u8>, Vec<u8>)> {
        self.end(nodes, false)
    }

    /// The last field and its value.
    pub fn last<N: Nodes>(&self, nodes: &N) -> Option<(Vec<u8>, Vec<u8>)> {
        self.end(nodes, true)
    }

    fn end<N: Nodes>(&self, nodes: &N, reverse: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut found = None;
        self.scan(
            nodes,
            &[],
            false,
            reverse,
            usize::MAX,
            &mut |name, value| {
                found = Some((name.to_vec(), value.to_vec()));
                false
            },
        );
        found
    }

    /// Changes fields and the opaque value: all of `batch`, or nothing.
    ///
    /// The nodes of fields that `batch` clears go to `retired`, to be freed bit by bit.
    ///
    /// # Errors
    /// When there is no room; then tree and nodes are as before. A name longer than
    /// [`NAME_BYTES_MAX`](super::NAME_BYTES_MAX) never has room, nor has a value beyond 32 bits.
    pub fn apply<N: Nodes>(
        &mut self,
        nodes: &mut N,
        batch: &Batch<'_>,
        retired: &mut Retired,
    ) -> Result<(), NoRoom> {
        batch::apply(self, nodes, batch, retired)
    }

    /// Sets one field; true when it is new.
    ///
    /// # Errors
    /// As [`Tree::apply`].
    pub fn put<N: Nodes>(
        &mut self,
        nodes: &mut N,
        field: &[u8],
        value: &[u8],
    ) -> Result<bool, NoRoom> {
        let before = self.count;
        batch::change_field(self, nodes, (field, Some(value)))?;
        Ok(self.count > before)
    }

    /// Deletes one field; true when it was there.
    ///
    /// # Errors
    /// As [`Tree::apply`]: joining two nodes can need room.
    pub fn delete<N: Nodes>(&mut self, nodes: &mut N, field: &[u8]) -> Result<bool, NoRoom> {
        let before = self.count;
        batch::change_field(self, nodes, (field, None))?;
        Ok(self.count < before)
    }

    /// A tree of the contents of a small object.
    ///
    /// # Errors
    /// When there is no room; then nothing changed.
    pub fn from_small<N: Nodes>(nodes: &mut N, small: SmallRef<'_>) -> Result<Tree, NoRoom> {
        let fields: Vec<_> = small
            .iter()
            .map(|(name, value)| (name, Some(value)))
            .collect();
        let batch = Batch {
            fields: &fields,
            clear: false,
            value: small.value().map(Some),
        };
        let mut tree = Tree::default();
        tree.apply(nodes, &batch, &mut Retired::default())?;
        Ok(tree)
    }

    /// The same contents as a small object. Meant for trees that have shrunk; see [`Tree::bytes`].
    pub fn to_small<N: Nodes>(&self, nodes: &N) -> Vec<u8> {
        let mut state = Vec::new();
        let mut value = Vec::new();
        small::set_value(
            &mut state,
            self.value(nodes, &mut value).map(|_| value.as_slice()),
        );
        self.scan(nodes, &[], false, false, usize::MAX, &mut |name, value| {
            small::push(&mut state, name, value);
            true
        });
        state
    }

    /// Gives up the whole tree; its blobs are freed by [`Retired::free_some`].
    pub fn retire(self, retired: &mut Retired) {
        if let Some(root) = self.root {
            retired.node(root);
        }
        if let Some((_, Some(blob))) = self.value {
            retired.blob(blob);
        }
    }
}

/// Visits the part of a subtree that `range` selects.
fn scan_node<N: Nodes>(
    nodes: &N,
    id: NodeId,
    range: Range<'_>,
    each: &mut impl FnMut(&entries::Entry<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    nodes.read(id, |bytes| {
        let bytes = node::trim(bytes);
        let Range {
            from,
            after,
            reverse,
        } = range;
        if bytes[0] == 0 {
            return Run::<INLINE>::new(bytes, LEAF_HEAD, from, after, reverse)
                .try_for_each(|entry| each(&entry));
        }
        let branch = Branch(bytes);
        let whole = from.is_empty() && !after;
        let start = if whole && reverse {
            branch.count() - 1
        } else {
            branch.index_of(from)
        };
        scan_node(nodes, branch.child(start), range, each)?;
        let rest = Range {
            from: &[],
            after: false,
            reverse,
        };
        if reverse {
            (0..start)
                .rev()
                .try_for_each(|child| scan_node(nodes, branch.child(child), rest, each))
        } else {
            (start + 1..branch.count())
                .try_for_each(|child| scan_node(nodes, branch.child(child), rest, each))
        }
    })
}

#[cfg(test)]
mod heap;
#[cfg(test)]
mod tests;
