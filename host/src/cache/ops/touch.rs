//! Setting an item's expiry: `touch`, in text and binary.

use super::Ops;
use crate::store::{DeleteOutcome, Expiry, GetOptions, Key};

impl Ops {
    /// Gives an item or an object a new expiry; false when there is none.
    pub(in crate::cache) fn touch(&self, key: Key<'_>, expiry: Expiry) -> bool {
        self.counters.cmd_touch.add_alone(1);
        self.watch_fetch(key);
        let found = self.shared.store.touch(key, self.now, expiry) == DeleteOutcome::Done;
        self.disk.has_read(key.hash);
        match found {
            true => &self.counters.touch_hits,
            false => &self.counters.touch_misses,
        }
        .add_alone(1);
        found
    }

    /// Client flags and CAS token of an item that was just touched; zero when it is gone again.
    pub(in crate::cache) fn token_of(&self, key: Key<'_>) -> (u32, u64) {
        let options = GetOptions {
            want_cas: true,
            no_bump: true,
            ..GetOptions::default()
        };
        let shown = self
            .shared
            .store
            .get(key, self.now, &options, |info, _| (info.flags, info.cas));
        shown.unwrap_or_default()
    }
}
