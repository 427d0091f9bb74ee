//! Where the item of a key is: linear hashing over cache-line buckets.
//!
//! Buckets of all shards share *lines* in regions of the arena: bucket `b` of shard `s` is line `b * shards + s`,
//! so all shards grow row by row and no shard pays for a region of its own. A shard splits one bucket per
//! some inserts; nothing is ever rehashed at once. A bucket that runs over hangs on small nodes in the arena.
//!
//! ```text
//! line   words 0..6  12 addresses | word 6, half of 7: 12 tags | half of 7: first overflow node
//! node   word 0      extent tag 16 | 5 tags 40 | word 1..: 5 addresses | next node
//! ```
//!
//! A tag is one byte of the hash; address 0 is an empty slot. The shard's lock guards its buckets.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use super::alloc::{Kind, Plan};
use super::arena::{Addr, Arena, REGION_GRAINS};
use super::os::Zeroed;

const LINE_SLOTS: usize = 12;
const NODE_SLOTS: usize = 5;
/// Words of a line.
const LINE_WORDS: usize = 8;
const NODE_BYTES: usize = 32;
/// Grains of a node, those of the smallest size assumed.
pub(super) const NODE_GRAINS_MAX: u32 = (NODE_BYTES / 8) as u32;

/// What an overflow node asks of the allocator.
pub(super) const NODE_PLAN: Plan = Plan {
    kind: Kind::Overflow,
    word0: 0,
    header: NODE_BYTES,
    stream: 0,
    chained: 0,
};

/// The regions of the index.
#[derive(Debug)]
pub(super) struct Index {
    directory: Zeroed<AtomicU32>,
    regions: AtomicU32,
    shards: u32,
    lines_log: u32,
}

/// A slot of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// First word of the line or node.
    base: usize,
    i: usize,
    node: bool,
}

/// One byte of the hash that neither shard nor bucket number use. Never 0, so that empty lines match nothing.
pub(super) fn tag_of(hash: u64) -> u8 {
    ((hash >> 40) as u8).max(1)
}

/// The bucket of a hash among `buckets`.
pub(super) fn bucket_of(hash: u64, buckets: u32) -> u32 {
    let mask = u64::from(buckets).next_power_of_two() - 1;
    let low = u64::from(hash as u32);
    let bucket = low & mask;
    (if bucket >= u64::from(buckets) {
        low & (mask >> 1)
    } else {
        bucket
    }) as u32
}

impl Index {
    /// Without any region yet.
    pub(super) fn new(arena: &Arena, shards: u32) -> Index {
        let lines = arena.region_bytes() / (LINE_WORDS * 8);
        Index {
            directory: Zeroed::map(arena.regions() as usize)
                .expect("address space for a small table"),
            regions: AtomicU32::new(0),
            shards,
            lines_log: lines.trailing_zeros(),
        }
    }

    /// Adds a region at the end and zeroes it.
    pub(super) fn push(&self, arena: &Arena, region: u32) {
        let words = arena.region_bytes() / 8;
        for word in 0..words {
            arena.store(region as usize * words + word, 0);
        }
        let regions = self.regions.load(Relaxed);
        self.directory[regions as usize].store(region, Relaxed);
        self.regions.store(regions + 1, Release);
    }

    /// Takes the last region away; no shard may have a bucket in it.
    pub(super) fn pop(&self) -> u32 {
        let regions = self.regions.load(Relaxed) - 1;
        self.regions.store(regions, Release);
        self.directory[regions as usize].load(Relaxed)
    }

    /// Takes `pop` back.
    pub(super) fn unpop(&self) {
        self.regions.fetch_add(1, Release);
    }

    /// Regions it has.
    pub(super) fn regions(&self) -> u32 {
        self.regions.load(Acquire)
    }

    /// Buckets each shard may have.
    pub(super) fn rows(&self) -> u32 {
        self.rows_in(self.regions())
    }

    /// Buckets each shard may have in so many regions.
    pub(super) fn rows_in(&self, regions: u32) -> u32 {
        (((u64::from(regions)) << self.lines_log) / u64::from(self.shards)).min(1 << 31) as u32
    }

    /// First word of a bucket's line.
    pub(super) fn line(&self, arena: &Arena, shard: usize, bucket: u32) -> usize {
        let line = u64::from(bucket) * u64::from(self.shards) + shard as u64;
        let region = self.directory[(line >> self.lines_log) as usize].load(Relaxed);
        let within = (line as usize) & ((1 << self.lines_log) - 1);
        arena.at(region * REGION_GRAINS) + within * LINE_WORDS
    }
}

/// A bucket: its line and nodes.
#[derive(Clone, Copy)]
pub(super) struct Bucket<'m> {
    arena: &'m Arena,
    line: usize,
}

