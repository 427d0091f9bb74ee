//! Extents of items in the making: they belong to nobody in the index, perhaps for long, so a region with such an
//! extent cannot be emptied and is not tried.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::alloc::{Allocator, GRAINS_MIN, Plan, grains_of};
use crate::memory::arena::{Addr, Arena, REGION_GRAINS};

impl Allocator {
    /// Allocates one piece of an item of `whole` grains and holds its region: all of `plan`, or the largest hole if
    /// that has place for the header. On failure the error says how many grains must at least be freed first.
    pub(crate) fn take_held(
        &mut self,
        arena: &Arena,
        plan: &Plan,
        whole: u64,
    ) -> Result<Addr, u64> {
        let want = arena.grains(plan.header + plan.stream);
        let want = want.clamp(GRAINS_MIN, REGION_GRAINS);
        let piece = match self.take_fit(arena, want) {
            Some(piece) => piece,
            None => {
                let (free, needed) = (self.free(), u64::from(want) + self.reserve(whole));
                if free < needed {
                    return Err(needed - free);
                }
                self.take_largest(arena).ok_or(1u64)?
            }
        };
        if grains_of(arena.word0(piece).load(Relaxed)) < arena.grains(plan.header) {
            self.put(arena, piece);
            return Err(u64::from(arena.grains(plan.header)));
        }
        self.seal(arena, piece, plan.kind, plan.word0);
        let region = (piece / REGION_GRAINS) as usize;
        if self.held.len() <= region {
            self.held.resize(region + 1, 0);
        }
        self.held[region] += 1;
        Ok(piece)
    }

    /// Ends holding the regions of `pieces`: they are somebody's now, or about to be freed.
    pub(crate) fn let_go(&mut self, pieces: &[Addr]) {
        for piece in pieces {
            self.held[(piece / REGION_GRAINS) as usize] -= 1;
        }
    }

    /// True while an extent of the region belongs to an item in the making.
    pub(super) fn is_held(&self, region: u32) -> bool {
        self.held.get(region as usize).is_some_and(|held| *held > 0)
    }
}
