//! The log's end in the store: takes down each change on the thread that makes it.
//!
//! A change is encoded as a record into a buffer of the thread's own, under the lock that orders the change. At the end
//! of the turn the buffer is copied to where the log's thread takes it ([`intake`]), and then the turn's slot is
//! closed. So a record costs its encoding, and a turn a few accesses to shared memory. Nothing is allocated once
//! buffers have grown, except for changed fields of large objects.

pub(crate) mod intake;
pub(crate) mod local;
pub(crate) mod slot;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

use cacheismo_store::{Body, Content, Effect, Head, ItemInfo, Journal};

use crate::log::Shared;
use crate::record;
use local::Local;

thread_local! {
    /// This thread's side of each log. There is one log, but in tests.
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// A journal of the store that the log writes down. [`crate::log::Log::start`] makes it.
#[derive(Debug)]
pub struct Tap {
    shared: Arc<Shared>,
}

impl Tap {
    pub(crate) fn new(shared: Arc<Shared>) -> Tap {
        Tap { shared }
    }
}

/// Acts on this thread's side of a log.
#[inline]
pub(crate) fn with_local<R>(shared: &Arc<Shared>, act: impl FnOnce(&mut Local) -> R) -> R {
    LOCALS.with_borrow_mut(|locals| {
        let known = locals.iter().position(|local| local.is_of(shared));
        let at = known.unwrap_or_else(|| add_local(locals, shared));
        act(&mut locals[at])
    })
}

#[cold]
fn add_local(locals: &mut Vec<Local>, shared: &Arc<Shared>) -> usize {
    locals.retain(|local| !local.is_closed());
    locals.push(Local::new(Arc::clone(shared)));
    locals.len() - 1
}

impl Journal for Tap {
    fn wants_departures(&self) -> bool {
        false
    }

    fn turn_begins(&self, tick: u64) {
        with_local(&self.shared, |local| local.turn_begins(tick));
    }

    fn turn_ends(&self) {
        with_local(&self.shared, Local::turn_ends);
    }

    fn commit_begins(&self, _: usize) {
        with_local(&self.shared, Local::commit_begins);
    }

    fn commit_ends(&self) {
        with_local(&self.shared, Local::commit_ends);
    }

    fn stored(&self, tick: u64, key: &[u8], info: &ItemInfo, content: Content<'_>) {
        let head = Head::from(info);
        with_local(&self.shared, |local| {
            local.change(tick, Some(key), |out, open| match content {
                Content::Value(value) => record::add_value(out, open, key, &head, value),
                Content::Appended { at, bytes } => {
                    let body = Body::Appended { at, bytes };
                    record::add(out, open, &Effect::Stored { key, head, body });
                }
                Content::Same => {
                    let body = Body::Same;
                    record::add(out, open, &Effect::Stored { key, head, body });
                }
                Content::State(state) => {
                    let body = Body::State(state);
                    record::add(out, open, &Effect::Stored { key, head, body });
                }
                Content::Fields {
                    fields,
                    clear,
                    fresh,
                    value,
                } => {
                    let fields = fields.iter();
                    let body = Body::Fields {
                        fields: fields
                            .map(|(name, value)| (&name[..], value.as_deref()))
                            .collect(),
                        clear,
                        fresh,
                        value,
                    };
                    record::add(out, open, &Effect::Stored { key, head, body });
                }
            });
        });
    }

    fn deleted(&self, tick: u64, key: &[u8]) {
        with_local(&self.shared, |local| {
            let effect = Effect::Deleted { key };
            local.change(tick, Some(key), |out, open| {
                record::add(out, open, &effect);
            });
        });
    }

    fn flushed(&self, tick: u64) {
        with_local(&self.shared, |local| {
            local.change(tick, None, |out, open| {
                record::add(out, open, &Effect::Flushed);
            });
        });
    }

    fn flush_planned(&self, tick: u64, at_s: u32) {
        with_local(&self.shared, |local| {
            local.change(tick, None, |out, open| {
                record::add(out, open, &Effect::FlushPlanned { at_s });
            });
        });
    }
}