impl<'m> Bucket<'m> {
    pub(super) fn new(arena: &'m Arena, line: usize) -> Bucket<'m> {
        Bucket { arena, line }
    }

    fn half(&self, base: usize, i: usize) -> u32 {
        (self.arena.load(base + i / 2) >> (32 * (i % 2))) as u32
    }

    fn set_half(&self, base: usize, i: usize, value: u32) {
        let kept = self.arena.load(base + i / 2) & !(0xffff_ffff << (32 * (i % 2)));
        self.arena
            .store(base + i / 2, kept | u64::from(value) << (32 * (i % 2)));
    }

    fn node_link(&self, base: usize) -> (usize, usize) {
        if base == self.line {
            (base, 15)
        } else {
            (base, 2 + NODE_SLOTS)
        }
    }

    /// The node after `base` (the line or a node), or 0.
    fn next(&self, base: usize) -> Addr {
        let (base, i) = self.node_link(base);
        self.half(base, i)
    }

    fn set_next(&self, base: usize, node: Addr) {
        let (base, i) = self.node_link(base);
        self.set_half(base, i, node);
    }

    fn slots(&self, base: usize) -> impl DoubleEndedIterator<Item = Slot> + use<> {
        let node = base != self.line;
        (0..if node { NODE_SLOTS } else { LINE_SLOTS }).map(move |i| Slot { base, i, node })
    }

    /// The address in a slot.
    pub(super) fn addr(&self, slot: Slot) -> Addr {
        self.half(slot.base, slot.i + if slot.node { 2 } else { 0 })
    }

    /// Points a slot to where its item moved.
    pub(super) fn set_addr(&self, slot: Slot, addr: Addr) {
        self.set_half(slot.base, slot.i + if slot.node { 2 } else { 0 }, addr);
    }

    fn tag(&self, slot: Slot) -> u8 {
        let (word, shift) = if slot.node {
            (slot.base, 16 + 8 * slot.i)
        } else {
            (slot.base + 6 + slot.i / 8, 8 * (slot.i % 8))
        };
        (self.arena.load(word) >> shift) as u8
    }

    fn set_tag(&self, slot: Slot, tag: u8) {
        let (word, shift) = if slot.node {
            (slot.base, 16 + 8 * slot.i)
        } else {
            (slot.base + 6 + slot.i / 8, 8 * (slot.i % 8))
        };
        if slot.node {
            // The allocator may change its tag in the same word at any time.
            let flip = (self.arena.load(word) ^ u64::from(tag) << shift) & 0xff << shift;
            self.arena.words(word, 1)[0].fetch_xor(flip, Relaxed);
        } else {
            self.arena.store(
                word,
                self.arena.load(word) & !(0xff << shift) | u64::from(tag) << shift,
            );
        }
    }

    /// The first slot with `tag` whose address passes `is`.
    #[inline]
    pub(super) fn find(&self, tag: u8, mut is: impl FnMut(Addr) -> bool) -> Option<(Slot, Addr)> {
        let (low, high) = self.hits(tag);
        for (mut hits, first) in [(low, 0), (high, 8)] {
            while hits != 0 {
                let i = first + hits.trailing_zeros() as usize / 8;
                hits &= hits - 1;
                let addr = self.half(self.line, i);
                if addr != 0 && is(addr) {
                    let slot = Slot {
                        base: self.line,
                        i,
                        node: false,
                    };
                    return Some((slot, addr));
                }
            }
        }
        match self.next(self.line) {
            0 => None,
            node => self.find_in_nodes(node, tag, &mut is),
        }
    }

    /// Slots of the line with `tag`: a bit in the byte of each, of the first eight and of the last four.
    #[inline]
    fn hits(&self, tag: u8) -> (u64, u64) {
        let ones = u64::from(tag) * LOW_BYTES;
        let low = zero_bytes(self.arena.load(self.line + 6) ^ ones);
        let high = zero_bytes(self.arena.load(self.line + 7) ^ ones);
        (low, high & 0xffff_ffff)
    }

    fn find_in_nodes(
        &self,
        mut node: Addr,
        tag: u8,
        is: &mut dyn FnMut(Addr) -> bool,
    ) -> Option<(Slot, Addr)> {
        while node != 0 {
            let base = self.arena.at(node);
            let slots = self.slots(base).filter(|slot| self.tag(*slot) == tag);
            for slot in slots {
                let addr = self.addr(slot);
                if addr != 0 && is(addr) {
                    return Some((slot, addr));
                }
            }
            node = self.next(base);
        }
        None
    }

    /// Addresses in the line that may be the one for `tag`; racy, for prefetching. When there is none, the node to look
    /// on in, or 0.
    #[inline]
    pub(super) fn guess(&self, tag: u8, mut see: impl FnMut(Addr)) -> Addr {
        let (low, high) = self.hits(tag);
        for (mut hits, first) in [(low, 0), (high, 8)] {
            while hits != 0 {
                see(self.half(self.line, first + hits.trailing_zeros() as usize / 8));
                hits &= hits - 1;
            }
        }
        match (low, high) {
            (0, 0) => self.next(self.line),
            _ => 0,
        }
    }

    /// As `guess`, in a node.
    pub(super) fn guess_in_node(&self, node: Addr, tag: u8, mut see: impl FnMut(Addr)) -> Addr {
        let base = self.arena.at(node);
        let mut found = false;
        for slot in self.slots(base).filter(|slot| self.tag(*slot) == tag) {
            see(self.addr(slot));
            found = true;
        }
        if found { 0 } else { self.next(base) }
    }

    /// An empty slot, or the last base, where a node is to be hung.
    pub(super) fn vacancy(&self) -> Result<Slot, usize> {
        // Tag 0 is nobody's.
        let (low, high) = self.hits(0);
        let first = match (low, high) {
            (0, 0) => None,
            (0, _) => Some(8 + high.trailing_zeros() as usize / 8),
            _ => Some(low.trailing_zeros() as usize / 8),
        };
        if let Some(i) = first {
            return Ok(Slot {
                base: self.line,
                i,
                node: false,
            });
        }
        let mut base = self.line;
        loop {
            let found = |base| self.slots(base).find(|slot| self.addr(*slot) == 0);
            if base != self.line
                && let Some(slot) = found(base)
            {
                return Ok(slot);
            }
            match self.next(base) {
                0 => return Err(base),
                node => base = self.arena.at(node),
            }
        }
    }

    /// Hangs an empty node, fresh from the allocator, behind `base`.
    pub(super) fn hang(&self, base: usize, node: Addr) {
        let words = self.arena.at(node);
        for word in 1..NODE_BYTES / 8 {
            self.arena.store(words + word, 0);
        }
        self.set_next(base, node);
    }

    /// Fills a slot.
    pub(super) fn fill(&self, slot: Slot, tag: u8, addr: Addr) {
        self.set_addr(slot, addr);
        self.set_tag(slot, tag);
    }

    /// Empties a slot, fills the hole from the last node, and returns a node that became empty.
    pub(super) fn clear(&self, slot: Slot) -> Option<Addr> {
        let (mut before, mut last, mut node) = (self.line, self.line, self.next(self.line));
        while node != 0 {
            before = last;
            last = self.arena.at(node);
            node = self.next(last);
        }
        if last == self.line {
            self.fill(slot, 0, 0);
            return None;
        }
        let donor = self.slots(last).rfind(|s| self.addr(*s) != 0);
        match donor {
            Some(donor) if donor != slot => {
                self.fill(slot, self.tag(donor), self.addr(donor));
                self.fill(donor, 0, 0);
            }
            _ => self.fill(slot, 0, 0),
        }
        if self.slots(last).all(|s| self.addr(s) == 0) {
            let empty = self.next(before);
            self.set_next(before, 0);
            return Some(empty);
        }
        None
    }

    /// Visits all filled slots.
    pub(super) fn each(&self, mut visit: impl FnMut(Slot, u8, Addr)) {
        let mut base = self.line;
        loop {
            for slot in self.slots(base) {
                let addr = self.addr(slot);
                if addr != 0 {
                    visit(slot, self.tag(slot), addr);
                }
            }
            match self.next(base) {
                0 => return,
                node => base = self.arena.at(node),
            }
        }
    }

    /// Visits the nodes.
    pub(super) fn nodes(&self, mut visit: impl FnMut(Addr)) {
        let mut node = self.next(self.line);
        while node != 0 {
            let next = self.next(self.arena.at(node));
            visit(node);
            node = next;
        }
    }

    /// Replaces node `from` by its copy `to`; false when the bucket has no such node.
    pub(super) fn move_node(&self, from: Addr, to: Addr) -> bool {
        let mut base = self.line;
        loop {
            match self.next(base) {
                0 => return false,
                node if node == from => break,
                node => base = self.arena.at(node),
            }
        }
        let (old, new) = (self.arena.at(from), self.arena.at(to));
        for word in 1..NODE_BYTES / 8 {
            self.arena.store(new + word, self.arena.load(old + word));
        }
        for (a, b) in self.slots(old).zip(self.slots(new)) {
            self.set_tag(b, self.tag(a));
        }
        self.set_next(base, to);
        true
    }

    /// Any item hanging on `node`, to find whose bucket it is; racy.
    pub(super) fn some_item_of_node(arena: &Arena, node: Addr) -> Option<Addr> {
        (2..2 + NODE_SLOTS)
            .map(|i| arena.half(node, i))
            .find(|addr| *addr != 0)
    }

    /// Empties the line's slots and unhangs its nodes, which the caller takes.
    pub(super) fn reset(&self) {
        for word in 0..LINE_WORDS {
            self.arena.store(self.line + word, 0);
        }
    }
}

const LOW_BYTES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte that is zero.
fn zero_bytes(word: u64) -> u64 {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}
