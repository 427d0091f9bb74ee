//! The one door to the operating system: memory the arena no longer needs, and huge pages.

use std::sync::atomic::AtomicU64;

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
