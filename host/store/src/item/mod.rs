//! What an item looks like.
//!
//! ```text
//! byte  0  tag: the allocator's, see alloc.rs
//!       2  flags, see `flag`
//!       3  key length, 1 to 255
//!       4  value length, or 0xffff when `big length` follows
//!       6  first two bytes of the key (a key of one byte leaves the second 0)
//!       8  neighbour used more recently, 0 at the front
//!      12  neighbour used less recently, 0 at the tail
//!      16  tick of the last access, low 32 bits
//!      20  next piece          if CHAINED
//!       .  big length          if the value length is 0xffff
//!       .  expiry, unix seconds if EXPIRES
//!       .  client flags        if FLAGGED
//!       .  CAS, 8 bytes        if CAS
//!       .  stream: the rest of the key, then the value; goes on at byte 8 of further pieces
//! ```
//!
//! So 20 bytes and two of the key in them: 18 bytes over key and value for a plain item. Only the owner of the
//! shard's lock changes an item; bits of word 0 are changed by atomic read-modify-write because the allocator
//! keeps the tag in the same word.

pub(super) mod draft;
pub(super) mod number;
pub(super) mod stream;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Expiry;
use crate::fields::Tree;
use crate::item::draft::Draft;
use crate::item::stream::Stream;
use crate::memory::alloc::{Chain, Plan, TAG_MASK, grains_of};
use crate::memory::arena::{Addr, Arena};

/// Flags of an item, in their place in word 0.
pub(super) mod flag {
    /// The item has an expiry.
    pub(in super::super) const EXPIRES: u64 = 1 << 16;
    /// The item has client flags other than 0. On an object: it is a large one.
    pub(in super::super) const FLAGGED: u64 = 1 << 17;
    /// The item has a CAS token.
    pub(in super::super) const CAS: u64 = 1 << 18;
    /// The item has more than one piece.
    pub(in super::super) const CHAINED: u64 = 1 << 19;
    /// A get returned the item.
    pub(in super::super) const FETCHED: u64 = 1 << 20;
    /// The item is the state of an object.
    pub(in super::super) const OBJECT: u64 = 1 << 21;
    /// The item was marked stale.
    pub(in super::super) const STALE: u64 = 1 << 22;
    /// Somebody won the right to recache the item.
    pub(in super::super) const TOKEN_SENT: u64 = 1 << 23;
}

/// Longest key, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 255;
/// Value lengths from here on have a field of their own.
pub(super) const BIG: u64 = 0xffff;
/// Half word of the LRU links.
const NEWER: usize = 2;
const OLDER: usize = 3;
const TICK: usize = 4;
pub(super) const OPTIONAL: usize = 5;

/// The word with both LRU links of the item at `addr`.
#[inline]
pub(super) fn links(arena: &Arena, addr: Addr) -> &AtomicU64 {
    arena.word(addr, NEWER / 2)
}

/// Half words that the optional fields of these flags take. Looked up in a word of nibbles, since not every processor
/// has an instruction that counts bits.
#[inline]
fn halves(flags: u64) -> usize {
    const FIRST: u32 = flag::EXPIRES.trailing_zeros();
    const HALVES: u64 = {
        let (mut table, mut fields) = (0, 0);
        while fields < 16u64 {
            let cas = fields >> (flag::CAS.trailing_zeros() - FIRST) & 1;
            table |= (fields.count_ones() as u64 + cas) << (4 * fields);
            fields += 1;
        }
        table
    };
    (HALVES >> (4 * (flags >> FIRST & 0xf)) & 0xf) as usize
}

/// Byte at which the stream begins.
#[inline]
pub(super) fn stream_at(word0: u64) -> usize {
    const FIELDS: u64 = flag::CHAINED | flag::EXPIRES | flag::FLAGGED | flag::CAS;
    if word0 & FIELDS == 0 && word0 >> 32 & 0xffff != BIG {
        return OPTIONAL * 4;
    }
    let big = usize::from(word0 >> 32 & 0xffff == BIG);
    4 * (OPTIONAL + halves(word0) + big)
}

