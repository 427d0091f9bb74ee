//! All memory of the store: one zeroed region of 64-bit words, touched only as it is used.
//!
//! Addresses count *grains* of 8 bytes (16 when more than 32 GiB are reserved), so that a `u32` reaches
//! everything. Words are atomics with relaxed order: threads share the region without `unsafe`, and the locks
//! around it (see `shard.rs`, `alloc.rs`) give the order. A racy reader may see nonsense, never undefined
//! behaviour; the few racy readers verify under a lock before they act.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::memory::os::{Run, Zeroed};
use crate::memory::word::word;

/// Address of an extent in grains. 0 is never an item: the first region belongs to the index.
pub(crate) type Addr = u32;

/// Grains of a region: the unit in which memory moves between items, index and operating system.
pub(crate) const REGION_GRAINS: u32 = 2048;

/// The words of the store's memory.
#[derive(Debug)]
pub(crate) struct Arena {
    words: Zeroed<AtomicU64>,
    shift: u32,
}

impl Arena {
    /// Reserves address space for up to `bytes_max`, at least `bytes_min`; no memory is touched.
    ///
    /// # Panics
    /// When there is no address space for `bytes_min`.
    pub(crate) fn new(bytes_min: usize, bytes_max: usize) -> Arena {
        let reserve = |bytes: usize| {
            let shift = (bytes as u64)
                .div_ceil(1 << 35)
                .next_power_of_two()
                .trailing_zeros();
            Zeroed::map(bytes / 8).map(|words| Arena { words, shift })
        };
        // A host may refuse much address space, but must have room for the limit itself.
        let mut bytes = bytes_max.max(bytes_min);
        loop {
            if let Some(arena) = reserve(bytes) {
                return arena;
            }
            assert!(
                bytes > bytes_min,
                "no address space for the memory limit of {bytes_min} bytes"
            );
            bytes = (bytes / 2).max(bytes_min);
        }
    }

    /// Bytes of a grain.
    #[inline]
    pub(crate) fn grain_bytes(&self) -> usize {
        8 << self.shift
    }

    /// Words of a grain, as a power of two.
    #[inline]
    pub(crate) fn shift(&self) -> u32 {
        self.shift
    }

    /// Bytes of a region.
    pub(crate) fn region_bytes(&self) -> usize {
        self.grain_bytes() * REGION_GRAINS as usize
    }

    /// Regions that fit the reserved address space.
    pub(crate) fn regions(&self) -> u32 {
        u32::try_from(self.words.len() * 8 / self.region_bytes()).unwrap_or(u32::MAX >> 12)
    }

    /// Grains that hold `bytes`.
    #[inline]
    pub(crate) fn grains(&self, bytes: usize) -> u32 {
        // A division would take longer than all the rest of finding a hole.
        ((bytes + self.grain_bytes() - 1) >> (3 + self.shift)) as u32
    }

    /// True when the extent lies inside; for addresses read without a lock.
    #[inline]
    pub(crate) fn holds(&self, addr: Addr, grains: u32) -> bool {
        (addr as usize + grains as usize) << self.shift <= self.words.len()
    }

    /// Index of the first word of `addr`.
    #[inline]
    pub(crate) fn at(&self, addr: Addr) -> usize {
        (addr as usize) << self.shift
    }

    /// The words from `start` on, `count` of them.
    #[inline]
    pub(crate) fn words(&self, start: usize, count: usize) -> &[AtomicU64] {
        &self.words[start..start + count]
    }

    /// One word by its absolute index.
    #[inline]
    pub(crate) fn load(&self, word: usize) -> u64 {
        self.words[word].load(Relaxed)
    }

    /// Stores one word by its absolute index.
    #[inline]
    pub(crate) fn store(&self, word: usize, value: u64) {
        self.words[word].store(value, Relaxed);
    }

    /// The first word of an extent. Its tag belongs to the allocator, the rest to the owner.
    #[inline]
    pub(crate) fn word0(&self, addr: Addr) -> &AtomicU64 {
        &self.words[self.at(addr)]
    }

    /// The `i`-th word of the extent at `addr`.
    #[inline]
    pub(crate) fn word(&self, addr: Addr, i: usize) -> &AtomicU64 {
        &self.words[self.at(addr) + i]
    }

