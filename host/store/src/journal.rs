//! What the store tells of itself: every change of its state, and which items leave without being asked to.
//!
//! An operation log or a replica that starts with an empty store and does what it is told holds what the store holds:
//! keys, values, flags, expiries, CAS tokens, marks, and fields of objects. What nobody else can see is not told: the
//! order of use, that an item was fetched, where an item lies.
//!
//! **Order.** All methods that have a tick are called under the lock of the key's shard, a flush under all locks. Ticks
//! told rise within a shard, a flush is above all that was told before it and below all that is told after it. So
//! whoever sorts by tick has each key's history in its order; two changes with the same tick are of different keys, and
//! may have either order. The threads tell at the same time: a journal is shared by all of them.
//!
//! **Units.** What a thread tells between [`Journal::turn_begins`] and [`Journal::turn_ends`] is done before any answer
//! to it goes out. Every change is told in a turn: one that no caller began is a turn of its own, and so is a commit.
//! What is told between [`Journal::commit_begins`] and [`Journal::commit_ends`] takes effect for everybody at once: all of it
//! is kept or none.
//!
//! **Cost.** While nobody listens a write pays for one comparison.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::item::{Item, KEY_BYTES_MAX};
use crate::memory::arena::Addr;
use crate::shard::{Leave, Locked, ValueRef};
use crate::{ItemInfo, Store};

/// A listener that is told of every change of the store's state.
///
/// Methods are called under locks: they copy what they need and return. They must not block for long, panic, or call
/// the store, [`Store::pin`] excepted, by which a long value is kept without a copy.
pub trait Journal: Debug + Send + Sync {
    /// Whether the journal is told of changes: everything but [`Journal::left`]. Asked once, when it begins to listen.
    fn wants_changes(&self) -> bool {
        true
    }

    /// Whether the journal is told now of items that leave. Asked each time, so that these items cost little while
    /// nobody looks.
    fn wants_departures(&self) -> bool {
        true
    }

    /// This thread begins a turn. Ticks told in it are at least `tick`, and at least the store's published clock at the
    /// return of this method.
    fn turn_begins(&self, _tick: u64) {}

    /// This thread's turn is over; its answers go out when this method has returned.
    fn turn_ends(&self) {}

    /// The next `changes` changes or fewer that this thread tells, until [`Journal::commit_ends`], are one.
    fn commit_begins(&self, _changes: usize) {}

    /// The commit is complete.
    fn commit_ends(&self) {}

    /// The key holds an item now as `info` says, whatever it held before; `content` says what is in it.
    ///
    /// `info.cas` is the CAS token, 0 for none; that of an object is its version. `info.len` says nothing of large
    /// objects, and what `info` says of this request, or of fetches, has no meaning.
    fn stored(&self, _tick: u64, _key: &[u8], _info: &ItemInfo, _content: Content<'_>) {}

    /// The key holds nothing now. It may have held nothing before: what a client deletes must not come back from a
    /// log although the store has forgotten it.
    fn deleted(&self, _tick: u64, _key: &[u8]) {}

    /// All keys hold nothing now, and no flush is to come.
    fn flushed(&self, _tick: u64) {}

    /// There will be a flush at this second, and none before it. It will be told when it is done. Called under the lock
    /// that orders flushes and plans.
    fn flush_planned(&self, _tick: u64, _at_s: u32) {}

    /// The key holds nothing from now on, second `now_s`, because its memory is needed or its time has come; `info` is
    /// what it held. A log needs no record of that: if the item comes back from the log, it is one that clients may
    /// still see, or it expires again.
    fn left(&self, _tick: u64, _key: &[u8], _info: &ItemInfo, _cause: Cause, _now_s: u32) {}
}

/// What is in an item that was stored.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// The item's value is this.
    Value(ValueRef<'a>),
    /// The item's former value, with `bytes` behind it. What is put before a value is told as the whole value: put in
    /// twice it would be there twice.
    Appended {
        /// Length of the former value in bytes.
        at: u32,
        /// The bytes that were put behind it.
        bytes: &'a [u8],
    },
    /// The item's former content; flags, expiry, CAS or marks changed.
    Same,
    /// An object's whole state, as `fields::Small` encodes it. It may be of any length.
    State(&'a [u8]),
    /// The object's former state with these changes.
    Fields {
        /// Field name, new value or `None` for a field that is deleted.
        fields: &'a BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        /// All fields not in `fields` are deleted.
        clear: bool,
        /// Nothing of what the key held stays, not even the opaque value. Implies `clear`.
        fresh: bool,
        /// New opaque value.
        value: Option<&'a [u8]>,
    },
}

/// Why an item left without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The item's memory was needed.
    Evicted,
    /// The item's time had come, or it was flushed.
    Expired,
}

/// The journals that are told, in the order in which they began to listen.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Whether a journal wants changes.
    changes: AtomicBool,
    first: OnceLock<Box<Listener>>,
}

