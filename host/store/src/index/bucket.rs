//! A bucket of the index: a cache line, and nodes when it runs over. Their bytes are drawn in `index.rs`.

use std::sync::atomic::Ordering::Relaxed;

use crate::index::LINE_WORDS;
use crate::memory::alloc::{Kind, Plan};
use crate::memory::arena::{Addr, Arena};

const LINE_SLOTS: usize = 12;
const NODE_SLOTS: usize = 5;
const NODE_BYTES: usize = 32;
/// Grains of a node, if grains are as small as can be.
pub(crate) const NODE_GRAINS_MAX: u32 = (NODE_BYTES / 8) as u32;

/// What an overflow node asks of the allocator.
pub(crate) const NODE_PLAN: Plan = Plan {
    kind: Kind::Overflow,
    word0: 0,
    header: NODE_BYTES,
    stream: 0,
    chained: 0,
};

/// A slot of a bucket, in one word so that it travels in a register:
/// bits 0..4 its number, bit 4 set in a node, bits 5.. first word of the line or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

impl Slot {
    #[inline]
    fn new(base: usize, i: usize, node: bool) -> Slot {
        Slot(base << 5 | usize::from(node) << 4 | i)
    }

    /// The slot of that [`number`](Slot::number) in a line or node.
    #[inline]
    fn numbered(base: usize, number: u8) -> Slot {
        Slot(base << 5 | usize::from(number))
    }

    #[inline]
    fn base(self) -> usize {
        self.0 >> 5
    }

    #[inline]
    fn i(self) -> usize {
        self.0 & 15
    }

    #[inline]
    fn node(self) -> bool {
        self.0 & 16 != 0
    }

    /// Half word of the slot's address, counted from the base: a node's addresses begin in its second word.
    #[inline]
    fn half(self) -> usize {
        self.i() + usize::from(self.node()) * 2
    }

    /// The word and the bit at which the slot's tag begins.
    #[inline]
    fn tag_place(self) -> (usize, usize) {
        if self.node() {
            (self.base(), 16 + 8 * self.i())
        } else {
            (self.base() + 6 + self.i() / 8, 8 * (self.i() % 8))
        }
    }

    /// The slot as a small number, from which `Bucket::slot_with` finds it again: its place in a line or node, and
    /// which of the two.
    pub(crate) fn number(self) -> u8 {
        (self.0 & 31) as u8
    }
}

/// A bucket: its line and nodes.
#[derive(Clone, Copy)]
pub(crate) struct Bucket<'m> {
    arena: &'m Arena,
    line: usize,
}

