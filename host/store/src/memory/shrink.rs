//! Less memory: what is done after the limit was lowered.
//!
//! As many regions as are too many are closed, from the end of the arena on, so that nothing new is placed there. If
//! there are parts of trees in them, all trees are walked once, a few blobs at a time, and what lies in closed regions
//! moves out. Then the regions are emptied one by one, as for the index. Items leave only to make room.

use crate::fields::{Cursor, NodeId};
use crate::item::Item;
use crate::memory::arena::REGION_GRAINS;
use crate::memory::nodes::Writer;
use crate::memory::regions::{Mover, Stuck};
use crate::order::evict::ANYBODY;
use crate::{NoRoom, Store};

/// How much of `maintain`'s budget a step takes.
const SHRINK_STEP: usize = 64;
/// Buckets looked at for large objects in a step.
const BUCKETS_PER_STEP: usize = 256;
/// Blobs looked at before others may have the shard.
const BLOBS_PER_LOCK: usize = 64;
/// Walks through all trees until some parts of them are left where they are for now.
const WALKS_MAX: u32 = 4;

/// Where shrinking stands; guarded by the mover's lock.
#[derive(Debug, Default)]
pub(crate) struct Shrinking {
    /// Regions with extents are closed from this one on; 0 when none are, as region 0 is the index's.
    from: u32,
    /// Regions from this one on are not closed.
    end: u32,
    /// The walk through all trees that is under way.
    walk: Option<Walk>,
    walks: u32,
    /// Whether a region could not be emptied because somebody holds on to something there.
    skipped: bool,
}

#[derive(Debug, Default)]
struct Walk {
    shard: usize,
    bucket: u32,
    /// Hashes of the objects of this bucket that were walked.
    seen: Vec<u64>,
    /// Where the next object's walk goes on.
    cursor: Cursor,
}

impl Store {
    /// Deferred work: shrinks the index, and the arena after its limit was lowered.
    pub(crate) fn settle_regions(&self, budget: usize) -> usize {
        let mut done = 0;
        for id in 0..self.shards.len() {
            let mut locked = self.lock_shard(id);
            while done < budget && locked.shrink() {
                done += 1;
            }
        }
        if let Some(mut mover) = self.regions.try_lock() {
            self.shrink_index();
            while done < budget && self.shrink_arena(&mut mover) {
                done += SHRINK_STEP;
            }
        }
        done
    }

    /// Takes a step towards as few regions as are allowed. False when there is nothing to do, or nothing can be done
    /// now.
    fn shrink_arena(&self, mover: &mut Mover) -> bool {
        let surplus = {
            let alloc = self.alloc.lock();
            alloc.regions_used.saturating_sub(alloc.regions_allowed)
        };
        if surplus == 0 {
            self.end_shrinking(mover);
            return false;
        }
        if mover.shrinking.from == 0 {
            return self.begin_shrinking(mover, surplus);
        }
        if let Some(walk) = &mut mover.shrinking.walk {
            match self.walk_trees(walk, mover.shrinking.from) {
                Ok(false) => return true,
                Ok(true) => mover.shrinking.walk = None,
                Err(NoRoom) => {
                    self.end_shrinking(mover);
                    return false;
                }
            }
        }
        let Some(region) = self.last_closed(&mut mover.shrinking) else {
            // What was held may be held for long: not again at once.
            let again = !mover.shrinking.skipped;
            self.end_shrinking(mover);
            return again;
        };
        match self.empty_closed(mover, region) {
            Ok(()) => self.give_back(region),
            Err(Stuck::Tree) if self.free_garbage(REGION_GRAINS as usize) > 0 => {}
            Err(Stuck::Tree) if mover.shrinking.walks < WALKS_MAX => {
                mover.shrinking.walk = Some(Walk::default());
                mover.shrinking.walks += 1;
            }
            Err(Stuck::Busy) => self.skip(mover, region),
            Err(_) => {
                self.end_shrinking(mover);
                return false;
            }
        }
        true
    }