#[derive(Debug)]
struct Listener {
    journal: Box<dyn Journal>,
    changes: bool,
    next: OnceLock<Box<Listener>>,
}

impl Listeners {
    fn add(&self, journal: Box<dyn Journal>) {
        let changes = journal.wants_changes();
        let mut new = Box::new(Listener {
            journal,
            changes,
            next: OnceLock::new(),
        });
        let mut place = &self.first;
        while let Err(again) = place.set(new) {
            new = again;
            place = &place.get().expect("it is taken").next;
        }
        if changes {
            self.changes.store(true, Relaxed);
        }
    }

    /// True when somebody is told of changes.
    #[inline(always)]
    pub(super) fn want_changes(&self) -> bool {
        self.changes.load(Relaxed)
    }

    fn all(&self) -> impl Iterator<Item = &Listener> {
        std::iter::successors(self.first.get(), |last| last.next.get()).map(Box::as_ref)
    }

    /// Tells the journals that want changes.
    #[cold]
    pub(super) fn tell(&self, tell: impl Fn(&dyn Journal)) {
        for listener in self.all().filter(|listener| listener.changes) {
            tell(&*listener.journal);
        }
    }
}

impl Store {
    /// Has `journal` told from now on, as long as the store is there. The journal learns nothing of what is in the
    /// store already, and nothing for sure of what other threads do meanwhile.
    pub fn listen(&self, journal: Box<dyn Journal>) {
        self.listeners.add(journal);
    }
}

impl Locked<'_> {
    /// Tells that a key holds this item now; for plain values and small objects `content` need not be given.
    #[inline(always)]
    pub(super) fn tell_stored(&mut self, item: &Item<'_>, content: Option<Content<'_>>) {
        if self.store.listeners.want_changes() {
            // By its address: an item that is referred to would be kept in memory where nobody listens, too.
            self.tell_stored_at(item.addr(), content);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_stored_at(&mut self, addr: Addr, content: Option<Content<'_>>) {
        let _turn = self.store.turn_to_tell();
        let tick = self.take_tick();
        let item = Item::at(&self.store.arena, addr);
        let info = self.info(&item);
        let mut state = Vec::new();
        let content = content.unwrap_or_else(|| match info.object {
            true => {
                ValueRef::of(&item).append_to(&mut state);
                Content::State(&state)
            }
            false => Content::Value(ValueRef::of(&item)),
        });
        let key = &mut [0; KEY_BYTES_MAX];
        let key = item.key(key);
        let listeners = &self.store.listeners;
        listeners.tell(|journal| journal.stored(tick, key, &info, content));
    }

    /// Tells that a key holds nothing now.
    #[inline(always)]
    pub(super) fn tell_deleted(&mut self, key: &[u8]) {
        if self.store.listeners.want_changes() {
            self.tell_deleted_key(key);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_deleted_key(&mut self, key: &[u8]) {
        let _turn = self.store.turn_to_tell();
        let tick = self.take_tick();
        self.store
            .listeners
            .tell(|journal| journal.deleted(tick, key));
    }

    /// Tells that an item is about to be removed.
    #[inline(always)]
    pub(super) fn tell_removed(&mut self, item: &Item<'_>, why: Leave) {
        let listeners = &self.store.listeners;
        match why {
            Leave::Deleted if listeners.want_changes() => {
                self.tell_deleted_key(item.key(&mut [0; KEY_BYTES_MAX]));
            }
            Leave::Deleted => {}
            Leave::Evicted => self.tell_left(item, Cause::Evicted),
            Leave::Expired => self.tell_left(item, Cause::Expired),
        }
    }

    fn tell_left(&mut self, item: &Item<'_>, cause: Cause) {
        let wanted = |listener: &&Listener| listener.journal.wants_departures();
        let listeners = &self.store.listeners;
        if !listeners.all().any(|listener| wanted(&listener)) {
            return;
        }
        let tick = self.take_tick();
        let key = &mut [0; KEY_BYTES_MAX];
        let (key, info, now_s) = (item.key(key), self.info(item), self.store.clock.now_s());
        for listener in listeners.all().filter(wanted) {
            listener.journal.left(tick, key, &info, cause, now_s);
        }
    }
}
