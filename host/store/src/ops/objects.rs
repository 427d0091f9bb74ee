//! Reading objects: keyed fields behind a version.
//!
//! A small object is an item marked `OBJECT` whose value is the blob of its fields; a large one is marked `FLAGGED` too
//! and its value is the root of its tree. The CAS of either is its version.

use crate::fields::{SmallRef, Tree};
use crate::item::{Item, flag};
use crate::memory::nodes::Reader;
use crate::shard::{Found, ValueRef};
use crate::{Gone, Key, Now, ObjectInfo, Place, PlainItem, Store, Version};

/// The version of an object; 0 is that of a plain item without a CAS.
pub(crate) fn version(item: &Item<'_>) -> Version {
    Version(item.cas().unwrap_or(0))
}

/// Bytes of names and values visited by one call of `object_scan`.
const SCAN_BYTES: usize = 16 << 10;

impl Store {
    /// Opens the object `key`. When its state is small (at most `SMALL_BYTES_MAX`) it is appended to `state`
    /// in the encoding of `fields::Small` and `loaded` is true. A plain item under that name is reported by `Err` with
    /// its length (the caller decides what that means). Counts as an access in the LRU.
    ///
    /// # Errors
    /// When a plain item has that name.
    // Always inlined: the result is put together where it is used, as with `find`.
    #[inline(always)]
    pub fn object_open(
        &self,
        key: Key<'_>,
        now: Now,
        state: &mut Vec<u8>,
    ) -> Result<Option<ObjectInfo>, PlainItem> {
        self.note(now);
        let mut locked = self.lock(key.hash);
        let Some(Found { slot, mut item }) = locked.find(key, now) else {
            return Ok(None);
        };
        if !item.has(flag::OBJECT) {
            return Err(PlainItem {
                len: item.value_len(),
            });
        }
        item.mark(flag::FETCHED, 0);
        locked.bump(&item);
        let loaded = !item.is_tree();
        let fields = if loaded {
            let start = state.len();
            ValueRef::of(&item).append_to(state);
            SmallRef::trusted(&state[start..]).count() as u64
        } else {
            item.tree().count()
        };
        Ok(Some(ObjectInfo {
            version: version(&item),
            fields,
            expiry: item.lifetime(),
            loaded,
            place: Place {
                slot: slot.number(),
                addr: item.addr(),
                len: item.value_len(),
                tick: item.tick(),
            },
        }))
    }

    /// A field of a large object; appends the value to `out`; `Ok(None)` when absent.
    ///
    /// # Errors
    /// When the object is no longer the one of `version`.
    pub fn object_field(
        &self,
        key: Key<'_>,
        version: Version,
        field: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Gone> {
        self.with_tree(key, version, |tree| tree.get(&Reader(self), field, out))
    }

    /// Some fields of a large object in order, from `from` on (`after`: excluding it; `reverse`: descending, an
    /// empty `from` means the last one). Visits until `visit` returns false or about 16 KiB were visited; the
    /// caller goes on after the last key it saw. Returns false when the end was reached.
    ///
    /// # Errors
    /// When the object is no longer the one of `version`.
    pub fn object_scan(
        &self,
        key: Key<'_>,
        version: Version,
        from: &[u8],
        after: bool,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, Gone> {
        self.with_tree(key, version, |tree| {
            tree.scan(&Reader(self), from, after, reverse, SCAN_BYTES, visit)
        })
    }

    /// The opaque value of a large object; appends to `out`.
    ///
    /// # Errors
    /// When the object is no longer the one of `version`.
    pub fn object_value(
        &self,
        key: Key<'_>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Gone> {
        self.with_tree(key, version, |tree| tree.value(&Reader(self), out))
    }

    fn with_tree<R>(
        &self,
        key: Key<'_>,
        version: Version,
        read: impl FnOnce(&Tree) -> R,
    ) -> Result<R, Gone> {
        let mut locked = self.lock(key.hash);
        let now = Now {
            unix_s: self.clock.now_s(),
            millis: 0,
        };
        let found = locked.find(key, now).ok_or(Gone)?;
        if !found.item.is_tree() || found.item.cas() != Some(version.0) {
            return Err(Gone);
        }
        Ok(read(&found.item.tree()))
    }
}
