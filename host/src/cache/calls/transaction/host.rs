//! The object host of the cache: what a guest may do, done to a transaction.

use cacheismo_abi::{TTL_ABSENT, TTL_NEVER};

use super::{ItemWrite, Transaction};
use crate::cache::calls::object::Object;
use crate::cache::peers;
use crate::runtime::{Deadline, Handle, ObjectHost, Scan, Stop};
use crate::store::{CommitError, Cursor, Expiry, GetOptions};

/// Copies `value` from `offset` on into `out`; the result is the full length.
fn copy_out(value: &[u8], offset: usize, out: &mut [u8]) -> usize {
    if let Some(rest) = value.get(offset..) {
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
    }
    value.len()
}

impl ObjectHost for Transaction {
    fn object_hash(&self) -> u64 {
        self.objects.first().map_or(0, |own| own.hash)
    }

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

    fn field<R>(
        &mut self,
        h: Handle,
        field: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop> {
        let (object, shared, scratch) = self.parts(h)?;
        object.field(&shared.store, field, scratch, read)
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

    fn set_deadline(&mut self, deadline: &Deadline) {
        self.deadline.clone_from(deadline);
    }

    fn now_ms(&self) -> i64 {
        self.now_unix_ms() as i64
    }

    fn utc_offset_s(&self, unix_s: i64) -> i32 {
        self.shared.clock.utc_offset_s(unix_s)
    }

    fn zone_name(&self, unix_s: i64) -> String {
        self.shared.clock.zone_name(unix_s)
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
        self.disk.has_read(key.hash);
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
            self.deadline.check()?;
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
        let questions = peers::questions(requests)
            .map_err(|peers::Malformed| Stop::Misuse("malformed peer request"))?;
        self.commit().map_err(|error| match error {
            CommitError::Gone => Stop::Conflict,
            CommitError::TooLarge => Stop::Limit("out of memory storing object".to_owned()),
        })?;
        self.forget_items();
        self.restartable = false;
        self.lockless = false;
        let mut hit = |question, key: &[u8], value: &[u8]| {
            peers::push_hit(out, question, key, value);
        };
        let answered = self.shared.peers.get(&questions, &mut hit);
        self.objects[..self.used]
            .iter_mut()
            .for_each(Object::forget);
        self.now = self.shared.clock.now();
        self.lock();
        answered.map_err(Stop::Limit)
    }
}
