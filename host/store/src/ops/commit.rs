//! Commits: changes of several objects and items at once, all or nothing.
//!
//! Step one, repeated until it succeeds: lock all shards, check all versions, find the memory for all items; what is
//! missing is made with no lock held. Step two, without giving the locks up: change the trees, which may evict
//! others as they go (only the holder of the `commit` lock holds several shards, so waiting for one more shard cannot
//! deadlock). Step three cannot fail: put the items in place.
//!
//! A tree's own batch is all or nothing. If a second tree of one commit finds no room after the first was changed,
//! which takes objects of nearly the whole memory, all objects of the commit leave, as if evicted: nothing partial is
//! ever seen.

use crate::fields::Tree;
use crate::index::bucket::NODE_PLAN;
use crate::item::draft::Draft;
use crate::item::{Item, KEY_BYTES_MAX, flag};
use crate::memory::alloc::Plan;
use crate::ops::objects::version;
use crate::ops::read::seconds;
use crate::shard::{Found, Leave, Locked, Room, Spare};
use crate::{
    Change, Commit, CommitError, Content, Expiry, Key, Now, Place, SMALL_BYTES_MAX, Store, Version,
};

mod restored;
mod trees;

/// A tree whose encoded contents are below this becomes a small object again; far enough below
/// `SMALL_BYTES_MAX` that objects do not swing between the two.
const TREE_BYTES_MIN: u64 = SMALL_BYTES_MAX as u64 / 4;

/// What a commit waits for before it can go on.
enum Halt {
    /// Memory for the `i`-th commit.
    Room(usize, Plan),
    /// Nothing: the commit failed.
    Fail(CommitError),
}

