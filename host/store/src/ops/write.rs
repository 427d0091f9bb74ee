//! Writing items: set in all its modes, arithmetic, delete.

use crate::item::draft::Draft;
use crate::item::{Item, KEY_BYTES_MAX, flag};
use crate::memory::alloc::Plan;
use crate::ops::read::seconds;
use crate::shard::{Found, Leave, Locked, Room, Spare};
use crate::{Content, DeleteOptions, DeleteOutcome, Key, Now, SetMode, SetOutcome, Store, Write};

impl Store {
    /// Writes a whole value. See [`SetOutcome`].
    pub fn set(&self, key: Key<'_>, now: Now, write: &Write<'_>) -> SetOutcome {
        self.note(now);
        if key.bytes.is_empty() || key.bytes.len() > KEY_BYTES_MAX {
            return SetOutcome::TooLarge;
        }
        let draft = new_draft(key, write);
        if write.value.len() > self.item_bytes_max || !self.can_ever_hold(&draft.plan()) {
            return self.refuse(key, now, write, SetOutcome::TooLarge);
        }
        let done = self.with_room(key.hash, |locked, spare| {
            locked.set(key, now, write, draft, spare)
        });
        done.unwrap_or_else(|_| {
            let outcome = match write.mode {
                SetMode::Append | SetMode::Prepend => SetOutcome::NotStored,
                _ => SetOutcome::TooLarge,
            };
            self.refuse(key, now, write, outcome)
        })
    }

    /// Ends a write whose value can't be kept. Only a plain set says that the old value is not current any more; a
    /// write that adds to the value, or has a condition, keeps it when nothing comes of that.
    #[cold]
    fn refuse(&self, key: Key<'_>, now: Now, write: &Write<'_>, outcome: SetOutcome) -> SetOutcome {
        match write.mode {
            SetMode::Set if write.cas_compare.is_none() => self.refuse_set(key, now),
            _ => outcome,
        }
    }

    /// Ends a plain set whose value can't be kept: the one before it must not be served as if it were current.
    pub(super) fn refuse_set(&self, key: Key<'_>, now: Now) -> SetOutcome {
        let mut locked = self.lock(key.hash);
        match locked.find(key, now) {
            Some(found) if found.item.has(flag::OBJECT) => return SetOutcome::IsObject,
            Some(found) => locked.remove(key.hash, found, Leave::Deleted),
            None => locked.tell_deleted(key.bytes),
        }
        SetOutcome::TooLarge
    }

    /// Deletes an item or an object, or marks an item stale.
    pub fn delete(&self, key: Key<'_>, now: Now, options: &DeleteOptions) -> DeleteOutcome {
        self.note(now);
        let done = self.with_room(key.hash, |locked, spare| {
            let Some(found) = locked.find(key, now) else {
                locked.tell_deleted(key.bytes);
                return Ok(DeleteOutcome::NotFound);
            };
            if options.cas_compare.is_some() && options.cas_compare != found.item.cas() {
                return Ok(DeleteOutcome::Exists);
            }
            // An object has no stale state or empty value that its type would understand.
            if !(options.mark_stale || options.drop_value) || found.item.has(flag::OBJECT) {
                locked.remove(key.hash, found, Leave::Deleted);
                return Ok(DeleteOutcome::Done);
            }
            locked
                .mark_stale(found, options, spare)
                .map(|()| DeleteOutcome::Done)
        });
        done.unwrap_or_else(|_| {
            self.delete(
                key,
                now,
                &DeleteOptions {
                    cas_compare: options.cas_compare,
                    ..Default::default()
                },
            )
        })
    }
}

/// The item `write` makes, its CAS decided later (0).
fn new_draft<'a>(key: Key<'a>, write: &Write<'_>) -> Draft<'a> {
    Draft {
        key: key.bytes,
        value_len: write.value.len(),
        client_flags: write.flags,
        expiry: seconds(write.expiry),
        cas: (write.want_cas || write.cas_override.is_some()).then_some(0),
        marks: 0,
    }
}

/// Marks that belong to a value, not to its key.
const OLD_MARKS: u64 = flag::STALE | flag::TOKEN_SENT | flag::FETCHED;

