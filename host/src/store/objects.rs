//! Objects: keyed fields behind a version, and commits of several changes at once.
//!
//! A small object is an item marked `OBJECT` whose value is the blob of its fields and whose CAS is its version.

use super::item::{Draft, KEY_BYTES_MAX, flag};
use super::read::seconds;
use super::shard::{Found, Leave, Locked, Spare, ValueRef};
use super::{Change, Commit, CommitError, Gone, Key, Now, ObjectInfo, PlainItem, Store, Version};

impl Store {
    /// Opens the object `key`. When its state is small (at most `SMALL_BYTES_MAX`) it is appended to `state`
    /// in the encoding of `fields::Small` and `loaded` is true. A plain item under that name is reported by `Err` with
    /// its length (the caller decides what that means). Counts as an access in the LRU.
    ///
    /// # Errors
    /// When a plain item has that name.
    pub fn object_open(&self, key: Key<'_>, now: Now, state: &mut Vec<u8>) -> Result<Option<ObjectInfo>, PlainItem> {
        self.note(now);
        let mut locked = self.lock(key.hash);
        let Some(Found { mut item, .. }) = locked.find(key, now) else { return Ok(None) };
        if !item.has(flag::OBJECT) {
            return Err(PlainItem { len: item.value_len() });
        }
        item.mark(flag::FETCHED, 0);
        locked.bump(&item);
        ValueRef { stream: item.value(), len: item.value_len() }.append_to(state);
        let info = locked.info(&item);
        Ok(Some(ObjectInfo { version: Version(info.cas), fields: 0, expiry: info.expiry, loaded: true }))
    }

