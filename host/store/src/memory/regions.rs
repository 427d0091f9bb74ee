//! How memory moves between items, the index and the operating system: by whole regions.
//!
//! A region is emptied by moving what is in it into holes elsewhere, evicting the oldest items to open holes if there
//! are none. Moving keeps an item's place in the LRU order. One mover works at a time, in short steps: no
//! lock is held for longer than one item takes that is not long. A long value is copied while it is pinned instead; the
//! index passes regions with parts of one by, as nobody's set shall wait for that.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::index::bucket::NODE_PLAN;
use crate::item::draft::Draft;
use crate::item::{Item, KEY_BYTES_MAX, flag};
use crate::memory::alloc::{Allocator, Kind, LONG, RegionUse};
use crate::memory::arena::Addr;
use crate::memory::shrink::Shrinking;
use crate::order::evict::GARBAGE_AT_ONCE;
use crate::shard::{Found, Leave, Locked};
use crate::{Eviction, NoRoom, Store};

/// Where the mover stands; guarded by its lock.
#[derive(Debug, Default)]
pub(crate) struct Mover {
    /// Extents to move, refilled per region.
    extents: Vec<Addr>,
    /// Next region to try when the index needs one.
    hand: u32,
    /// Tick before which emptying is not tried again, after a failure.
    rest_until: u64,
    pub shrinking: Shrinking,
}

/// Why a region was not emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// There is no room elsewhere, and nobody may leave.
    NoRoom,
    /// A part of a tree is there, whose parent only a walk through the tree finds.
    Tree,
    /// Somebody holds on to something there, perhaps for long.
    Busy,
}

impl From<NoRoom> for Stuck {
    fn from(_: NoRoom) -> Stuck {
        Stuck::NoRoom
    }
}

/// Address space for limits set later: all of the machine's memory, up to what grains of 8 bytes reach.
pub(crate) fn reserve_bytes(limit: usize) -> usize {
    if cfg!(miri) {
        return limit;
    }
    let info = rustix::system::sysinfo();
    let ram = info.totalram as usize * (info.mem_unit as usize).max(1);
    limit.max(ram.min(1 << 35))
}

/// Limits from here on ask for huge pages: lookups miss the TLB otherwise.
const HUGE_PAGES_FROM: usize = 64 << 20;
/// Regions looked at before emptying one is given up for a while: others may hold trees, which stay where they are.
const TRIES: u32 = 64;
/// Accesses until emptying is tried again.
const REST_TICKS: u64 = 1 << 16;

impl Store {
    /// The highest limit that can be set while serving, in bytes: address space is reserved for that at the start.
    pub fn memory_limit_max(&self) -> usize {
        self.arena.regions() as usize * self.arena.region_bytes()
    }

    /// Sets the memory limit, also while serving; `maintain` gives back what is too much.
    pub fn set_memory_limit(&self, bytes: usize) {
        let room = bytes.saturating_sub(self.fixed_bytes());
        // Each region has its entries in tables outside of the arena.
        let tables = size_of::<AtomicU32>() + size_of::<RegionUse>() + size_of::<u16>();
        let each = self.arena.region_bytes() + tables;
        let regions = (room / each).clamp(2, self.arena.regions() as usize);
        let huge = if bytes < HUGE_PAGES_FROM { 0 } else { bytes };
        let mut alloc = self.alloc.lock();
        alloc.regions_allowed = regions as u32;
        self.limit.store(bytes as u64, Relaxed);
        self.arena.ask_huge_pages(huge);
    }

    /// Bytes of tables whose size does not depend on what is stored.
    pub(crate) fn fixed_bytes(&self) -> usize {
        size_of::<Store>() + self.shards.len() * (size_of_val(&self.shards[0]) + 16)
    }

    /// Gives the index its first region.
    pub(crate) fn open_index(&self) {
        let region = self
            .alloc
            .lock()
            .take_index_region(&self.arena)
            .expect("two regions are always allowed");
        debug_assert_eq!(region, 0, "address 0 must never be an item");
        self.index.push(&self.arena, region);
    }

    /// Gives the index one more region. Another thread may be at it: then there is nothing to do.
    pub(crate) fn grow_index(&self) {
        let Some(mut mover) = self.regions.try_lock() else {
            return;
        };
        if !self.index_wanted.swap(false, Relaxed) {
            return;
        }
        let taken = self.alloc.lock().take_index_region(&self.arena);
        let now = self.clock_now();
        let resting = now < mover.rest_until;
        match taken.or_else(|| (!resting).then(|| self.empty_some_region(&mut mover))?) {
            Some(region) => self.index.push(&self.arena, region),
            None if resting => {}
            None => mover.rest_until = now + REST_TICKS,
        }
    }