impl<'a> Locked<'a> {
    fn set(
        &mut self,
        key: Key<'_>,
        now: Now,
        write: &Write<'_>,
        mut draft: Draft<'_>,
        spare: &mut Spare,
    ) -> Result<SetOutcome, Room> {
        let found = self.find(key, now);
        if found.is_some_and(|found| found.item.has(flag::OBJECT)) {
            return Ok(SetOutcome::IsObject);
        }
        if let Some(token) = write.cas_compare {
            let Some(found) = found else {
                // Appending needs an item in any case, and has an outcome of its own without one.
                return Ok(match write.mode {
                    SetMode::Set | SetMode::Replace => SetOutcome::NotFound,
                    _ => SetOutcome::NotStored,
                });
            };
            let current = found.item.cas();
            if current != Some(token) {
                // An item without a token was written after any token was given, so it is the newest.
                let older = current.is_none_or(|current| token < current);
                let whole = matches!(write.mode, SetMode::Set | SetMode::Replace);
                if !(write.stale_if_older && older && whole) {
                    return Ok(SetOutcome::Exists);
                }
                // The value is new, but its key stays as stale, as long-lived and as promised as it was.
                draft.expiry = found.item.expiry();
                draft.marks = flag::STALE | (found.item.marks() & flag::TOKEN_SENT);
            }
        }
        match (write.mode, found) {
            (SetMode::Add, Some(found)) => {
                self.bump(&found.item);
                Ok(SetOutcome::NotStored)
            }
            (SetMode::Replace, None) => Ok(SetOutcome::NotStored),
            (SetMode::Append | SetMode::Prepend, Some(found)) => self.extend(found, write, spare),
            (SetMode::Append | SetMode::Prepend, None) => {
                let Some(expiry) = write.vivify else {
                    return Ok(SetOutcome::NotStored);
                };
                draft.expiry = seconds(expiry);
                self.store_new(key, &draft, write, spare)
            }
            (_, None) => self.store_new(key, &draft, write, spare),
            (_, Some(found)) => self.overwrite(key, found, &draft, write, spare),
        }
    }

    // Inlined, as a set costs little more than the call.
    #[inline(always)]
    pub(super) fn store_new(
        &mut self,
        key: Key<'_>,
        draft: &Draft<'_>,
        write: &Write<'_>,
        spare: &mut Spare,
    ) -> Result<SetOutcome, Room> {
        let (item, mut value) = self.create(key.hash, draft, spare)?;
        value.write(write.value);
        Ok(self.stored(&item, write.cas_override))
    }

    #[inline(always)]
    pub(super) fn overwrite(
        &mut self,
        key: Key<'_>,
        found: Found<'a>,
        draft: &Draft<'_>,
        write: &Write<'_>,
        spare: &mut Spare,
    ) -> Result<SetOutcome, Room> {
        let plan = draft.plan();
        let mut item = found.item;
        if item.holds(&plan) && !self.store.is_pinned(&item) {
            self.shard.counters.payload += write.value.len() as u64;
            self.shard.counters.payload -= item.value_len() as u64;
            item.reshape(&plan);
            draft.refill(&self.store.arena, &item).write(write.value);
            self.bump(&item);
            self.note_expiry(&item);
            self.shard.counters.total_items += 1;
            return Ok(self.stored(&item, write.cas_override));
        }
        match self.allocate(&plan, spare) {
            Ok(chain) => {
                let (item, mut value) = draft.write(&self.store.arena, chain);
                value.write(write.value);
                self.replace(found, &item, false);
                self.shard.counters.total_items += 1;
                Ok(self.stored(&item, write.cas_override))
            }
            Err(room) if write.cas_compare.is_some() || write.mode == SetMode::Replace => {
                // The next try must still find what it compares with.
                self.bump(&found.item);
                Err(room)
            }
            Err(_) => {
                // The old value is worth less than any other item: it makes room first.
                self.remove(key.hash, found, Leave::Deleted);
                self.store_new(key, draft, write, spare)
            }
        }
    }