#[inline]
fn key_len(word0: u64) -> usize {
    (word0 >> 24 & 0xff) as usize
}

#[inline]
pub(super) fn stream_len(word0: u64, value_len: usize) -> usize {
    key_len(word0).saturating_sub(2) + value_len
}

/// Changes the neighbour of the item at `addr` that was used more recently.
#[inline(always)]
pub(super) fn set_newer(arena: &Arena, addr: Addr, newer: Addr) {
    arena.set_half(addr, NEWER, newer);
}

/// Changes the neighbour of the item at `addr` that was used less recently.
#[inline(always)]
pub(super) fn set_older(arena: &Arena, addr: Addr, older: Addr) {
    arena.set_half(addr, OLDER, older);
}

/// An item in the arena. Its word 0 was read once: take a new `Item` after changing flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'m> {
    pub(super) arena: &'m Arena,
    addr: Addr,
    pub(super) word0: u64,
}

impl<'m> Item<'m> {
    /// The item at `addr`.
    #[inline]
    pub(super) fn at(arena: &'m Arena, addr: Addr) -> Item<'m> {
        Item {
            arena,
            addr,
            word0: arena.word0(addr).load(Relaxed),
        }
    }

    /// The item that will be at `addr` once its first word is `word0`, the allocator's part excepted.
    pub(super) fn as_if(arena: &'m Arena, addr: Addr, word0: u64) -> Item<'m> {
        let tag = arena.word0(addr).load(Relaxed) & TAG_MASK;
        Item {
            arena,
            addr,
            word0: tag | word0,
        }
    }

    #[inline]
    pub(super) fn addr(&self) -> Addr {
        self.addr
    }

    #[inline]
    pub(super) fn has(&self, flags: u64) -> bool {
        self.word0 & flags != 0
    }

    /// The marks that a copy of the item keeps.
    #[inline]
    pub(super) fn marks(&self) -> u64 {
        self.word0 & (flag::FETCHED | flag::OBJECT | flag::STALE | flag::TOKEN_SENT)
    }

    /// Sets and clears marks.
    #[inline]
    pub(super) fn mark(&mut self, set: u64, clear: u64) {
        let word = self.arena.word0(self.addr);
        if self.word0 & set != set {
            word.fetch_or(set, Relaxed);
        }
        if self.word0 & clear != 0 {
            word.fetch_and(!clear, Relaxed);
        }
        self.word0 = word.load(Relaxed);
    }

    pub(super) fn key_len(&self) -> usize {
        key_len(self.word0)
    }

    /// True when the value's length has a field of its own.
    #[inline]
    pub(super) fn is_big(&self) -> bool {
        self.word0 >> 32 & 0xffff == BIG
    }

    /// A draft of a copy, whose key is put into `buffer`.
    pub(super) fn draft<'b>(&self, buffer: &'b mut [u8; KEY_BYTES_MAX]) -> Draft<'b> {
        Draft {
            key: self.key(buffer),
            value_len: self.value_len(),
            client_flags: self.client_flags(),
            expiry: self.expiry(),
            cas: self.cas(),
            marks: self.marks(),
        }
    }

    /// Half word of an optional field, given those that stand before it.
    #[inline]
    fn field(&self, before: u64) -> usize {
        OPTIONAL + halves(self.word0 & before) + usize::from(self.is_big())
    }

    #[inline]
    pub(super) fn value_len(&self) -> usize {
        if self.is_big() {
            let i = OPTIONAL + usize::from(self.has(flag::CHAINED));
            self.arena.half(self.addr, i) as usize
        } else {
            (self.word0 >> 32 & 0xffff) as usize
        }
    }

    #[inline]
    pub(super) fn expiry(&self) -> Option<u32> {
        self.has(flag::EXPIRES)
            .then(|| self.arena.half(self.addr, self.field(BEFORE_EXPIRY)))
    }

    /// The expiry as the store's callers know it, in milliseconds.
    #[inline]
    pub(super) fn lifetime(&self) -> Expiry {
        Expiry(self.expiry().map(|s| u64::from(s) * 1000))
    }