    /// A field of a large object; appends the value to `out`; `Ok(None)` when absent.
    ///
    /// # Errors
    /// When the object is not the one of `version` any more.
    pub fn object_field(
        &self,
        _key: Key<'_>,
        _version: Version,
        _field: &[u8],
        _out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Gone> {
        Err(Gone)
    }

    /// Some fields of a large object in order, from `from` on (`after`: excluding it; `reverse`: descending, an
    /// empty `from` means the last one). Visits until `visit` returns false or about 16 KiB were visited; the
    /// caller goes on after the last key it saw. Returns false when the end was reached.
    ///
    /// # Errors
    /// When the object is not the one of `version` any more.
    pub fn object_scan(
        &self,
        _key: Key<'_>,
        _version: Version,
        _from: &[u8],
        _after: bool,
        _reverse: bool,
        _visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, Gone> {
        Err(Gone)
    }

    /// The opaque value of a large object; appends to `out`.
    ///
    /// # Errors
    /// When the object is not the one of `version` any more.
    pub fn object_value(&self, _key: Key<'_>, _version: Version, _out: &mut Vec<u8>) -> Result<Option<usize>, Gone> {
        Err(Gone)
    }

    /// Applies all changes, or none. Commits touching several keys are atomic to all other operations.
    ///
    /// # Errors
    /// When a version no longer holds or the changes do not fit; nothing was changed then.
    pub fn commit(&self, now: Now, commits: &[Commit<'_>]) -> Result<(), CommitError> {
        self.note(now);
        let _turn = (commits.len() > 1).then(|| self.commit.lock());
        // All memory is found before anything is locked; when the guess was wrong (an expiry that needs room on
        // an item that has none), nothing is changed and the guess is made anew.
        let mut spares: Vec<Spare> = commits.iter().map(|_| Spare::default()).collect();
        let done = loop {
            let step = self.try_commit(now, commits, &mut spares);
            match step {
                Ok(result) => break result,
                Err((i, plan)) => match self.make_room(&plan) {
                    Ok(chain) if plan == super::index::NODE_PLAN => spares[i].node = Some(chain.head),
                    Ok(chain) => spares[i].item = Some((plan, chain)),
                    Err(_) => break Err(CommitError::TooLarge),
                },
            }
        };
        spares.into_iter().for_each(|spare| self.drop_spare(spare));
        if self.index_wanted.load(std::sync::atomic::Ordering::Relaxed) {
            self.grow_index();
        }
        done
    }

    /// Locks all, checks all, finds memory for all, then applies all. The outer error asks for memory.
    #[expect(clippy::type_complexity, reason = "which commit needs what")]
    fn try_commit(
        &self,
        now: Now,
        commits: &[Commit<'_>],
        spares: &mut [Spare],
    ) -> Result<Result<(), CommitError>, (usize, super::Plan)> {
        let mut ids: Vec<usize> = commits.iter().map(|c| self.shard_of(c.key.hash)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut locked: Vec<Locked<'_>> = ids.iter().map(|id| self.lock_shard(*id)).collect();
        let of = |commit: &Commit<'_>| {
            let id = self.shard_of(commit.key.hash);
            ids.binary_search(&id).expect("all were locked")
        };
        for commit in commits {
            if !locked[of(commit)].holds(commit, now) {
                return Ok(Err(CommitError::Gone));
            }
            if self.commit_draft(commit).is_some_and(|(draft, _)| {
                draft.value_len > self.item_bytes_max || !self.can_ever_hold(&draft.plan())
            }) {
                return Ok(Err(CommitError::TooLarge));
            }
        }
        for (i, commit) in commits.iter().enumerate() {
            let l = &mut locked[of(commit)];
            l.prepare(commit, now, &mut spares[i]).map_err(|room| (i, room.0))?;
        }
        for (i, commit) in commits.iter().enumerate() {
            locked[of(commit)].apply(commit, now, &mut spares[i]);
        }
        Ok(Ok(()))
    }

    /// The item a commit stores, and its value.
    fn commit_draft<'c>(&self, commit: &Commit<'c>) -> Option<(Draft<'c>, &'c [u8])> {
        let (value, marks, client_flags): (&[u8], u64, u32) = match commit.change {
            Change::Small(state) => (state, flag::OBJECT, 0),
            Change::Plain { flags, value } => (value, 0, flags),
            _ => return None,
        };
        let draft = Draft {
            key: commit.key.bytes,
            value_len: value.len(),
            client_flags,
            expiry: seconds(commit.expiry),
            cas: (marks != 0).then_some(0),
            marks,
        };
        Some((draft, value))
    }
}

impl Locked<'_> {
    /// True when the version a commit expects holds.
    fn holds(&mut self, commit: &Commit<'_>, now: Now) -> bool {
        let found = self.find(commit.key, now);
        commit.blind || found.map(|found| Version(found.item.cas().unwrap_or(0))) == commit.expected
    }

    /// Finds the memory `apply` will take, into `spare`.
    fn prepare(&mut self, commit: &Commit<'_>, now: Now, spare: &mut Spare) -> Result<(), super::shard::Room> {
        let found = self.find(commit.key, now);
        let plan = match (self.store.commit_draft(commit), found) {
            (Some((draft, _)), _) => draft.plan(),
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
        if spare.item.as_ref().is_none_or(|(planned, _)| *planned != plan) {
            let chain = self.allocate(&plan, spare)?;
            spare.item = Some((plan, chain));
        }
        if found.is_none() && spare.node.is_none() {
            // A node of its own, since another commit may fill the slot that is free now.
            let node = self.store.alloc.lock().take(&self.store.arena, &super::index::NODE_PLAN);
            spare.node = Some(node.map_err(|_| super::shard::Room(super::index::NODE_PLAN))?.head);
        }
        Ok(())
    }

    /// Does what a commit says; cannot fail after `prepare`.
    fn apply(&mut self, commit: &Commit<'_>, now: Now, spare: &mut Spare) {
        let found = self.find(commit.key, now);
        match (&commit.change, found) {
            (Change::Delete, Some(found)) => self.remove(commit.key.hash, found, Leave::Deleted),
            (Change::Expiry, Some(found)) => {
                let item = self.refit(found, false, Some(commit.expiry), spare);
                let item = item.unwrap_or_else(|_| unreachable!("prepared"));
                self.bump(&item);
            }
            (Change::Small(_) | Change::Plain { .. }, found) => {
                let (draft, value) = self.store.commit_draft(commit).expect("it stores");
                let (_, chain) = spare.item.take().expect("prepared");
                let (item, mut stream) = draft.write(&self.store.arena, chain);
                stream.write(value);
                if item.has(flag::CAS) {
                    item.set_cas(self.store.next_cas());
                }
                if let Some(found) = found {
                    self.replace(found, &item, false);
                } else {
                    let slot = self.vacancy(commit.key.hash, spare);
                    let slot = slot.unwrap_or_else(|_| unreachable!("prepared"));
                    self.insert(commit.key.hash, slot, &item);
                }
            }
            _ => {}
        }
    }
}
