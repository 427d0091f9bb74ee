//! Changes of a tree: all of a batch, or nothing.
//!
//! A batch goes through the tree once, from the top down to the leaves it concerns and back up. Every node on the way
//! becomes a [`Draft`] on the heap (see `edit`). On the way up drafts that shrank are joined with a neighbour, those
//! that outgrew a node are cut, and each is placed: at its home when it still fits there, which is only noted, else in
//! a new blob, which is written at once. Nothing that the old root can reach is touched until the last new blob is
//! written; when one finds no room, the new ones before it are freed and all is as it was. After that nothing can fail:
//! the noted nodes are overwritten, then the blobs that are out of use are freed.

use super::edit::{self, Draft, Kid};
use super::node::{self, Branch, Child, LEAF_HEAD};
use super::{NoRoom, NodeId, Nodes, Retired, Tree, cut, single};

/// A field's name, and its new value or `None` to delete it.
pub type FieldChange<'a> = (&'a [u8], Option<&'a [u8]>);

/// Changes of one object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// Fields to set or delete; names strictly ascending.
    pub fields: &'a [FieldChange<'a>],
    /// All fields not in `fields` are deleted.
    pub clear: bool,
    /// New opaque value, or `Some(None)` to remove it.
    pub value: Option<Option<&'a [u8]>>,
}

/// See [`Tree::apply`].
pub(super) fn apply<N: Nodes>(
    tree: &mut Tree,
    nodes: &mut N,
    batch: &Batch<'_>,
    retired: &mut Retired,
) -> Result<(), NoRoom> {
    debug_assert!(
        batch.fields.is_sorted_by(|a, b| a.0 < b.0),
        "names strictly ascending"
    );
    if let Batch {
        fields: &[(name, value)],
        clear: false,
        value: None,
    } = *batch
        && single::change_field(tree, nodes, name, value)?
    {
        return Ok(());
    }
    let cleared = if batch.clear { tree.root } else { None };
    let mut change = Change::new(*tree, nodes);
    if batch.clear {
        // What the value takes stays; the rest is gone.
        let value_len = change.tree.value.map_or(0, |(len, _)| u64::from(len));
        change.tree = Tree {
            value: change.tree.value,
            bytes: value_len,
            ..Tree::default()
        };
    }
    let done = change.run(batch);
    *tree = change.finish(done)?;
    if let Some(root) = cleared {
        retired.node(root);
    }
    Ok(())
}

/// Changes one field.
pub(super) fn change_field<N: Nodes>(
    tree: &mut Tree,
    nodes: &mut N,
    change: FieldChange<'_>,
) -> Result<(), NoRoom> {
    let batch = Batch {
        fields: &[change],
        ..Batch::default()
    };
    apply(tree, nodes, &batch, &mut Retired::default())
}

/// One batch on its way through a tree.
pub(super) struct Change<'n, N: Nodes> {
    nodes: &'n mut N,
    /// The root as it will be.
    pub(super) tree: Tree,
    /// Blobs written by this batch; freed if it fails.
    fresh: Vec<NodeId>,
    /// Blobs out of use after this batch; freed if it succeeds.
    pub(super) stale: Vec<NodeId>,
    /// Nodes that stay where they are, with new bytes.
    rewrites: Vec<(NodeId, Vec<u8>)>,
}

impl<'n, N: Nodes> Change<'n, N> {
    fn new(tree: Tree, nodes: &'n mut N) -> Self {
        Change {
            nodes,
            tree,
            fresh: Vec::new(),
            stale: Vec::new(),
            rewrites: Vec::new(),
        }
    }

    fn run(&mut self, batch: &Batch<'_>) -> Result<(), NoRoom> {
        if let Some(value) = batch.value {
            self.change_value(value)?;
        }
        if batch.fields.is_empty() {
            return Ok(());
        }
        let edited = match self.tree.root {
            Some(root) => self.edit(root, self.tree.height - 1, batch.fields, true)?,
            None => self.edit_leaf(vec![0; LEAF_HEAD], None, batch.fields, true)?,
        };
        match edited {
            Some(drafts) => self.place_root(drafts),
            None => Ok(()),
        }
    }

