//! One batch on its way down a tree and back up: nodes become drafts, drafts are joined and cut.

use super::batch::{Change, FieldChange};
use super::entries;
use super::node::{self, Branch, Child, INLINE, LEAF_HEAD, NAME_BYTES_MAX, NODE_BYTES_MIN};
use super::{NoRoom, NodeId, Nodes, cut};

/// A node being rewritten.
#[derive(Debug)]
pub(super) struct Draft {
    /// Lowest name that belongs under the node, as its parent knows it.
    pub(super) low: Vec<u8>,
    /// The bytes of the whole node.
    pub(super) bytes: Vec<u8>,
    /// Where the node is that this draft replaces.
    pub(super) home: Option<NodeId>,
    /// Whether the node has shrunk so much that it should be joined with a neighbour.
    pub(super) needy: bool,
}

/// A child of a branch being rewritten.
pub(super) enum Kid {
    /// A child that was not touched.
    Kept(Child),
    /// A child that was touched, and is not placed yet.
    Open(Draft),
}

impl<N: Nodes> Change<'_, N> {
    /// Changes the fields under one node. `None` when the parent has nothing to do; else the nodes that take its
    /// place, none of them empty. `edge` says that no node of this level is to the right.
    pub(super) fn edit(
        &mut self,
        id: NodeId,
        level: u8,
        fields: &[FieldChange<'_>],
        edge: bool,
    ) -> Result<Option<Vec<Draft>>, NoRoom> {
        let bytes = self.copy(id);
        if level == 0 {
            self.edit_leaf(bytes, Some(id), fields, edge)
        } else {
            self.edit_branch(bytes, id, fields, edge)
        }
    }

    pub(super) fn edit_leaf(
        &mut self,
        old: Vec<u8>,
        home: Option<NodeId>,
        fields: &[FieldChange<'_>],
        edge: bool,
    ) -> Result<Option<Vec<Draft>>, NoRoom> {
        let more: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + 4)
            .sum();
        let mut new = Vec::with_capacity(old.len() + more.min(2 * node::NODE_BYTES_MAX));
        let (mut copied, mut changed, mut appended) = (0, false, false);
        for &(name, value) in fields {
            let from = copied.max(LEAF_HEAD);
            let (start, end) = match entries::find::<INLINE>(&old, from, name) {
                entries::Place::Found(entry) => {
                    self.drop_entry(&entry);
                    (entry.start, entry.end)
                }
                entries::Place::Absent(at) => (at, at),
            };
            new.extend_from_slice(&old[copied..start]);
            copied = end;
            changed |= value.is_some() || start < end;
            appended = value.is_some() && end == old.len();
            if let Some(value) = value {
                self.add_entry(&mut new, name, value)?;
            }
        }
        if !changed {
            return Ok(None);
        }
        new.extend_from_slice(&old[copied..]);
        if home.is_some() {
            self.tree.bytes -= old.len() as u64;
        }
        if new.len() == LEAF_HEAD {
            self.stale.extend(home);
            return Ok(Some(Vec::new()));
        }
        let shrank = new.len() < old.len();
        Ok(Some(drafts(cut::leaf(new, edge && appended), home, shrank)))
    }

    fn drop_entry(&mut self, entry: &entries::Entry<'_>) {
        self.tree.count -= 1;
        if let Some(blob) = node::aside(entry) {
            self.tree.bytes -= entry.value_len as u64;
            self.stale.push(blob);
        }
    }

    fn add_entry(&mut self, leaf: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), NoRoom> {
        if name.len() > NAME_BYTES_MAX || u32::try_from(value.len()).is_err() {
            return Err(NoRoom);
        }
        let blob;
        let stored = if value.len() > INLINE {
            blob = self.alloc(value)?.0.to_le_bytes();
            self.tree.bytes += value.len() as u64;
            &blob[..]
        } else {
            value
        };
        entries::append(leaf, name, value.len(), stored);
        self.tree.count += 1;
        Ok(())
    }

    fn edit_branch(
        &mut self,
        mut old: Vec<u8>,
        id: NodeId,
        mut fields: &[FieldChange<'_>],
        edge: bool,
    ) -> Result<Option<Vec<Draft>>, NoRoom> {
        let branch = Branch(&old);
        let (level, last) = (old[0], branch.count() - 1);
        let mut edited = Vec::new();
        while let Some((first, _)) = fields.first() {
            let index = branch.index_of(first);
            let here = if index == last {
                fields.len()
            } else {
                fields.partition_point(|(name, _)| *name < branch.separator(index))
            };
            let (under, behind) = fields.split_at(here);
            fields = behind;
            if let Some(drafts) =
                self.edit(branch.child(index), level - 1, under, edge && index == last)?
            {
                edited.push((index, drafts));
            }
        }
        if edited
            .iter()
            .all(|(_, drafts)| drafts.len() == 1 && !drafts[0].needy)
        {
            return self.patch_branch(old, id, edited);
        }
        self.tree.bytes -= old.len() as u64;
        let greedy = edge
            && edited
                .last()
                .is_some_and(|(index, drafts)| *index == last && drafts.len() > 1);
        let old_len = old.len();
        let mut kids = open_kids(branch, edited);
        self.join(&mut kids, level - 1);
        if kids.is_empty() {
            self.stale.push(id);
            return Ok(Some(Vec::new()));
        }
        let children = kids
            .into_iter()
            .map(|kid| self.place_kid(kid))
            .collect::<Result<Vec<_>, _>>()?;
        old.clear();
        let shrank = node::branch_len(&children) < old_len;
        Ok(Some(drafts(
            cut::branch(children, level, greedy),
            Some(id),
            shrank,
        )))
    }

    /// The common case: every changed child is still one node, so only ids can differ.
    fn patch_branch(
        &mut self,
        mut old: Vec<u8>,
        id: NodeId,
        edited: Vec<(usize, Vec<Draft>)>,
    ) -> Result<Option<Vec<Draft>>, NoRoom> {
        let mut moved = false;
        for (index, draft) in edited
            .into_iter()
            .flat_map(|(i, drafts)| drafts.into_iter().map(move |d| (i, d)))
        {
            let child = self.place(draft)?;
            if child != Branch(&old).child(index) {
                node::set_child(&mut old, index, child);
                moved = true;
            }
        }
        if !moved {
            return Ok(None);
        }
        self.tree.bytes -= old.len() as u64;
        Ok(Some(vec![Draft {
            low: Vec::new(),
            bytes: old,
            home: Some(id),
            needy: false,
        }]))
    }

    /// Joins each needy kid with a neighbour, and cuts what is then too large.
    fn join(&mut self, kids: &mut Vec<Kid>, level: u8) {
        let mut at = 0;
        while at < kids.len() && kids.len() > 1 {
            if !matches!(&kids[at], Kid::Open(draft) if draft.needy) {
                at += 1;
                continue;
            }
            let left = at.min(kids.len() - 2);
            let mut pair = kids
                .drain(left..left + 2)
                .map(|kid| self.open_kid(kid))
                .collect::<Vec<_>>()
                .into_iter();
            let (Some(a), Some(b)) = (pair.next(), pair.next()) else {
                unreachable!("two were taken out");
            };
            let joined = self.join_two(a, b, level);
            // A draft that is still needy is joined with the next neighbour, too; two are as good as can be.
            at = if joined.len() == 1 {
                left
            } else {
                left + joined.len()
            };
            kids.splice(left..left, joined.into_iter().map(Kid::Open));
        }
    }

    fn join_two(&mut self, a: Draft, mut b: Draft, level: u8) -> Vec<Draft> {
        let pieces = if level == 0 {
            let mut bytes = a.bytes;
            bytes.extend_from_slice(&b.bytes[LEAF_HEAD..]);
            cut::leaf(bytes, false)
        } else {
            let mut children = node::children(Branch(&a.bytes));
            let second = children.len();
            children.extend(node::children(Branch(&b.bytes)));
            children[second].low = std::mem::take(&mut b.low);
            cut::branch(children, level, false)
        };
        let mut joined = drafts(pieces, a.home, true);
        joined[0].low = a.low;
        match joined.get_mut(1) {
            Some(second) => second.home = b.home,
            None => self.stale.extend(b.home),
        }
        joined
    }

    fn open_kid(&mut self, kid: Kid) -> Draft {
        match kid {
            Kid::Open(draft) => draft,
            Kid::Kept(child) => self.open(child),
        }
    }
}

/// Makes drafts of the pieces of a node; the first takes over its home.
pub(super) fn drafts(pieces: Vec<cut::Piece>, home: Option<NodeId>, shrank: bool) -> Vec<Draft> {
    let needy = |bytes: &[u8]| shrank && bytes.len() < NODE_BYTES_MIN;
    let mut drafts: Vec<_> = pieces
        .into_iter()
        .map(|(low, bytes)| Draft {
            low,
            needy: needy(&bytes),
            bytes,
            home: None,
        })
        .collect();
    if let Some(first) = drafts.first_mut() {
        first.home = home;
    }
    drafts
}

/// All children of a branch, those that were edited as drafts.
fn open_kids(branch: Branch<'_>, edited: Vec<(usize, Vec<Draft>)>) -> Vec<Kid> {
    let mut edited = edited.into_iter().peekable();
    let mut kids = Vec::with_capacity(branch.count() + edited.len());
    for (index, child) in node::children(branch).into_iter().enumerate() {
        let Some((_, drafts)) = edited.next_if(|(at, _)| *at == index) else {
            kids.push(Kid::Kept(child));
            continue;
        };
        let mut low = Some(child.low);
        kids.extend(drafts.into_iter().map(|draft| {
            // The first piece keeps the separator that its node had.
            let low = low.take().unwrap_or(draft.low);
            Kid::Open(Draft { low, ..draft })
        }));
    }
    kids
}
