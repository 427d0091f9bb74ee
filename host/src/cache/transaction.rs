//! A call's view of the state: reads see its own writes, which reach the store in one commit
//! after the function returned, or never.

use std::collections::BTreeMap;
use std::sync::Arc;

use cacheismo_abi::{TTL_ABSENT, TTL_NEVER};

use super::Shared;
use super::locks::LockSet;
use super::object::Object;
use crate::runtime::{Handle, Scan, Stop, World};
use crate::store::{Change, Commit, CommitError, Cursor, Expiry, GetOptions, Key, Now};

/// Objects one call may open.
pub const OBJECTS_MAX: usize = 256;
/// Longest `type$key` name of an object in bytes: a key of 250 and a type of 32.
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
    /// This thread may wait for locks and peers.
    lane: bool,
    /// Nothing of this call has been committed yet, so it may start again.
    restartable: bool,
    locks: LockSet,
    /// It only reads, so far only its own object, and that as it was at one moment: it needs no lock.
    lockless: bool,
    /// The first `used` are this call's; handle 0 is its own object.
    objects: Vec<Object>,
    used: usize,
    items: BTreeMap<Vec<u8>, Option<ItemWrite>>,
    evict_bytes: u64,
    random: fastrand::Rng,
    scratch: Vec<u8>,
}

impl Transaction {
    /// Boxed, since it goes into an instance for every call and comes back.
    pub(super) fn new(shared: Arc<Shared>) -> Box<Transaction> {
        Box::new(Transaction {
            shared,
            now: Now {
                unix_s: 0,
                millis: 0,
            },
            lane: false,
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

    /// Prepares for a call on `type_name$key`, whose hash is known in most cases. `lane`: this thread may wait.
    pub(super) fn begin(
        &mut self,
        now: Now,
        (type_name, key, hash): (&[u8], &[u8], Option<u64>),
        writes: bool,
        lane: bool,
    ) {
        self.now = now;
        self.lane = lane;
        self.restartable = true;
        self.used = 0;
        self.locks.begin(writes);
        let own = self.add(type_name, key, hash);
        self.locks.want(self.objects[own].hash);
        self.lockless = !writes;
        self.forget_items();
    }

    fn forget_items(&mut self) {
        // Nearly always empty, and clearing an empty map isn't free.
        if !self.items.is_empty() {
            self.items.clear();
        }
        self.evict_bytes = 0;
    }

    /// Adds names, by their hashes, to what `lock` takes.
    pub(super) fn want(&mut self, hashes: &[u64]) {
        hashes.iter().for_each(|hash| self.locks.want(*hash));
    }

    /// Takes the locks, if it needs any. False when that would mean waiting and this thread may not.
    pub(super) fn lock(&mut self) -> bool {
        self.lockless || self.locks.acquire(&self.shared.locks, self.lane)
    }

    /// Begins to hold locks in the middle of a run. What was read of its own object before may have changed since.
    fn lock_late(&mut self) -> Result<(), Stop> {
        self.lockless = false;
        let read = self.objects[0].is_opened();
        if read || !self.lock() {
            return Err(Stop::Conflict);
        }
        Ok(())
    }

    /// Ends a run that did not commit; `lock` starts the next.
    pub(super) fn abandon(&mut self) {
        self.locks.release();
        self.used = self.used.min(1);
        self.objects[..self.used]
            .iter_mut()
            .for_each(Object::forget);
        self.forget_items();
    }

    /// Applies everything written, or nothing, and gives up the locks.
    pub(super) fn commit(&mut self) -> Result<(), CommitError> {
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
            match objects {
                _ if !objects.iter().any(Object::written) => return Ok(()),
                // The common call: one object, no list to build.
                [own] => {
                    let commit = own.commit().expect("a written object was opened");
                    return self
                        .shared
                        .store
                        .commit(self.now, std::slice::from_ref(&commit));
                }
                _ => {}
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
                blind: true,
                change,
                expiry,
            }
        }));
        self.shared.store.commit(self.now, &commits)
    }

    /// What `item_delete_lru` asked for.
    fn evict(&self) {
        if self.evict_bytes > 0 {
            // A script that means everything says 64 GiB.
            let all = self.shared.store.stats().limit_maxbytes;
            let bytes = self.evict_bytes.min(all);
            self.shared.store.evict(bytes as usize);
        }
    }

    /// Gives the call's own object a new expiry if it exists (`gat` of a virtual key).
    pub(super) fn touch_own(&mut self, expiry: Expiry) -> Result<(), Stop> {
        let own = self.opened(Handle(0))?;
        if own.present() {
            own.set_expiry(expiry);
        }
        Ok(())
    }

