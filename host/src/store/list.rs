//! The LRU list of a shard.

use std::sync::atomic::Ordering::Relaxed;

use super::arena::Addr;
use super::item::{self, Item};
use super::shard::Locked;
use super::tails::EMPTY;

impl<'a> Locked<'a> {
    /// Tells everybody the tick of the tail, whose upper bits are `epoch`.
    fn publish_tail(&mut self, epoch: u64) {
        let tick = if self.shard.oldest == 0 {
            EMPTY
        } else {
            let tick = Item::at(&self.store.arena, self.shard.oldest).tick();
            epoch << 32 | u64::from(tick)
        };
        self.shard.tail_tick = tick;
        self.store.tails.set(self.id, tick);
    }

    /// The newest item, or 0.
    #[inline]
    pub(super) fn newest(&self) -> Addr {
        self.newest.load(Relaxed)
    }

    #[inline]
    fn set_newest(&self, addr: Addr) {
        self.newest.store(addr, Relaxed);
    }

    /// Upper bits of the tail's tick.
    fn tail_epoch(&self) -> u64 {
        self.shard.tail_tick >> 32
    }

    /// Puts an item not in the list at its front, with a new tick.
    pub(super) fn push_front(&mut self, item: &Item<'a>) {
        let tick = self.take_tick();
        self.place_first(item, tick);
    }

    fn place_first(&mut self, item: &Item<'a>, tick: u64) {
        item.set_tick(tick as u32);
        let front = self.newest();
        item.set_links(0, front);
        self.set_newest(item.addr());
        let epoch = tick >> 32;
        if front == 0 {
            self.shard.oldest = item.addr();
            self.publish_tail(epoch);
            return;
        }
        item::set_newer(&self.store.arena, front, item.addr());
        let newest = self
            .shard
            .epochs
            .last()
            .map_or(self.tail_epoch(), |(_, epoch)| *epoch);
        if epoch != newest {
            self.shard.epochs.push((item.addr(), epoch));
        }
    }

    /// Takes an item out of the list.
    pub(super) fn unlink(&mut self, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = item.links();
        if !self.shard.epochs.is_empty() {
            self.leave_epoch(item.addr(), newer);
        }
        if newer == 0 {
            self.set_newest(older);
        } else {
            item::set_older(arena, newer, older);
        }
        if older == 0 {
            self.shard.oldest = newer;
            let mut tail_epoch = self.tail_epoch();
            if let Some((first, epoch)) = self.shard.epochs.first().copied()
                && first == newer
            {
                tail_epoch = epoch;
                self.shard.epochs.remove(0);
            }
            self.publish_tail(tail_epoch);
        } else {
            item::set_newer(arena, older, newer);
        }
    }

    /// The oldest item of an epoch leaves: its newer neighbour is the oldest now, if it is of that epoch.
    fn leave_epoch(&mut self, addr: Addr, newer: Addr) {
        let epochs = &mut self.shard.epochs;
        if let Some(i) = epochs.iter().position(|(first, _)| *first == addr) {
            let following = epochs.get(i + 1).map_or(0, |(first, _)| *first);
            if newer == following {
                epochs.remove(i);
            } else {
                epochs[i].0 = newer;
            }
        }
    }

    /// Counts an access: to the front, with a new tick.
    #[inline(always)]
    pub(super) fn bump(&mut self, item: &Item<'a>) {
        let arena = &self.store.arena;
        let tick = self.take_tick();
        let (newer, older) = item.links();
        // Nearly all: neither the oldest, which is published, nor where ticks run over 32 bits.
        if older != 0 && self.shard.epochs.is_empty() && tick >> 32 == self.tail_epoch() {
            item.set_tick(tick as u32);
            if newer != 0 {
                item::set_older(arena, newer, older);
                item::set_newer(arena, older, newer);
                let front = self.newest();
                item::set_newer(arena, front, item.addr());
                item.set_links(0, front);
                self.set_newest(item.addr());
            }
            return;
        }
        self.unlink(item);
        self.place_first(item, tick);
    }

    /// The new item stands in the list where the old one stood.
    pub(super) fn take_place(&mut self, old: &Item<'a>, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = old.links();
        item.set_tick(old.tick());
        item.set_links(newer, older);
        match newer {
            0 => self.set_newest(item.addr()),
            newer => item::set_older(arena, newer, item.addr()),
        }
        match older {
            0 => self.shard.oldest = item.addr(),
            older => item::set_newer(arena, older, item.addr()),
        }
        for (first, _) in &mut self.shard.epochs {
            if *first == old.addr() {
                *first = item.addr();
            }
        }
    }
}
