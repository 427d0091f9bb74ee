//! The LRU lists of a shard, one for each of a few workers.
//!
//! An access moves its item to the front of the accessing worker's own list, whichever list it was in. So the newest
//! item of a list, which each access writes, stays in that worker's cache. All lists are ordered by tick, and the
//! oldest of all items is the oldest of the tails: which item leaves does not depend on the number of lists.

use std::sync::atomic::Ordering::Relaxed;

use crate::item::{self, Item};
use crate::memory::arena::Addr;
use crate::order::tails::EMPTY;
use crate::order::turn::own_list;
use crate::shard::Locked;

/// Lists of a shard. Workers beyond that share them.
pub(crate) const LISTS: usize = 2;

/// One list of a shard. Its newest item stands outside of the lock, in `Guarded`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct List {
    pub oldest: Addr,
    /// The tail's tick, as it was published.
    pub tail_tick: u64,
    /// Oldest item of each later epoch in the list, with the upper bits of its tick; the earliest first.
    pub epochs: Vec<(Addr, u64)>,
}

impl Default for List {
    fn default() -> List {
        List {
            oldest: 0,
            tail_tick: EMPTY,
            epochs: Vec::new(),
        }
    }
}

impl List {
    /// Upper bits of the tail's tick.
    #[inline]
    pub(crate) fn tail_epoch(&self) -> u64 {
        self.tail_tick >> 32
    }

    #[inline]
    fn newest_epoch(&self) -> u64 {
        let last = self.epochs.last();
        last.map_or(self.tail_epoch(), |(_, epoch)| *epoch)
    }

    /// Notes that the oldest item of an epoch leaves: its newer neighbour is the oldest now, if it is of that epoch.
    #[inline]
    fn leave_epoch(&mut self, addr: Addr, newer: Addr) {
        let epochs = &mut self.epochs;
        if let Some(i) = epochs.iter().position(|(first, _)| *first == addr) {
            let following = epochs.get(i + 1).map_or(0, |(first, _)| *first);
            if newer == following {
                epochs.remove(i);
            } else {
                epochs[i].0 = newer;
            }
        }
    }
}

impl<'a> Locked<'a> {
    /// Tells everybody the tick of a tail, whose upper bits are `epoch`.
    #[inline]
    fn publish_tail(&mut self, list: usize, epoch: u64) {
        let oldest = self.shard.lists[list].oldest;
        let tick = if oldest == 0 {
            EMPTY
        } else {
            let tick = Item::at(&self.store.arena, oldest).tick();
            epoch << 32 | u64::from(tick)
        };
        self.shard.lists[list].tail_tick = tick;
        let number = self.store.tail_number(self.id, list);
        self.store.tails.set(number, tick);
        self.sum_up();
    }

    /// Notes what each access asks about all lists.
    #[inline]
    fn sum_up(&mut self) {
        let shard = &mut *self.shard;
        let ticks = shard.lists.iter().map(|list| list.tail_tick);
        shard.tail_tick = ticks.min().unwrap_or(EMPTY);
        let epoch = shard.tail_tick >> 32;
        let of_it = |list: &List| list.oldest == 0 || list.newest_epoch() == epoch;
        shard.epoch = shard.lists.iter().all(of_it).then_some(epoch as u32);
    }

    /// The newest item of a list, or 0.
    #[inline]
    pub(crate) fn newest(&self, list: usize) -> Addr {
        self.newest[list].load(Relaxed)
    }

    #[inline]
    fn set_newest(&self, list: usize, addr: Addr) {
        self.newest[list].store(addr, Relaxed);
    }

    /// The list with this newest item.
    #[inline]
    fn list_from(&self, newest: Addr) -> usize {
        let at = (0..LISTS).find(|list| self.newest(*list) == newest);
        at.expect("an item with none newer is the newest of a list")
    }

    /// The list with this oldest item.
    #[inline]
    fn list_to(&self, oldest: Addr) -> usize {
        let mut lists = self.shard.lists.iter();
        let at = lists.position(|list| list.oldest == oldest);
        at.expect("an item with none older is the oldest of a list")
    }