    /// Append and prepend.
    fn extend(
        &mut self,
        found: Found<'a>,
        write: &Write<'_>,
        spare: &mut Spare,
    ) -> Result<SetOutcome, Room> {
        let mut buffer = [0; KEY_BYTES_MAX];
        let mut item = found.item;
        let tick = self.bump(&item);
        let mut draft = item.draft(&mut buffer);
        // What was said of the old value does not hold for the longer one.
        draft.marks &= !OLD_MARKS;
        let old_len = draft.value_len;
        draft.value_len += write.value.len();
        if draft.value_len > self.store.item_bytes_max || !self.store.can_ever_hold(&draft.plan()) {
            return Ok(SetOutcome::NotStored);
        }
        if (write.want_cas || write.cas_override.is_some()) && draft.cas.is_none() {
            draft.cas = Some(0);
        }
        let plan = draft.plan();
        let in_place = item.holds_longer(&plan) && !self.store.is_pinned(&item);
        if write.mode == SetMode::Append && in_place {
            let mut end = item.value();
            end.skip(old_len);
            end.write(write.value);
            item.set_value_len(&plan, draft.value_len);
            self.shard.counters.payload += write.value.len() as u64;
            return Ok(self.extended(&item, write, old_len));
        }
        // Old and new are there together for a moment: no item need leave if there can't be room for both.
        let both = Plan {
            stream: plan.stream + item.footprint(),
            ..plan
        };
        if !self.store.can_ever_hold(&both) {
            return Ok(SetOutcome::NotStored);
        }
        let chain = self.allocate(&plan, spare);
        let chain = chain.map_err(|room| room.sparing(tick))?;
        let (copy, mut value) = draft.write(&self.store.arena, chain);
        if write.mode == SetMode::Prepend {
            value.write(write.value);
        }
        value.copy(&mut item.value(), old_len);
        if write.mode == SetMode::Append {
            value.write(write.value);
        }
        self.replace(found, &copy, false);
        Ok(self.extended(&copy, write, old_len))
    }

    /// Gives an item with a new value its token, if it has one, and tells of it.
    pub(crate) fn stored(&mut self, item: &Item<'_>, cas: Option<u64>) -> SetOutcome {
        let cas = self.renew_cas(item, cas);
        self.tell_stored(item, None);
        SetOutcome::Stored {
            cas,
            len: item.value_len() as u32,
        }
    }

    /// As `stored`, of a value that was `old_len` bytes long.
    fn extended(&mut self, item: &Item<'_>, write: &Write<'_>, old_len: usize) -> SetOutcome {
        let cas = self.renew_cas(item, write.cas_override);
        // What is put before a value is told with the whole of it: put in again it would be there twice.
        let appended = (write.mode == SetMode::Append).then_some(Content::Appended {
            at: old_len as u32,
            bytes: write.value,
        });
        self.tell_stored(item, appended);
        SetOutcome::Stored {
            cas,
            len: item.value_len() as u32,
        }
    }

    pub(super) fn renew_cas(&mut self, item: &Item<'_>, cas: Option<u64>) -> u64 {
        if !item.has(flag::CAS) {
            return 0;
        }
        let cas = cas.unwrap_or_else(|| self.take_tick());
        item.set_cas(cas);
        cas
    }

    fn mark_stale(
        &mut self,
        found: Found<'a>,
        options: &DeleteOptions,
        spare: &mut Spare,
    ) -> Result<(), Room> {
        let mut buffer = [0; KEY_BYTES_MAX];
        let mut draft = found.item.draft(&mut buffer);
        if let Some(expiry) = options.touch {
            draft.expiry = seconds(expiry);
        }
        if options.mark_stale {
            draft.marks = draft.marks & !flag::TOKEN_SENT | flag::STALE;
        }
        draft.cas = Some(0);
        if options.drop_value {
            draft.value_len = 0;
            draft.client_flags = 0;
        }
        let chain = self.allocate(&draft.plan(), spare)?;
        let (copy, mut value) = draft.write(&self.store.arena, chain);
        value.copy(&mut found.item.value(), draft.value_len);
        self.renew_cas(&copy, options.cas_override);
        self.replace(found, &copy, true);
        let content = (!options.drop_value).then_some(Content::Same);
        self.tell_stored(&copy, content);
        Ok(())
    }
}
