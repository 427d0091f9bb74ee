//! Arithmetic on decimal values.

use crate::item::draft::Draft;
use crate::item::stream::Stream;
use crate::item::{Item, KEY_BYTES_MAX, flag, number};
use crate::ops::read::seconds;
use crate::shard::{Found, Locked, Room, Spare};
use crate::{Arith, ArithOutcome, Expiry, ItemInfo, Key, Now, Store};

impl Store {
    /// Changes a number: incr, decr, meta arithmetic.
    pub fn arith(&self, key: Key<'_>, now: Now, arith: &Arith) -> ArithOutcome {
        self.note(now);
        if key.bytes.is_empty() || key.bytes.len() > KEY_BYTES_MAX {
            return ArithOutcome::NotFound;
        }
        let done = self.with_room(key.hash, |locked, spare| {
            locked.arith(key, now, arith, spare)
        });
        done.unwrap_or(ArithOutcome::TooLarge)
    }
}

impl<'a> Locked<'a> {
    fn arith(
        &mut self,
        key: Key<'_>,
        now: Now,
        arith: &Arith,
        spare: &mut Spare,
    ) -> Result<ArithOutcome, Room> {
        let Some(found) = self.find(key, now) else {
            let Some((number, expiry)) = arith.vivify else {
                return Ok(ArithOutcome::NotFound);
            };
            return self.create_number(key, number, expiry, arith, spare);
        };
        let item = found.item;
        if item.has(flag::OBJECT) {
            return Ok(ArithOutcome::IsObject);
        }
        if item.value_len() == 0 {
            return Ok(ArithOutcome::NonNumeric);
        }
        if arith.cas_compare.is_some() && arith.cas_compare != item.cas() {
            return Ok(ArithOutcome::Exists);
        }
        let Some(number) = number::read(&mut item.value(), item.value_len()) else {
            return Ok(ArithOutcome::NonNumeric);
        };
        let value = if arith.decrement {
            number.saturating_sub(arith.delta)
        } else {
            number.wrapping_add(arith.delta)
        };
        let tick = self.bump(&item);
        let before = item.lifetime();
        let item = self
            .write_number(found, value, arith, spare)
            .map_err(|room| room.sparing(tick))?;
        let info = ItemInfo {
            expiry_before: before,
            ..self.counted(&item, arith)
        };
        Ok(ArithOutcome::Done {
            value,
            info,
            created: false,
        })
    }

    fn create_number(
        &mut self,
        key: Key<'_>,
        number: u64,
        expiry: Expiry,
        arith: &Arith,
        spare: &mut Spare,
    ) -> Result<ArithOutcome, Room> {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number);
        let draft = Draft {
            key: key.bytes,
            value_len: digits.len(),
            client_flags: 0,
            expiry: seconds(expiry),
            cas: (arith.want_cas || arith.cas_override.is_some()).then_some(0),
            marks: 0,
        };
        let (item, mut value) = self.create(key.hash, &draft, spare)?;
        value.write(digits.as_bytes());
        Ok(ArithOutcome::Done {
            value: number,
            info: self.counted(&item, arith),
            created: true,
        })
    }

    /// Gives an item with a new number its token, if it has one, and tells of it.
    #[inline(always)]
    fn counted(&mut self, item: &Item<'a>, arith: &Arith) -> ItemInfo {
        self.renew_cas(item, arith.cas_override);
        self.tell_stored(item, None);
        self.info(item)
    }

    /// Writes a number over a number, with the expiry and the token asked for: in place when there is room for all of
    /// that. All of it is done or, when memory is needed, nothing.
    fn write_number(
        &mut self,
        found: Found<'a>,
        number: u64,
        arith: &Arith,
        spare: &mut Spare,
    ) -> Result<Item<'a>, Room> {
        let mut item = found.item;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        let old_len = item.value_len();
        let wants_cas = arith.want_cas || arith.cas_override.is_some();
        let expiry = arith.touch.map_or(item.expiry(), seconds);
        let in_place = (!wants_cas || item.has(flag::CAS))
            && expiry.is_some() == item.expiry().is_some()
            && !self.store.is_pinned(&item);
        if in_place && digits.len() <= old_len {
            // A number that gets shorter keeps its length, filled with spaces, as memcached's clients know it.
            number::write(&mut item.value(), digits, old_len);
            self.change_expiry(&item, arith.touch);
            return Ok(item);
        }
        let mut buffer = [0; KEY_BYTES_MAX];
        let mut draft = item.draft(&mut buffer);
        draft.value_len = digits.len().max(old_len);
        draft.expiry = expiry;
        if wants_cas && draft.cas.is_none() {
            draft.cas = Some(0);
        }
        // A number that gets longer is a new value: nobody has read it, and it isn't stale.
        if digits.len() > old_len {
            draft.marks = 0;
        }
        let plan = draft.plan();
        if in_place && item.holds_longer(&plan) {
            self.shard.counters.payload += digits.len() as u64;
            self.shard.counters.payload -= old_len as u64;
            item.set_value_len(&plan, digits.len());
            item.value().write(digits);
            self.change_expiry(&item, arith.touch);
            return Ok(item);
        }
        let chain = self.allocate(&plan, spare)?;
        let (copy, mut value): (_, Stream<'_>) = draft.write(&self.store.arena, chain);
        number::write(&mut value, digits, draft.value_len);
        self.replace(found, &copy, true);
        Ok(copy)
    }
}
