//! The bytes of a tree's nodes: leaves hold entries, branches hold children.
//!
//! ```text
//!         ┌───────┬────────────┬─────────────────────────────────┐
//!  leaf   │ level │ length     │ entries, strictly ascending     │
//!         │ 0     │ u24        │ (see `entries`)                 │
//!         └───────┴────────────┴─────────────────────────────────┘
//!         ┌───────┬────────────┬────────┬────────────┬───────────────┬─────────────────┐
//!  branch │ level │ length     │ count  │ child ids  │ ends          │ separators      │
//!         │ 1..   │ u24        │ u32    │ count * u32│ (count-1)*u32 │ bytes           │
//!         └───────┴────────────┴────────┴────────────┴───────────────┴─────────────────┘
//! ```
//! Numbers are little-endian; `length` is that of the whole node. `ends[i]` is where separator `i` ends among the
//! separators' bytes. Separator `i` is above every name under child `i` and not above any under child `i + 1`; it is
//! the shortest such string at the time of the split, which keeps branches small and trees flat.

use super::NodeId;
use super::entries;

/// Values longer than this live in blobs of their own.
pub(super) const INLINE: usize = 256;

/// Nodes are split above this size, unless a single entry is larger. Among a million members of ten bytes 512 to 1024
/// bytes cost much the same: larger nodes are dearer to rewrite and walk, smaller ones more often split, and need more
/// blobs.
pub const NODE_BYTES_MAX: usize = 768;

/// A node that shrank below this is joined with a neighbour.
pub(super) const NODE_BYTES_MIN: usize = NODE_BYTES_MAX / 3;

/// Bytes before a leaf's entries.
pub(super) const LEAF_HEAD: usize = 4;

/// Bytes before a branch's child ids.
pub(super) const BRANCH_HEAD: usize = 8;

/// Bytes that a child takes beside its separator.
pub(super) const CHILD_BYTES: usize = 8;

/// Longest name: several of them and all else must fit the 24 bits of a node's length.
pub const NAME_BYTES_MAX: usize = 1 << 20;

/// The number at `at`; 0 past the end, which only a bug of the holder can cause.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    debug_assert!(word.is_some(), "a node cut short");
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

/// Touches each cache line of a node. A search then finds them all on the way from memory at once, instead of
/// learning only from one entry where the next line is.
#[inline]
pub(super) fn warm(bytes: &[u8]) {
    let touched = bytes
        .iter()
        .step_by(64)
        .take(2 * NODE_BYTES_MAX / 64)
        .fold(0, |sum, byte| sum ^ byte);
    std::hint::black_box(touched);
}

/// The node alone, without what a holder's rounding left behind it.
#[inline]
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let len = (u32_at(bytes, 0) >> 8) as usize;
    &bytes[..len.min(bytes.len())]
}

/// Writes level and length into the first four bytes.
pub(super) fn seal(node: &mut [u8], level: u8) {
    let len = u32::try_from(node.len()).ok().filter(|len| *len < 1 << 24);
    let len = len.expect("NAME_BYTES_MAX keeps nodes within 24 bits");
    node[..4].copy_from_slice(&(len << 8 | u32::from(level)).to_le_bytes());
}

/// The id stored in an entry whose value lives aside.
pub(super) fn aside(entry: &entries::Entry<'_>) -> Option<NodeId> {
    (entry.value_len > INLINE).then(|| NodeId(u32_at(entry.stored, 0)))
}

/// A branch, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch<'a>(pub(super) &'a [u8]);

impl<'a> Branch<'a> {
    /// Number of children, at least one.
    #[inline]
    pub(super) fn count(self) -> usize {
        u32_at(self.0, 4) as usize
    }

    /// A child's id.
    #[inline]
    pub(super) fn child(self, index: usize) -> NodeId {
        NodeId(u32_at(self.0, BRANCH_HEAD + 4 * index))
    }

