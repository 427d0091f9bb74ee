//! The connections of a worker, polled in turns: all that have input read it, then they execute.
//!
//! A turn is what one look at the sockets brought. A connection that has read little may let others read first
//! ([`Turns::after_others`]); meanwhile the memory of what all of them ask for is on its way. A connection whose last turn
//! was long waits for all others: of those, one has its turn between two looks at the sockets. All connections are one
//! task of tokio's: this costs a connection half of what a task of its own does, and its second poll next to nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

/// Most connections that wait for each other. Memory is fetched for so many at a time, and the first of them waits for
/// as many reads.
const GROUP: usize = 16;
/// Fewest connections in a turn that wait for each other.
const CROWD: usize = 4;

/// A turn of one connection that takes longer is a long one.
const LONG: Duration = Duration::from_micros(100);

/// All connections of a worker.
#[derive(Default)]
pub(super) struct Turns {
    /// Whether the turn of the connection just polled was long.
    long: Cell<bool>,
    tasks: RefCell<Tasks>,
    bells: Arc<Bells>,
    /// Whether this turn has so many connections that they had better wait for each other.
    crowd: Cell<bool>,
    /// Whether the connection just polled asks to be polled again after others.
    again: Cell<bool>,
    /// Whether connections of a group execute now, one after the other.
    executing: Cell<bool>,
}

#[derive(Default)]
struct Tasks {
    /// The task of each connection; `None` while it is polled, and when it has ended.
    slots: Vec<Option<Task>>,
    free: Vec<usize>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
    /// Whether its last turn was long.
    long: bool,
}

impl Turns {
    /// Takes a connection in. Its first turn comes soon.
    pub(super) fn add(&self, connection: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.free.pop().unwrap_or(tasks.slots.len());
        if slot == tasks.slots.len() {
            tasks.slots.push(None);
            self.bells.rings.lock().add();
        }
        let bell = Arc::new(Bell {
            slot,
            bells: Arc::clone(&self.bells),
        });
        bell.wake_by_ref();
        tasks.slots[slot] = Some(Task {
            future: Box::pin(connection),
            waker: bell.into(),
            long: false,
        });
    }

    /// Polls connections for ever. `before_second` is called whenever a group has read, before the first of the group
    /// goes on.
    pub(super) async fn run(&self, before_second: impl Fn()) {
        let mut called = Vec::new();
        // Those whose last turn was long, in the order in which they were called.
        let mut waiting = VecDeque::new();
        let mut group = Vec::with_capacity(GROUP);
        let second = |group: &mut Vec<usize>| {
            before_second();
            let crowd = self.crowd.replace(false);
            self.executing.set(true);
            group.retain(|slot| {
                self.poll(*slot);
                self.again.take()
            });
            self.executing.set(false);
            group.drain(..).for_each(|slot| self.poll(slot));
            self.crowd.set(crowd);
        };
        let turn = poll_fn(|context| {
            self.bells.take(&mut called);
            self.crowd.set(called.len() >= CROWD);
            for slot in called.drain(..) {
                if self.was_long(slot) {
                    waiting.push_back(slot);
                    continue;
                }
                self.poll(slot);
                if self.again.take() {
                    group.push(slot);
                }
                if group.len() == GROUP {
                    second(&mut group);
                }
            }
            if !group.is_empty() {
                second(&mut group);
            }
            if let Some(slot) = waiting.pop_front() {
                self.crowd.set(false);
                self.poll(slot);
                if self.again.take() {
                    before_second();
                    self.poll(slot);
                }
            }
            if !waiting.is_empty() {
                // Before the next of them the sockets are looked at.
                let _ = pin!(tokio::task::yield_now()).poll(context);
            }
            self.bells.sleep(context);
            Poll::Pending
        });
        // Sessions give way by themselves; tokio's budget is meant for one of them, not for all.
        tokio::task::unconstrained(turn).await
    }

    /// The connection that is polled has executed its commands in that time.
    pub(super) fn took(&self, time: Duration) {
        self.long.set(self.long.get() || time >= LONG);
    }

    fn was_long(&self, slot: usize) -> bool {
        let tasks = self.tasks.borrow();
        tasks.slots[slot].as_ref().is_some_and(|task| task.long)
    }

    /// Whether waiting for others pays: enough connections have input in this turn, and they are still reading it.
    pub(super) fn is_crowd(&self) -> bool {
        self.crowd.get()
    }

    /// Lets other connections read first, when [there are some](Turns::is_crowd). The wait may end early, so nothing
    /// but speed may depend on it.
    pub(super) async fn after_others(&self) {
        self.step_back(&self.crowd).await;
    }

    /// Lets the others of a group execute before this connection writes.
    pub(super) async fn after_group(&self) {
        self.step_back(&self.executing).await;
    }

    /// Asks once to be polled again after others, if `waited_for` says that there are some.
    async fn step_back(&self, waited_for: &Cell<bool>) {
        let mut asked = false;
        poll_fn(|_| {
            if asked || !waited_for.get() {
                return Poll::Ready(());
            }
            asked = true;
            self.again.set(true);
            Poll::Pending
        })
        .await;
    }

    fn poll(&self, slot: usize) {
        // The slot may have been rung by a waker kept from a connection that ended.
        let Some(mut task) = self.tasks.borrow_mut().slots[slot].take() else {
            return;
        };
        let mut context = Context::from_waker(&task.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
        task.long = self.long.take();
        match polled {
            Ok(Poll::Pending) => self.tasks.borrow_mut().slots[slot] = Some(task),
            // A connection that panicked ends, and others don't notice. The hook has written why.
            Ok(Poll::Ready(())) | Err(_) => {
                drop(task);
                self.tasks.borrow_mut().free.push(slot);
            }
        }
    }
}

/// Wakes one connection.
struct Bell {
    slot: usize,
    bells: Arc<Bells>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bells.ring(self.slot);
    }
}

/// The connections that were woken since the last turn. Any thread may ring.
#[derive(Default)]
struct Bells {
    rings: Mutex<Rings>,
}

#[derive(Default)]
struct Rings {
    slots: Vec<usize>,
    /// Which slots are in the list.
    rung: Vec<bool>,
    /// The waker of the task that polls the connections.
    waker: Option<Waker>,
    asleep: bool,
}

impl Rings {
    fn add(&mut self) {
        self.rung.push(false);
    }
}

impl Bells {
    fn ring(&self, slot: usize) {
        let mut rings = self.rings.lock();
        if std::mem::replace(&mut rings.rung[slot], true) {
            return;
        }
        rings.slots.push(slot);
        if std::mem::take(&mut rings.asleep)
            && let Some(waker) = &rings.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Gives all slots that were rung for; one that is rung for from now on has another turn.
    fn take(&self, called: &mut Vec<usize>) {
        let mut rings = self.rings.lock();
        std::mem::swap(&mut rings.slots, called);
        for slot in called {
            rings.rung[*slot] = false;
        }
    }

    /// Has `context` woken by the next ring, at once when there was one already.
    fn sleep(&self, context: &Context<'_>) {
        let mut rings = self.rings.lock();
        match &rings.waker {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => rings.waker = Some(context.waker().clone()),
        }
        rings.asleep = rings.slots.is_empty();
        if !rings.asleep {
            context.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