    /// Opens a region again that cannot be emptied, and closes another one instead.
    fn skip(&self, mover: &mut Mover, region: u32) {
        mover.shrinking.skipped = true;
        let mut alloc = self.alloc.lock();
        alloc.reopen(&self.arena, region);
        let other = (1..mover.shrinking.from)
            .rev()
            .find(|region| alloc.holds_extents(*region) && !alloc.is_held(*region));
        if let Some(other) = other {
            alloc.close(&self.arena, other);
            mover.shrinking.from = other;
        }
    }

    /// Closes regions from the end of the arena on.
    fn begin_shrinking(&self, mover: &mut Mover, surplus: u32) -> bool {
        let mut trees = false;
        let mut closed = 0;
        mover.shrinking.end = self.alloc.lock().regions_end();
        for region in (1..mover.shrinking.end).rev() {
            if closed == surplus {
                break;
            }
            // One lock for each, as walking a region takes some microseconds.
            let mut alloc = self.alloc.lock();
            if alloc.holds_extents(region) && !alloc.is_held(region) {
                trees |= self.holds_trees(&alloc, region);
                alloc.close(&self.arena, region);
                mover.shrinking.from = region;
                closed += 1;
            }
        }
        if trees {
            mover.shrinking.walk = Some(Walk::default());
        }
        closed > 0
    }

    /// Opens what is still closed.
    fn end_shrinking(&self, mover: &mut Mover) {
        let mut shrinking = std::mem::take(&mut mover.shrinking);
        while let Some(region) = self.last_closed(&mut shrinking) {
            self.alloc.lock().reopen(&self.arena, region);
        }
    }

    /// The last closed region. None is closed beyond it any more, so that all of them together are looked for once.
    fn last_closed(&self, shrinking: &mut Shrinking) -> Option<u32> {
        if shrinking.from == 0 {
            return None;
        }
        let alloc = self.alloc.lock();
        let mut regions = (shrinking.from..shrinking.end).rev();
        let last = regions.find(|region| alloc.is_closing(*region));
        shrinking.end = last.map_or(shrinking.from, |last| last + 1);
        last
    }

    /// Moves some parts of trees out of regions from `from` on. True when all trees were walked.
    fn walk_trees(&self, walk: &mut Walk, from: u32) -> Result<bool, NoRoom> {
        for _ in 0..BUCKETS_PER_STEP {
            if walk.shard == self.shards.len() {
                return Ok(true);
            }
            let locked = self.lock_shard(walk.shard);
            if walk.bucket >= locked.shard.buckets {
                walk.shard += 1;
                walk.bucket = 0;
                continue;
            }
            let mut object = None;
            locked.bucket_at(walk.bucket).each(|_, _, addr| {
                let item = Item::at(&self.arena, addr);
                if item.is_tree() {
                    let hash = locked.hash_of(&item);
                    if !walk.seen.contains(&hash) {
                        object = Some((hash, item));
                    }
                }
            });
            let Some((hash, item)) = object else {
                walk.bucket += 1;
                walk.seen.clear();
                continue;
            };
            let moved = self.relocate(&item, from, &mut walk.cursor);
            drop(locked);
            if moved.is_err() {
                return self.make_any_room(ANYBODY).map(|()| false);
            }
            if walk.cursor.is_done() {
                walk.cursor = Cursor::default();
                walk.seen.push(hash);
            }
            return Ok(false);
        }
        Ok(false)
    }

    /// Moves parts of a tree whose shard is locked.
    fn relocate(&self, item: &Item<'_>, from: u32, cursor: &mut Cursor) -> Result<(), NoRoom> {
        let mut tree = item.tree();
        let before = tree;
        // The walk holds a shard and not the commit lock, so it may not evict.
        let mut nodes = Writer {
            store: self,
            evicts: false,
            held: &mut [],
            spared: &[],
        };
        let must = |id: NodeId| self.blob_reaches(id.0, from);
        let done = tree.relocate(&mut nodes, &must, BLOBS_PER_LOCK, cursor);
        if tree != before {
            item.value().write(&tree.to_bytes());
        }
        done.map_err(|_| NoRoom)
    }
}
