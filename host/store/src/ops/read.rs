//! Reading items: get in all its meta forms, and touch.

use crate::item::draft::Draft;
use crate::item::{Item, flag};
use crate::shard::{Found, Locked, Room, Spare, ValueRef};
use crate::{Content, DeleteOutcome, Expiry, GetOptions, ItemInfo, Key, Now, Store};

/// Seconds at which an item expires, rounded up. `u32::MAX` would mean never.
#[inline]
pub(crate) fn seconds(expiry: Expiry) -> Option<u32> {
    expiry.0.map(|ms| {
        u32::try_from(ms.div_ceil(1000))
            .unwrap_or(u32::MAX)
            .min(u32::MAX - 1)
    })
}

impl Store {
    /// Reads an item: `found` gets the info and a value that can be copied out piece by piece, under the lock.
    /// `None` on a miss (with `vivify`, a fresh empty item counts as found with `won`).
    pub fn get<R>(
        &self,
        key: Key<'_>,
        now: Now,
        options: &GetOptions,
        found: impl FnOnce(&ItemInfo, ValueRef<'_>) -> R,
    ) -> Option<R> {
        self.note(now);
        if options.want_cas || options.touch.is_some() || options.vivify.is_some() {
            return self.get_changing(key, now, options, found);
        }
        let mut locked = self.lock(key.hash);
        let hit = locked.find(key, now)?;
        let info = locked.access(hit.item, now, options);
        let result = found(&info, ValueRef::of(&hit.item));
        // Told at the end: told before `found`, it would have everything read first, also what `found` does not need.
        if info.won {
            locked.tell_stored(&hit.item, Some(Content::Same));
        }
        Some(result)
    }

    /// A get that may have to move the item, or to make one.
    fn get_changing<R>(
        &self,
        key: Key<'_>,
        now: Now,
        options: &GetOptions,
        found: impl FnOnce(&ItemInfo, ValueRef<'_>) -> R,
    ) -> Option<R> {
        let mut found = Some(found);
        let mut answer = |info: &ItemInfo, item: &Item<'_>| {
            let found = found.take();
            found.map(|found| found(info, ValueRef::of(item)))
        };
        let done = self.with_room(key.hash, |locked, spare| {
            let Some(hit) = locked.find(key, now) else {
                let Some(expiry) = options.vivify else {
                    return Ok(None);
                };
                let (info, item) = locked.vivify(key, expiry, options, spare)?;
                return Ok(answer(&info, &item));
            };
            let before = hit.item.lifetime();
            let changes = options.touch.is_some() || options.want_cas && !hit.item.has(flag::CAS);
            let item = locked.refit(hit, options.want_cas, options.touch, spare)?;
            if options.touch.is_some() {
                locked.note_touch(&item);
            }
            let info = ItemInfo {
                expiry_before: before,
                ..locked.access(item, now, options)
            };
            let result = answer(&info, &item);
            if changes || info.won {
                locked.tell_stored(&item, Some(Content::Same));
            }
            Ok(result)
        });
        match done {
            Ok(result) => result,
            // No memory for a CAS token or an expiry: the item is served as it is.
            Err(_) => {
                let mut locked = self.lock(key.hash);
                let hit = locked.find(key, now)?;
                let info = locked.access(hit.item, now, options);
                let result = answer(&info, &hit.item);
                if info.won {
                    locked.tell_stored(&hit.item, Some(Content::Same));
                }
                result
            }
        }
    }

    /// Sets a new expiry of an item or an object.
    pub fn touch(&self, key: Key<'_>, now: Now, expiry: Expiry) -> DeleteOutcome {
        self.note(now);
        let done = self.with_room(key.hash, |locked, spare| {
            let Some(hit) = locked.find(key, now) else {
                return Ok(DeleteOutcome::NotFound);
            };
            let tick = locked.bump(&hit.item);
            let mut hit = hit;
            hit.item.mark(flag::FETCHED, 0);
            // The item itself is not the one to leave when room must be made for its expiry.
            let item = locked.refit(hit, false, Some(expiry), spare);
            let item = item.map_err(|room| room.sparing(tick))?;
            locked.note_touch(&item);
            locked.tell_stored(&item, Some(Content::Same));
            Ok(DeleteOutcome::Done)
        });
        done.unwrap_or(DeleteOutcome::NotFound)
    }
}

impl<'a> Locked<'a> {
    /// What a reader sees of an item, its idle time excepted. Inlined, since most readers look at little of it.
    #[inline(always)]
    pub(crate) fn info(&self, item: &Item<'_>) -> ItemInfo {
        let expiry = item.lifetime();
        ItemInfo {
            flags: if item.has(flag::OBJECT) {
                0
            } else {
                item.client_flags()
            },
            len: item.value_len() as u32,
            expiry,
            expiry_before: expiry,
            cas: item.cas().unwrap_or(0),
            fetched: item.has(flag::FETCHED),
            idle_s: 0,
            stale: item.has(flag::STALE),
            won: false,
            token_sent: item.has(flag::TOKEN_SENT),
            object: item.has(flag::OBJECT),
        }
    }