    /// The `i`-th half word (4 bytes) of the extent at `addr`.
    #[inline]
    pub(crate) fn half(&self, addr: Addr, i: usize) -> u32 {
        (self.load(self.at(addr) + i / 2) >> (32 * (i % 2))) as u32
    }

    /// Stores a half word; the caller owns the whole word.
    #[inline(always)]
    pub(crate) fn set_half(&self, addr: Addr, i: usize, value: u32) {
        let word = self.at(addr) + i / 2;
        let shift = 32 * (i % 2);
        let kept = self.load(word) & !(0xffff_ffff << shift);
        self.store(word, kept | u64::from(value) << shift);
    }

    /// Writes `src` at `byte` of the extent; the caller owns all words touched.
    #[inline]
    pub(crate) fn write(&self, addr: Addr, byte: usize, src: &[u8]) {
        let (words, skip) = self.span(addr, byte, src.len());
        let (Some(start), Some(end)) = (src.first_chunk(), src.last_chunk()) else {
            return write_short(words, skip, src);
        };
        // The eight bytes at either end, of which the word there takes some.
        let (start, end) = (u64::from_le_bytes(*start), u64::from_le_bytes(*end));
        merge(&words[0], start << (8 * skip), !0 << (8 * skip));
        let (lead, whole) = whole_words(words, skip);
        for (chunk, word) in src[lead..].as_chunks().0.iter().zip(whole) {
            word.store(u64::from_le_bytes(*chunk), Relaxed);
        }
        let unused = (words.len() * 8 - skip - src.len()) * 8;
        merge(&words[words.len() - 1], end >> unused, !0 >> unused);
    }

    /// `len` bytes from `byte` of the extent.
    pub(crate) fn run(&self, addr: Addr, byte: usize, len: usize) -> Run<'_, AtomicU64> {
        let (words, skip) = self.span(addr, byte, len);
        Run { words, skip, len }
    }

    /// Hands `len` bytes from `byte` of the extent to `sink`, in runs.
    #[inline]
    pub(crate) fn read(&self, addr: Addr, byte: usize, len: usize, sink: &mut impl FnMut(&[u8])) {
        let (words, mut skip) = self.span(addr, byte, len);
        let mut left = len;
        let mut run = [[0u8; 8]; RUN_WORDS];
        for words in words.chunks(RUN_WORDS) {
            let (fours, tail) = words.as_chunks::<4>();
            let (to_fours, to_tail) = run.split_at_mut(4 * fours.len());
            for (to, from) in to_fours.as_chunks_mut::<4>().0.iter_mut().zip(fours) {
                *to = from.each_ref().map(|word| word.load(Relaxed).to_le_bytes());
            }
            for (to, from) in to_tail.iter_mut().zip(tail) {
                *to = from.load(Relaxed).to_le_bytes();
            }
            let end = (skip + left).min(words.len() * 8);
            sink(&run.as_flattened()[skip..end]);
            left -= end - skip;
            skip = 0;
        }
    }

    /// Copies from `byte` of the extent on into `to`.
    #[inline]
    pub(crate) fn copy(&self, addr: Addr, byte: usize, to: &mut [u8]) {
        let len = to.len();
        let (words, skip) = self.span(addr, byte, len);
        let Some(start) = to.first_chunk_mut() else {
            let bytes = eight(words, skip).to_le_bytes();
            to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
            return;
        };
        *start = eight(words, skip).to_le_bytes();
        let (lead, whole) = whole_words(words, skip);
        for (chunk, word) in to[lead..].as_chunks_mut().0.iter_mut().zip(whole) {
            *chunk = word.load(Relaxed).to_le_bytes();
        }
        if let Some(end) = to.last_chunk_mut() {
            *end = eight(words, skip + len - 8).to_le_bytes();
        }
    }

    /// True when the extent holds `bytes` at `byte`.
    #[inline]
    pub(crate) fn equals(&self, addr: Addr, byte: usize, bytes: &[u8]) -> bool {
        let len = bytes.len();
        let (words, skip) = self.span(addr, byte, len);
        let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) else {
            let mask = (1 << (8 * len)) - 1;
            return (eight(words, skip) ^ word(bytes)) & mask == 0;
        };
        let (lead, whole) = whole_words(words, skip);
        let mut pairs = bytes[lead..].as_chunks().0.iter().zip(whole);
        eight(words, skip) == u64::from_le_bytes(*start)
            && pairs.all(|(chunk, word)| word.load(Relaxed) == u64::from_le_bytes(*chunk))
            && eight(words, skip + len - 8) == u64::from_le_bytes(*end)
    }

    /// The words that hold `len` bytes from `byte` of the extent on, and the byte of the first word they begin at.
    #[inline]
    fn span(&self, addr: Addr, byte: usize, len: usize) -> (&[AtomicU64], usize) {
        let skip = byte % 8;
        let words = self.words(self.at(addr) + byte / 8, (skip + len).div_ceil(8));
        (words, skip)
    }

    /// Prefetches a word by its absolute index, which may lie beyond the end.
    #[inline]
    pub(crate) fn prefetch(&self, word: usize) {
        if let Some(word) = self.words.get(word) {
            crate::memory::os::prefetch(word);
        }
    }

    /// Prefetches a word that is going to be written.
    #[inline]
    pub(crate) fn prefetch_for_writing(&self, word: usize) {
        if let Some(word) = self.words.get(word) {
            crate::memory::os::prefetch_for_writing(word);
        }
    }

    /// Gives the memory of a region back to the operating system.
    pub(super) fn release(&self, region: u32) {
        let words = self.region_bytes() / 8;
        crate::memory::os::release(self.words(region as usize * words, words));
    }

    /// Asks for huge pages under the first `bytes`, and for small ones beyond.
    ///
    /// The kernel makes one huge page of a range of which little is in use, in the background: beyond the limit, that
    /// would bring back what was given back.
    pub(super) fn ask_huge_pages(&self, bytes: usize) {
        let (below, beyond) = self.words.split_at((bytes / 8).min(self.words.len()));
        crate::memory::os::ask_huge_pages(below);
        crate::memory::os::ask_small_pages(beyond);
    }
}

