//! Step two of a commit: trees, which take memory as they are changed.

use super::{Halt, needs_tree};
use crate::fields::{Batch, FieldChange, Retired, SmallRef, Tree};
use crate::item::{Item, flag};
use crate::memory::nodes::Writer;
use crate::shard::{Leave, Locked};
use crate::{Change, Commit, CommitError, Now, Store};

impl Store {
    /// Step two: the roots of the trees as they are after the commit.
    pub(super) fn change_trees<'a>(
        &'a self,
        now: Now,
        commits: &[Commit<'_>],
        locked: &mut [Locked<'a>],
        of: &dyn Fn(&Commit<'_>) -> usize,
    ) -> Result<Vec<Option<Tree>>, Halt> {
        if !commits.iter().any(|commit| needs_tree(&commit.change)) {
            return Ok(vec![None; commits.len()]);
        }
        // The commit's objects become the newest of all, so that they are the last that eviction comes to.
        let mut spared = Vec::new();
        for commit in commits {
            if let Some(found) = locked[of(commit)].find(commit.key, now) {
                locked[of(commit)].bump(&found.item);
                spared.push(found.item.addr());
            }
        }
        let mut trees = Vec::new();
        let mut changed = false;
        for commit in commits {
            let item = locked[of(commit)]
                .find(commit.key, now)
                .map(|found| found.item);
            if !needs_tree(&commit.change) {
                trees.push(None);
                continue;
            }
            let mut nodes = Writer {
                store: self,
                evicts: true,
                held: &mut *locked,
                spared: &spared,
            };
            let Some(tree) = changed_tree(item, &commit.change, &mut nodes) else {
                if changed {
                    self.abandon(now, commits, &trees, locked, of);
                }
                return Err(Halt::Fail(CommitError::TooLarge));
            };
            changed = true;
            trees.push(Some(tree));
        }
        Ok(trees)
    }

    /// A second tree found no room: those changed already have no way back, so they leave.
    fn abandon(
        &self,
        now: Now,
        commits: &[Commit<'_>],
        trees: &[Option<Tree>],
        locked: &mut [Locked<'_>],
        of: &dyn Fn(&Commit<'_>) -> usize,
    ) {
        for (commit, tree) in commits.iter().zip(trees) {
            let Some(tree) = tree else { continue };
            let l = &mut locked[of(commit)];
            match l.find(commit.key, now) {
                Some(found) if found.item.is_tree() => {
                    // The item still holds the old root, whose nodes the new one shares.
                    l.shard.counters.payload -= found.item.tree().bytes();
                    l.shard.counters.payload += tree.bytes();
                    found.item.value().write(&tree.to_bytes());
                    l.remove(commit.key.hash, found, Leave::Evicted);
                }
                Some(found) => {
                    self.retire(*tree);
                    l.remove(commit.key.hash, found, Leave::Evicted);
                }
                None => self.retire(*tree),
            }
        }
    }
}

/// The tree after a change; `None` when there is no room, and then nothing changed.
fn changed_tree(
    item: Option<Item<'_>>,
    change: &Change<'_>,
    nodes: &mut Writer<'_, '_>,
) -> Option<Tree> {
    let Change::Fields {
        fields,
        clear,
        fresh,
        value,
    } = change
    else {
        let Change::Small(state) = change else {
            return None;
        };
        return tree_of(item, state, nodes);
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_deref()))
        .collect();
    tree_of_fields(item, &fields, (*clear, *fresh), *value, nodes)
}

/// The tree after changes of fields and of the opaque value; what `clear` and `fresh` mean says [`Change::Fields`].
pub(super) fn tree_of_fields(
    item: Option<Item<'_>>,
    fields: &[FieldChange<'_>],
    (clear, fresh): (bool, bool),
    value: Option<&[u8]>,
    nodes: &mut Writer<'_, '_>,
) -> Option<Tree> {
    let batch = Batch {
        fields,
        clear: clear || fresh,
        value: if fresh { Some(value) } else { value.map(Some) },
    };
    edited_tree(item, &batch, nodes)
}

/// A tree of an object's whole state, which replaces that in `item`.
pub(super) fn tree_of(
    item: Option<Item<'_>>,
    state: &[u8],
    nodes: &mut Writer<'_, '_>,
) -> Option<Tree> {
    let tree = Tree::from_small(nodes, SmallRef::trusted(state)).ok()?;
    if let Some(item) = item.filter(Item::is_tree) {
        nodes.store.retire(item.tree());
    }
    Some(tree)
}

/// The tree of the object in `item` after a batch; that of an empty one where there is no object.
fn edited_tree(
    item: Option<Item<'_>>,
    batch: &Batch<'_>,
    nodes: &mut Writer<'_, '_>,
) -> Option<Tree> {
    let was_tree = item.is_some_and(|item| item.is_tree());
    let mut tree = match item {
        Some(item) if item.is_tree() => item.tree(),
        Some(item) if item.has(flag::OBJECT) => {
            let mut state = Vec::new();
            item.value()
                .read(item.value_len(), &mut |run| state.extend_from_slice(run));
            Tree::from_small(nodes, SmallRef::trusted(&state)).ok()?
        }
        _ => Tree::default(),
    };
    let mut retired = Retired::default();
    let done = tree.apply(nodes, batch, &mut retired);
    nodes.store.retire_all(retired);
    if done.is_err() {
        if !was_tree {
            nodes.store.retire(tree);
        }
        return None;
    }
    Some(tree)
}
