//! All memory of the store: one zeroed region of 64-bit words, touched only as it is used.
//!
//! Addresses count *grains* of 8 bytes (16 when more than 32 GiB are reserved), so that a `u32` reaches
//! everything. Words are atomics with relaxed order: threads share the region without `unsafe`, and the locks
//! around it (see `shard.rs`, `alloc.rs`) give the order. A racy reader may see nonsense, never undefined
//! behaviour; the few racy readers verify under a lock before they act.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::os::{Run, Zeroed};

/// Address of an extent in grains. 0 is never an item: the first region belongs to the index.
pub(super) type Addr = u32;

/// Grains of a region: the unit in which memory moves between items, index and operating system.
pub(super) const REGION_GRAINS: u32 = 2048;

/// The words.
#[derive(Debug)]
pub(super) struct Arena {
    words: Zeroed<AtomicU64>,
    shift: u32,
}

impl Arena {
    /// Reserves address space for up to `bytes_max`, at least `bytes_min`; no memory is touched.
    ///
    /// # Panics
    /// When there is no address space for `bytes_min`.
    pub(super) fn new(bytes_min: usize, bytes_max: usize) -> Arena {
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
    pub(super) fn grain_bytes(&self) -> usize {
        8 << self.shift
    }

    /// Words of a grain, as a power of two.
    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    /// Bytes of a region.
    pub(super) fn region_bytes(&self) -> usize {
        self.grain_bytes() * REGION_GRAINS as usize
    }

    /// Regions that fit the reserved address space.
    pub(super) fn regions(&self) -> u32 {
        u32::try_from(self.words.len() * 8 / self.region_bytes()).unwrap_or(u32::MAX >> 12)
    }

    /// Grains that hold `bytes`.
    pub(super) fn grains(&self, bytes: usize) -> u32 {
        (bytes.div_ceil(self.grain_bytes())) as u32
    }

    /// True when the extent lies inside; for addresses read without a lock.
    #[inline]
    pub(super) fn holds(&self, addr: Addr, grains: u32) -> bool {
        (addr as usize + grains as usize) << self.shift <= self.words.len()
    }

    /// Index of the first word of `addr`.
    #[inline]
    pub(super) fn at(&self, addr: Addr) -> usize {
        (addr as usize) << self.shift
    }

    /// The words from `start` on, `count` of them.
    #[inline]
    pub(super) fn words(&self, start: usize, count: usize) -> &[AtomicU64] {
        &self.words[start..start + count]
    }

    /// One word by its absolute index.
    #[inline]
    pub(super) fn load(&self, word: usize) -> u64 {
        self.words[word].load(Relaxed)
    }

    /// Stores one word by its absolute index.
    #[inline]
    pub(super) fn store(&self, word: usize, value: u64) {
        self.words[word].store(value, Relaxed);
    }

    /// The first word of an extent. Its tag belongs to the allocator, the rest to the owner.
    #[inline]
    pub(super) fn word0(&self, addr: Addr) -> &AtomicU64 {
        &self.words[self.at(addr)]
    }

    /// The `i`-th word of the extent at `addr`.
    #[inline]
    pub(super) fn word(&self, addr: Addr, i: usize) -> &AtomicU64 {
        &self.words[self.at(addr) + i]
    }

    /// The `i`-th half word (4 bytes) of the extent at `addr`.
    #[inline]
    pub(super) fn half(&self, addr: Addr, i: usize) -> u32 {
        (self.load(self.at(addr) + i / 2) >> (32 * (i % 2))) as u32
    }

    /// Stores a half word; the caller owns the whole word.
    #[inline]
    pub(super) fn set_half(&self, addr: Addr, i: usize, value: u32) {
        let word = self.at(addr) + i / 2;
        let shift = 32 * (i % 2);
        let kept = self.load(word) & !(0xffff_ffff << shift);
        self.store(word, kept | u64::from(value) << shift);
    }

    /// Writes `src` at `byte` of the extent; the caller owns all words touched.
    pub(super) fn write(&self, addr: Addr, byte: usize, src: &[u8]) {
        if src.is_empty() {
            return;
        }
        let first = self.at(addr) + byte / 8;
        let skip = byte % 8;
        let words = self.words(first, (skip + src.len()).div_ceil(8));
        let (lead, rest) = src.split_at(src.len().min((8 - skip) % 8));
        let mut words = words.iter();
        if !lead.is_empty() {
            merge(words.next().expect("counted above"), skip, lead);
        }
        let (whole, tail) = rest.as_chunks::<8>();
        for (chunk, word) in whole.iter().zip(&mut words) {
            word.store(u64::from_le_bytes(*chunk), Relaxed);
        }
        if !tail.is_empty() {
            merge(words.next().expect("counted above"), 0, tail);
        }
    }

    /// `len` bytes from `byte` of the extent, to be read into.
    pub(super) fn run(&self, addr: Addr, byte: usize, len: usize) -> Run<'_, AtomicU64> {
        let skip = byte % 8;
        let words = self.words(self.at(addr) + byte / 8, (skip + len).div_ceil(8));
        Run { words, skip, len }
    }