/// Words copied to the stack at a time: big enough to hide the call, small enough to stay in the L1 cache.
const RUN_WORDS: usize = 32;

/// The eight bytes that begin `skip` bytes into `word` and end in the word `after` it.
#[inline]
fn straddling(word: u64, after: u64, skip: usize) -> u64 {
    // Shifted in two steps, as by 64 in one would be an overflow.
    word >> (8 * skip) | after << 8 << (56 - 8 * skip)
}

/// How many bytes come before the first whole word when bytes begin `skip` bytes into `words`; and the words from that
/// one on.
#[inline]
fn whole_words(words: &[AtomicU64], skip: usize) -> (usize, &[AtomicU64]) {
    match skip {
        0 => (0, words),
        _ => (8 - skip, &words[1..]),
    }
}

/// The eight bytes from `byte` of the words on; what lies beyond them is 0.
#[inline]
fn eight(words: &[AtomicU64], byte: usize) -> u64 {
    let word = |i: usize| words.get(i).map_or(0, |word| word.load(Relaxed));
    straddling(word(byte / 8), word(byte / 8 + 1), byte % 8)
}

/// Replaces the bits in `mask`.
#[inline]
fn merge(word: &AtomicU64, bits: u64, mask: u64) {
    word.store(word.load(Relaxed) & !mask | bits & mask, Relaxed);
}

/// Writes fewer than eight bytes from byte `skip` of the first word on.
fn write_short(words: &[AtomicU64], skip: usize, src: &[u8]) {
    for (i, byte) in (skip..).zip(src) {
        let shift = 8 * (i % 8);
        merge(&words[i / 8], u64::from(*byte) << shift, 0xff << shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_changes(
            before in proptest::collection::vec(any::<u8>(), 640),
            byte in 0usize..40,
            mut src in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let arena = Arena::new(1 << 16, 1 << 16);
            arena.write(3, 0, &before);
            arena.write(3, byte, &src);
            let mut twin = before.clone();
            twin[byte..byte + src.len()].copy_from_slice(&src);
            let mut out = Vec::new();
            arena.read(3, 0, twin.len(), &mut |run| out.extend_from_slice(run));
            prop_assert_eq!(&out, &twin);
            prop_assert!(arena.equals(3, byte, &src));
            let mut copied = vec![0; src.len()];
            arena.copy(3, byte, &mut copied);
            prop_assert_eq!(&copied, &src);
            if let Some(last) = src.last_mut() {
                *last ^= 1;
                prop_assert!(!arena.equals(3, byte, &src));
            }
        }
    }
}
