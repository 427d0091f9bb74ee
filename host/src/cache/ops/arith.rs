//! Counting on a decimal value: `incr`, `decr`, `ma`, and the binary requests of that kind.

use super::Ops;
use crate::stats::Stream;
use crate::store::{Arith, ArithOutcome, Key, SetOutcome};

impl Ops {
    /// Adds to or subtracts from a number.
    #[inline]
    pub(in crate::cache) fn arith(&self, key: Key<'_>, arith: &Arith) -> ArithOutcome {
        let is_object = || self.shared.is_object_name(key.bytes);
        // The store knows objects that are there. The name is looked at where it would become an item's, or be told.
        if (arith.vivify.is_some() || self.watched.contains(Stream::Fetchers)) && is_object() {
            return ArithOutcome::IsObject;
        }
        self.watch_fetch(key);
        let outcome = self.shared.store.arith(key, self.now, arith);
        self.disk.has_read(key.hash);
        if matches!(outcome, ArithOutcome::NotFound) && is_object() {
            return ArithOutcome::IsObject;
        }
        self.count_arith(arith.decrement, &outcome);
        if let ArithOutcome::Done {
            created: true,
            info,
            ..
        } = outcome
        {
            let stored = SetOutcome::Stored {
                cas: info.cas,
                len: info.len,
            };
            self.watch_store(key.bytes, "add", stored, (info.expiry, info.len as usize));
        }
        outcome
    }

    fn count_arith(&self, decrement: bool, outcome: &ArithOutcome) {
        let counters = &self.counters;
        match (decrement, outcome) {
            // A number that was made is neither hit nor miss.
            (_, ArithOutcome::Done { created: true, .. }) => return,
            (false, ArithOutcome::Done { .. }) => &counters.incr_hits,
            (false, ArithOutcome::NotFound) => &counters.incr_misses,
            (true, ArithOutcome::Done { .. }) => &counters.decr_hits,
            (true, ArithOutcome::NotFound) => &counters.decr_misses,
            _ => return,
        }
        .add_alone(1);
    }
}
