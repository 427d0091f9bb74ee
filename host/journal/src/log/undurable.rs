//! Which keys may have a change that is not on disk yet.
//!
//! Somebody who reads such a key must not be answered before its change is on disk: what he was shown could be lost.
//! So each key has one of 65,536 places, by its hash, where the tick of the last change stands. Keys that share a place
//! wait for each other sometimes, and nothing else is wrong with that.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The store's hash of a key.
pub type KeyHash = Box<dyn Fn(&[u8]) -> u64 + Send + Sync>;

const PLACES: usize = 1 << 16;

/// The ticks of changes that may not be on disk.
pub(crate) struct Undurable {
    hash: KeyHash,
    /// Turns that have told changes which are not on disk. While there are none, nothing else is looked at.
    turns: AtomicU64,
    /// Tick of the last change of all keys.
    all: AtomicU64,
    places: Box<[AtomicU64]>,
}

impl fmt::Debug for Undurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undurable")
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

impl Undurable {
    pub(crate) fn new(hash: KeyHash) -> Undurable {
        Undurable {
            hash,
            turns: AtomicU64::new(0),
            all: AtomicU64::new(0),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A turn is about to tell its first change.
    pub(crate) fn turn_writes(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// All changes of so many turns are on disk, or given up.
    pub(crate) fn turns_done(&self, turns: u64) {
        self.turns.fetch_sub(turns, Relaxed);
    }

    /// The key, or each key, has a change with this tick. Called under the lock of the key.
    pub(crate) fn written(&self, key: Option<&[u8]>, tick: u64) {
        let place = match key {
            Some(key) => self.place((self.hash)(key)),
            None => &self.all,
        };
        place.fetch_max(tick, Relaxed);
    }

    /// The tick of a change that whoever has just read a key must wait for, given that all changes below `durable` are
    /// on disk. The reader had the lock of the key, so it sees what the writer did under that lock.
    #[inline]
    pub(crate) fn must_wait_for(&self, hash: u64, durable: impl FnOnce() -> u64) -> Option<u64> {
        if self.turns.load(Relaxed) == 0 {
            return None;
        }
        let tick = self.place(hash).load(Relaxed).max(self.all.load(Relaxed));
        (tick >= durable()).then_some(tick)
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.places[hash as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_and_is_not_on_disk_is_waited_for() {
        let undurable = Undurable::new(Box::new(|key| u64::from(key[0])));
        let wait = |key: u8, durable| undurable.must_wait_for(key.into(), || durable);
        undurable.turn_writes();
        undurable.written(Some(b"a"), 7);
        undurable.written(Some(b"a"), 5);
        assert_eq!(wait(b'a', 7), Some(7));
        assert_eq!(wait(b'a', 8), None);
        assert_eq!(wait(b'b', 1), None);
        undurable.written(None, 9);
        assert_eq!(wait(b'b', 9), Some(9));
        undurable.turns_done(1);
        assert_eq!(wait(b'a', 1), None);
    }
}
