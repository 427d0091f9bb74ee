//! Walks all memory and compares it with what the store believes. Nothing else may run meanwhile.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::item::Item;
use crate::memory::alloc::{Chain, Kind, RegionUse, grains_of};
use crate::memory::arena::{Addr, REGION_GRAINS};
use crate::order::list::LISTS;
use crate::order::tails;
use crate::shard::Locked;

impl Store {
    /// Panics where memory, index, lists and counters disagree.
    pub(in super::super) fn audit(&self) {
        let owned = self.audit_shards();
        let alloc = self.alloc.lock();
        let (mut used, mut free) = (0, 0);
        for region in 0..alloc.regions_end() {
            assert_ne!(alloc.region_use(region), RegionUse::Closing);
            if alloc.region_use(region) != RegionUse::Extents {
                continue;
            }
            let (mut addr, mut prev_free) = (region * REGION_GRAINS, false);
            while addr < (region + 1) * REGION_GRAINS {
                let word0 = self.arena.word0(addr).load(Relaxed);
                let len = grains_of(word0);
                assert!(len >= 2, "extent too short at {addr}");
                if word0 & 1 << 12 == 0 {
                    assert!(!prev_free, "free neighbours not joined");
                    let last = self.arena.at(addr + len) - 1;
                    assert_eq!((self.arena.load(last) >> 48) as u32, len);
                    free += u64::from(len);
                    prev_free = true;
                } else {
                    assert_eq!(word0 & 1 << 13 != 0, prev_free, "mark of a free neighbour");
                    assert!(
                        Kind::of(word0) == Kind::Node || owned.contains(&addr),
                        "nobody owns {addr}"
                    );
                    used += u64::from(len);
                    prev_free = false;
                }
                addr += len;
            }
            assert_eq!(addr, (region + 1) * REGION_GRAINS);
        }
        assert_eq!((alloc.used_grains, alloc.bins.grains), (used, free));
        assert!(alloc.regions_used <= alloc.regions_allowed);
        let stats = (alloc.regions_used as usize) * self.arena.region_bytes() + self.fixed_bytes();
        assert!(stats as u64 <= self.limit.load(Relaxed), "over the limit");
    }

    /// Extents owned by items and index nodes.
    fn audit_shards(&self) -> HashSet<Addr> {
        let mut owned = HashSet::new();
        for id in 0..self.shards.len() {
            let locked = self.lock_shard(id);
            let mut listed = Vec::new();
            let mut epochs = HashSet::new();
            for list in 0..LISTS {
                self.audit_list(&locked, list, &mut listed, &mut epochs);
            }
            let mut payload = 0;
            for addr in &listed {
                payload += Item::at(&self.arena, *addr).payload_len() as u64;
            }
            if let Some(epoch) = locked.shard.epoch
                && !listed.is_empty()
            {
                assert_eq!(epochs, HashSet::from([u64::from(epoch)]));
            } else {
                assert_ne!(epochs.len(), 1);
            }
            assert_eq!(locked.shard.counters.items as usize, listed.len());
            assert_eq!(locked.shard.counters.payload, payload);
            let mut indexed = HashSet::new();
            for bucket in 0..locked.shard.buckets {
                locked.bucket_at(bucket).each(|_, tag, addr| {
                    let hash = locked.hash_of(&Item::at(&self.arena, addr));
                    assert_eq!(index::tag_of(hash), tag);
                    assert_eq!(index::bucket_of(hash, locked.shard.buckets), bucket);
                    assert!(indexed.insert(addr), "indexed twice");
                });
                locked
                    .bucket_at(bucket)
                    .nodes(|node| assert!(owned.insert(node)));
            }
            assert_eq!(indexed, listed.iter().copied().collect());
            for addr in listed {
                self.audit_item(addr, &mut owned);
            }
        }
        for addr in self.pins.left() {
            self.audit_item(addr, &mut owned);
        }
        for chain in self.dead_values() {
            self.audit_pieces(chain, &mut owned);
        }
        owned
    }

    /// Adds the items of a list, and the upper bits of their ticks.
    fn audit_list(
        &self,
        locked: &Locked<'_>,
        number: usize,
        listed: &mut Vec<Addr>,
        epochs: &mut HashSet<u64>,
    ) {
        let list = &locked.shard.lists[number];
        let (mut addr, mut older) = (list.oldest, 0);
        let (mut epoch, mut begin) = (list.tail_epoch(), list.epochs.iter());
        let (mut later, mut tick) = (begin.next(), 0);
        let published = self.tails.tick(self.tail_number(locked.id, number));
        while addr != 0 {
            let item = Item::at(&self.arena, addr);
            assert_eq!(item.older(), older);
            if let Some((_, begun)) = later.filter(|(first, _)| *first == addr) {
                (epoch, later) = (*begun, begin.next());
            }
            assert!(epoch << 32 | u64::from(item.tick()) > tick);
            tick = epoch << 32 | u64::from(item.tick());
            if older == 0 {
                assert_eq!(published, tick);
            }
            epochs.insert(epoch);
            listed.push(addr);
            older = addr;
            addr = item.newer();
        }
        assert_eq!(locked.newest(number), older);
        assert!(later.is_none() && tick < locked.shard.next_tick.max(1));
        assert!(older != 0 || published >= tails::EMPTY);
    }

    fn audit_item(&self, addr: Addr, owned: &mut HashSet<Addr>) {
        self.audit_pieces(Item::at(&self.arena, addr).chain(), owned);
    }

    /// Adds the extents of an item.
    fn audit_pieces(&self, chain: Chain, owned: &mut HashSet<Addr>) {
        let (mut piece, mut next) = (chain.head, chain.next);
        loop {
            assert!(owned.insert(piece), "owned twice");
            if next == 0 || next == chain.head {
                break;
            }
            piece = next;
            next = (self.arena.word0(piece).load(Relaxed) >> 32) as Addr;
        }
    }
}
