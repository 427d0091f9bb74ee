//! A call's view of the state: reads see its own writes, which reach the store in one commit
//! after the function returned, or never.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::object::Object;
use crate::cache::locks::LockSet;
use crate::cache::object_name;
use crate::cache::saves::Disk;
use crate::cache::shared::Shared;
use crate::runtime::{Deadline, Handle, Stop};
use crate::store::{Change, Commit, CommitError, Expiry, Key, Now};

/// Objects one call may open.
pub const OBJECTS_MAX: usize = 256;
/// Longest `type$key` name of an object in bytes: that of any key.
pub const OBJECT_NAME_BYTES_MAX: usize = 250;

/// A plain item written by a call with the items capability.
#[derive(Debug)]
pub(super) struct ItemWrite {
    flags: u32,
    expiry: Expiry,
    data: Vec<u8>,
}

/// The state of one call. Kept from call to call for its buffers.
#[derive(Debug)]
pub struct Transaction {
    shared: Arc<Shared>,
    now: Now,
    /// Whether this thread may wait for locks and peers.
    lane: bool,
    /// When the call has to end, for operations that take long.
    deadline: Deadline,
    /// Whether the call may start again, as nothing of it has been committed yet.
    restartable: bool,
    locks: LockSet,
    /// Whether the call needs no lock: so far it uses only its own object, as that was at one moment. If the call
    /// writes, its commit finds out whether others were faster.
    lockless: bool,
    /// Opened objects. The first `used` are this call's; handle 0 is its own object.
    objects: Vec<Object>,
    used: usize,
    items: BTreeMap<Vec<u8>, Option<ItemWrite>>,
    evict_bytes: u64,
    random: fastrand::Rng,
    scratch: Vec<u8>,
    disk: Disk,
}

impl Transaction {
    /// A transaction without a call. Boxed, since it goes into an instance for every call and comes back.
    pub(in crate::cache) fn new(shared: Arc<Shared>) -> Box<Transaction> {
        Box::new(Transaction {
            disk: shared.disk(),
            shared,
            now: Now {
                unix_s: 0,
                millis: 0,
            },
            lane: false,
            deadline: Deadline::never(),
            restartable: true,
            locks: LockSet::default(),
            lockless: false,
            objects: Vec::new(),
            used: 0,
            items: BTreeMap::new(),
            evict_bytes: 0,
            random: fastrand::Rng::new(),
            scratch: Vec::new(),
        })
    }

    /// Prepares for a call on the object of that name, `type$key`. `lane`: this thread may wait.
    #[inline]
    pub(in crate::cache) fn begin(&mut self, now: Now, own: Key<'_>, writes: bool, lane: bool) {
        self.now = now;
        self.lane = lane;
        self.restartable = true;
        self.used = 0;
        self.add(own);
        self.locks.begin(writes, own.hash);
        self.lockless = !writes;
        self.forget_items();
    }

    /// Tells that the call uses no other object and no item: its first run need not lock, unless somebody else holds
    /// the lock.
    #[inline]
    pub(in crate::cache) fn go_alone(&mut self) {
        self.lockless |= !self.lane && self.locks.are_free(&self.shared.locks);
    }

    fn forget_items(&mut self) {
        // Nearly always empty, and clearing an empty map isn't free.
        if !self.items.is_empty() {
            self.items.clear();
        }
        self.evict_bytes = 0;
    }

    /// Adds names, by their hashes, to what `lock` takes.
    pub(in crate::cache) fn want(&mut self, hashes: &[u64]) {
        hashes.iter().for_each(|hash| self.locks.want(*hash));
    }

    /// Takes the locks, if the call needs any. False when this thread would have to wait and may not.
    pub(in crate::cache) fn lock(&mut self) -> bool {
        self.lockless || self.locks.acquire(&self.shared.locks, self.lane)
    }

    /// Begins to hold locks in the middle of a run. A conflict when the call's own object was read before: it may have
    /// changed since.
    fn lock_late(&mut self) -> Result<(), Stop> {
        self.lockless = false;
        let read = self.objects[0].is_opened();
        if read || !self.lock() {
            return Err(Stop::Conflict);
        }
        Ok(())
    }

    /// Ends a run that did not commit; `lock` starts the next.
    pub(in crate::cache) fn abandon(&mut self) {
        self.locks.release();
        self.lockless &= !self.locks.is_exclusive();
        self.used = self.used.min(1);
        self.objects[..self.used]
            .iter_mut()
            .for_each(Object::forget);
        self.forget_items();
    }

    /// The disk, if answers wait for one.
    pub(in crate::cache) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Notes the objects the run has read, for answers that wait for the disk.
    #[inline]
    pub(in crate::cache) fn has_read(&self) {
        for object in &self.objects[..self.used] {
            self.disk.has_read(object.hash);
        }
    }

    /// Ends a run that succeeded. `touch`: the call's own object gets this expiry, if it exists (`gat` of a virtual
    /// key).
    pub(in crate::cache) fn finish(&mut self, touch: Option<Expiry>) -> Result<(), CommitError> {
        if let Some(expiry) = touch {
            let own = self.opened(Handle::OWN).map_err(|_| CommitError::Gone)?;
            if own.present() {
                own.set_expiry(expiry);
            }
        }
        self.commit()
    }

