//! Deleting an item, or marking it stale: `delete`, `md`, and the binary delete.

use super::Ops;
use crate::cache::detail::Event;
use crate::store::{DeleteOptions, DeleteOutcome, Key};

/// The request makes no sense for the state of an object.
#[derive(Debug)]
pub(in crate::cache) struct NotForObjects;

impl Ops {
    /// Deletes an item or an object. `command` is the name of the command in log lines.
    ///
    /// # Errors
    /// An object has no stale state, and no empty value that its type would understand.
    pub(in crate::cache) fn delete(
        &self,
        key: Key<'_>,
        command: &str,
        options: &DeleteOptions,
    ) -> Result<DeleteOutcome, NotForObjects> {
        self.shared.detail.note(key.bytes, Event::Delete);
        let removes = !options.mark_stale && !options.drop_value;
        if !removes && self.shared.is_object_name(key.bytes) {
            return Err(NotForObjects);
        }
        self.watch_fetch(key);
        let len = self.before_delete(key).filter(|_| removes);
        let outcome = self.shared.store.delete(key, self.now, options);
        self.disk.has_read(key.hash);
        match outcome {
            DeleteOutcome::Done if removes => {
                self.counters.delete_hits.add_alone(1);
                self.watch_delete(key.bytes, command, len);
            }
            DeleteOutcome::Done => {}
            DeleteOutcome::NotFound => self.counters.delete_misses.add_alone(1),
            DeleteOutcome::Exists => {}
        }
        Ok(outcome)
    }
}
