//! Where a model checker for threads may switch to another thread. Outside of tests there is nothing here.
//!
//! The checker (shuttle) runs all threads of a model in turns on one thread of the system, so atomics and locks of the
//! standard library do, as long as no lock is held at a point.

/// Before an access to what threads share.
#[inline(always)]
pub(crate) fn point() {
    #[cfg(test)]
    model::point();
}

#[cfg(test)]
pub(crate) mod model {
    use std::cell::Cell;

    use shuttle::sync::atomic::{AtomicBool, Ordering::SeqCst};

    thread_local! {
        static CHECKED: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a part of a model, whose points count.
    pub(crate) fn checked(part: impl FnOnce()) {
        CHECKED.set(true);
        part();
        CHECKED.set(false);
    }

    pub(super) fn point() {
        if CHECKED.get() {
            // The checker switches at accesses to its own types.
            AtomicBool::new(false).load(SeqCst);
        }
    }
}
