//! Doing what effects say: for a log that is replayed, a snapshot that is loaded, a replica.
//!
//! An effect sets what it says, tokens and marks included, and makes its item the newest, at the effect's tick. So a
//! store that is told of items from the oldest on has the order that they had. Effects may be applied again, from any
//! earlier point, if all up to the newest follow: what a later one says is right in the end, and until then an effect
//! whose item is not as it was is skipped.
//!
//! **Threads.** A shard's ticks rise, so effects of one shard come from one thread, in their order. Those of different
//! shards may come in any order: each item has its own tick, and the oldest of all is the oldest of the tails.

use std::ops::AddAssign;
use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use crate::fields::SmallRef;
use crate::item::draft::Draft;
use crate::item::{KEY_BYTES_MAX, flag};
use crate::ops::read::seconds;
use crate::shard::Leave;
use crate::{Body, Effect, Expiry, Head, Key, Now, SMALL_BYTES_MAX, SetMode, Store, Write};

mod item;

/// Ticks from here on are no store's.
const TICKS_END: u64 = 1 << 53;
/// Ticks that are left out after a replay. A crash may have lost the newest changes, and clients still have tokens that
/// these gave; with so many left out, a second's worth, no token is given again.
const TICKS_LOST_MAX: u64 = 1 << 26;
/// Effects whose keys are hashed ahead.
const AHEAD: usize = 64;

/// What became of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The store holds what the effect says.
    Done,
    /// The item's time is over: the key holds nothing.
    Expired,
    /// Skipped: what the effect changes is not there, is of another kind, or is shorter than it was. The key holds what
    /// it held.
    Missing,
    /// There is no memory for the item, or it is longer than items may be: the key holds nothing.
    NoRoom,
    /// No store has told this: the key is too long, the state is not whole, an object has no version. The key, if there
    /// is one, holds nothing.
    Malformed,
}

/// How many effects became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`Applied::Done`].
    pub done: u64,
    /// [`Applied::Expired`].
    pub expired: u64,
    /// [`Applied::Missing`].
    pub missing: u64,
    /// [`Applied::NoRoom`].
    pub no_room: u64,
    /// [`Applied::Malformed`].
    pub malformed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.done += other.done;
        self.expired += other.expired;
        self.missing += other.missing;
        self.no_room += other.no_room;
        self.malformed += other.malformed;
    }
}

impl Tally {
    #[inline]
    fn count(&mut self, applied: Applied) {
        let count = match applied {
            Applied::Done => &mut self.done,
            Applied::Expired => &mut self.expired,
            Applied::Missing => &mut self.missing,
            Applied::NoRoom => &mut self.no_room,
            Applied::Malformed => &mut self.malformed,
        };
        *count += 1;
    }
}

/// A part of the store: the shards that one of several threads fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the part, from 0 on.
    pub number: usize,
    /// Parts there are.
    pub of: usize,
}

impl Part {
    /// The whole store.
    pub const ALL: Part = Part { number: 0, of: 1 };
}

impl Store {
    /// Does what an effect says; the key's item becomes the newest, with this tick unless its shard is further.
    ///
    /// An effect whose expiry has passed `now` removes the key. Later effects may have given the item more time, so
    /// whoever replays them says [`Now::BEFORE_ALL`], and the present to [`Store::resume_at`].
    pub fn apply(&self, now: Now, tick: u64, effect: &Effect<'_>) -> Applied {
        let hash = effect.key().map_or(0, |key| self.hash(key));
        self.apply_hashed(now, tick, effect, hash)
    }

