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
//! continuation    word 0   tag | bits 32..64 next piece, of the last one the item's head
//! ```
//!
//! Everything here runs under the allocator's lock, which is a leaf: no other lock is taken inside. Every
//! operation is O(1) per piece.

use std::sync::atomic::Ordering::Relaxed;

use super::arena::{Addr, Arena, REGION_GRAINS};

const LEN_MASK: u64 = 0xfff;
const IN_USE: u64 = 1 << 12;
const PREV_FREE: u64 = 1 << 13;
const KIND_SHIFT: u32 = 14;
/// The allocator's bits of word 0.
pub(super) const TAG_MASK: u64 = 0xffff;
/// Smallest extent in grains: a free one needs two words for its links.
const GRAINS_MIN: u32 = 2;
/// Bytes of a continuation piece before its payload.
pub(super) const PIECE_HEAD: usize = 8;

/// What an extent in use holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
    pub(super) fn of(word0: u64) -> Kind {
        match word0 >> KIND_SHIFT & 3 {
            0 => Kind::Head,
            1 => Kind::Continuation,
            2 => Kind::Overflow,
            _ => Kind::Node,
        }
    }
}

/// Length in grains in a tag.
pub(super) fn grains_of(word0: u64) -> u32 {
    (word0 & LEN_MASK) as u32
}

/// What to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// What it is for.
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
    /// Grains it takes at least, pieces of whole regions assumed.
    pub(super) fn grains_min(&self, arena: &Arena) -> u64 {
        let bytes = self.header + self.stream;
        let pieces = bytes / (arena.region_bytes() - PIECE_HEAD);
        ((bytes + pieces * PIECE_HEAD).div_ceil(arena.grain_bytes())) as u64
    }

    /// Pieces it may be cut into: enough that a large value fits among small holes.
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
pub(super) struct Chain {
    /// First piece.
    pub head: Addr,
    /// Second piece or 0.
    pub next: Addr,
}

/// What a region is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegionUse {
    /// Not at all; its memory is with the operating system.
    Idle,
    /// Extents.
    Extents,
    /// Extents, being emptied: nothing new is placed there.
    Closing,
    /// Lines of the index.
    Index,
}

/// The free extents and the regions.
#[derive(Debug)]
pub(super) struct Allocator {
    heads: [Addr; BINS],
    filled: [u64; BINS.div_ceil(64)],
    /// Grains in bins.
    pub free_grains: u64,
    /// Grains in extents in use.
    pub used_grains: u64,
    regions: Vec<RegionUse>,
    /// Regions not `Idle`.
    pub regions_used: u32,
    /// Regions that may be used.
    pub regions_allowed: u32,
    /// Regions of the index.
    pub regions_index: u32,
    /// No region below it is idle.
    idle_from: u32,
}

/// Lengths below 64 have a bin each, longer ones 16 bins per doubling.
const BINS: usize = 64 + 5 * 16 + 1;

fn bin_of(len: u32) -> usize {
    if len < 64 {
        return len as usize;
    }
    let log = len.ilog2();
    64 + ((log - 6) * 16 + ((len >> (log - 4)) & 15)) as usize
}

impl Allocator {
    /// Owns nothing yet.
    pub(super) fn new(regions_allowed: u32) -> Allocator {
        Allocator {
            heads: [0; BINS],
            filled: [0; BINS.div_ceil(64)],
            free_grains: 0,
            used_grains: 0,
            regions: Vec::new(),
            regions_used: 0,
            regions_allowed,
            regions_index: 0,
            idle_from: 0,
        }
    }

