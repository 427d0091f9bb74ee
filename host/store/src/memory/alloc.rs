//! Who owns which grains: extents with boundary tags, free ones in bins by length.
//!
//! The arena is cut into regions of `REGION_GRAINS`; an extent never crosses a region, so a region can be emptied
//! and handed to the index or the operating system. A request that fits no hole takes the largest
//! holes as pieces, so that the last free byte is of use and nothing is moved to make room.
//!
//! ```text
//! extent in use   word 0   bits 0..12 length in grains | 12 in use | 13 previous is free | 14..16 kind | 16.. owner's
//! extent free     word 0   tag as above | bits 32..64 next in bin
//!                 word 1   bits 0..32 previous in bin
//!                 last     bits 48..64 length, so that the extent after it finds its start
//! continuation    word 0   tag | 16 of a long value | bits 32..64 next piece, of the last one the item's head
//! ```
//!
//! Everything here runs under the allocator's lock, which is a leaf: no other lock is taken inside. Every
//! operation is O(1) per piece.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::arena::{Addr, Arena, REGION_GRAINS};
use crate::memory::bins::Bins;

pub(crate) const LEN_MASK: u64 = 0xfff;
pub(crate) const IN_USE: u64 = 1 << 12;
pub(crate) const PREV_FREE: u64 = 1 << 13;
const KIND_SHIFT: u32 = 14;
/// The allocator's bits of word 0.
pub(crate) const TAG_MASK: u64 = 0xffff;
/// Smallest extent in grains: a free one needs two words for its links.
pub(super) const GRAINS_MIN: u32 = 2;
/// One grain in so many is left free. With fewer free, holes are small, items come in ever more pieces and leave as
/// many small holes again: heads of pieces then take more than the reserve (measured: 7 % of the memory).
const RESERVE_SHARE: u64 = 100;
/// One grain of the reserve in so many may be taken between two evictions. Then a set finds memory at once, and one
/// item leaves after it; otherwise one set would wait for several items to leave, and others for none.
const AHEAD_SHARE: u64 = 8;
/// Values of more bytes are long: they are freed bit by bit, and nobody waits while they move.
const LONG_BYTES: usize = if cfg!(any(test, fuzzing)) {
    1 << 16
} else {
    1 << 20
};
/// Mark of all pieces of a long value but the first.
pub(super) const LONG: u64 = 1 << 16;
/// Bytes of a continuation piece before its payload.
pub(crate) const PIECE_HEAD: usize = 8;

/// What an extent in use holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// First piece of an item.
    Head,
    /// Further piece of an item.
    Continuation,
    /// Overflow node of an index bucket.
    Overflow,
    /// Node of a large object's tree, or a piece of one.
    Node,
}

impl Kind {
    fn bits(self) -> u64 {
        (self as u64) << KIND_SHIFT
    }

    /// The kind in a tag.
    pub(crate) fn of(word0: u64) -> Kind {
        match word0 >> KIND_SHIFT & 3 {
            0 => Kind::Head,
            1 => Kind::Continuation,
            2 => Kind::Overflow,
            _ => Kind::Node,
        }
    }
}

/// Length in grains in a tag.
#[inline]
pub(crate) fn grains_of(word0: u64) -> u32 {
    (word0 & LEN_MASK) as u32
}

/// What to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the extents are for.
    pub kind: Kind,
    /// Bits 16.. of word 0, set before anybody else can see the extent.
    pub word0: u64,
    /// Bytes that must be in the first piece, not counting a link to the next.
    pub header: usize,
    /// Bytes that may be spread over pieces.
    pub stream: usize,
    /// Set in word 0 when there is more than one piece; 0 when it must be one piece.
    pub chained: u64,
}

impl Plan {
    /// Grains that the plan takes at least, if its pieces are whole regions.
    pub(crate) fn grains_min(&self, arena: &Arena) -> u64 {
        let bytes = self.header + self.stream;
        let piece = arena.region_bytes() - PIECE_HEAD;
        // Nearly all plans are smaller: no division for them.
        let pieces = if bytes < piece { 0 } else { bytes / piece };
        u64::from(arena.grains(bytes + pieces * PIECE_HEAD))
    }

    /// First word of a further piece, linked to the first as the last one is.
    pub(crate) fn further(&self, head: Addr) -> u64 {
        let long = self.kind == Kind::Head && self.stream > LONG_BYTES;
        u64::from(head) << 32 | if long { LONG } else { 0 }
    }

    /// Pieces that the plan may be cut into: enough that a large value fits among small holes.
    fn pieces_max(&self) -> usize {
        if self.chained == 0 {
            1
        } else {
            (self.stream / 64).max(16)
        }
    }
}

