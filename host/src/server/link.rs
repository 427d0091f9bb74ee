//! The worker's hold on a connection that sleeps: wake it to close it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::stats::{ConnectionEntry, ConnectionState};

/// What a sleeping connection shall do when woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Go on.
    Stay,
    /// Answer what has come, then close: the server stops.
    Finish,
    /// Close now: it was idle for too long.
    Leave,
}

/// Shared by a connection's task and its worker.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) entry: Arc<ConnectionEntry>,
    wish: Cell<Wish>,
    /// The task's, while it waits for its socket.
    waker: RefCell<Option<Waker>>,
}

impl Link {
    pub(super) fn new(entry: Arc<ConnectionEntry>) -> Link {
        Link {
            entry,
            wish: Cell::new(Wish::Stay),
            waker: RefCell::default(),
        }
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish.get()
    }

    /// Whether it waits for its client, neither for a call nor for log lines.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.entry.state();
        self.wish() == Wish::Stay
            && matches!(state, ConnectionState::Waiting | ConnectionState::Writing)
    }

    /// Says what to do and wakes the connection.
    pub(super) fn send(&self, wish: Wish) {
        self.wish.set(wish);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Notes whom to wake. A task's waker stays the same, so this clones once in the life of a connection.
    pub(super) fn sleeps(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match waker.as_ref() {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => *waker = Some(context.waker().clone()),
        }
    }
}
