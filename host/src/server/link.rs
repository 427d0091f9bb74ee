//! The worker's hold on a connection that sleeps: wake it to close it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::account::{Account, Purpose, Share, connection_bytes};
use crate::stats::{ConnectionEntry, ConnectionState};

/// What a sleeping connection shall do when woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Go on.
    Stay,
    /// Answer what has come, then close: the server stops.
    Finish,
    /// Give back the memory it holds: refuse the command that is being read, or close if answers are not taken.
    GiveBack,
    /// Close now: it was idle for too long.
    Leave,
}

/// Shared by a connection's task and its worker.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) entry: Arc<ConnectionEntry>,
    /// Its memory while nothing is under way.
    _fixed: Share,
    /// Input that is no whole command yet.
    pub(super) input: Share,
    /// Answers that the client has not taken, or that wait for calls.
    pub(super) answers: Share,
    /// When the memory began to be held, in seconds of the server's clock.
    held_since_s: Cell<u32>,
    wish: Cell<Wish>,
    /// The waker of the connection's task, while the task waits for its socket.
    waker: RefCell<Option<Waker>>,
}

impl Link {
    /// Of a connection with TLS, or without.
    pub(super) fn new(entry: Arc<ConnectionEntry>, account: &Arc<Account>, tls: bool) -> Link {
        let fixed = account.share(Purpose::Connections);
        fixed.overdraw(connection_bytes(tls));
        Link {
            entry,
            _fixed: fixed,
            input: account.share(Purpose::Input),
            answers: account.share(Purpose::Answers),
            held_since_s: Cell::new(0),
            wish: Cell::new(Wish::Stay),
            waker: RefCell::default(),
        }
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish.get()
    }

    /// Memory it could give back, in bytes.
    pub(super) fn held(&self) -> usize {
        self.input.bytes() + self.answers.bytes()
    }

    /// Since when it holds that memory, in seconds of the server's clock.
    pub(super) fn held_since_s(&self) -> u32 {
        self.held_since_s.get()
    }

    /// Holds memory from now on.
    pub(super) fn begins_to_hold(&self, now_s: u32) {
        self.held_since_s.set(now_s);
    }

    /// The memory is given back, as far as that is possible.
    pub(super) fn gave_back(&self) {
        if self.wish() == Wish::GiveBack {
            self.wish.set(Wish::Stay);
        }
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
