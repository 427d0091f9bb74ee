//! What the regions of the arena are used for, and how that changes.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::alloc::{Allocator, GRAINS_MIN, IN_USE, RegionUse, grains_of};
use crate::memory::arena::{Addr, Arena, REGION_GRAINS};

impl Allocator {
    /// What a region is used for.
    pub(crate) fn region_use(&self, region: u32) -> RegionUse {
        self.regions
            .get(region as usize)
            .copied()
            .unwrap_or(RegionUse::Idle)
    }

    /// True when a region holds extents and is not being emptied.
    pub(super) fn holds_extents(&self, region: u32) -> bool {
        self.region_use(region) == RegionUse::Extents
    }

    /// True while a region is being emptied.
    pub(super) fn is_closing(&self, region: u32) -> bool {
        self.region_use(region) == RegionUse::Closing
    }

    /// Regions ever used are below this.
    pub(crate) fn regions_end(&self) -> u32 {
        self.regions.len() as u32
    }

    fn set_region(&mut self, region: u32, to: RegionUse) {
        let from = self.region_use(region);
        if self.regions.len() <= region as usize {
            self.regions.resize(region as usize + 1, RegionUse::Idle);
        }
        self.regions[region as usize] = to;
        self.regions_used += u32::from(from == RegionUse::Idle);
        self.regions_used -= u32::from(to == RegionUse::Idle);
        self.regions_index += u32::from(to == RegionUse::Index);
        self.regions_index -= u32::from(from == RegionUse::Index);
    }

    /// An idle region, if the limit allows one more.
    fn idle_region(&mut self, arena: &Arena) -> Option<u32> {
        if self.regions_used >= self.regions_allowed {
            return None;
        }
        let region = (self.idle_from..).find(|r| self.region_use(*r) == RegionUse::Idle)?;
        self.idle_from = region;
        (region < arena.regions()).then_some(region)
    }

    /// Makes an idle region one free extent.
    pub(super) fn open_region(&mut self, arena: &Arena) -> Option<Addr> {
        let region = self.idle_region(arena)?;
        self.set_region(region, RegionUse::Extents);
        self.bin(arena, region * REGION_GRAINS, REGION_GRAINS);
        Some(region * REGION_GRAINS)
    }

    /// An idle or wholly free region for the index. Its words are not zeroed.
    pub(super) fn take_index_region(&mut self, arena: &Arena) -> Option<u32> {
        let region = if let Some(region) = self.idle_region(arena) {
            region
        } else {
            let addr = self.bins.whole_region()?;
            self.unbin(arena, addr);
            addr / REGION_GRAINS
        };
        self.set_region(region, RegionUse::Index);
        Some(region)
    }

    /// Makes an emptied region the index's. Its words are not zeroed.
    pub(super) fn give_to_index(&mut self, region: u32) {
        self.set_region(region, RegionUse::Index);
    }

    /// Starts emptying a region: its holes leave the bins.
    pub(super) fn close(&mut self, arena: &Arena, region: u32) {
        self.walk_free(arena, region, |alloc, addr, _| alloc.unbin(arena, addr));
        self.set_region(region, RegionUse::Closing);
    }

    /// Ends emptying with success, if there is nothing left.
    pub(super) fn end_emptying(&mut self, region: u32, extents_left: usize) -> bool {
        if extents_left == 0 {
            self.set_region(region, RegionUse::Emptied);
        }
        extents_left == 0
    }

    /// Ends emptying without success.
    pub(super) fn reopen(&mut self, arena: &Arena, region: u32) {
        self.set_region(region, RegionUse::Extents);
        self.walk_free(arena, region, |alloc, addr, len| {
            alloc.bin(arena, addr, len)
        });
    }

    /// Ends emptying, or gives an index region back: it may be used for anything, or given to the system.
    pub(crate) fn retire(&mut self, region: u32) {
        self.set_region(region, RegionUse::Idle);
        self.idle_from = self.idle_from.min(region);
    }

    fn walk_free(
        &mut self,
        arena: &Arena,
        region: u32,
        mut each: impl FnMut(&mut Self, Addr, u32),
    ) {
        walk(arena, region, |addr, word| {
            if word & IN_USE == 0 {
                each(self, addr, grains_of(word));
            }
        });
    }

    /// Visits the extents in use of a region.
    pub(crate) fn walk_used(&self, arena: &Arena, region: u32, mut each: impl FnMut(Addr, u64)) {
        if matches!(
            self.region_use(region),
            RegionUse::Extents | RegionUse::Closing
        ) {
            walk(arena, region, |addr, word| {
                if word & IN_USE != 0 {
                    each(addr, word);
                }
            });
        }
    }
}

/// Visits all extents of a region, which `each` may change but not divide or join.
///
/// # Panics
/// When the tags do not divide the region: then memory is corrupt, and going on would loop or make it worse.
fn walk(arena: &Arena, region: u32, mut each: impl FnMut(Addr, u64)) {
    let (mut addr, end) = (region * REGION_GRAINS, (region + 1) * REGION_GRAINS);
    while addr < end {
        let word = arena.word0(addr).load(Relaxed);
        let len = grains_of(word);
        assert!(
            (GRAINS_MIN..=end - addr).contains(&len),
            "an extent of {len} grains at {addr} in region {region}"
        );
        each(addr, word);
        addr += len;
    }
}
