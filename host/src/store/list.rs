//! The LRU list of a shard.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::arena::Addr;
use super::item::Item;
use super::shard::{EMPTY, Locked};

impl<'a> Locked<'a> {
    pub(super) fn tail_tick(&self) -> &'a AtomicU64 {
        &self.store.tails[self.id]
    }

    fn publish_tail(&mut self) {
        let tick = if self.shard.oldest == 0 {
            EMPTY
        } else {
            let tick = Item::at(&self.store.arena, self.shard.oldest).tick();
            self.shard.tail_epoch << 32 | u64::from(tick)
        };
        self.tail_tick().store(tick, Relaxed);
    }

    /// Puts an item not in the list at its front, with a new tick.
    pub(super) fn push_front(&mut self, item: &Item<'a>) {
        let tick = self.store.tick.fetch_add(1, Relaxed);
        item.set_tick(tick as u32);
        item.set_newer(0);
        let front = self.shard.newest;
        item.set_older(front);
        self.shard.newest = item.addr();
        let epoch = tick >> 32;
        if front == 0 {
            self.shard.oldest = item.addr();
            self.shard.tail_epoch = epoch;
            self.publish_tail();
            return;
        }
        Item::at(&self.store.arena, front).set_newer(item.addr());
        let newest = self
            .shard
            .epochs
            .back()
            .map_or(self.shard.tail_epoch, |(_, epoch)| *epoch);
        if epoch != newest {
            self.shard.epochs.push_back((item.addr(), epoch));
        }
    }

    /// Takes an item out of the list.
    pub(super) fn unlink(&mut self, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = (item.newer(), item.older());
        if !self.shard.epochs.is_empty() {
            self.leave_epoch(item.addr(), newer);
        }
        if newer == 0 {
            self.shard.newest = older;
        } else {
            Item::at(arena, newer).set_older(older);
        }
        if older == 0 {
            self.shard.oldest = newer;
            if let Some((first, epoch)) = self.shard.epochs.front().copied()
                && first == newer
            {
                self.shard.tail_epoch = epoch;
                self.shard.epochs.pop_front();
            }
            self.publish_tail();
        } else {
            Item::at(arena, older).set_newer(newer);
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
    pub(super) fn bump(&mut self, item: &Item<'a>) {
        if item.newer() == 0 && item.older() != 0 && self.shard.epochs.is_empty() {
            let tick = self.store.tick.fetch_add(1, Relaxed);
            if tick >> 32 == self.shard.tail_epoch {
                item.set_tick(tick as u32);
                return;
            }
        }
        self.unlink(item);
        self.push_front(item);
    }

    /// The new item stands in the list where the old one stood.
    pub(super) fn take_place(&mut self, old: &Item<'a>, item: &Item<'a>) {
        let arena = &self.store.arena;
        let (newer, older) = (old.newer(), old.older());
        item.set_tick(old.tick());
        item.set_newer(newer);
        item.set_older(older);
        match newer {
            0 => self.shard.newest = item.addr(),
            newer => Item::at(arena, newer).set_older(item.addr()),
        }
        match older {
            0 => self.shard.oldest = item.addr(),
            older => Item::at(arena, older).set_newer(item.addr()),
        }
        for (first, _) in &mut self.shard.epochs {
            if *first == old.addr() {
                *first = item.addr();
            }
        }
    }
}