    /// The second half, which can't fail.
    fn finish(self, done: Result<(), NoRoom>) -> Result<Tree, NoRoom> {
        if let Err(no_room) = done {
            self.fresh.into_iter().for_each(|id| self.nodes.free(id));
            return Err(no_room);
        }
        for (id, bytes) in self.rewrites {
            self.nodes.overwrite(id, &bytes);
        }
        self.stale.into_iter().for_each(|id| self.nodes.free(id));
        Ok(self.tree)
    }

    fn change_value(&mut self, value: Option<&[u8]>) -> Result<(), NoRoom> {
        if let Some((len, blob)) = self.tree.value.take() {
            self.tree.bytes -= u64::from(len);
            self.stale.extend(blob);
        }
        if let Some(value) = value {
            let len = u32::try_from(value.len()).map_err(|_| NoRoom)?;
            let blob = if len == 0 {
                None
            } else {
                Some(self.alloc(value)?)
            };
            self.tree.value = Some((len, blob));
            self.tree.bytes += u64::from(len);
        }
        Ok(())
    }

    pub(super) fn place_kid(&mut self, kid: Kid) -> Result<Child, NoRoom> {
        match kid {
            Kid::Kept(child) => Ok(child),
            Kid::Open(mut draft) => {
                let low = std::mem::take(&mut draft.low);
                Ok(Child {
                    low,
                    id: self.place(draft)?,
                })
            }
        }
    }

    /// Puts branches above the topmost drafts until one node is left; drops branches with a single child from the top.
    fn place_root(&mut self, mut drafts: Vec<Draft>) -> Result<(), NoRoom> {
        while drafts.len() > 1 {
            let level = drafts[0].bytes[0] + 1;
            let children = drafts
                .into_iter()
                .map(|draft| self.place_kid(Kid::Open(draft)))
                .collect::<Result<Vec<_>, _>>()?;
            drafts = edit::drafts(cut::branch(children, level, true), None, false);
        }
        let Some(mut top) = drafts.pop() else {
            (self.tree.root, self.tree.height) = (None, 0);
            return Ok(());
        };
        while top.bytes[0] > 0 && Branch(&top.bytes).count() == 1 {
            self.stale.extend(top.home);
            top = self.open(Child {
                low: Vec::new(),
                id: Branch(&top.bytes).child(0),
            });
        }
        self.tree.height = top.bytes[0] + 1;
        self.tree.root = Some(self.place(top)?);
        Ok(())
    }

    /// Takes up a node as it will be after this batch.
    pub(super) fn open(&mut self, child: Child) -> Draft {
        let rewritten = self.rewrites.iter().position(|(id, _)| *id == child.id);
        let bytes = match rewritten {
            Some(at) => self.rewrites.swap_remove(at).1,
            None => self.copy(child.id),
        };
        self.tree.bytes -= bytes.len() as u64;
        Draft {
            low: child.low,
            bytes,
            home: Some(child.id),
            needy: false,
        }
    }

    /// Decides where a draft will live.
    pub(super) fn place(&mut self, draft: Draft) -> Result<NodeId, NoRoom> {
        self.tree.bytes += draft.bytes.len() as u64;
        match draft.home {
            Some(home) if self.nodes.fits(home, draft.bytes.len()) => {
                self.rewrites.push((home, draft.bytes));
                Ok(home)
            }
            home => {
                self.stale.extend(home);
                self.alloc(&draft.bytes)
            }
        }
    }

    pub(super) fn alloc(&mut self, bytes: &[u8]) -> Result<NodeId, NoRoom> {
        let id = self.nodes.alloc(bytes)?;
        self.fresh.push(id);
        Ok(id)
    }

    pub(super) fn copy(&self, id: NodeId) -> Vec<u8> {
        self.nodes.read(id, |bytes| node::trim(bytes).to_vec())
    }
}