/// Extents handed out: the first, and the one after it (0 when it is alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// First piece.
    pub head: Addr,
    /// Second piece or 0.
    pub next: Addr,
}

/// What a region is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegionUse {
    /// The region is not used; its memory is with the operating system.
    Idle,
    /// Extents.
    Extents,
    /// Extents, being emptied: nothing new is placed there.
    Closing,
    /// The region was emptied, and is on its way to another use: there are no tags to walk, its memory may be going.
    Emptied,
    /// Lines of the index.
    Index,
}

/// The free extents and the regions.
#[derive(Debug)]
pub(crate) struct Allocator {
    pub(crate) bins: Bins,
    /// Grains in extents in use.
    pub used_grains: u64,
    pub(crate) regions: Vec<RegionUse>,
    /// Regions not `Idle`.
    pub regions_used: u32,
    /// Regions that may be used.
    pub regions_allowed: u32,
    /// Regions of the index.
    pub regions_index: u32,
    /// No region below this one is idle.
    pub(super) idle_from: u32,
    /// Extents of each region that belong to an item in the making, see `held.rs`.
    pub(crate) held: Vec<u16>,
}

impl Allocator {
    /// An allocator that owns nothing yet.
    pub(crate) fn new(regions_allowed: u32) -> Allocator {
        Allocator {
            bins: Bins::default(),
            used_grains: 0,
            regions: Vec::new(),
            regions_used: 0,
            regions_allowed,
            regions_index: 0,
            idle_from: 0,
            held: Vec::new(),
        }
    }

    /// Allocates all of `plan` or nothing. On failure the error says how many grains must at least be freed first.
    pub(crate) fn take(&mut self, arena: &Arena, plan: &Plan) -> Result<Chain, u64> {
        let whole = arena.grains(plan.header + plan.stream).max(GRAINS_MIN);
        if whole <= REGION_GRAINS
            && let Some(head) = self.take_fit(arena, whole)
        {
            self.seal(arena, head, plan.kind, plan.word0);
            return Ok(Chain { head, next: 0 });
        }
        if plan.chained == 0 {
            return Err(u64::from(whole));
        }
        let grains = plan.grains_min(arena) + 1;
        let reserve = self.reserve(grains);
        let needed = grains + reserve - reserve / AHEAD_SHARE;
        let free = self.free();
        if free < needed {
            return Err(needed - free);
        }
        self.take_pieces(arena, plan)
    }

    /// Grains in holes and in regions that may be opened.
    pub(crate) fn free(&self) -> u64 {
        let unused = self.regions_allowed.saturating_sub(self.regions_used);
        self.bins.grains + u64::from(unused) * u64::from(REGION_GRAINS)
    }

    /// Grains that are to stay free beside an item of so many.
    pub(super) fn reserve(&self, grains: u64) -> u64 {
        let regions = self.regions_allowed.saturating_sub(self.regions_index);
        let all = u64::from(regions) * u64::from(REGION_GRAINS);
        // An item that takes much of the memory may have the reserve, too.
        if grains > all / 2 {
            0
        } else {
            all / RESERVE_SHARE
        }
    }

    /// How many items are to leave, now that one of so many grains was placed, to keep the reserve.
    pub(crate) fn owed(&self, grains: u64) -> u8 {
        let (free, reserve) = (self.free(), self.reserve(grains));
        u8::from(free < reserve) + u8::from(free < reserve - reserve / AHEAD_SHARE / 2)
    }

    /// Gathers pieces, largest holes first, until the plan is met.
    fn take_pieces(&mut self, arena: &Arena, plan: &Plan) -> Result<Chain, u64> {
        let header = plan.header + 4;
        let mut left = header + plan.stream;
        let (mut head, mut next, mut last) = (0, 0, 0);
        for _ in 0..plan.pieces_max() {
            let around = if head == 0 { 0 } else { PIECE_HEAD };
            let want = arena.grains(left + around).max(GRAINS_MIN);
            let fit = self.take_fit(arena, want.min(REGION_GRAINS));
            let Some(piece) = fit.or_else(|| self.take_largest(arena)) else {
                break;
            };
            let bytes = grains_of(arena.word0(piece).load(Relaxed)) as usize * arena.grain_bytes();
            if head == 0 {
                if bytes < header {
                    self.put(arena, piece);
                    return Err(u64::from(arena.grains(header)));
                }
                self.seal(arena, piece, plan.kind, plan.word0 | plan.chained);
                head = piece;
            } else {
                self.seal(arena, piece, continuation_of(plan.kind), plan.further(head));
                if next == 0 {
                    next = piece;
                } else {
                    arena.set_tagged_link(last, piece);
                }
                last = piece;
            }
            left = left.saturating_sub(bytes - around);
            if left == 0 {
                return Ok(Chain { head, next });
            }
        }
        if head != 0 {
            self.put_chain(arena, Chain { head, next });
        }
        Err(u64::from(arena.grains(left)).max(1))
    }

