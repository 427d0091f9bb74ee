//! Reading and writing the bytes of an item, over all its pieces.

use std::sync::atomic::Ordering::Relaxed;

use crate::memory::alloc::{PIECE_HEAD, grains_of};
use crate::memory::arena::{Addr, Arena};

/// A place in an item's stream, for reading or writing on from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'m> {
    pub arena: &'m Arena,
    pub piece: Addr,
    pub next: Addr,
    pub byte: usize,
    pub end: usize,
}

impl Stream<'_> {
    /// Steps to the next piece if this one is used up.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.byte == self.end && self.next != 0 {
            let word0 = self.arena.word0(self.next).load(Relaxed);
            self.piece = self.next;
            self.next = (word0 >> 32) as Addr;
            self.byte = PIECE_HEAD;
            self.end = grains_of(word0) as usize * self.arena.grain_bytes();
        }
    }

    #[inline]
    fn advance(&mut self, mut len: usize, mut each: impl FnMut(Addr, usize, usize)) {
        while len > 0 {
            self.settle();
            let run = len.min(self.end - self.byte);
            if run == 0 {
                debug_assert!(false, "a stream ends early");
                return;
            }
            each(self.piece, self.byte, run);
            self.byte += run;
            len -= run;
        }
    }

    /// Steps over `len` bytes.
    pub(crate) fn skip(&mut self, len: usize) {
        self.advance(len, |_, _, _| ());
    }

    /// Hands the next `len` bytes to `sink`, in runs.
    #[inline]
    pub(crate) fn read(&mut self, len: usize, sink: &mut impl FnMut(&[u8])) {
        let arena = self.arena;
        // Nearly always all of it is in this piece.
        if len <= self.end - self.byte {
            arena.read(self.piece, self.byte, len, sink);
            self.byte += len;
            return;
        }
        self.advance(len, |piece, byte, run| arena.read(piece, byte, run, sink));
    }

    /// Fills `to` with the next bytes.
    #[inline]
    pub(crate) fn read_into(&mut self, to: &mut [u8]) {
        let arena = self.arena;
        let mut at = 0;
        self.advance(to.len(), |piece, byte, run| {
            arena.copy(piece, byte, &mut to[at..at + run]);
            at += run;
        });
    }

    /// Writes `src`.
    #[inline]
    pub(crate) fn write(&mut self, src: &[u8]) {
        let arena = self.arena;
        if src.len() <= self.end - self.byte {
            arena.write(self.piece, self.byte, src);
            self.byte += src.len();
            return;
        }
        let mut at = 0;
        self.advance(src.len(), |piece, byte, run| {
            arena.write(piece, byte, &src[at..at + run]);
            at += run;
        });
    }

    /// Writes what `from` holds.
    pub(crate) fn copy(&mut self, from: &mut Stream<'_>, len: usize) {
        from.read(len, &mut |run| self.write(run));
    }
}