    /// Empties a region and marks it as the index's.
    fn empty_some_region(&self, mover: &mut Mover) -> Option<u32> {
        for _ in 0..TRIES {
            let region = {
                let alloc = self.alloc.lock();
                // Too few regions for both: longer chains in the index are better than no items.
                if alloc.regions_index * 2 > alloc.regions_allowed {
                    return None;
                }
                let end = alloc.regions_end();
                mover.hand = (mover.hand + 1) % end;
                mover.hand
            };
            let movable = self.is_movable(&self.alloc.lock(), region);
            if movable && self.empty(mover, region) {
                self.alloc.lock().give_to_index(region);
                return Some(region);
            }
        }
        None
    }

    /// True when the index may have the region: what is there can be moved in little time.
    fn is_movable(&self, alloc: &Allocator, region: u32) -> bool {
        let mut movable = alloc.holds_extents(region) && !alloc.is_held(region);
        if movable {
            alloc.walk_used(&self.arena, region, |addr, word0| {
                movable &= match Kind::of(word0) {
                    Kind::Node => false,
                    Kind::Continuation => word0 & LONG == 0,
                    Kind::Head => !self.is_long_racy(addr),
                    Kind::Overflow => true,
                }
            });
        }
        movable
    }

    /// True when the item at `addr` is long. The item may be in the making, its link nonsense.
    fn is_long_racy(&self, addr: Addr) -> bool {
        let chain = Item::at(&self.arena, addr).chain();
        self.arena.holds(chain.next, 1) && chain.is_long(&self.arena)
    }

    /// True when parts of trees are in the region.
    pub(super) fn holds_trees(&self, alloc: &Allocator, region: u32) -> bool {
        let mut trees = false;
        alloc.walk_used(&self.arena, region, |_, word0| {
            trees |= Kind::of(word0) == Kind::Node;
        });
        trees
    }

    /// Moves everything out of a region. On success the region is `Emptied`, for the caller to use or retire.
    fn empty(&self, mover: &mut Mover, region: u32) -> bool {
        self.alloc.lock().close(&self.arena, region);
        let emptied = self.empty_closed(mover, region).is_ok();
        if !emptied {
            self.alloc.lock().reopen(&self.arena, region);
        }
        emptied
    }

    /// Moves everything out of a closed region, which is `Emptied` on success and as it was otherwise.
    pub(super) fn empty_closed(&self, mover: &mut Mover, region: u32) -> Result<(), Stuck> {
        // What is in the making or being freed has no owner yet or any more: it is met again or gone next time.
        for attempt in 0..64 {
            mover.extents.clear();
            {
                // Under one lock: others walk regions too, and must not meet one whose memory is going.
                let mut alloc = self.alloc.lock();
                alloc.walk_used(&self.arena, region, |addr, _| mover.extents.push(addr));
                if alloc.end_emptying(region, mover.extents.len()) {
                    return Ok(());
                }
            }
            for addr in mover.extents.drain(..) {
                self.move_extent(addr)?;
            }
            if attempt > 0 && self.free_garbage(GARBAGE_AT_ONCE) == 0 {
                std::thread::yield_now();
            }
        }
        Err(Stuck::Busy)
    }