    /// Changes the expiry in place; the item must have one.
    pub(super) fn set_expiry(&self, expiry: u32) {
        self.arena
            .set_half(self.addr, self.field(BEFORE_EXPIRY), expiry);
    }

    #[inline]
    pub(super) fn client_flags(&self) -> u32 {
        if self.has(flag::FLAGGED) {
            self.arena.half(self.addr, self.field(BEFORE_FLAGS))
        } else {
            0
        }
    }

    #[inline]
    pub(super) fn cas(&self) -> Option<u64> {
        self.has(flag::CAS).then(|| {
            let i = self.field(BEFORE_CAS);
            u64::from(self.arena.half(self.addr, i))
                | u64::from(self.arena.half(self.addr, i + 1)) << 32
        })
    }

    /// Changes the CAS in place; the item must have one.
    #[inline]
    pub(super) fn set_cas(&self, cas: u64) {
        let i = self.field(BEFORE_CAS);
        self.arena.set_half(self.addr, i, cas as u32);
        self.arena.set_half(self.addr, i + 1, (cas >> 32) as u32);
    }

    #[inline]
    pub(super) fn tick(&self) -> u32 {
        self.arena.half(self.addr, TICK)
    }

    #[inline(always)]
    pub(super) fn set_tick(&self, tick: u32) {
        self.arena.set_half(self.addr, TICK, tick);
    }

    #[cfg(test)]
    pub(super) fn newer(&self) -> Addr {
        self.arena.half(self.addr, NEWER)
    }

    #[cfg(test)]
    pub(super) fn older(&self) -> Addr {
        self.arena.half(self.addr, OLDER)
    }

    /// Both neighbours: newer, older.
    #[inline]
    pub(super) fn links(&self) -> (Addr, Addr) {
        let links = links(self.arena, self.addr).load(Relaxed);
        (links as Addr, (links >> 32) as Addr)
    }

    #[inline(always)]
    pub(super) fn set_links(&self, newer: Addr, older: Addr) {
        links(self.arena, self.addr).store(u64::from(newer) | u64::from(older) << 32, Relaxed);
    }

    #[inline]
    pub(super) fn chain(&self) -> Chain {
        let next = if self.has(flag::CHAINED) {
            self.arena.half(self.addr, OPTIONAL)
        } else {
            0
        };
        Chain {
            head: self.addr,
            next,
        }
    }

    /// True when the value is the root of a tree.
    #[inline]
    pub(super) fn is_tree(&self) -> bool {
        self.word0 & (flag::OBJECT | flag::FLAGGED) == flag::OBJECT | flag::FLAGGED
    }

    /// The tree of a large object.
    pub(super) fn tree(&self) -> Tree {
        let mut root = [0; Tree::BYTES];
        let mut at = 0;
        self.value().read(Tree::BYTES, &mut |run| {
            root[at..at + run.len()].copy_from_slice(run);
            at += run.len();
        });
        Tree::from_bytes(&root)
    }

    /// Key and value bytes, those in a tree included.
    #[inline]
    pub(super) fn payload_len(&self) -> usize {
        let tree = if self.is_tree() {
            self.tree().bytes() as usize
        } else {
            0
        };
        self.key_len() + self.value_len() + tree
    }

    /// Bytes that the item takes, about.
    pub(super) fn footprint(&self) -> usize {
        if self.is_tree() {
            self.room() + self.tree().bytes() as usize
        } else if self.has(flag::CHAINED) {
            stream_at(self.word0) + stream_len(self.word0, self.value_len())
        } else {
            self.room()
        }
    }

    /// Bytes of the first piece.
    #[inline]
    pub(super) fn room(&self) -> usize {
        grains_of(self.word0) as usize * self.arena.grain_bytes()
    }

    /// True when the item's key is `key`.
    #[inline(always)]
    pub(super) fn key_is(&self, key: &[u8]) -> bool {
        let lead = self.word0 >> 48;
        let second = key.get(1).copied().unwrap_or(0);
        if self.key_len() != key.len() || lead != u64::from(key[0]) | u64::from(second) << 8 {
            return false;
        }
        let rest = key.get(2..).unwrap_or_default();
        let at = stream_at(self.word0);
        if at + rest.len() <= self.room() {
            return self.arena.equals(self.addr, at, rest);
        }
        let mut copy = [0; KEY_BYTES_MAX];
        self.key(&mut copy) == key
    }