    /// Applies everything written, or nothing, and gives up the locks.
    pub(in crate::cache) fn commit(&mut self) -> Result<(), CommitError> {
        let result = self.apply();
        if result.is_ok() {
            self.evict();
        }
        self.locks.release();
        result
    }

    fn apply(&mut self) -> Result<(), CommitError> {
        let objects = &self.objects[..self.used];
        if self.items.is_empty() {
            if !objects.iter().any(Object::written) {
                return Ok(());
            }
            // The common call: one object, no list to build. What is to be done for it is not moved, as it is long.
            if let [own] = objects {
                if own.rewrite(&self.shared.store) {
                    return Ok(());
                }
                if let Some(commit) = &own.commit() {
                    let commits = std::slice::from_ref(commit);
                    return self.shared.store.commit(self.now, commits);
                }
            }
        }
        let mut commits: Vec<Commit<'_>> = objects.iter().filter_map(Object::commit).collect();
        commits.extend(self.items.iter().map(|(key, write)| {
            let key = self.shared.store.key(key);
            let (change, expiry) = match write {
                Some(item) => (
                    Change::Plain {
                        flags: item.flags,
                        value: &item.data,
                    },
                    item.expiry,
                ),
                None => (Change::Delete, Expiry(None)),
            };
            Commit {
                key,
                expected: None,
                place: None,
                blind: true,
                change,
                expiry,
            }
        }));
        self.shared.store.commit(self.now, &commits)
    }

    /// Evicts as much as `item_delete_lru` asked for.
    fn evict(&self) {
        if self.evict_bytes > 0 {
            // A script that wants everything evicted says 64 GiB.
            let all = self.shared.store.stats().limit_maxbytes;
            let bytes = self.evict_bytes.min(all);
            self.shared.store.evict(bytes as usize);
        }
    }

    /// Whether a run that was disturbed may simply be done again.
    pub(in crate::cache) fn restartable(&self) -> bool {
        self.restartable
    }

    /// Adds an object, whose number is the last.
    #[inline(always)]
    fn add(&mut self, key: Key<'_>) {
        if self.used == self.objects.len() {
            self.objects.push(Object::new());
        }
        self.objects[self.used].rename(key);
        self.used += 1;
    }

    /// The object, read from the store at its first use.
    #[inline(always)]
    fn opened(&mut self, h: Handle) -> Result<&mut Object, Stop> {
        let index = h.0 as usize;
        match self.objects[..self.used].get(index) {
            Some(object) if object.is_opened() => {}
            Some(_) => self.open_now(index)?,
            None => return Err(Stop::Misuse("unknown object handle")),
        }
        Ok(&mut self.objects[index])
    }

    #[inline(never)]
    fn open_now(&mut self, index: usize) -> Result<(), Stop> {
        loop {
            let object = &mut self.objects[index];
            object.open(&self.shared.store, self.now)?;
            if !(self.lockless && object.is_large()) {
                return Ok(());
            }
            // A large object is read piece by piece, which writers would disturb: it is read once more, with locks.
            object.forget();
            self.lock_late()?;
        }
    }

    /// An opened object with the store and the scratch buffer, borrowed apart.
    fn parts(&mut self, h: Handle) -> Result<(&mut Object, &Shared, &mut Vec<u8>), Stop> {
        self.opened(h)?;
        Ok((
            &mut self.objects[h.0 as usize],
            &self.shared,
            &mut self.scratch,
        ))
    }

    fn now_unix_ms(&self) -> u64 {
        u64::from(self.now.unix_s) * 1000 + u64::from(self.now.millis)
    }

    fn join(&mut self, hash: u64) -> Result<(), Stop> {
        if self.lockless {
            self.lock_late()?;
        }
        if self.locks.join(&self.shared.locks, hash) {
            Ok(())
        } else {
            Err(Stop::Conflict)
        }
    }
}

impl Transaction {
    fn item_key<'k>(&self, key: &'k [u8]) -> Result<Key<'k>, Stop> {
        if key.is_empty() || key.len() > crate::protocol::KEY_BYTES_MAX {
            return Err(Stop::Misuse("item key is empty or too long"));
        }
        Ok(self.shared.store.key(key))
    }

    fn open_object(&mut self, type_name: &[u8], key: &[u8]) -> Result<Handle, Stop> {
        let mut name = ArrayVec::<u8, OBJECT_NAME_BYTES_MAX>::new();
        for part in object_name::parts(type_name, key) {
            name.try_extend_from_slice(part)
                .map_err(|_| Stop::Misuse("object key is too long"))?;
        }
        let opened = &self.objects[..self.used];
        if let Some(known) = opened.iter().position(|object| object.name == name[..]) {
            return Ok(Handle(known as u32));
        }
        let index = self.used;
        if index >= OBJECTS_MAX {
            return Err(Stop::Limit(format!(
                "a call may open {OBJECTS_MAX} objects"
            )));
        }
        let key = self.shared.store.key(&name);
        self.add(key);
        self.join(key.hash)?;
        Ok(Handle(index as u32))
    }
}

mod host;

#[cfg(test)]
mod tests;