    /// Hands `len` bytes from `byte` of the extent to `sink`, in runs.
    #[inline]
    pub(super) fn read(&self, addr: Addr, byte: usize, len: usize, sink: &mut impl FnMut(&[u8])) {
        let first = self.at(addr) + byte / 8;
        let mut skip = byte % 8;
        let mut left = len;
        let mut run = [[0u8; 8]; RUN_WORDS];
        for words in self
            .words(first, (skip + len).div_ceil(8))
            .chunks(RUN_WORDS)
        {
            for (to, from) in run.iter_mut().zip(words) {
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
    pub(super) fn copy(&self, addr: Addr, byte: usize, to: &mut [u8]) {
        let first = self.at(addr) + byte / 8;
        let skip = byte % 8;
        let mut words = self.words(first, (skip + to.len()).div_ceil(8)).iter();
        let mut next = || words.next().map_or(0, |word| word.load(Relaxed));
        let mut word = next();
        let (whole, tail) = to.as_chunks_mut::<8>();
        for chunk in whole {
            let after = next();
            *chunk = straddling(word, after, skip).to_le_bytes();
            word = after;
        }
        let last = straddling(word, next(), skip).to_le_bytes();
        tail.copy_from_slice(&last[..tail.len()]);
    }

    /// True when the extent holds `bytes` at `byte`.
    #[inline]
    pub(super) fn equals(&self, addr: Addr, byte: usize, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let first = self.at(addr) + byte / 8;
        let skip = byte % 8;
        let mut words = self.words(first, (skip + bytes.len()).div_ceil(8)).iter();
        let mut next = || words.next().map_or(0, |word| word.load(Relaxed));
        // Eight bytes at a time, put together from the two words they lie in.
        let mut word = next();
        let (whole, tail) = bytes.as_chunks::<8>();
        for chunk in whole {
            let after = next();
            if straddling(word, after, skip) != u64::from_le_bytes(*chunk) {
                return false;
            }
            word = after;
        }
        let mut wanted = [0; 8];
        wanted[..tail.len()].copy_from_slice(tail);
        let mask = (1 << (8 * tail.len())) - 1;
        (straddling(word, next(), skip) ^ u64::from_le_bytes(wanted)) & mask == 0
    }

    /// Asks for a word by its absolute index, which may lie beyond the end.
    #[inline]
    pub(super) fn prefetch(&self, word: usize) {
        if let Some(word) = self.words.get(word) {
            super::os::prefetch(word);
        }
    }

    /// Gives the memory of a region back to the operating system.
    pub(super) fn release(&self, region: u32) {
        let words = self.region_bytes() / 8;
        super::os::release(self.words(region as usize * words, words));
    }

    /// Asks for huge pages under the first `bytes`.
    pub(super) fn ask_huge_pages(&self, bytes: usize) {
        super::os::ask_huge_pages(&self.words[..(bytes / 8).min(self.words.len())]);
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

fn merge(word: &AtomicU64, skip: usize, bytes: &[u8]) {
    let mut whole = word.load(Relaxed).to_le_bytes();
    whole[skip..skip + bytes.len()].copy_from_slice(bytes);
    word.store(u64::from_le_bytes(whole), Relaxed);
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
