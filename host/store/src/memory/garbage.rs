//! What nobody can reach any more, and is too much to be freed at once: trees of objects, and long values.
//!
//! Writes free a few parts each, maintenance the rest, and whoever needs memory looks here first.

use std::sync::atomic::Ordering::Relaxed;

use crate::Store;
use crate::fields::{Retired, Tree};
use crate::memory::alloc::{Chain, LONG};
use crate::memory::arena::{Addr, Arena};
use crate::memory::nodes::Writer;

/// Pieces freed before others may have the allocator.
const PIECES_PER_LOCK: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Garbage {
    trees: Retired,
    /// What is left of long values. Only the first piece's link is no longer true.
    values: Vec<Chain>,
}

impl Chain {
    /// True for a long value, which is freed bit by bit.
    #[inline]
    pub(super) fn is_long(&self, arena: &Arena) -> bool {
        self.next != 0 && arena.word0(self.next).load(Relaxed) & LONG != 0
    }
}

impl Store {
    /// Gives up a tree; its nodes are freed bit by bit.
    pub(crate) fn retire(&self, tree: Tree) {
        tree.retire(&mut self.garbage.lock().trees);
        self.has_garbage.store(true, Relaxed);
    }

    /// Gives up parts of a tree that a batch took out of it.
    pub(crate) fn retire_all(&self, retired: Retired) {
        if !retired.is_empty() {
            self.garbage.lock().trees.append(retired);
            self.has_garbage.store(true, Relaxed);
        }
    }

    /// Gives up extents if they are a long value, and returns others.
    #[inline]
    pub(crate) fn retire_if_long(&self, chain: Chain) -> Option<Chain> {
        if !chain.is_long(&self.arena) {
            return Some(chain);
        }
        self.garbage.lock().values.push(chain);
        self.has_garbage.store(true, Relaxed);
        None
    }

    /// Frees some nodes of dead trees or pieces of dead values; returns how many.
    pub(crate) fn free_garbage(&self, budget: usize) -> usize {
        if !self.has_garbage.load(Relaxed) {
            return 0;
        }
        let mut garbage = self.garbage.lock();
        let mut nodes = Writer {
            store: self,
            evicts: false,
            held: &mut [],
            spared: &[],
        };
        let mut freed = garbage.trees.free_some(&mut nodes, budget);
        while freed < budget && !garbage.values.is_empty() {
            freed += self.free_pieces(&mut garbage.values, budget - freed);
        }
        if garbage.trees.is_empty() && garbage.values.is_empty() {
            self.has_garbage.store(false, Relaxed);
        }
        freed
    }

    /// Frees some pieces of the last of `values`.
    fn free_pieces(&self, values: &mut Vec<Chain>, budget: usize) -> usize {
        let Some(Chain { head, next }) = values.last_mut() else {
            return 0;
        };
        let mut alloc = self.alloc.lock();
        for freed in 0..budget.min(PIECES_PER_LOCK) {
            let piece = *next;
            if piece == 0 || piece == *head {
                alloc.put(&self.arena, *head);
                values.pop();
                return freed + 1;
            }
            *next = (self.arena.word0(piece).load(Relaxed) >> 32) as Addr;
            alloc.put(&self.arena, piece);
        }
        budget.min(PIECES_PER_LOCK)
    }

    /// The extents of dead values.
    #[cfg(test)]
    pub(crate) fn dead_values(&self) -> Vec<Chain> {
        self.garbage.lock().values.clone()
    }
}