impl Store {
    /// Applies all changes, or none. Commits touching several keys are atomic to all other operations. No
    /// key may occur twice.
    ///
    /// # Errors
    /// When a version no longer holds or the changes do not fit; nothing was changed then.
    pub fn commit(&self, now: Now, commits: &[Commit<'_>]) -> Result<(), CommitError> {
        self.note(now);
        if let [commit] = commits
            && !needs_tree(&commit.change)
        {
            return self.commit_one(now, commit);
        }
        let trees = commits.iter().any(|commit| needs_tree(&commit.change));
        let _turn = (commits.len() > 1 || trees).then(|| self.commit.lock());
        let mut spares: Vec<Spare> = commits.iter().map(|_| Spare::default()).collect();
        let done = loop {
            match self.try_commit(now, commits, &mut spares) {
                Ok(()) => break Ok(()),
                Err(Halt::Fail(error)) => break Err(error),
                Err(Halt::Room(i, plan)) => match self.make_room(&plan) {
                    Ok(chain) if plan == NODE_PLAN => spares[i].node = Some(chain.head),
                    Ok(chain) => spares[i].item = Some((plan, chain)),
                    Err(_) => break Err(CommitError::TooLarge),
                },
            }
        };
        spares.into_iter().for_each(|spare| self.drop_spare(spare));
        self.settle();
        done
    }

    /// Commits a small state over the one that was opened, if that has the same length and expiry, as with counters,
    /// and nothing has happened to it since. This takes no memory. False when it is not so; then nothing was done.
    #[inline]
    pub fn rewrite(
        &self,
        key: Key<'_>,
        opened: (Version, Place),
        state: &[u8],
        expiry: Expiry,
    ) -> bool {
        let (_, place) = opened;
        if place.len != state.len() {
            return false;
        }
        let mut locked = self.lock(key.hash);
        let done = locked.rewrite(key.hash, opened, state, seconds(expiry));
        drop(locked);
        if done {
            self.settle();
        }
        done
    }

    /// The usual commit: one item, and no tree.
    fn commit_one(&self, now: Now, commit: &Commit<'_>) -> Result<(), CommitError> {
        let done = self.with_room(commit.key.hash, |locked, spare| {
            let found = locked.find_again(commit, now);
            if !holds(commit, found) {
                return Ok(Err(CommitError::Gone));
            }
            let drafted = self.drafted(commit);
            if !self.can_commit(commit, drafted.as_ref()) {
                return Ok(Err(CommitError::TooLarge));
            }
            locked.prepare(commit, drafted.as_ref(), found, spare)?;
            locked.apply(commit, drafted.as_ref(), found, None, spare);
            Ok(Ok(()))
        });
        done.unwrap_or(Err(CommitError::TooLarge))
    }

    fn try_commit(
        &self,
        now: Now,
        commits: &[Commit<'_>],
        spares: &mut [Spare],
    ) -> Result<(), Halt> {
        let mut ids: Vec<usize> = commits.iter().map(|c| self.shard_of(c.key.hash)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut locked: Vec<Locked<'_>> = ids.iter().map(|id| self.lock_shard(*id)).collect();
        let of = |commit: &Commit<'_>| {
            let id = self.shard_of(commit.key.hash);
            ids.binary_search(&id).expect("all were locked")
        };
        for commit in commits {
            if !holds(commit, locked[of(commit)].find(commit.key, now)) {
                return Err(Halt::Fail(CommitError::Gone));
            }
            if !self.can_commit(commit, self.drafted(commit).as_ref()) {
                return Err(Halt::Fail(CommitError::TooLarge));
            }
        }
        for (i, commit) in commits.iter().enumerate() {
            let locked = &mut locked[of(commit)];
            let found = locked.find(commit.key, now);
            let drafted = self.drafted(commit);
            let prepared = locked.prepare(commit, drafted.as_ref(), found, &mut spares[i]);
            prepared.map_err(|room| Halt::Room(i, room.plan))?;
        }
        let trees = self.change_trees(now, commits, &mut locked, &of)?;
        let told = commits.len() > 1 && self.listeners.want_changes();
        let _told = told.then(|| self.turn_to_tell());
        if told {
            // A log keeps the commit as one record, which has one place among the others: behind all that was told in
            // its shards before, and in front of all that comes.
            level_ticks(&mut locked);
            let changes = commits.len();
            self.listeners
                .tell(|journal| journal.commit_begins(changes));
        }
        for ((i, commit), tree) in commits.iter().enumerate().zip(trees) {
            let locked = &mut locked[of(commit)];
            let found = locked.find(commit.key, now);
            let drafted = self.drafted(commit);
            locked.apply(commit, drafted.as_ref(), found, tree, &mut spares[i]);
        }
        if told {
            level_ticks(&mut locked);
            self.listeners.tell(|journal| journal.commit_ends());
        }
        Ok(())
    }

    /// False when the change could never fit.
    fn can_commit(&self, commit: &Commit<'_>, drafted: Option<&Drafted<'_>>) -> bool {
        if commit.key.bytes.is_empty() || commit.key.bytes.len() > KEY_BYTES_MAX {
            return false;
        }
        drafted.is_none_or(|drafted| {
            drafted.value.len() <= self.item_bytes_max && self.can_ever_hold(&drafted.plan)
        })
    }

    /// What a commit stores, if it stores.
    fn drafted<'c>(&self, commit: &Commit<'c>) -> Option<Drafted<'c>> {
        // A call has read the object that it changes.
        let object = match commit.expected {
            Some(_) => flag::OBJECT | flag::FETCHED,
            None => flag::OBJECT,
        };
        let (value, len, marks, client_flags): (&[u8], _, u64, u32) = match commit.change {
            _ if needs_tree(&commit.change) => (&[], Tree::BYTES, object, 1),
            Change::Small(state) => (state, state.len(), object, 0),
            Change::Plain { flags, value } => (value, value.len(), 0, flags),
            _ => return None,
        };
        let draft = Draft {
            key: commit.key.bytes,
            value_len: len,
            client_flags,
            expiry: seconds(commit.expiry),
            cas: (marks != 0).then_some(0),
            marks,
        };
        Some(Drafted {
            draft,
            plan: draft.plan(),
            value,
        })
    }
}

/// Has all of these shards count on from the highest tick of them.
fn level_ticks(locked: &mut [Locked<'_>]) {
    let ticks = locked.iter().map(|locked| locked.shard.next_tick);
    let next = ticks.max().unwrap_or(0);
    for locked in locked {
        locked.shard.next_tick = next;
    }
}

/// The item a commit stores.
struct Drafted<'c> {
    draft: Draft<'c>,
    plan: Plan,
    /// The item's value; empty for a tree, whose root is made last.
    value: &'c [u8],
}

/// Which version a stored object gets, and which place in the order.
#[derive(Clone, Copy)]
struct Stamp {
    /// The version; `None` for a new one.
    cas: Option<u64>,
    /// Whether the object stays where it was in the order.
    in_place: bool,
}