    /// Allocates all of `plan` or nothing. On failure the error says how many grains must at least be freed first.
    pub(super) fn take(&mut self, arena: &Arena, plan: &Plan) -> Result<Chain, u64> {
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
        let needed = plan.grains_min(arena) + 1;
        let unused = u64::from(self.regions_allowed.saturating_sub(self.regions_used))
            * u64::from(REGION_GRAINS);
        if self.free_grains + unused < needed {
            return Err(needed - self.free_grains - unused);
        }
        self.take_pieces(arena, plan)
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
                self.seal(
                    arena,
                    piece,
                    continuation_of(plan.kind),
                    u64::from(head) << 32,
                );
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
    pub(super) fn put_chain(&mut self, arena: &Arena, chain: Chain) {
        let mut piece = chain.next;
        while piece != 0 && piece != chain.head {
            let next = (arena.word0(piece).load(Relaxed) >> 32) as Addr;
            self.put(arena, piece);
            piece = next;
        }
        self.put(arena, chain.head);
    }

    /// Frees one extent.
    pub(super) fn put(&mut self, arena: &Arena, addr: Addr) {
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
    fn seal(&mut self, arena: &Arena, addr: Addr, kind: Kind, word0: u64) {
        let word = arena.word0(addr);
        let tag = word.load(Relaxed) & TAG_MASK;
        word.store(tag | kind.bits() | word0, Relaxed);
    }

    /// Takes `len` grains from the best hole, or from a fresh region.
    fn take_fit(&mut self, arena: &Arena, len: u32) -> Option<Addr> {
        let addr = match self.find(arena, len) {
            Some(addr) => addr,
            None => self.open_region(arena)?,
        };
        self.unbin(arena, addr);
        self.carve(arena, addr, len);
        Some(addr)
    }

    fn take_largest(&mut self, arena: &Arena) -> Option<Addr> {
        let word = self.filled.iter().rposition(|bits| *bits != 0)?;
        let bin = word * 64 + 63 - self.filled[word].leading_zeros() as usize;
        let addr = self.heads[bin];
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

    fn find(&self, arena: &Arena, len: u32) -> Option<Addr> {
        let mut bin = bin_of(len);
        if len >= 64 {
            // A bin of longer lengths may hold a fit; look at a few before taking from the next.
            let mut addr = self.heads[bin];
            for _ in 0..4 {
                if addr == 0 {
                    break;
                }
                let word = arena.word0(addr).load(Relaxed);
                if grains_of(word) >= len {
                    return Some(addr);
                }
                addr = (word >> 32) as Addr;
            }
            bin += 1;
        }
        let mut word = bin / 64;
        let mut bits = self.filled.get(word)? & (!0 << (bin % 64));
        while bits == 0 {
            word += 1;
            bits = *self.filled.get(word)?;
        }
        Some(self.heads[word * 64 + bits.trailing_zeros() as usize])
    }

    fn closing(&self, addr: Addr) -> bool {
        self.regions[(addr / REGION_GRAINS) as usize] == RegionUse::Closing
    }

    /// Writes a free extent and links it into its bin.
    fn bin(&mut self, arena: &Arena, addr: Addr, len: u32) {
        debug_assert!(len >= GRAINS_MIN);
        let at = arena.at(addr);
        let last = at + ((len as usize) << arena.shift()) - 1;
        arena.store(last, u64::from(len) << 48);
        if self.closing(addr) {
            arena.store(at, u64::from(len));
            return;
        }
        let bin = bin_of(len);
        let next = self.heads[bin];
        arena.store(at, u64::from(len) | u64::from(next) << 32);
        let footer = arena.load(at + 1) & (!0 << 48);
        arena.store(at + 1, if last == at + 1 { footer } else { 0 });
        if next != 0 {
            self.set_bin_prev(arena, next, addr);
        }
        self.heads[bin] = addr;
        self.filled[bin / 64] |= 1 << (bin % 64);
        self.free_grains += u64::from(len);
    }

    fn unbin(&mut self, arena: &Arena, addr: Addr) {
        if self.closing(addr) {
            return;
        }
        let at = arena.at(addr);
        let word = arena.load(at);
        let (len, next) = (grains_of(word), (word >> 32) as Addr);
        let prev = arena.load(at + 1) as Addr;
        let bin = bin_of(len);
        if prev == 0 {
            self.heads[bin] = next;
            if next == 0 {
                self.filled[bin / 64] &= !(1 << (bin % 64));
            }
        } else {
            arena.store(
                arena.at(prev),
                arena.load(arena.at(prev)) & 0xffff_ffff | u64::from(next) << 32,
            );
        }
        if next != 0 {
            self.set_bin_prev(arena, next, prev);
        }
        self.free_grains -= u64::from(len);
    }

    fn set_bin_prev(&self, arena: &Arena, addr: Addr, prev: Addr) {
        let at = arena.at(addr) + 1;
        arena.store(at, arena.load(at) & (!0 << 48) | u64::from(prev));
    }

    // Regions.

    /// What a region is used for.
    pub(super) fn region_use(&self, region: u32) -> RegionUse {
        self.regions
            .get(region as usize)
            .copied()
            .unwrap_or(RegionUse::Idle)
    }

    /// Regions ever used are below this.
    pub(super) fn regions_end(&self) -> u32 {
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
    fn open_region(&mut self, arena: &Arena) -> Option<Addr> {
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
            let addr = self.heads[bin_of(REGION_GRAINS)];
            if addr == 0 {
                return None;
            }
            self.unbin(arena, addr);
            addr / REGION_GRAINS
        };
        self.set_region(region, RegionUse::Index);
        Some(region)
    }

    /// Starts emptying a region: its holes leave the bins.
    pub(super) fn close(&mut self, arena: &Arena, region: u32) {
        self.walk_free(arena, region, |alloc, addr, _| alloc.unbin(arena, addr));
        self.set_region(region, RegionUse::Closing);
    }

    /// Ends emptying without success.
    pub(super) fn reopen(&mut self, arena: &Arena, region: u32) {
        self.set_region(region, RegionUse::Extents);
        self.walk_free(arena, region, |alloc, addr, len| {
            alloc.bin(arena, addr, len)
        });
    }

    /// Ends emptying, or gives an index region back: it may be used for anything, or given to the system.
    pub(super) fn retire(&mut self, region: u32) {
        self.set_region(region, RegionUse::Idle);
        self.idle_from = self.idle_from.min(region);
    }

    fn walk_free(
        &mut self,
        arena: &Arena,
        region: u32,
        mut each: impl FnMut(&mut Self, Addr, u32),
    ) {
        let (mut addr, end) = (region * REGION_GRAINS, (region + 1) * REGION_GRAINS);
        while addr < end {
            let word = arena.word0(addr).load(Relaxed);
            if word & IN_USE == 0 {
                each(self, addr, grains_of(word));
            }
            addr += grains_of(word);
        }
    }

    /// Visits the extents in use of a region.
    pub(super) fn walk_used(&self, arena: &Arena, region: u32, mut each: impl FnMut(Addr, u64)) {
        if !matches!(
            self.region_use(region),
            RegionUse::Extents | RegionUse::Closing
        ) {
            return;
        }
        let (mut addr, end) = (region * REGION_GRAINS, (region + 1) * REGION_GRAINS);
        while addr < end {
            let word = arena.word0(addr).load(Relaxed);
            if word & IN_USE != 0 {
                each(addr, word);
            }
            addr += grains_of(word);
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
    pub(super) fn set_tagged_link(&self, piece: Addr, next: Addr) {
        let word = self.word0(piece);
        let flip = (word.load(Relaxed) ^ u64::from(next) << 32) & (0xffff_ffff << 32);
        word.fetch_xor(flip, Relaxed);
    }
}