    /// Puts an item that is in no list at the front of the worker's, with a new tick, which is returned.
    #[inline]
    pub(crate) fn push_front(&mut self, item: &Item<'a>) -> u64 {
        let list = own_list();
        let front = self.newest(list);
        if front == 0 {
            return self.push_first(list, item);
        }
        let tick = self.take_tick();
        item.set_tick(tick as u32);
        item.set_links(0, front);
        self.set_newest(list, item.addr());
        item::set_newer(&self.store.arena, front, item.addr());
        if self.shard.epoch != Some((tick >> 32) as u32) {
            self.note_epoch(list, item.addr(), tick >> 32);
        }
        tick
    }

    /// Notes that the newest item of a list is of this epoch.
    #[cold]
    fn note_epoch(&mut self, list: usize, newest: Addr, epoch: u64) {
        let list = &mut self.shard.lists[list];
        if epoch != list.newest_epoch() {
            list.epochs.push((newest, epoch));
        }
        self.sum_up();
    }

    /// As `push_front`, into an empty list.
    #[inline]
    fn push_first(&mut self, list: usize, item: &Item<'a>) -> u64 {
        // An empty list does not tell how young the items were that left.
        let floor = self.store.tails.fill(self.store.tail_number(self.id, list));
        let tick = self.take_tick_from(floor.max(self.store.clock_now()));
        item.set_tick(tick as u32);
        item.set_links(0, 0);
        self.set_newest(list, item.addr());
        self.shard.lists[list].oldest = item.addr();
        self.publish_tail(list, tick >> 32);
        tick
    }

    /// Takes an item out of its list.
    #[inline]
    pub(crate) fn unlink(&mut self, item: &Item<'a>) {
        let (newer, older) = item.links();
        let in_epochs = self.shard.epoch.is_none();
        if in_epochs {
            for list in &mut self.shard.lists {
                list.leave_epoch(item.addr(), newer);
            }
        }
        if older == 0 {
            self.unlink_oldest(item.addr(), newer);
        } else {
            self.close_gap(newer, older, item.addr());
        }
        if in_epochs {
            self.sum_up();
        }
    }

    /// Links the neighbours of `addr`, which leaves, to each other.
    #[inline(always)]
    fn close_gap(&mut self, newer: Addr, older: Addr, addr: Addr) {
        if newer == 0 {
            self.set_newest(self.list_from(addr), older);
        } else {
            item::set_older(&self.store.arena, newer, older);
        }
        item::set_newer(&self.store.arena, older, newer);
    }

    #[inline]
    fn unlink_oldest(&mut self, addr: Addr, newer: Addr) {
        let number = self.list_to(addr);
        let list = &mut self.shard.lists[number];
        list.oldest = newer;
        let mut epoch = list.tail_epoch();
        if let Some((first, later)) = list.epochs.first().copied()
            && first == newer
        {
            epoch = later;
            list.epochs.remove(0);
        }
        if newer == 0 {
            self.set_newest(number, 0);
        } else {
            item::set_older(&self.store.arena, newer, 0);
        }
        self.publish_tail(number, epoch);
    }

    /// Counts an access: to the front of the worker's list, with a new tick, which is returned.
    #[inline(always)]
    pub(crate) fn bump(&mut self, item: &Item<'a>) -> u64 {
        let list = own_list();
        let (newer, older) = item.links();
        let front = self.newest(list);
        // Nearly all items: neither the oldest, which is published, nor one where ticks run over 32 bits.
        if older != 0 && front != 0 {
            let tick = self.take_tick();
            if self.shard.epoch == Some((tick >> 32) as u32) {
                item.set_tick(tick as u32);
                if front != item.addr() {
                    self.close_gap(newer, older, item.addr());
                    item::set_newer(&self.store.arena, front, item.addr());
                    item.set_links(0, front);
                    self.set_newest(list, item.addr());
                }
                return tick;
            }
        }
        self.unlink(item);
        self.push_front(item)
    }

    /// Puts the new item into the list where the old one stood.
    pub(crate) fn take_place(&mut self, old: &Item<'a>, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = old.links();
        item.set_tick(old.tick());
        item.set_links(newer, older);
        match newer {
            0 => self.set_newest(self.list_from(old.addr()), item.addr()),
            newer => item::set_older(arena, newer, item.addr()),
        }
        match older {
            0 => {
                let list = self.list_to(old.addr());
                self.shard.lists[list].oldest = item.addr();
            }
            older => item::set_newer(arena, older, item.addr()),
        }
        let epochs = self
            .shard
            .lists
            .iter_mut()
            .flat_map(|list| &mut list.epochs);
        for (first, _) in epochs {
            if *first == old.addr() {
                *first = item.addr();
            }
        }
    }
}
