//! Cuts what outgrew a node into nodes.

use super::entries::Forward;
use super::node::{self, BRANCH_HEAD, CHILD_BYTES, Child, INLINE, LEAF_HEAD, NODE_BYTES_MAX};

/// A node with the lowest name that belongs under it; the first piece's is left empty, as its place is known.
pub(super) type Piece = (Vec<u8>, Vec<u8>);

/// How large pieces should get: equal parts, or with `greedy` full ones and a rest, which is right where all that
/// follows will come behind the last.
fn goal(len: usize, greedy: bool) -> usize {
    if greedy {
        NODE_BYTES_MAX
    } else {
        len / len.div_ceil(NODE_BYTES_MAX)
    }
}

/// Cuts a leaf of any size whose head isn't written yet.
pub(super) fn leaf(mut bytes: Vec<u8>, greedy: bool) -> Vec<Piece> {
    if bytes.len() <= NODE_BYTES_MAX {
        node::seal(&mut bytes, 0);
        return vec![(Vec::new(), bytes)];
    }
    let goal = goal(bytes.len(), greedy);
    let mut pieces = Vec::new();
    let (mut low, mut start) = (Vec::new(), LEAF_HEAD);
    let mut last: &[u8] = &[];
    for entry in Forward::<INLINE>::new(&bytes, LEAF_HEAD) {
        let (len, with_entry) = (
            LEAF_HEAD + entry.start - start,
            LEAF_HEAD + entry.end - start,
        );
        if entry.start > start && (len >= goal || with_entry > NODE_BYTES_MAX) {
            let next_low = node::separator(last, entry.name);
            pieces.push((
                std::mem::replace(&mut low, next_low),
                sealed_leaf(&bytes[start..entry.start]),
            ));
            start = entry.start;
        }
        last = entry.name;
    }
    pieces.push((low, sealed_leaf(&bytes[start..])));
    pieces
}

fn sealed_leaf(entries: &[u8]) -> Vec<u8> {
    let mut leaf = Vec::with_capacity(LEAF_HEAD + entries.len());
    leaf.extend_from_slice(&[0; LEAF_HEAD]);
    leaf.extend_from_slice(entries);
    node::seal(&mut leaf, 0);
    leaf
}

/// Cuts a branch of any number of children, at least two to a piece as long as there are two.
pub(super) fn branch(children: Vec<Child>, level: u8, greedy: bool) -> Vec<Piece> {
    let whole = node::branch_len(&children);
    let goal = goal(whole, greedy);
    let mut pieces = Vec::new();
    let mut piece: Vec<Child> = Vec::new();
    let mut len = BRANCH_HEAD + CHILD_BYTES;
    for child in children {
        let more = CHILD_BYTES + child.low.len();
        if whole > NODE_BYTES_MAX
            && piece.len() >= 2
            && (len >= goal || len + more > NODE_BYTES_MAX)
        {
            pieces.push(finish_branch(&mut piece, level));
            len = BRANCH_HEAD + CHILD_BYTES;
        } else if !piece.is_empty() {
            len += more;
        }
        piece.push(child);
    }
    pieces.push(finish_branch(&mut piece, level));
    pieces
}

fn finish_branch(piece: &mut Vec<Child>, level: u8) -> Piece {
    let bytes = node::branch(piece, level);
    let low = std::mem::take(&mut piece[0].low);
    piece.clear();
    (low, bytes)
}
