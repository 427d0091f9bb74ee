//! Storing a value: `set` and its kin, `ms`, and the binary requests with a value.

use super::Ops;
use crate::cache::detail::Event;
use crate::store::{DeleteOptions, Expiry, Key, SetMode, SetOutcome, Upload, Write};

/// What watchers and counters are told of a write, beside its key.
struct Told {
    command: &'static str,
    expiry: Expiry,
    /// Length of the client's data in bytes.
    len: usize,
    /// Whether the write counts among those that compare a CAS token. As in memcached, appending does not.
    counts_cas: bool,
}

/// The storing command by memcached's name.
fn command_name(mode: SetMode, compares: bool) -> &'static str {
    match mode {
        SetMode::Set | SetMode::Replace if compares => "cas",
        SetMode::Set => "set",
        SetMode::Add => "add",
        SetMode::Replace => "replace",
        SetMode::Append => "append",
        SetMode::Prepend => "prepend",
    }
}

/// Whether a write depends on what is there: such a write cannot be a call.
pub(in crate::cache) fn is_conditional(mode: SetMode, compares: bool) -> bool {
    mode != SetMode::Set || compares
}

impl Ops {
    /// Stores a value.
    #[inline]
    pub(in crate::cache) fn set(&self, key: Key<'_>, write: &Write<'_>) -> SetOutcome {
        let compares = write.cas_compare.is_some();
        let adds_to = matches!(write.mode, SetMode::Append | SetMode::Prepend);
        let told = Told {
            command: command_name(write.mode, compares),
            expiry: write.expiry,
            len: write.value.len(),
            counts_cas: compares && !adds_to,
        };
        self.store(key, &told, || self.shared.store.set(key, self.now, write))
    }

    /// Stores a value that is in the store's memory already. `Err` is the length of a value for which there was no
    /// room.
    pub(in crate::cache) fn publish(
        &self,
        key: Key<'_>,
        expiry: Expiry,
        value: Result<Upload, usize>,
    ) -> SetOutcome {
        let told = Told {
            command: "set",
            expiry,
            len: value.as_ref().map_or_else(|len| *len, Upload::len),
            counts_cas: false,
        };
        self.store(key, &told, || match value {
            Ok(value) => value.publish(self.now),
            Err(_) => self.shared.store.refuse_upload(key, self.now),
        })
    }

    #[inline(always)]
    fn store(&self, key: Key<'_>, told: &Told, write: impl FnOnce() -> SetOutcome) -> SetOutcome {
        self.count_set(key.bytes);
        if self.shared.is_object_name(key.bytes) {
            return SetOutcome::IsObject;
        }
        self.watch_fetch(key);
        let outcome = write();
        self.disk.has_read(key.hash);
        self.watch_store(key.bytes, told.command, outcome, (told.expiry, told.len));
        if told.counts_cas {
            self.count_cas(outcome);
        }
        if outcome == SetOutcome::TooLarge {
            self.counters.store_no_memory.add_alone(1);
        }
        outcome
    }

    /// Counts a storing command.
    #[inline]
    pub(in crate::cache) fn count_set(&self, key: &[u8]) {
        self.counters.cmd_set.add_alone(1);
        self.shared.detail.note(key, Event::Set);
    }

    fn count_cas(&self, outcome: SetOutcome) {
        match outcome {
            SetOutcome::Stored { .. } => &self.counters.cas_hits,
            SetOutcome::Exists => &self.counters.cas_badval,
            SetOutcome::NotFound => &self.counters.cas_misses,
            _ => return,
        }
        .add_alone(1);
    }

    /// Refuses a storing command on a virtual key that is no call.
    pub(in crate::cache) fn refuse_call(&self, key: &[u8]) {
        self.count_set(key);
    }

    /// Refuses a value over the limit. With `drop_old` the old value goes: it must not be taken for the new one.
    pub(in crate::cache) fn refuse_value(&self, key: &[u8], drop_old: bool) {
        self.counters.store_too_large.add_alone(1);
        self.shared.detail.note(key, Event::Set);
        if drop_old && !self.shared.is_object_name(key) {
            self.watch_too_large(key);
            let key = self.key(key);
            self.watch_fetch(key);
            self.shared
                .store
                .delete(key, self.now, &DeleteOptions::default());
        }
    }
}