    /// What separates child `index` from child `index + 1`.
    #[inline]
    pub(super) fn separator(self, index: usize) -> &'a [u8] {
        let count = self.count();
        let ends = BRANCH_HEAD + 4 * count;
        let heap = ends + 4 * (count - 1);
        let start = if index == 0 {
            0
        } else {
            u32_at(self.0, ends + 4 * (index - 1)) as usize
        };
        let end = u32_at(self.0, ends + 4 * index) as usize;
        &self.0[heap + start..heap + end]
    }

    /// Number of the child under which `name` is or belongs: that of the separators not above the name.
    #[inline]
    pub(super) fn index_of(self, name: &[u8]) -> usize {
        let count = self.count();
        let (ends, heap) = self.0[BRANCH_HEAD + 4 * count..].split_at(4 * (count - 1));
        let wanted = entries::prefix(name);
        let (mut low, mut high) = (0, count - 1);
        while low < high {
            let middle = usize::midpoint(low, high);
            let start = if middle == 0 {
                0
            } else {
                u32_at(ends, 4 * middle - 4) as usize
            };
            let end = u32_at(ends, 4 * middle) as usize;
            if is_not_above(heap, start, end, name, wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Whether the separator `heap[start..end]` is not above `name`, whose prefix is `wanted`.
#[inline]
fn is_not_above(heap: &[u8], start: usize, end: usize, name: &[u8], wanted: u64) -> bool {
    if let Some(first) = heap.get(start..).and_then(<[u8]>::first_chunk) {
        let prefix = u64::from_be_bytes(*first) & entries::mask(end - start);
        if prefix != wanted {
            return prefix < wanted;
        }
    }
    &heap[start..end] <= name
}

/// A child as a branch is built from it: the lowest name that belongs under it (the first child's goes unused).
#[derive(Clone, Debug)]
pub(super) struct Child {
    /// The name that separates the child from the one before it.
    pub(super) low: Vec<u8>,
    /// The child's node.
    pub(super) id: NodeId,
}

/// All children of a branch; the first one's `low` is left empty.
pub(super) fn children(branch: Branch<'_>) -> Vec<Child> {
    let low = |index: usize| match index.checked_sub(1) {
        None => Vec::new(),
        Some(before) => branch.separator(before).to_vec(),
    };
    (0..branch.count())
        .map(|index| Child {
            low: low(index),
            id: branch.child(index),
        })
        .collect()
}

/// Replaces a child's id.
pub(super) fn set_child(branch: &mut [u8], index: usize, id: NodeId) {
    let at = BRANCH_HEAD + 4 * index;
    branch[at..at + 4].copy_from_slice(&id.0.to_le_bytes());
}

/// Size of a branch of these children.
pub(super) fn branch_len(children: &[Child]) -> usize {
    let separators: usize = children.iter().skip(1).map(|child| child.low.len()).sum();
    BRANCH_HEAD + CHILD_BYTES * children.len() - 4 + separators
}

/// The bytes of a branch.
pub(super) fn branch(children: &[Child], level: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(branch_len(children));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(children.len() as u32).to_le_bytes());
    for child in children {
        out.extend_from_slice(&child.id.0.to_le_bytes());
    }
    let mut end = 0;
    for child in &children[1..] {
        end += child.low.len() as u32;
        out.extend_from_slice(&end.to_le_bytes());
    }
    for child in &children[1..] {
        out.extend_from_slice(&child.low);
    }
    seal(&mut out, level);
    out
}

/// The shortest name above `below` and not above `above`.
pub(super) fn separator(below: &[u8], above: &[u8]) -> Vec<u8> {
    let common = below.iter().zip(above).take_while(|(a, b)| a == b).count();
    above[..above.len().min(common + 1)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(low: &[u8], id: u32) -> Child {
        Child {
            low: low.to_vec(),
            id: NodeId(id),
        }
    }

    #[test]
    fn a_branch_has_these_bytes_and_finds_its_children() {
        let children = [child(b"", 7), child(b"b", 8), child(b"cc", 0x0102_0304)];
        let mut bytes = branch(&children, 1);
        assert_eq!(
            bytes,
            b"\x01\x1f\0\0\x03\0\0\0\x07\0\0\0\x08\0\0\0\x04\x03\x02\x01\x01\0\0\0\x03\0\0\0bcc"
        );
        assert_eq!(bytes.len(), branch_len(&children));
        bytes.extend_from_slice(b"slack");
        let branch = Branch(trim(&bytes));
        let found: Vec<_> = [&b""[..], b"a", b"b", b"bz", b"c", b"cc", b"d"]
            .map(|name| branch.index_of(name))
            .to_vec();
        assert_eq!(found, [0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(branch.child(2), NodeId(0x0102_0304));
    }

    #[test]
    fn separators_are_as_short_as_they_can_be() {
        assert_eq!(separator(b"abc", b"abd"), b"abd");
        assert_eq!(separator(b"abc", b"b77"), b"b");
        assert_eq!(separator(b"", b"x1"), b"x");
        assert_eq!(separator(b"ab", b"abcde"), b"abc");
    }
}