impl Stamp {
    /// A new version of what is now the newest of all.
    const ANEW: Stamp = Stamp {
        cas: None,
        in_place: false,
    };
}

/// True when the state after the change is a tree.
fn needs_tree(change: &Change<'_>) -> bool {
    match change {
        Change::Fields { .. } => true,
        Change::Small(state) => state.len() > SMALL_BYTES_MAX,
        _ => false,
    }
}

/// What a commit tells of the change of what it found, unless that is a plain value.
fn content_of<'c>(change: &Change<'c>, found: Option<Found<'_>>) -> Option<Content<'c>> {
    match *change {
        Change::Small(state) => Some(Content::State(state)),
        Change::Fields {
            fields,
            clear,
            fresh,
            value,
        } => Some(Content::Fields {
            fields,
            clear,
            // A plain item has nothing that could stay.
            fresh: fresh || found.is_none_or(|found| !found.item.has(flag::OBJECT)),
            value,
        }),
        _ => None,
    }
}

/// True when the version a commit expects is the one that was found.
#[inline]
fn holds(commit: &Commit<'_>, found: Option<Found<'_>>) -> bool {
    commit.blind || found.map(|found| version(&found.item)) == commit.expected
}

impl<'a> Locked<'a> {
    /// The item where the commit saw it, or else the item found anew.
    fn find_again(&mut self, commit: &Commit<'_>, now: Now) -> Option<Found<'a>> {
        let unmoved = commit
            .place
            .and_then(|place| self.unmoved(commit.key.hash, place));
        unmoved
            .filter(|found| !self.is_dead(&found.item, now.unix_s))
            .or_else(|| self.find(commit.key, now))
    }

    /// The item at `place`, if it is the one seen there. An item that moved or left is not in its slot any more, and
    /// whatever else may be there was accessed later.
    #[inline(always)]
    fn unmoved(&self, hash: u64, place: Place) -> Option<Found<'a>> {
        let Place {
            slot, addr, tick, ..
        } = place;
        let slot = self.bucket(hash).slot_with(slot, addr)?;
        let item = Item::at(&self.store.arena, addr);
        (item.tick() == tick).then_some(Found { slot, item })
    }

    /// See [`Store::rewrite`].
    #[inline(always)]
    fn rewrite(
        &mut self,
        hash: u64,
        (expected, place): (Version, Place),
        state: &[u8],
        expiry: Option<u32>,
    ) -> bool {
        const SHAPE: u64 = flag::OBJECT | flag::CAS;
        const OTHERS: u64 = flag::FLAGGED | flag::STALE | flag::TOKEN_SENT;
        let Some(Found { item, .. }) = self.unmoved(hash, place) else {
            return false;
        };
        // The item was alive when it was opened, at the same time; but it may have been flushed.
        let same = item.word0 & (SHAPE | OTHERS) == SHAPE
            && item.value_len() == state.len()
            && version(&item) == expected
            && item.expiry() == expiry
            && !self.is_flushed(&item)
            && !self.store.is_pinned(&item);
        if let Some(at) = item.value_at()
            && same
        {
            self.store.arena.write(item.addr(), at, state);
            let tick = self.bump(&item);
            item.set_cas(tick);
            self.tell_stored(&item, Some(Content::State(state)));
            return true;
        }
        false
    }

    /// Finds the memory `apply` will take, into `spare`.
    fn prepare(
        &mut self,
        commit: &Commit<'_>,
        drafted: Option<&Drafted<'_>>,
        found: Option<Found<'a>>,
        spare: &mut Spare,
    ) -> Result<(), Room> {
        let plan = match (drafted, found) {
            (Some(drafted), _) => drafted.plan,
            (None, Some(found)) if matches!(commit.change, Change::Expiry) => {
                if found.item.expiry().is_some() == commit.expiry.0.is_some() {
                    return Ok(());
                }
                let mut buffer = [0; KEY_BYTES_MAX];
                let mut draft = found.item.draft(&mut buffer);
                draft.expiry = seconds(commit.expiry);
                draft.plan()
            }
            _ => return Ok(()),
        };
        self.prepare_item(&plan, found, spare)
    }