    /// Does what effects say, one after the other, with their memory asked for ahead. Each is looked at, and those of
    /// `part` are applied, so several threads may be handed the same effects and different parts. A flush concerns all
    /// parts, and is part 0's: no thread may go on to it, or from it, before all have come there.
    pub fn apply_all(&self, now: Now, part: Part, effects: &[(u64, Effect<'_>)]) -> Tally {
        let mut tally = Tally::default();
        for effects in effects.chunks(AHEAD) {
            let mut own = ArrayVec::<_, AHEAD>::new();
            let mut hashes = ArrayVec::<u64, AHEAD>::new();
            for (tick, effect) in effects {
                let (hash, number) = match effect.key() {
                    Some(key) => {
                        let hash = self.hash(key);
                        (hash, self.shard_of(hash) * part.of / self.shards.len())
                    }
                    None => (0, 0),
                };
                if number == part.number {
                    own.push((*tick, effect));
                    hashes.push(hash);
                }
            }
            for (at, ((tick, effect), hash)) in own.iter().zip(&hashes).enumerate() {
                self.prefetch_ahead(&hashes, at);
                tally.count(self.apply_hashed(now, *tick, effect, *hash));
            }
        }
        tally
    }

    /// Ends a replay: no tick and no token that is given from now on was given before, and what is due by now happens.
    /// `next_tick` is above all that the former store gave, as [`Store::next_tick`] said or the last record of its log.
    pub fn resume_at(&self, now: Now, next_tick: u64) {
        let next = self.next_tick().max(next_tick.min(TICKS_END));
        self.publish(next + TICKS_LOST_MAX);
        self.note(now);
        // The time may have been told already, before the plan.
        let due = self.flush_at_s.load(Relaxed);
        if due <= now.unix_s {
            self.flush_now(Some(due));
        }
    }

    /// A tick above all ticks and tokens that were given until now.
    pub fn next_tick(&self) -> u64 {
        let shards = 0..self.shards.len();
        let ticks = shards.map(|id| self.lock_shard(id).present());
        ticks.max().unwrap_or(0)
    }

    fn apply_hashed(&self, now: Now, tick: u64, effect: &Effect<'_>, hash: u64) -> Applied {
        if tick >= TICKS_END {
            return Applied::Malformed;
        }
        // Whoever listens hears of turns whose ticks are above the clock.
        let _turn =
            (self.listeners.want_changes() && !self.is_in_turn()).then(|| self.turn_to_tell());
        self.at_tick(tick, || match effect {
            Effect::Stored { key, head, body } => {
                let key = Key { bytes: key, hash };
                let applied = self.apply_stored(key, now, tick, head, body);
                if matches!(
                    applied,
                    Applied::Expired | Applied::NoRoom | Applied::Malformed
                ) {
                    self.forget(key, now);
                }
                applied
            }
            Effect::Deleted { key } => {
                self.forget(Key { bytes: key, hash }, now);
                Applied::Done
            }
            Effect::Flushed => {
                self.flush_now(None);
                Applied::Done
            }
            Effect::FlushPlanned { at_s } => {
                self.plan_flush(*at_s);
                Applied::Done
            }
        })
    }

    /// Removes what the key holds; what it should hold instead has no room, or is not whole.
    fn forget(&self, key: Key<'_>, now: Now) {
        let mut locked = self.lock(key.hash);
        match locked.find(key, now) {
            Some(found) => locked.remove(key.hash, found, Leave::Deleted),
            None => locked.tell_deleted(key.bytes),
        }
    }

    #[inline]
    fn apply_stored(
        &self,
        key: Key<'_>,
        now: Now,
        tick: u64,
        head: &Head,
        body: &Body<'_>,
    ) -> Applied {
        if key.bytes.is_empty() || key.bytes.len() > KEY_BYTES_MAX || head.object && head.cas == 0 {
            return Applied::Malformed;
        }
        if seconds(head.expiry).is_some_and(|expiry| expiry <= now.unix_s) {
            return Applied::Expired;
        }
        match body {
            Body::Value(value) if !head.object => self.apply_whole(key, now, head, value),
            Body::State(state) if head.object => match SmallRef::parse(state) {
                Err(_) => Applied::Malformed,
                Ok(_) if state.len() <= SMALL_BYTES_MAX => self.apply_whole(key, now, head, state),
                Ok(_) => self.restore_object(key, now, tick, tree_draft(key, head), body),
            },
            Body::Fields { .. } if head.object => {
                self.restore_object(key, now, tick, tree_draft(key, head), body)
            }
            Body::Same => self.apply_same(key, now, tick, head),
            Body::Appended { at, bytes } if !head.object => {
                self.apply_appended(key, now, tick, head, *at as usize, bytes)
            }
            _ => Applied::Malformed,
        }
    }

    /// A whole value, or the whole state of a small object.
    #[inline]
    fn apply_whole(&self, key: Key<'_>, now: Now, head: &Head, value: &[u8]) -> Applied {
        let draft = draft(key, head, value.len());
        if value.len() > self.item_bytes_max || !self.can_ever_hold(&draft.plan()) {
            return Applied::NoRoom;
        }
        let write = Write {
            flags: head.flags,
            expiry: Expiry(None),
            value,
            mode: SetMode::Set,
            cas_compare: None,
            stale_if_older: false,
            cas_override: draft.cas,
            want_cas: false,
            vivify: None,
        };
        let done = self.with_room(key.hash, |locked, spare| {
            locked.put_whole(key, now, &write, &draft, spare)
        });
        done.map_or(Applied::NoRoom, |_| Applied::Done)
    }
}

/// The item that a head belongs to, with a value of this length.
fn draft<'a>(key: Key<'a>, head: &Head, value_len: usize) -> Draft<'a> {
    let mark = |on, flag| if on { flag } else { 0 };
    Draft {
        key: key.bytes,
        value_len,
        // On an object they would say that it is a large one.
        client_flags: if head.object { 0 } else { head.flags },
        expiry: seconds(head.expiry),
        cas: (head.cas != 0).then_some(head.cas),
        marks: mark(head.object, flag::OBJECT)
            | mark(head.stale, flag::STALE)
            | mark(head.token_sent, flag::TOKEN_SENT),
    }
}

/// The item of a large object.
fn tree_draft<'a>(key: Key<'a>, head: &Head) -> Draft<'a> {
    Draft {
        client_flags: 1,
        ..draft(key, head, crate::fields::Tree::BYTES)
    }
}
