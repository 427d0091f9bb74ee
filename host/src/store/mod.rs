//! Bytes in memory: exact size, one true LRU, expiry. Knows neither clock nor socket nor wasm.
//!
//! All methods take `&self`; short locks inside, none held when a method returns. Closures
//! handed in run under a lock: they copy and decide, and never block.

mod api;
pub mod fields;

pub use api::*;

/// The store. Shared by all workers.
#[derive(Debug)]
pub struct Store {}

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl Store {
    /// An empty store; memory is touched as it fills.
    pub fn new(config: &Config) -> Store {
        todo!()
    }
    /// Hash of a key.
    pub fn hash(&self, key: &[u8]) -> u64 {
        todo!()
    }
    /// A key with its hash.
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        todo!()
    }
    /// Brings what `get` will need into the processor's cache, for a batch of keys. Changes nothing.
    pub fn prefetch(&self, hashes: &[u64]) {
        todo!()
    }
    /// Reads an item: `found` gets the info and a value that can be copied out piece by piece, under the lock.
    /// `None` on a miss (with `vivify`, a fresh empty item counts as found with `won`).
    pub fn get<R>(
        &self,
        key: Key<'_>,
        now: Now,
        options: &GetOptions,
        found: impl FnOnce(&ItemInfo, ValueRef<'_>) -> R,
    ) -> Option<R> {
        todo!()
    }
    /// Writes a whole value. See [`SetOutcome`].
    pub fn set(&self, key: Key<'_>, now: Now, write: &Write<'_>) -> SetOutcome {
        todo!()
    }
    /// Deletes, or marks stale. Objects too.
    pub fn delete(&self, key: Key<'_>, now: Now, options: &DeleteOptions) -> DeleteOutcome {
        todo!()
    }
    /// incr, decr, meta arithmetic.
    pub fn arith(&self, key: Key<'_>, now: Now, arith: &Arith) -> ArithOutcome {
        todo!()
    }
    /// Sets a new expiry. Objects too.
    pub fn touch(&self, key: Key<'_>, now: Now, expiry: Expiry) -> DeleteOutcome {
        todo!()
    }
    /// Everything stored before `at` stops existing at `at` (now or in the future; a later call replaces an earlier one).
    pub fn flush_all(&self, now: Now, at: Now) {
        todo!()
    }
    /// Removes some expired items, oldest expiry first, and other deferred work; at most about `budget` items. Returns how many it did.
    pub fn maintain(&self, now: Now, budget: usize) -> usize {
        todo!()
    }
    /// Changes the memory limit while serving; shrinking is finished by `maintain`.
    pub fn set_memory_limit(&self, bytes: usize) {
        todo!()
    }
    /// Evicts from the LRU tail until `bytes` of item memory were freed.
    pub fn evict(&self, bytes: usize) {
        todo!()
    }
    /// Visits live items (`cursor` 0 first, then what the last call returned, `None` at the end), a bounded number a call.
    pub fn scan(
        &self,
        now: Now,
        cursor: u64,
        visit: &mut dyn FnMut(&[u8], &ItemInfo, ValueRef<'_>),
    ) -> Option<u64> {
        todo!()
    }
    /// Counters.
    pub fn stats(&self) -> StoreStats {
        todo!()
    }

    // Objects. Called by transactions only.

    /// Opens the object `key`. When its state is small (at most `SMALL_BYTES_MAX`) it is appended to `state`
    /// in the encoding of `fields::Small` and `loaded` is true. A plain item under that name is reported by `Err` with
    /// its length (the caller decides what that means). Counts as an access in the LRU.
    pub fn object_open(
        &self,
        key: Key<'_>,
        now: Now,
        state: &mut Vec<u8>,
    ) -> Result<Option<ObjectInfo>, PlainItem> {
        todo!()
    }
    /// A field of a large object; appends the value to `out`; `Ok(None)` when absent.
    pub fn object_field(
        &self,
        key: Key<'_>,
        version: Version,
        field: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Gone> {
        todo!()
    }
    /// Some fields of a large object in order, from `from` on (`after`: excluding it; `reverse`: descending, an
    /// empty `from` means the last one). Visits until `visit` returns false or about 16 KiB were visited; the
    /// caller goes on after the last key it saw. Returns false when the end was reached.
    pub fn object_scan(
        &self,
        key: Key<'_>,
        version: Version,
        from: &[u8],
        after: bool,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, Gone> {
        todo!()
    }
    /// The opaque value of a large object; appends to `out`.
    pub fn object_value(
        &self,
        key: Key<'_>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Gone> {
        todo!()
    }
    /// Applies all changes, or none. Commits touching several keys are atomic to all other operations.
    pub fn commit(&self, now: Now, commits: &[Commit<'_>]) -> Result<(), CommitError> {
        todo!()
    }
}

/// Largest encoded state in bytes that `object_open` copies out whole and `Change::Small` takes.
pub const SMALL_BYTES_MAX: usize = 2048;

/// `object_open` found a plain item of this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainItem {
    /// Value length in bytes.
    pub len: usize,
}

/// A value under the lock.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    _lock: std::marker::PhantomData<&'a [u8]>,
}

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl ValueRef<'_> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// No bytes.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// Appends the value to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        todo!()
    }
}
