//! Holes by length, as TLSF has them: finding, adding and removing one take the same few steps whatever there is.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::alloc::grains_of;
use crate::memory::arena::{Addr, Arena};

/// Lengths below 64 have a bin each, longer ones 16 bins per doubling.
const BINS: usize = 64 + 5 * 16 + 1;
/// Holes of a bin of several lengths that are looked at before a longer one is taken.
const LOOKS: usize = 4;

/// Lists of holes. Their links and lengths are in the holes themselves: see `alloc.rs`.
#[derive(Debug)]
pub(crate) struct Bins {
    heads: [Addr; BINS],
    filled: [u64; BINS.div_ceil(64)],
    /// Grains in all holes.
    pub grains: u64,
}

impl Default for Bins {
    fn default() -> Bins {
        Bins {
            heads: [0; BINS],
            filled: [0; BINS.div_ceil(64)],
            grains: 0,
        }
    }
}

fn bin_of(len: u32) -> usize {
    if len < 64 {
        return len as usize;
    }
    let log = len.ilog2();
    64 + ((log - 6) * 16 + ((len >> (log - 4)) & 15)) as usize
}

impl Bins {
    /// A hole of at least `len` grains, nearly the shortest.
    pub(crate) fn find(&self, arena: &Arena, len: u32) -> Option<Addr> {
        let mut bin = bin_of(len);
        if len >= 64 {
            let mut addr = self.heads[bin];
            for _ in 0..LOOKS {
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

    /// A hole of the longest bin.
    pub(super) fn largest(&self) -> Option<Addr> {
        let word = self.filled.iter().rposition(|bits| *bits != 0)?;
        Some(self.heads[word * 64 + 63 - self.filled[word].leading_zeros() as usize])
    }

    /// A hole of the last bin, whose only length is a whole region's.
    pub(super) fn whole_region(&self) -> Option<Addr> {
        Some(self.heads[BINS - 1]).filter(|addr| *addr != 0)
    }

    /// Writes a hole, and links it into its bin if it is `offered`.
    pub(crate) fn add(&mut self, arena: &Arena, addr: Addr, len: u32, offered: bool) {
        let at = arena.at(addr);
        let last = at + ((len as usize) << arena.shift()) - 1;
        arena.store(last, u64::from(len) << 48);
        if !offered {
            arena.store(at, u64::from(len));
            return;
        }
        let bin = bin_of(len);
        let next = self.heads[bin];
        arena.store(at, u64::from(len) | u64::from(next) << 32);
        // The shortest hole has its length behind the link to the one before, in the same word.
        let footer = if last == at + 1 {
            u64::from(len) << 48
        } else {
            0
        };
        arena.store(at + 1, footer);
        if next != 0 {
            set_prev(arena, next, addr);
        }
        self.heads[bin] = addr;
        self.filled[bin / 64] |= 1 << (bin % 64);
        self.grains += u64::from(len);
    }

    /// Takes a hole out of its bin.
    pub(crate) fn remove(&mut self, arena: &Arena, addr: Addr) {
        let at = arena.at(addr);
        let word = arena.load(at);
        let (len, next) = (grains_of(word), (word >> 32) as Addr);
        let prev = arena.load(at + 1) as Addr;
        if prev == 0 {
            let bin = bin_of(len);
            self.heads[bin] = next;
            if next == 0 {
                self.filled[bin / 64] &= !(1 << (bin % 64));
            }
        } else {
            let kept = arena.load(arena.at(prev)) & 0xffff_ffff;
            arena.store(arena.at(prev), kept | u64::from(next) << 32);
        }
        if next != 0 {
            set_prev(arena, next, prev);
        }
        self.grains -= u64::from(len);
    }
}

fn set_prev(arena: &Arena, addr: Addr, prev: Addr) {
    let at = arena.at(addr) + 1;
    arena.store(at, arena.load(at) & (!0 << 48) | u64::from(prev));
}
