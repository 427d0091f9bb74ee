//! The one door to the operating system: memory that is zero and untouched until used, and can be given back.
//!
//! An allocator's zeroed memory would do but for two things: it may have to be cleared, and so touched, when the
//! allocator had it before, and it counts against strict limits of address space.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use arrayvec::ArrayVec;
use bytemuck::Zeroable;

/// A slice of zeros mapped for this purpose alone.
#[derive(Debug)]
pub(crate) struct Zeroed<T> {
    start: NonNull<T>,
    len: usize,
}

const PAGE: usize = 4096;

#[expect(unsafe_code, reason = "a mapping owns its elements as a box does")]
// SAFETY: a `Zeroed<T>` owns its elements and hands out only shared borrows of them, so it may be sent and shared
// whenever they may be shared. (Elements have no destructor that could mind the thread: see `Drop`.)
unsafe impl<T: Sync + Send> Send for Zeroed<T> {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl<T: Sync + Send> Sync for Zeroed<T> {}

impl<T: Zeroable> Zeroed<T> {
    /// Maps `len` elements; `None` when there is no address space.
    pub(crate) fn map(len: usize) -> Option<Zeroed<T>> {
        const { assert!(align_of::<T>() <= PAGE && !std::mem::needs_drop::<T>()) };
        let bytes = len
            .checked_mul(size_of::<T>())
            .filter(|bytes| *bytes <= isize::MAX as usize)?;
        #[cfg(miri)]
        let start = miri::map(bytes.max(PAGE));
        #[cfg(not(miri))]
        #[expect(unsafe_code, reason = "mmap has no safe form")]
        // SAFETY: a private anonymous mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes.max(PAGE),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(start.cast()).map(|start| Zeroed { start, len })
    }
}

impl<T> Deref for Zeroed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        #[expect(unsafe_code, reason = "the mapping is the slice")]
        // SAFETY: `map` mapped `len` elements at `start`, aligned to a page, at most `isize::MAX` bytes; they stay
        // mapped while `self` lives, nobody else has them, and `T: Zeroable` makes the kernel's zeros valid.
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.len)
        }
    }
}

impl<T> Drop for Zeroed<T> {
    fn drop(&mut self) {
        #[cfg(miri)]
        miri::unmap(
            self.start.as_ptr().cast(),
            (self.len * size_of::<T>()).max(PAGE),
        );
        #[cfg(not(miri))]
        #[expect(unsafe_code, reason = "munmap has no safe form")]
        // SAFETY: `start` and the length are those of the mapping `map` made, and no borrow outlives `self`.
        // Elements need no drop: `map` asserted it.
        let _cannot_fail = unsafe {
            libc::munmap(
                self.start.as_ptr().cast(),
                (self.len * size_of::<T>()).max(PAGE),
            )
        };
    }
}

/// The interpreter that checks unsafe code knows no mappings: it gets memory of an allocator, aligned as they are.
#[cfg(miri)]
mod miri {
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, crate::PAGE).expect("a size that was mapped before")
    }

    #[expect(unsafe_code, reason = "in place of mmap")]
    pub(crate) fn map(bytes: usize) -> *mut libc::c_void {
        if bytes > isize::MAX as usize / 2 {
            return libc::MAP_FAILED;
        }
        // SAFETY: at least a page is asked for.
        unsafe { alloc_zeroed(layout(bytes)).cast() }
    }

    #[expect(unsafe_code, reason = "in place of munmap")]
    pub(crate) fn unmap(start: *mut libc::c_void, bytes: usize) {
        // SAFETY: `map` returned it for as many bytes.
        unsafe { dealloc(start.cast(), layout(bytes)) }
    }
}

/// Elements that are valid whatever bits they have, and may change under a shared borrow.
pub(crate) trait Words {}
impl Words for std::sync::atomic::AtomicU64 {}

/// Gives the whole pages inside `words` back. What they held is lost: they read as zero.
pub(super) fn release<T: Words>(words: &[T]) {
    advise(words, libc::MADV_DONTNEED);
}

/// Asks for huge pages; the kernel may ignore it.
pub(super) fn ask_huge_pages<T: Words>(words: &[T]) {
    advise(words, libc::MADV_HUGEPAGE);
}

/// Some bytes of borrowed words: `len` of them after the first `skip`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a, T> {
    pub words: &'a [T],
    pub skip: usize,
    pub len: usize,
}

/// Runs that are filled by one read at most: a mebibyte in pieces of whole regions.
pub(crate) const RUNS_MAX: usize = 66;