    /// Copies the key out.
    #[inline]
    pub(super) fn key<'b>(&self, buffer: &'b mut [u8; KEY_BYTES_MAX]) -> &'b [u8] {
        let len = self.key_len();
        let lead = (self.word0 >> 48).to_le_bytes();
        buffer[..2].copy_from_slice(&lead[..2]);
        let (rest, byte) = (len.saturating_sub(2), stream_at(self.word0));
        if byte + rest <= self.room() {
            self.arena.copy(self.addr, byte, &mut buffer[2..2 + rest]);
            return &buffer[..len];
        }
        let mut at = 2;
        self.stream().read(rest, &mut |run| {
            buffer[at..at + run.len()].copy_from_slice(run);
            at += run.len();
        });
        &buffer[..len]
    }

    /// A cursor at the beginning of the stream.
    #[inline(always)]
    pub(super) fn stream(&self) -> Stream<'m> {
        Stream {
            arena: self.arena,
            piece: self.addr,
            next: self.chain().next,
            byte: stream_at(self.word0),
            end: self.room(),
        }
    }

    /// Byte at which the value begins; `None` when the item has more than one piece.
    #[inline(always)]
    pub(super) fn value_at(&self) -> Option<usize> {
        let byte = stream_at(self.word0) + self.key_len().saturating_sub(2);
        (!self.has(flag::CHAINED)).then_some(byte)
    }

    /// A cursor at the value.
    #[inline(always)]
    pub(super) fn value(&self) -> Stream<'m> {
        let mut stream = self.stream();
        let rest = self.key_len().saturating_sub(2);
        if stream.byte + rest <= stream.end {
            stream.byte += rest;
        } else {
            stream.skip(rest);
        }
        stream
    }

    /// True when `plan` fits the extent as it stands, with neither waste nor a change of fields: the item may
    /// be rewritten in place.
    #[inline]
    pub(super) fn holds(&self, plan: &Plan) -> bool {
        const SHAPE: u64 = flag::EXPIRES | flag::FLAGGED | flag::CAS | flag::CHAINED;
        let bytes = plan.header + plan.stream;
        (self.word0 ^ plan.word0) & SHAPE == 0
            && self.is_big() == (plan.word0 >> 32 & 0xffff == BIG)
            && bytes <= self.room()
            && self.arena.grains(bytes).max(2) == grains_of(self.word0)
    }

    /// True when a value as long as `plan`'s fits the one piece the item has, all fields staying where they are.
    pub(super) fn holds_longer(&self, plan: &Plan) -> bool {
        const SHAPE: u64 = flag::EXPIRES | flag::FLAGGED | flag::CAS | flag::CHAINED;
        (self.word0 ^ plan.word0) & SHAPE == 0
            && self.is_big() == (plan.word0 >> 32 & 0xffff == BIG)
            && plan.header + plan.stream <= self.room()
    }

    /// Changes the value's length, after `holds_longer`.
    pub(super) fn set_value_len(&mut self, plan: &Plan, len: usize) {
        if self.is_big() {
            self.arena.set_half(self.addr, OPTIONAL, len as u32);
        }
        self.reshape(plan);
    }

    /// Replaces the owner's bits of word 0 by those of `plan`, which `holds`.
    #[inline]
    pub(super) fn reshape(&mut self, plan: &Plan) {
        let flip = (self.word0 ^ plan.word0) & !TAG_MASK;
        if flip != 0 {
            self.arena.word0(self.addr).fetch_xor(flip, Relaxed);
            self.word0 ^= flip;
        }
    }
}

const BEFORE_EXPIRY: u64 = flag::CHAINED;
const BEFORE_FLAGS: u64 = flag::CHAINED | flag::EXPIRES;
const BEFORE_CAS: u64 = flag::CHAINED | flag::EXPIRES | flag::FLAGGED;
