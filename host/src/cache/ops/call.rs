//! What a call counts as: a retrieval for the commands that read, a storing command for those that store.

use super::Ops;
use crate::cache::reply::{CallResult, Reply};

impl Ops {
    /// Counts and tells of a call that began.
    #[inline]
    pub(in crate::cache) fn call_begins(&self) {
        self.counters.object_calls.add_alone(1);
    }

    /// Counts and tells how a call by a retrieval ended. `key` is the virtual key.
    #[inline]
    pub(in crate::cache) fn called_by_get(
        &self,
        key: &[u8],
        result: &CallResult<'_>,
        touches: bool,
    ) {
        let len = match result {
            Ok(Reply::Raw([])) => None,
            Ok(Reply::Value(reply) | Reply::Refused(reply) | Reply::Raw(reply)) => {
                Some(reply.len())
            }
            Err(_) => {
                self.count_retrieval(touches);
                self.counters.object_errors.add_alone(1);
                return self.watch_call(key, None);
            }
        };
        self.count_get(key, len.is_some(), touches);
        self.watch_call(key, len);
    }

    /// Counts and tells how a call by a storing command with so many bytes of data ended.
    #[inline]
    pub(in crate::cache) fn called_by_set(&self, key: &[u8], result: &CallResult<'_>, len: usize) {
        self.count_set(key);
        if result.is_err() {
            self.counters.object_errors.add_alone(1);
        }
        let stored = matches!(result, Ok(Reply::Value(_) | Reply::Raw(_)));
        self.watch_call_with_data(key, stored, len);
    }
}