impl<'m> Bucket<'m> {
    #[inline]
    pub(crate) fn new(arena: &'m Arena, line: usize) -> Bucket<'m> {
        Bucket { arena, line }
    }

    fn half(&self, base: usize, i: usize) -> u32 {
        (self.arena.load(base + i / 2) >> (32 * (i % 2))) as u32
    }

    #[inline]
    fn set_half(&self, base: usize, i: usize, value: u32) {
        let kept = self.arena.load(base + i / 2) & !(0xffff_ffff << (32 * (i % 2)));
        self.arena
            .store(base + i / 2, kept | u64::from(value) << (32 * (i % 2)));
    }

    #[inline]
    fn node_link(&self, base: usize) -> (usize, usize) {
        if base == self.line {
            (base, 15)
        } else {
            (base, 2 + NODE_SLOTS)
        }
    }

    /// The node after `base` (the line or a node), or 0.
    #[inline]
    fn next(&self, base: usize) -> Addr {
        let (base, i) = self.node_link(base);
        self.half(base, i)
    }

    #[inline]
    fn set_next(&self, base: usize, node: Addr) {
        let (base, i) = self.node_link(base);
        self.set_half(base, i, node);
    }

    #[inline]
    fn slots(&self, base: usize) -> impl DoubleEndedIterator<Item = Slot> + use<> {
        let node = base != self.line;
        (0..if node { NODE_SLOTS } else { LINE_SLOTS }).map(move |i| Slot::new(base, i, node))
    }

    /// The address in a slot.
    #[inline]
    pub(crate) fn addr(&self, slot: Slot) -> Addr {
        self.half(slot.base(), slot.half())
    }

    /// The slot of that number that holds `addr`.
    pub(crate) fn slot_with(&self, number: u8, addr: Addr) -> Option<Slot> {
        let slot = Slot::numbered(self.line, number);
        if !slot.node() {
            return (self.addr(slot) == addr).then_some(slot);
        }
        let mut node = self.next(self.line);
        while node != 0 {
            let base = self.arena.at(node);
            let slot = Slot::numbered(base, number);
            if self.addr(slot) == addr {
                return Some(slot);
            }
            node = self.next(base);
        }
        None
    }

    /// Points a slot to where its item moved.
    #[inline]
    pub(crate) fn set_addr(&self, slot: Slot, addr: Addr) {
        self.set_half(slot.base(), slot.half(), addr);
    }

    #[inline]
    fn tag(&self, slot: Slot) -> u8 {
        let (word, shift) = slot.tag_place();
        (self.arena.load(word) >> shift) as u8
    }

    #[inline]
    fn set_tag(&self, slot: Slot, tag: u8) {
        let (word, shift) = slot.tag_place();
        if slot.node() {
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
    #[inline(always)]
    pub(crate) fn find(&self, tag: u8, mut is: impl FnMut(Addr) -> bool) -> Option<(Slot, Addr)> {
        for i in self.hits(tag) {
            let addr = self.half(self.line, i);
            if addr != 0 && is(addr) {
                return Some((Slot::new(self.line, i, false), addr));
            }
        }
        match self.next(self.line) {
            0 => None,
            node => self.find_in_nodes(node, tag, &mut is),
        }
    }

    /// Slots of the line with `tag`.
    #[inline]
    fn hits(&self, tag: u8) -> Hits {
        let ones = u64::from(tag) * LOW_BYTES;
        let low = zero_bytes(self.arena.load(self.line + 6) ^ ones);
        let high = zero_bytes(self.arena.load(self.line + 7) ^ ones);
        // The lowest bit of a byte for each of the first eight, the next bit for each of the last four.
        Hits(low >> 7 | (high & 0xffff_ffff) >> 6)
    }

    #[inline]
    fn find_in_nodes(
        &self,
        mut node: Addr,
        tag: u8,
        is: &mut impl FnMut(Addr) -> bool,
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
    pub(crate) fn guess(&self, tag: u8, mut see: impl FnMut(Addr)) -> Addr {
        let hits = self.hits(tag);
        let found = hits.0 != 0;
        for i in hits {
            see(self.half(self.line, i));
        }
        if found { 0 } else { self.next(self.line) }
    }

    /// As `guess`, in a node.
    pub(crate) fn guess_in_node(&self, node: Addr, tag: u8, mut see: impl FnMut(Addr)) -> Addr {
        let base = self.arena.at(node);
        let mut found = false;
        for slot in self.slots(base).filter(|slot| self.tag(*slot) == tag) {
            see(self.addr(slot));
            found = true;
        }
        if found { 0 } else { self.next(base) }
    }

    /// An empty slot, or the last base, where a node is to be hung.
    #[inline]
    pub(crate) fn vacancy(&self) -> Result<Slot, usize> {
        // No item has tag 0: it marks empty slots.
        if let Some(i) = self.hits(0).next() {
            return Ok(Slot::new(self.line, i, false));
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
    pub(crate) fn hang(&self, base: usize, node: Addr) {
        let words = self.arena.at(node);
        for word in 1..NODE_BYTES / 8 {
            self.arena.store(words + word, 0);
        }
        self.set_next(base, node);
    }

    /// Fills a slot.
    #[inline]
    pub(crate) fn fill(&self, slot: Slot, tag: u8, addr: Addr) {
        self.set_addr(slot, addr);
        self.set_tag(slot, tag);
    }

    /// Empties a slot, fills the hole from the last node, and returns a node that became empty.
    pub(crate) fn clear(&self, slot: Slot) -> Option<Addr> {
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
    pub(crate) fn each(&self, mut visit: impl FnMut(Slot, u8, Addr)) {
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
    pub(crate) fn nodes(&self, mut visit: impl FnMut(Addr)) {
        let mut node = self.next(self.line);
        while node != 0 {
            let next = self.next(self.arena.at(node));
            visit(node);
            node = next;
        }
    }

    /// Replaces node `from` by its copy `to`; false when the bucket has no such node.
    pub(crate) fn move_node(&self, from: Addr, to: Addr) -> bool {
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

    /// Any item hanging on `node`, to find the node's bucket; racy.
    pub(crate) fn some_item_of_node(arena: &Arena, node: Addr) -> Option<Addr> {
        (2..2 + NODE_SLOTS)
            .map(|i| arena.half(node, i))
            .find(|addr| *addr != 0)
    }

    /// Empties the line's slots and unhangs its nodes, which the caller takes.
    pub(crate) fn reset(&self) {
        for word in 0..LINE_WORDS {
            self.arena.store(self.line + word, 0);
        }
    }
}

/// Slots of a line, a bit each: see `Bucket::hits`.
#[derive(Clone, Copy)]
struct Hits(u64);

impl Iterator for Hits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit / 8 + bit % 8 * 8)
    }
}

const LOW_BYTES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte that is zero.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}