    /// Whether a run that was disturbed may simply be done again.
    pub(super) fn restartable(&self) -> bool {
        self.restartable
    }

    fn add(&mut self, type_name: &[u8], key: &[u8], hash: Option<u64>) -> usize {
        if self.used == self.objects.len() {
            self.objects.push(Object::new());
        }
        let object = &mut self.objects[self.used];
        let name = object.rename(type_name, key);
        object.hash = hash.unwrap_or_else(|| self.shared.store.hash(name));
        self.used += 1;
        self.used - 1
    }

    fn opened(&mut self, h: Handle) -> Result<&mut Object, Stop> {
        let object = self.objects[..self.used]
            .get_mut(h.0 as usize)
            .ok_or(Stop::Misuse("unknown object handle"))?;
        object.open(&self.shared.store, self.now)?;
        if self.lockless && object.is_large() {
            // It is read piece by piece, which writers would disturb.
            object.forget();
            self.lock_late()?;
            let object = &mut self.objects[h.0 as usize];
            object.open(&self.shared.store, self.now)?;
            return Ok(object);
        }
        Ok(&mut self.objects[h.0 as usize])
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

/// Copies `value` from `offset` on into `out`; the result is the full length.
fn copy_out(value: &[u8], offset: usize, out: &mut [u8]) -> usize {
    if let Some(rest) = value.get(offset..) {
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
    }
    value.len()
}

impl World for Transaction {
    fn open(&mut self, type_name: &[u8], key: &[u8]) -> Result<Handle, Stop> {
        if !self.shared.is_type(type_name) {
            return Err(Stop::Misuse("no such object type"));
        }
        self.open_object(type_name, key)
    }

    fn exists(&mut self, h: Handle) -> Result<bool, Stop> {
        Ok(self.opened(h)?.present())
    }

    fn create(&mut self, h: Handle) -> Result<bool, Stop> {
        Ok(self.opened(h)?.create())
    }

    fn delete(&mut self, h: Handle) -> Result<bool, Stop> {
        Ok(self.opened(h)?.delete())
    }

    fn ttl_ms(&mut self, h: Handle) -> Result<i64, Stop> {
        let now_ms = self.now_unix_ms();
        let object = self.opened(h)?;
        Ok(match object.expiry() {
            _ if !object.present() => TTL_ABSENT,
            Expiry(None) => TTL_NEVER,
            Expiry(Some(at)) => i64::try_from(at.saturating_sub(now_ms)).unwrap_or(i64::MAX),
        })
    }

    fn set_ttl_ms(&mut self, h: Handle, ms: i64) -> Result<bool, Stop> {
        let now_ms = self.now_unix_ms();
        let object = self.opened(h)?;
        if !object.present() {
            return Ok(false);
        }
        object.set_expiry(Expiry(
            u64::try_from(ms).ok().map(|ms| now_ms.saturating_add(ms)),
        ));
        Ok(true)
    }

    fn value_get(
        &mut self,
        h: Handle,
        offset: usize,
        out: &mut [u8],
    ) -> Result<Option<usize>, Stop> {
        let (object, shared, scratch) = self.parts(h)?;
        object.value(&shared.store, scratch, |value| copy_out(value, offset, out))
    }

    fn value_set(&mut self, h: Handle, value: &[u8]) -> Result<(), Stop> {
        self.opened(h)?.set_value(value);
        Ok(())
    }

    fn field_get(
        &mut self,
        h: Handle,
        field: &[u8],
        out: &mut [u8],
    ) -> Result<Option<usize>, Stop> {
        let (object, shared, scratch) = self.parts(h)?;
        object.field(&shared.store, field, scratch, |value| {
            copy_out(value, 0, out)
        })
    }

    fn field_put(&mut self, h: Handle, field: &[u8], value: &[u8]) -> Result<bool, Stop> {
        let (object, shared, scratch) = self.parts(h)?;
        object.put(&shared.store, field, value, scratch)
    }

    fn field_delete(&mut self, h: Handle, field: &[u8]) -> Result<bool, Stop> {
        let (object, shared, scratch) = self.parts(h)?;
        object.remove(&shared.store, field, scratch)
    }

    fn field_count(&mut self, h: Handle) -> Result<u64, Stop> {
        Ok(self.opened(h)?.count())
    }

    fn field_scan(
        &mut self,
        h: Handle,
        from: &[u8],
        flags: i32,
        out: &mut [u8],
    ) -> Result<Scan, Stop> {
        let (object, shared, _) = self.parts(h)?;
        object.scan(&shared.store, from, flags, out)
    }

    fn field_clear(&mut self, h: Handle) -> Result<(), Stop> {
        self.opened(h)?.clear();
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        self.now_unix_ms() as i64
    }

    fn utc_offset_s(&self, unix_s: i64) -> i32 {
        self.shared.clock.utc_offset_s(unix_s)
    }

    fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    fn item_get(&mut self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, Stop> {
        let head = |out: &mut Vec<u8>, flags: u32, expiry: Expiry| {
            out.extend_from_slice(&flags.to_le_bytes());
            out.extend_from_slice(&expiry.0.map_or(-1, |at| at as i64).to_le_bytes());
        };
        match self.items.get(key) {
            Some(Some(own)) => {
                head(out, own.flags, own.expiry);
                out.extend_from_slice(&own.data);
                return Ok(true);
            }
            Some(None) => return Ok(false),
            None => {}
        }
        let key = self.item_key(key)?;
        self.join(key.hash)?;
        let found = self
            .shared
            .store
            .get(key, self.now, &GetOptions::default(), |info, value| {
                if info.object {
                    return false;
                }
                head(out, info.flags, info.expiry);
                value.append_to(out);
                true
            });
        Ok(found == Some(true))
    }

    fn item_put(
        &mut self,
        key: &[u8],
        flags: u32,
        expiry_ms: i64,
        data: &[u8],
    ) -> Result<(), Stop> {
        let hash = self.item_key(key)?.hash;
        if self.shared.is_object_name(key) {
            return Err(Stop::Misuse("the key names the state of an object"));
        }
        if data.len() > self.shared.item_bytes_max {
            return Err(Stop::Misuse("object too large for cache"));
        }
        self.join(hash)?;
        let expiry = Expiry(u64::try_from(expiry_ms).ok());
        self.items.insert(
            key.to_vec(),
            Some(ItemWrite {
                flags,
                expiry,
                data: data.to_vec(),
            }),
        );
        Ok(())
    }

    fn item_delete(&mut self, key: &[u8]) -> Result<bool, Stop> {
        if self.shared.is_object_name(key) {
            return Err(Stop::Misuse("the key names the state of an object"));
        }
        self.scratch.clear();
        let mut seen = std::mem::take(&mut self.scratch);
        let was = self.item_get(key, &mut seen);
        self.scratch = seen;
        let was = was?;
        if was {
            self.items.insert(key.to_vec(), None);
        }
        Ok(was)
    }

    fn item_delete_lru(&mut self, bytes: u64) -> Result<(), Stop> {
        self.evict_bytes = self.evict_bytes.saturating_add(bytes);
        Ok(())
    }

    fn item_keys(&mut self, prefix: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        if !self.lane {
            return Err(Stop::NeedsLane);
        }
        let mut push = |key: &[u8]| {
            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
            out.extend_from_slice(key);
        };
        let mut cursor = Some(Cursor::default());
        while let Some(at) = cursor {
            cursor = self.shared.store.scan(self.now, at, &mut |key, info, _| {
                if !info.object && key.starts_with(prefix) && !self.items.contains_key(key) {
                    push(key);
                }
            });
        }
        let own = self.items.iter().filter(|(_, write)| write.is_some());
        own.filter(|(key, _)| key.starts_with(prefix))
            .for_each(|(key, _)| push(key));
        Ok(())
    }

    fn peer_get(&mut self, requests: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        if !self.lane {
            return Err(Stop::NeedsLane);
        }
        self.commit().map_err(|error| match error {
            CommitError::Gone => Stop::Conflict,
            CommitError::TooLarge => Stop::Limit("out of memory storing object".to_owned()),
        })?;
        self.forget_items();
        self.restartable = false;
        self.lockless = false;
        let answered = self.shared.peers.get(requests, out);
        self.objects[..self.used]
            .iter_mut()
            .for_each(Object::forget);
        self.now = self.shared.clock.now();
        self.lock();
        answered.map_err(|_malformed| Stop::Misuse("malformed peer request"))
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
        if type_name.len() + 1 + key.len() > OBJECT_NAME_BYTES_MAX {
            return Err(Stop::Misuse("object key is too long"));
        }
        let index = self.add(type_name, key, None);
        let (new, before) = self.objects[..self.used].split_last().expect("just added");
        if let Some(known) = before.iter().position(|object| object.name == new.name) {
            self.used -= 1;
            return Ok(Handle(known as u32));
        }
        if index >= OBJECTS_MAX {
            return Err(Stop::Limit(format!(
                "a call may open {OBJECTS_MAX} objects"
            )));
        }
        let hash = new.hash;
        self.join(hash)?;
        Ok(Handle(index as u32))
    }
}

#[cfg(test)]
mod tests;
