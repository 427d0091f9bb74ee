//! The clock of the order. A tick is one access; an item that was accessed later has the higher one.
//!
//! One counter for all accesses would give the ticks, but do nothing else than travel between processors. So ticks are
//! those of a Lamport clock. A thread that answers a batch of commands does so in a *turn*: it reads the published
//! clock at the beginning, counts on by itself, never behind the shard it is in, and publishes how far it came at the
//! end, before the first answer goes out.
//!
//! - Within a turn ticks rise, and so they do within a shard: each is above the thread's last and the shard's last.
//! - What begins after an answer has a higher tick than what was answered: that was published, and is read at the
//!   beginning of the later turn.
//! - Two accesses of which neither was answered before the other began are at the same time for all who could tell, and
//!   may have either order, or across shards even the same tick. Whoever has seen what another did has been in its
//!   shard, and is later.
//! - What leaves for its age is older than what stays and what comes: the youngest tick that left is published, and a
//!   thread whose turn began earlier looks at the clock again when it comes to a shard with nothing that could tell it.
//!
//! An access outside of a turn is a turn of its own. If journals are told of a change in it, they are told of the turn.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::Store;
use crate::order::list::LISTS;
use crate::shard::Locked;

thread_local! {
    /// The turn of this thread.
    static TURN: Turn = const {
        Turn {
            store: Cell::new(0),
            next: Cell::new(0),
            list: Cell::new(None),
        }
    };
}

struct Turn {
    /// Address of the store that the turn is in; 0 between turns.
    store: Cell<usize>,
    /// Tick of the next access, if the shard has none as high.
    next: Cell<u64>,
    /// Number of the list, in each shard, that this thread's items come to.
    list: Cell<Option<u8>>,
}

/// Number of the list, in each shard, that this thread's items come to.
#[inline(always)]
pub(crate) fn own_list() -> usize {
    TURN.with(|turn| usize::from(turn.list.get().unwrap_or_else(|| turn.choose_list(&OTHERS))))
}

/// Threads that work in turns and other threads are counted apart: the former are few, and so get different lists.
static WORKERS: AtomicUsize = AtomicUsize::new(0);
static OTHERS: AtomicUsize = AtomicUsize::new(0);

impl Turn {
    #[cold]
    fn choose_list(&self, alike: &AtomicUsize) -> u8 {
        let list = (alike.fetch_add(1, Relaxed) % LISTS) as u8;
        self.list.set(Some(list));
        list
    }
}

impl Store {
    /// Begins a turn of this thread: nobody is told of anything it does from now on until [`Store::end_turn`]. A turn
    /// that a panic has left open goes on.
    pub fn begin_turn(&self) {
        TURN.with(|turn| {
            let open = turn.store.replace(self.address()) == self.address();
            if self.listeners.want_changes() && !open {
                // Before the clock is read, so that no listener misses a turn that is below what it sees of the clock.
                let tick = self.clock_now();
                self.listeners.tell(|journal| journal.turn_begins(tick));
            }
            let before = if open { turn.next.get() } else { 0 };
            turn.next.set(before.max(self.clock_now()));
            if turn.list.get().is_none() {
                turn.choose_list(&WORKERS);
            }
        });
    }

    /// Ends the turn of this thread. What others begin from now on is later than what the turn did.
    pub fn end_turn(&self) {
        TURN.with(|turn| {
            if turn.store.get() == self.address() {
                turn.store.set(0);
                // First, as the end of the turn wakes whoever writes a log, up to the clock. If the clock were still below
                // the turn then, its records would wait until somebody else publishes, perhaps for ever.
                self.publish(turn.next.get());
                if self.listeners.want_changes() {
                    self.listeners.tell(|journal| journal.turn_ends());
                }
            }
        });
    }

    /// Has this thread count from `tick` on while it does `work`, outside of turns below the published clock, too, which
    /// stays as it is. In a turn, ticks rise all the same.
    pub(crate) fn at_tick<R>(&self, tick: u64, work: impl FnOnce() -> R) -> R {
        TURN.with(|turn| {
            let outer = (turn.store.replace(self.address()), turn.next.get());
            let before = if outer.0 == self.address() {
                outer.1
            } else {
                0
            };
            turn.next.set(tick.max(before));
            let done = work();
            turn.store.set(outer.0);
            if outer.0 != self.address() {
                turn.next.set(outer.1);
            }
            done
        })
    }

    /// True while this thread is in a turn.
    pub(crate) fn is_in_turn(&self) -> bool {
        TURN.with(|turn| turn.store.get() == self.address())
    }

    /// A turn for what journals are told until the guard drops: the thread's own, or else a new one.
    pub(crate) fn turn_to_tell(&self) -> TurnToTell<'_> {
        TURN.with(|turn| {
            let outer = (turn.store.get(), turn.next.get());
            if outer.0 == self.address() {
                return TurnToTell(None);
            }
            // A list as a thread without turns has it.
            own_list();
            self.begin_turn();
            TurnToTell(Some((self, outer)))
        })
    }

    #[inline]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The published clock: all ticks that were published are below it.
    #[inline]
    pub fn clock_now(&self) -> u64 {
        self.tick.load(Acquire)
    }

    /// A tick above those of all flushes told before, and below those of all that will be. For a thread that is in a
    /// turn and has the `commit` lock.
    pub(crate) fn take_tick_of_all(&self) -> u64 {
        TURN.with(|turn| {
            let tick = turn.next.get().max(self.clock_now());
            turn.next.set(tick + 1);
            self.publish(tick + 1);
            tick
        })
    }

    /// Has others count from `next` on.
    #[inline]
    pub(crate) fn publish(&self, next: u64) {
        if self.clock_now() < next {
            self.tick.fetch_max(next, AcqRel);
        }
    }
}

/// A turn that was begun for what journals are told, if there is one, with the store and the next tick of the turn
/// that the thread is in besides.
pub(crate) struct TurnToTell<'a>(Option<(&'a Store, (usize, u64))>);

impl Drop for TurnToTell<'_> {
    fn drop(&mut self) {
        if let Some((store, (outer, next))) = self.0 {
            store.end_turn();
            TURN.with(|turn| {
                turn.store.set(outer);
                turn.next.set(next);
            });
        }
    }
}

impl Locked<'_> {
    /// Tick of an access to this shard.
    #[inline(always)]
    pub(crate) fn take_tick(&mut self) -> u64 {
        self.take_tick_from(0)
    }

    /// Tick of an access to this shard, not below `least`.
    #[inline(always)]
    pub(super) fn take_tick_from(&mut self, least: u64) -> u64 {
        let store = self.store;
        let tick = TURN.with(|turn| {
            if turn.store.get() != store.address() {
                return self.take_single_tick();
            }
            let tick = turn.next.get().max(self.shard.next_tick).max(least);
            turn.next.set(tick + 1);
            tick
        });
        self.shard.next_tick = tick + 1;
        tick
    }

    /// The tick of an access that is a turn of its own: it is published at once.
    #[inline]
    fn take_single_tick(&self) -> u64 {
        let tick = self.store.tick.fetch_add(1, AcqRel);
        if tick >= self.shard.next_tick {
            return tick;
        }
        // Another thread was in this shard in a turn that has not ended.
        self.store.publish(self.shard.next_tick + 1);
        self.shard.next_tick
    }

    /// A tick above all of this shard and all that were published.
    #[inline]
    pub(crate) fn present(&self) -> u64 {
        self.store.clock_now().max(self.shard.next_tick)
    }
}