/// Reads from a file into `runs`, in order, and what comes after them into `after`. Returns how many bytes came; 0 are
/// the end.
///
/// # Errors
/// Errors of the file, also the one that says that there is nothing to read now.
pub(crate) fn read<T: Words>(
    from: BorrowedFd<'_>,
    runs: &ArrayVec<Run<'_, T>, RUNS_MAX>,
    after: &mut [u8],
) -> io::Result<usize> {
    let mut parts: ArrayVec<libc::iovec, { RUNS_MAX + 1 }> = runs
        .iter()
        .map(|run| {
            let inside = run.skip.checked_add(run.len);
            assert!(inside.is_some_and(|end| end <= size_of_val(run.words)));
            let start = run.words.as_ptr().cast::<u8>().wrapping_add(run.skip);
            libc::iovec {
                iov_base: start.cast_mut().cast(),
                iov_len: run.len,
            }
        })
        .collect();
    parts.push(libc::iovec {
        iov_base: after.as_mut_ptr().cast(),
        iov_len: after.len(),
    });
    #[expect(
        unsafe_code,
        reason = "readv has no safe form for words that others may look at"
    )]
    // SAFETY: each part lies inside words that are borrowed for the call, as was asserted, but for the last, which is
    // `after`, borrowed for the call by us alone. The kernel writes only there. Every bit pattern is a valid word, and
    // they are atomics, which may change under a shared borrow: whoever else looks at them sees one value or another.
    // `parts` outlives the call, and the file is open as it is borrowed.
    let read = unsafe { libc::readv(from.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Asks for no huge pages; those there are stay until their memory is released.
pub(super) fn ask_small_pages<T: Words>(words: &[T]) {
    advise(words, libc::MADV_NOHUGEPAGE);
}

/// Asks the processor to bring a word into its cache, without waiting for it.
#[inline]
pub(crate) fn prefetch<T: Words>(word: &T) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instruction has no safe form")]
    // SAFETY: the address is that of a borrowed word, and SSE, of which the instruction is, belongs to every x86-64.
    // It changes nothing a program can see.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_such_hint = word;
}

/// Asks the processor to bring a line into its cache that is going to be written, without waiting for it.
#[inline]
pub fn prefetch_for_writing<T>(at: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[expect(unsafe_code, reason = "the instruction has no safe form")]
    // SAFETY: the instruction changes nothing a program can see, and processors without it take it for none.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(at), options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _no_such_hint = at;
}

/// The bytes of `words`, which are pinned, without a copy.
///
/// The proof is the pin, which is borrowed as long as the bytes are. It is the caller's promise (`pins.rs` is the only
/// one) that `words` are words of the pinned value that nothing else lies in. Those who write words of the arena:
/// - the value's writers overwrite or lengthen an item in place only when it isn't pinned, asked under the lock of its
///   shard, under which it is pinned as well; fields and list links of an item lie in other words;
/// - the allocator changes the tags and links at the front of extents in use, and any word of free ones: this extent
///   is in use until the pin ends, and its first word, like the word in which a field ends, is not among `words`;
/// - uploads are read into items that nobody can find yet, and so nobody can pin;
/// - regions are released or given to the index when no extent in them is in use.
///
/// What the value's writer wrote happened before, by the lock of the shard. The next writer comes after the pin: it saw
/// the pin gone, by the table's lock or the release of its counter.
pub(crate) fn still<'a, T: Words>(words: &'a [T], _pin: &'a crate::memory::pins::Pin) -> &'a [u8] {
    #[expect(unsafe_code, reason = "atomics give no view of their bytes")]
    // SAFETY: the range is that of borrowed words, any byte of which is valid; nobody changes them, as said above.
    unsafe {
        std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words))
    }
}

fn advise<T: Words>(words: &[T], advice: libc::c_int) {
    let range = words.as_ptr_range();
    let start = range.start.addr().next_multiple_of(PAGE);
    let end = range.end.addr() / PAGE * PAGE;
    // Advice is only that: an interpreter without it behaves as well.
    if start < end && !cfg!(miri) {
        #[expect(unsafe_code, reason = "madvise has no safe form")]
        // SAFETY: `start..end` lies inside `words`, which is borrowed for the call and so is mapped. The advice
        // changes at most the bits of these words, every bit pattern is a valid word, and they are atomics, which
        // may change under a shared borrow.
        let _refusal_is_harmless = unsafe {
            libc::madvise(
                range.start.with_addr(start).cast_mut().cast(),
                end - start,
                advice,
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "takes no advice")]
    fn mapped_memory_is_zero_and_zero_again_after_release() {
        let words = Zeroed::<AtomicU64>::map(4096).expect("32 KiB");
        assert!(words.iter().all(|word| word.load(Relaxed) == 0));
        words.iter().for_each(|word| word.store(7, Relaxed));
        release(&words[1..1024]);
        let kept = words.iter().filter(|word| word.load(Relaxed) == 7).count();
        assert_eq!(kept, 4096 - 512, "the one whole page inside was released");
    }

    #[test]
    #[cfg_attr(miri, ignore = "has no such call")]
    fn a_read_fills_the_bytes_it_is_given_and_no_others() {
        use std::io::Write;
        use std::os::fd::AsFd;
        let words: Vec<AtomicU64> = (0..6).map(|_| AtomicU64::new(u64::MAX)).collect();
        let (from, mut to) = std::io::pipe().expect("a pipe");
        to.write_all(b"abcdefghijklmnopqrstuv")
            .expect("it has room");
        let run = |words, skip, len| Run { words, skip, len };
        let runs = [
            run(&words[..2], 3, 10),
            run(&words[3..], 0, 0),
            run(&words[4..], 1, 9),
        ];
        let mut after = [0xff; 4];
        let count = read(from.as_fd(), &runs.into_iter().collect(), &mut after);
        assert_eq!(count.expect("bytes are there"), 22);
        assert_eq!(after, *b"tuv\xff");
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| word.load(Relaxed).to_le_bytes())
            .collect();
        let mut expected = vec![0xff; 48];
        expected[3..13].copy_from_slice(b"abcdefghij");
        expected[33..42].copy_from_slice(b"klmnopqrs");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn more_than_there_is_address_space_is_refused() {
        assert!(Zeroed::<AtomicU64>::map(usize::MAX / 16).is_none());
    }
}