    /// Seconds since the last access.
    #[inline]
    pub(crate) fn idle_s(&self, item: &Item<'_>) -> u32 {
        self.store.clock.idle_s(item.tick(), self.present())
    }

    /// Counts a get and decides who recaches; the caller tells listeners of that when it has read what it needs.
    /// Inlined, since a plain get leaves little of it.
    #[inline(always)]
    fn access(&mut self, mut item: Item<'a>, now: Now, options: &GetOptions) -> ItemInfo {
        let mut info = self.info(&item);
        if options.want_idle {
            info.idle_s = self.idle_s(&item);
        }
        if !options.no_bump {
            item.mark(flag::FETCHED, 0);
            self.bump(&item);
        }
        let ending = options.recache_below_s.is_some_and(|below| {
            item.expiry()
                .is_some_and(|expiry| expiry.saturating_sub(now.unix_s) < below)
        });
        // An item vivified or stale is offered to one client; the others learn that it was.
        let stale = info.stale && options.may_win;
        if (ending || stale) && !info.token_sent {
            item.mark(flag::TOKEN_SENT, 0);
            info.won = true;
        }
        info
    }

    fn vivify(
        &mut self,
        key: Key<'_>,
        expiry: Expiry,
        options: &GetOptions,
        spare: &mut Spare,
    ) -> Result<(ItemInfo, Item<'a>), Room> {
        let draft = Draft {
            key: key.bytes,
            value_len: 0,
            client_flags: 0,
            expiry: seconds(expiry),
            cas: Some(options.cas_override.unwrap_or(0))
                .filter(|_| options.want_cas || options.cas_override.is_some()),
            marks: match options.no_bump {
                true => flag::TOKEN_SENT,
                false => flag::TOKEN_SENT | flag::FETCHED,
            },
        };
        let (item, _) = self.create(key.hash, &draft, spare)?;
        if item.cas() == Some(0) {
            item.set_cas(self.take_tick());
        }
        self.tell_stored(&item, None);
        let info = ItemInfo {
            won: true,
            token_sent: false,
            fetched: false,
            ..self.info(&item)
        };
        Ok((info, item))
    }

    /// Allocates an item and makes it visible; the value is written by the caller, under the lock still held.
    pub(super) fn create(
        &mut self,
        hash: u64,
        draft: &Draft<'_>,
        spare: &mut Spare,
    ) -> Result<(Item<'a>, crate::item::stream::Stream<'a>), Room> {
        let slot = self.vacancy(hash, spare)?;
        let chain = self.allocate(&draft.plan(), spare)?;
        let (item, value) = draft.write(&self.store.arena, chain);
        self.insert(hash, slot, &item);
        Ok((item, value))
    }

    /// Gives an item a CAS token, if `cas` and it has none, and an expiry; moves the item only if it has no place for
    /// them.
    pub(super) fn refit(
        &mut self,
        found: Found<'a>,
        cas: bool,
        expiry: Option<Expiry>,
        spare: &mut Spare,
    ) -> Result<Item<'a>, Room> {
        let item = found.item;
        let seconds = expiry.map_or(item.expiry(), seconds);
        let fits = (!cas || item.has(flag::CAS)) && seconds.is_some() == item.expiry().is_some();
        if fits {
            self.change_expiry(&item, expiry);
            return Ok(item);
        }
        let mut buffer = [0; crate::item::KEY_BYTES_MAX];
        let mut draft = item.draft(&mut buffer);
        draft.expiry = seconds;
        if cas && draft.cas.is_none() {
            draft.cas = Some(0);
        }
        let chain = self.allocate(&draft.plan(), spare)?;
        let (copy, mut value) = draft.write(&self.store.arena, chain);
        value.copy(&mut item.value(), item.value_len());
        if copy.cas() == Some(0) {
            copy.set_cas(self.take_tick());
        }
        self.replace(found, &copy, true);
        Ok(copy)
    }

    /// Renews the version of an object that was touched: a call that is under way must not put the old expiry back.
    fn note_touch(&mut self, item: &Item<'_>) {
        if item.has(flag::OBJECT) {
            self.renew_cas(item, None);
        }
    }

    /// Changes an item's expiry, if one is given: the item has one before and after, or neither time.
    #[inline]
    pub(super) fn change_expiry(&mut self, item: &Item<'a>, expiry: Option<Expiry>) {
        if let Some(expiry) = expiry.and_then(seconds) {
            item.set_expiry(expiry);
            self.note_expiry(item);
        }
    }
}