    /// Finds the memory for an item, into `spare`: extents if it does not fit where `found` is, and a node of the index
    /// for a new one.
    #[inline(always)]
    fn prepare_item(
        &mut self,
        plan: &Plan,
        found: Option<Found<'a>>,
        spare: &mut Spare,
    ) -> Result<(), Room> {
        let fits =
            found.is_some_and(|found| found.item.holds(plan) && !self.store.is_pinned(&found.item));
        if !fits
            && spare
                .item
                .as_ref()
                .is_none_or(|(planned, _)| planned != plan)
        {
            let chain = self.allocate(plan, spare)?;
            spare.item = Some((*plan, chain));
        }
        if found.is_none() && spare.node.is_none() {
            // A node of its own, since another commit may fill the slot that is free now.
            let node = self.store.try_take(&NODE_PLAN);
            spare.node = Some(node.map_err(|_| Room::for_plan(&NODE_PLAN))?.head);
        }
        Ok(())
    }

    /// Does what a commit says; cannot fail after `prepare`.
    fn apply(
        &mut self,
        commit: &Commit<'_>,
        drafted: Option<&Drafted<'_>>,
        found: Option<Found<'a>>,
        tree: Option<Tree>,
        spare: &mut Spare,
    ) {
        if let Some(drafted) = drafted {
            let content = content_of(&commit.change, found);
            let item = self.apply_value(commit.key.hash, drafted, found, tree, spare, Stamp::ANEW);
            self.tell_stored(&item, content);
            return;
        }
        match (&commit.change, found) {
            (Change::Delete, Some(found)) => self.remove(commit.key.hash, found, Leave::Deleted),
            (Change::Delete, None) => self.tell_deleted(commit.key.bytes),
            (Change::Expiry, Some(found)) => {
                let item = self.refit(found, false, Some(commit.expiry), spare);
                let item = item.unwrap_or_else(|_| unreachable!("prepared"));
                self.bump(&item);
                self.tell_stored(&item, Some(Content::Same));
            }
            _ => {}
        }
    }

    /// Puts the item in its place, and returns it.
    // Always inlined: for a commit the stamp is a constant.
    #[inline(always)]
    fn apply_value(
        &mut self,
        hash: u64,
        drafted: &Drafted<'_>,
        found: Option<Found<'a>>,
        tree: Option<Tree>,
        spare: &mut Spare,
        stamp: Stamp,
    ) -> Item<'a> {
        let (mut draft, mut value) = (drafted.draft, drafted.value);
        let root = tree.map(|tree| tree.to_bytes());
        if let Some(root) = &root {
            value = root;
        }
        let old_tree = found
            .filter(|found| found.item.is_tree())
            .map(|found| found.item.tree());
        if let (Some(old), None) = (old_tree, tree) {
            self.store.retire(old);
        }
        // A tree that shrank becomes small again, if memory for that is at hand.
        let small = tree
            .filter(|tree| tree.bytes() < TREE_BYTES_MIN)
            .map(|tree| {
                let state = tree.to_small(&crate::memory::nodes::Reader(self.store));
                (tree, state)
            });
        let mut chain = spare.item.take().map(|(_, chain)| chain);
        if let Some((tree, state)) = &small {
            let small_draft = Draft {
                value_len: state.len(),
                client_flags: 0,
                ..draft
            };
            if let Ok(fresh) = self.store.try_take(&small_draft.plan()) {
                (draft, value) = (small_draft, state);
                if let Some(unused) = chain.replace(fresh) {
                    self.store.free(unused);
                }
                self.store.retire(*tree);
            }
        }
        let old_payload = found.map(|found| found.item.payload_len() as u64);
        match (found, chain) {
            (Some(found), None) => {
                let mut item = found.item;
                item.reshape(&drafted.plan);
                draft.refill(&self.store.arena, &item).write(value);
                self.shard.counters.payload += item.payload_len() as u64;
                self.shard.counters.payload -= old_payload.unwrap_or(0);
                self.renew_cas(&item, stamp.cas);
                self.note_expiry(&item);
                if !stamp.in_place {
                    self.bump(&item);
                }
                item
            }
            (found, Some(chain)) => {
                let (item, mut stream) = draft.write(&self.store.arena, chain);
                stream.write(value);
                self.renew_cas(&item, stamp.cas);
                if let Some(found) = found {
                    self.replace(found, &item, stamp.in_place);
                } else {
                    let slot = self.vacancy(hash, spare);
                    let slot = slot.unwrap_or_else(|_| unreachable!("prepared"));
                    self.insert(hash, slot, &item);
                }
                item
            }
            (None, None) => unreachable!("prepared"),
        }
    }
}