    /// Moves the item or node an extent belongs to; does nothing if that cannot be found.
    fn move_extent(&self, addr: Addr) -> Result<(), Stuck> {
        let word0 = self.arena.word0(addr).load(Relaxed);
        match Kind::of(word0) {
            Kind::Head => self.move_item(addr),
            Kind::Continuation => {
                // The last piece links back to the head.
                let mut piece = addr;
                for _ in 0..1 << 24 {
                    let word0 = self.arena.word0(piece).load(Relaxed);
                    if Kind::of(word0) == Kind::Head {
                        return self.move_item(piece);
                    }
                    piece = (word0 >> 32) as Addr;
                    if piece == 0 || !self.arena.holds(piece, 1) {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Overflow => Ok(self.move_node(addr)?),
            Kind::Node => Err(Stuck::Tree),
        }
    }

    fn move_item(&self, addr: Addr) -> Result<(), Stuck> {
        if self.pins.holds(addr) {
            return Err(Stuck::Busy);
        }
        let mut spare = None;
        loop {
            let Some((mut locked, found)) = self.lock_owner(addr) else {
                break;
            };
            if found.item.chain().is_long(&self.arena) {
                return self.move_long(locked, found);
            }
            let mut buffer = [0; KEY_BYTES_MAX];
            let draft = found.item.draft(&mut buffer);
            let plan = draft.plan();
            let taken = match spare.take() {
                Some((planned, chain)) if planned == plan => Ok(chain),
                other => {
                    spare = other;
                    self.try_take(&plan)
                }
            };
            if let Ok(chain) = taken {
                let (item, mut value) = draft.write(&self.arena, chain);
                value.copy(&mut found.item.value(), draft.value_len);
                locked.replace(found, &item, true);
                break;
            }
            drop(locked);
            if let Some((_, chain)) = spare.take() {
                self.free(chain);
            }
            match self.make_room(&plan) {
                Ok(chain) => spare = Some((plan, chain)),
                Err(NoRoom) => return self.evict_unmoved(addr),
            }
        }
        if let Some((_, chain)) = spare {
            self.free(chain);
        }
        Ok(())
    }

    /// Moves a long value while its shard is not locked: it is pinned, so it stays as it is, and if it leaves meanwhile
    /// its memory stays.
    fn move_long(&self, locked: Locked<'_>, found: Found<'_>) -> Result<(), Stuck> {
        let addr = found.item.addr();
        let mut buffer = [0; KEY_BYTES_MAX];
        let draft = found.item.draft(&mut buffer);
        self.pins.add(&found.item, usize::MAX);
        drop(locked);
        let moved = self.make_room(&draft.plan()).map(|chain| {
            let (copy, mut value) = draft.write(&self.arena, chain);
            value.copy(&mut found.item.value(), draft.value_len);
            if !self.put_in_place(addr, &draft, copy) {
                self.free(chain);
            }
        });
        self.unpin(found.item.chain());
        moved.or_else(|NoRoom| self.evict_unmoved(addr))
    }

    /// Evicts an item that cannot stay where it is and has no room elsewhere.
    fn evict_unmoved(&self, addr: Addr) -> Result<(), Stuck> {
        if self.eviction == Eviction::Refuse {
            return Err(Stuck::NoRoom);
        }
        if let Some((mut locked, found)) = self.lock_owner(addr) {
            let hash = locked.hash_of(&found.item);
            locked.remove(hash, found, Leave::Evicted);
        }
        Ok(())
    }

    /// Puts a copy in the place of the item at `addr`. False when the item is gone, or has other fields than it had.
    fn put_in_place(&self, addr: Addr, copied: &Draft<'_>, mut copy: Item<'_>) -> bool {
        let Some((mut locked, found)) = self.lock_owner(addr) else {
            return false;
        };
        let mut buffer = [0; KEY_BYTES_MAX];
        let draft = found.item.draft(&mut buffer);
        const FIELDS: u64 = flag::EXPIRES | flag::FLAGGED | flag::CAS;
        if (draft.plan().word0 ^ copied.plan().word0) & FIELDS != 0 {
            return false;
        }
        draft.refill(&self.arena, &copy);
        copy.mark(draft.marks, copied.marks & !draft.marks);
        locked.replace(found, &copy, true);
        true
    }

    fn move_node(&self, addr: Addr) -> Result<(), NoRoom> {
        let mut buffer = [0; KEY_BYTES_MAX];
        let hash = crate::index::bucket::Bucket::some_item_of_node(&self.arena, addr)
            .filter(|item| self.arena.holds(*item, 1))
            .and_then(|item| Item::at(&self.arena, item).racy_key(&mut buffer))
            .map(|key| self.hash(key));
        let to = match self.try_take(&NODE_PLAN) {
            Ok(chain) => chain.head,
            Err(_) => self.make_room(&NODE_PLAN)?.head,
        };
        let moved = hash.is_some_and(|hash| self.lock(hash).bucket(hash).move_node(addr, to));
        self.alloc
            .lock()
            .put(&self.arena, if moved { addr } else { to });
        Ok(())
    }

    /// Gives an emptied region back. Its memory goes first: once it is retired, anybody may place items there.
    pub(super) fn give_back(&self, region: u32) {
        self.arena.release(region);
        self.alloc.lock().retire(region);
    }

    /// Gives the last region of the index back when no shard has a bucket there, with some slack.
    pub(super) fn shrink_index(&self) {
        let regions = self.index.regions();
        if regions < 2 {
            return;
        }
        let rows = self.index.rows_in(regions - 1);
        // All shards are locked out of growing into it by locking them one after the other: each sees fewer rows.
        let low = self
            .bucket_counts
            .iter()
            .all(|count| count.load(Relaxed) <= rows - rows / 8);
        if !low {
            return;
        }
        let region = self.index.pop();
        if (0..self.shards.len()).any(|id| self.lock_shard(id).shard.buckets > rows) {
            self.index.unpop();
            return;
        }
        self.give_back(region);
    }
}
