//! Which objects are in use by a call: striped reader-writer locks over object names.
//!
//! A call locks its own object before it starts. Another object opened on the way joins by
//! try-lock; when that fails the call gives everything up and starts again with the larger
//! set, taken in stripe order, so that no two calls can wait for each other.

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::store::prefetch_for_writing;

/// Stripes: more means fewer objects that wait for each other by accident. 8 bytes each.
const STRIPES: usize = 4096;
/// Tries before a worker gives a contended call to a lane; a call takes about a microsecond.
const SPINS: usize = 200;

/// All stripes of a server. They live as long as the process, so that guards can be kept with what they guard.
#[derive(Debug)]
pub(in crate::cache) struct ObjectLocks {
    stripes: &'static [RwLock<()>],
}

#[expect(dead_code, reason = "held for its drop")]
enum Guard {
    Shared(RwLockReadGuard<'static, ()>),
    Exclusive(RwLockWriteGuard<'static, ()>),
}

/// The stripes one call holds, all shared or all exclusive.
#[derive(Default)]
pub(super) struct LockSet {
    exclusive: bool,
    held: Vec<(usize, Guard)>,
    /// Stripes to take at the next start of this call, beside its own.
    wanted: Vec<usize>,
}

impl std::fmt::Debug for LockSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockSet")
            .field("exclusive", &self.exclusive)
            .field("held", &self.held.len())
            .finish()
    }
}

impl ObjectLocks {
    pub(in crate::cache) fn new() -> ObjectLocks {
        ObjectLocks {
            stripes: Vec::leak((0..STRIPES).map(|_| RwLock::new(())).collect()),
        }
    }

    fn stripe(hash: u64) -> usize {
        // The store's shards and buckets use the low bits.
        (hash >> 40) as usize % STRIPES
    }

    /// Fetches the cache line of an object's lock, which nobody may have used for long.
    #[inline]
    pub(in crate::cache) fn prefetch(&self, hash: u64) {
        prefetch_for_writing(&self.stripes[ObjectLocks::stripe(hash)]);
    }

    fn try_lock(&self, stripe: usize, exclusive: bool) -> Option<Guard> {
        let lock = &self.stripes[stripe];
        if exclusive {
            lock.try_write().map(Guard::Exclusive)
        } else {
            lock.try_read().map(Guard::Shared)
        }
    }

    fn lock(&self, stripe: usize, exclusive: bool) -> Guard {
        let lock = &self.stripes[stripe];
        if exclusive {
            Guard::Exclusive(lock.write())
        } else {
            Guard::Shared(lock.read())
        }
    }
}

impl LockSet {
    /// Forgets what an earlier call wanted. Sets the mode of all locks to come, and wants the lock of the object `own`.
    #[inline]
    pub(super) fn begin(&mut self, exclusive: bool, own: u64) {
        self.release();
        self.wanted.clear();
        self.wanted.push(ObjectLocks::stripe(own));
        self.exclusive = exclusive;
    }

    /// Whether nobody holds any of the wanted locks.
    #[inline]
    pub(super) fn are_free(&self, locks: &ObjectLocks) -> bool {
        let mut wanted = self.wanted.iter();
        wanted.all(|stripe| !locks.stripes[*stripe].is_locked())
    }

    /// Whether the locks are held against all others: the call may write.
    #[inline]
    pub(super) fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Adds the object to what `acquire` takes.
    pub(super) fn want(&mut self, hash: u64) {
        let stripe = ObjectLocks::stripe(hash);
        if let Err(at) = self.wanted.binary_search(&stripe) {
            self.wanted.insert(at, stripe);
        }
    }

    /// Takes all wanted locks, in stripe order. False when others hold one and `may_wait` is not set; then none is
    /// held.
    pub(super) fn acquire(&mut self, locks: &ObjectLocks, may_wait: bool) -> bool {
        debug_assert!(
            self.held.is_empty(),
            "locks are taken in order, so all at once"
        );
        for i in 0..self.wanted.len() {
            let stripe = self.wanted[i];
            let guard = if may_wait {
                Some(locks.lock(stripe, self.exclusive))
            } else {
                (0..SPINS).find_map(|_| {
                    let guard = locks.try_lock(stripe, self.exclusive);
                    if guard.is_none() {
                        std::hint::spin_loop();
                    }
                    guard
                })
            };
            let Some(guard) = guard else {
                self.release();
                return false;
            };
            self.held.push((stripe, guard));
        }
        true
    }

    /// Lets a running call use one more object. False when another call has its lock: then it is among the wanted, and
    /// the call has to start again.
    pub(super) fn join(&mut self, locks: &ObjectLocks, hash: u64) -> bool {
        let stripe = ObjectLocks::stripe(hash);
        if self.held.iter().any(|(held, _)| *held == stripe) {
            return true;
        }
        self.want(hash);
        match locks.try_lock(stripe, self.exclusive) {
            Some(guard) => {
                self.held.push((stripe, guard));
                true
            }
            None => false,
        }
    }

    /// Gives all locks back; those wanted stay wanted.
    #[inline]
    pub(super) fn release(&mut self) {
        // Readers of one small object hold nothing.
        if !self.held.is_empty() {
            self.held.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 1 << 40;
    const B: u64 = 2 << 40;

    #[test]
    fn writers_exclude_each_other_and_readers() {
        let locks = ObjectLocks::new();
        let (mut writer, mut reader) = (LockSet::default(), LockSet::default());
        writer.begin(true, A);
        assert!(writer.acquire(&locks, false));
        reader.begin(false, A);
        assert!(!reader.acquire(&locks, false));
        writer.release();
        assert!(reader.acquire(&locks, false));
        assert!(!writer.acquire(&locks, false));
    }

    #[test]
    fn readers_share() {
        let locks = ObjectLocks::new();
        let mut sets = [LockSet::default(), LockSet::default()];
        for set in &mut sets {
            set.begin(false, A);
            assert!(set.acquire(&locks, false));
        }
    }

    #[test]
    fn crossing_calls_end_by_starting_again_with_both() {
        let locks = ObjectLocks::new();
        let (mut first, mut second) = (LockSet::default(), LockSet::default());
        for (set, object) in [(&mut first, A), (&mut second, B)] {
            set.begin(true, object);
            assert!(set.acquire(&locks, false));
        }
        assert!(!first.join(&locks, B));
        first.release();
        assert!(second.join(&locks, A));
        assert!(!first.acquire(&locks, false));
        second.release();
        assert!(first.acquire(&locks, false));
        assert_eq!(
            first.held.len(),
            2,
            "the object it could not join is now taken at the start"
        );
    }
}
