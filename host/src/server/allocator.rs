//! What the C library's allocator does with memory that is free again: large buffers go back to the system at once, and
//! what lies between smaller ones when much has been freed.
#![expect(unsafe_code, reason = "the allocator's settings are calls into C")]

use std::sync::Arc;

use crate::account::Account;

/// Buffers this large have memory of their own. Left to itself the allocator raises this to 32 MiB, and keeps what it has had.
#[cfg(target_env = "gnu")]
const OWN_MEMORY_BYTES_MIN: libc::c_int = 256 << 10;
/// Free memory at the end of a heap that is kept.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: libc::c_int = 1 << 20;
/// When clients hold so much less than they did, what was freed is given back.
const FALL_BYTES: usize = 8 << 20;

/// Sets the allocator up, before there are threads.
pub(super) fn set_up() {
    #[cfg(target_env = "gnu")]
    // SAFETY: both calls only change settings; where one is refused it stays as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MEMORY_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
    }
}

/// Gives memory back to the system after clients have given back theirs.
pub(super) struct Trimmer {
    account: Arc<Account>,
    /// The most that clients held since memory was last given back, in bytes.
    high: usize,
}

impl Trimmer {
    /// One that follows what clients hold.
    pub(super) fn new(account: Arc<Account>) -> Trimmer {
        Trimmer { account, high: 0 }
    }

    /// Looks at what clients hold now. Called often.
    pub(super) fn look(&mut self) {
        let held = self.account.bytes();
        self.high = self.high.max(held);
        if self.high - held >= FALL_BYTES {
            self.high = held;
            trim();
        }
    }
}

fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it gives back free memory, whatever other threads do meanwhile.
    unsafe {
        libc::malloc_trim(0);
    }
}
