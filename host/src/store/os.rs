//! The one door to the operating system: memory as words, memory no longer needed, and huge pages.

use std::ops::Deref;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapMut, MmapOptions};

/// Zeroed words that take memory only where they are touched. An allocator would clear so large a block whenever it
/// cannot map one of its own.
#[derive(Debug)]
pub(super) struct Words(MmapMut);

impl Words {
    /// Address space for `count` words; `None` when there is not so much.
    pub(super) fn reserve(count: usize) -> Option<Words> {
        let bytes = count.checked_mul(size_of::<AtomicU64>())?;
        MmapOptions::new()
            .len(bytes)
            .no_reserve_swap()
            .map_anon()
            .ok()
            .map(Words)
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        let count = self.0.len() / size_of::<AtomicU64>();
        #[expect(
            unsafe_code,
            reason = "memory maps are bytes, and there is no safe view of them as atomics"
        )]
        // SAFETY: the map is page-aligned, `count` whole words long, zeroed or written only through this view, and
        // lives as long as `self`. Nobody reaches its bytes in another way, as the field is private and never lent.
        unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().cast(), count)
        }
    }
}

/// Gives the whole pages inside `words` back. What they held is lost: they read as zero, or as before.
pub(super) fn release(words: &[AtomicU64]) {
    advise(words, libc::MADV_DONTNEED);
}

/// Asks for huge pages; the kernel may ignore it.
pub(super) fn ask_huge_pages(words: &[AtomicU64]) {
    advise(words, libc::MADV_HUGEPAGE);
}

fn advise(words: &[AtomicU64], advice: libc::c_int) {
    const PAGE: usize = 4096;
    let start = words.as_ptr().addr().next_multiple_of(PAGE);
    let end = words.as_ptr_range().end.addr() / PAGE * PAGE;
    if start < end {
        #[expect(unsafe_code, reason = "madvise has no safe form")]
        // SAFETY: `start..end` lies inside `words`, which is borrowed for the call and so is mapped. The advice
        // changes at most the bits of these words, every bit pattern is a valid `AtomicU64`, and atomics may
        // change under a shared borrow.
        let _refusal_is_harmless = unsafe {
            libc::madvise(
                words.as_ptr().with_addr(start).cast_mut().cast(),
                end - start,
                advice,
            )
        };
    }
}