    /// Frees all pieces of an item.
    pub(crate) fn put_chain(&mut self, arena: &Arena, chain: Chain) {
        let mut piece = chain.next;
        while piece != 0 && piece != chain.head {
            let next = (arena.word0(piece).load(Relaxed) >> 32) as Addr;
            self.put(arena, piece);
            piece = next;
        }
        self.put(arena, chain.head);
    }

    /// Frees one extent.
    pub(crate) fn put(&mut self, arena: &Arena, addr: Addr) {
        let tag = arena.word0(addr).load(Relaxed);
        debug_assert!(tag & IN_USE != 0, "freed twice");
        let (mut start, mut len) = (addr, grains_of(tag));
        self.used_grains -= u64::from(len);
        if tag & PREV_FREE != 0 {
            let before = (arena.load(arena.at(addr) - 1) >> 48) as u32;
            start -= before;
            len += before;
            self.unbin(arena, start);
        }
        let after = addr + grains_of(tag);
        if !after.is_multiple_of(REGION_GRAINS) {
            let next = arena.word0(after).load(Relaxed);
            if next & IN_USE == 0 {
                self.unbin(arena, after);
                len += grains_of(next);
            } else {
                arena.word0(after).fetch_or(PREV_FREE, Relaxed);
            }
        }
        self.bin(arena, start, len);
    }

    /// Puts the tag and the owner's first bits in place.
    pub(crate) fn seal(&mut self, arena: &Arena, addr: Addr, kind: Kind, word0: u64) {
        let word = arena.word0(addr);
        let tag = word.load(Relaxed) & TAG_MASK;
        word.store(tag | kind.bits() | word0, Relaxed);
    }

    /// Takes `len` grains from the best hole, or from a fresh region.
    pub(super) fn take_fit(&mut self, arena: &Arena, len: u32) -> Option<Addr> {
        let addr = match self.bins.find(arena, len) {
            Some(addr) => addr,
            None => self.open_region(arena)?,
        };
        self.unbin(arena, addr);
        self.carve(arena, addr, len);
        Some(addr)
    }

    pub(super) fn take_largest(&mut self, arena: &Arena) -> Option<Addr> {
        let addr = self.bins.largest()?;
        self.unbin(arena, addr);
        self.carve(arena, addr, grains_of(arena.word0(addr).load(Relaxed)));
        Some(addr)
    }

    /// Marks the first `len` grains of a hole as used and bins the rest, if it can stand alone.
    fn carve(&mut self, arena: &Arena, addr: Addr, len: u32) {
        let hole = grains_of(arena.word0(addr).load(Relaxed));
        let len = if hole - len < GRAINS_MIN { hole } else { len };
        self.used_grains += u64::from(len);
        arena.word0(addr).store(u64::from(len) | IN_USE, Relaxed);
        if len < hole {
            self.bin(arena, addr + len, hole - len);
        } else if !(addr + len).is_multiple_of(REGION_GRAINS) {
            arena.word0(addr + len).fetch_and(!PREV_FREE, Relaxed);
        }
    }

    fn closing(&self, addr: Addr) -> bool {
        self.regions[(addr / REGION_GRAINS) as usize] == RegionUse::Closing
    }

    /// Makes a hole, which is not offered to anybody while its region is being emptied.
    pub(super) fn bin(&mut self, arena: &Arena, addr: Addr, len: u32) {
        debug_assert!(len >= GRAINS_MIN);
        let offered = !self.closing(addr);
        self.bins.add(arena, addr, len, offered);
    }

    pub(super) fn unbin(&mut self, arena: &Arena, addr: Addr) {
        if !self.closing(addr) {
            self.bins.remove(arena, addr);
        }
    }
}

fn continuation_of(kind: Kind) -> Kind {
    if kind == Kind::Head {
        Kind::Continuation
    } else {
        kind
    }
}

impl Arena {
    /// Sets the link of a continuation piece, keeping its tag.
    pub(crate) fn set_tagged_link(&self, piece: Addr, next: Addr) {
        let word = self.word0(piece);
        let flip = (word.load(Relaxed) ^ u64::from(next) << 32) & (0xffff_ffff << 32);
        word.fetch_xor(flip, Relaxed);
    }
}
