//! The common change: one field, in a leaf that stays one leaf.
//!
//! Nearly all calls change a field or two. This way copies one leaf instead of drafting every node on the path, and
//! leaves all else to `batch`.

use super::entries::{self, Place};
use super::node::{self, INLINE, LEAF_HEAD, NAME_BYTES_MAX, NODE_BYTES_MAX, NODE_BYTES_MIN};
use super::tree::Leaf;
use super::{NoRoom, NodeId, Nodes, Tree};

/// What becomes of a leaf.
enum NewLeaf {
    /// The leaf stays as it is.
    Same,
    /// The leaf's new bytes, its former length, and by how many its number of fields changed.
    Changed {
        bytes: Vec<u8>,
        old_len: usize,
        count: i64,
    },
    /// The change needs more than one leaf.
    Other,
}

/// Sets or deletes a field if that changes a single leaf. False when it doesn't: nothing was done.
pub(super) fn change_field<N: Nodes>(
    tree: &mut Tree,
    nodes: &mut N,
    name: &[u8],
    value: Option<&[u8]>,
) -> Result<bool, NoRoom> {
    let Some(Leaf { id, parent }) = tree.leaf_of(nodes, name) else {
        return Ok(false);
    };
    let new = nodes.read(id, |old| {
        node::warm(old);
        change_leaf(node::trim(old), name, value)
    });
    let (bytes, old_len, count) = match new {
        NewLeaf::Same => return Ok(true),
        NewLeaf::Other => return Ok(false),
        NewLeaf::Changed {
            bytes,
            old_len,
            count,
        } => (bytes, old_len, count),
    };
    if parent.is_some() && bytes.len() < old_len.min(NODE_BYTES_MIN) {
        return Ok(false);
    }
    if nodes.fits(id, bytes.len()) {
        nodes.overwrite(id, &bytes);
    } else {
        let moved = nodes.alloc(&bytes)?;
        nodes.free(id);
        match parent {
            None => tree.root = Some(moved),
            Some((parent, index)) => set_child(nodes, parent, index, moved),
        }
    }
    tree.count = tree.count.wrapping_add_signed(count);
    tree.bytes = tree.bytes - old_len as u64 + bytes.len() as u64;
    Ok(true)
}

fn change_leaf(old: &[u8], name: &[u8], value: Option<&[u8]>) -> NewLeaf {
    let (start, end) = match entries::find::<INLINE>(old, LEAF_HEAD, name) {
        Place::Found(entry) if node::aside(&entry).is_some() => return NewLeaf::Other,
        Place::Found(entry) => (entry.start, entry.end),
        Place::Absent(at) => (at, at),
    };
    let new_len = match value {
        Some(value) if value.len() > INLINE || name.len() > NAME_BYTES_MAX => {
            return NewLeaf::Other;
        }
        Some(value) => entries::entry_len::<INLINE>(name, value.len()),
        None if start == end => return NewLeaf::Same,
        None => 0,
    };
    let len = old.len() - (end - start) + new_len;
    if len > NODE_BYTES_MAX || len == LEAF_HEAD {
        return NewLeaf::Other;
    }
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&old[..start]);
    if let Some(value) = value {
        entries::append(&mut bytes, name, value.len(), value);
    }
    bytes.extend_from_slice(&old[end..]);
    node::seal(&mut bytes, 0);
    let count = i64::from(value.is_some()) - i64::from(start < end);
    NewLeaf::Changed {
        bytes,
        old_len: old.len(),
        count,
    }
}

/// Puts a child's new id into its branch, which keeps its length and so its place.
fn set_child<N: Nodes>(nodes: &mut N, branch: NodeId, index: usize, id: NodeId) {
    let mut bytes = nodes.read(branch, |bytes| node::trim(bytes).to_vec());
    node::set_child(&mut bytes, index, id);
    nodes.overwrite(branch, &bytes);
}
