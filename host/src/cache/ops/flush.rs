//! Forgetting all items: `flush_all`, in text and binary.

use super::Ops;
use crate::store::{Expiry, Now};

/// Why nothing was flushed.
#[derive(Debug)]
pub(in crate::cache) enum FlushError {
    /// The command is switched off (`-F`).
    NotAllowed,
}

impl Ops {
    /// Makes everything stored until then stop existing: at once, or at the moment `delay`, an exptime, names.
    pub(in crate::cache) fn flush(&self, delay: Option<i64>) -> Result<(), FlushError> {
        if !self.shared.host.flush_enabled() {
            return Err(FlushError::NotAllowed);
        }
        self.counters.cmd_flush.add_alone(1);
        let at = match delay.map_or(Expiry(None), |delay| self.expiry(delay)) {
            Expiry(Some(ms)) if ms > 0 => Now {
                unix_s: u32::try_from(ms / 1000).unwrap_or(u32::MAX),
                millis: 0,
            },
            _ => self.now,
        };
        self.shared.store.flush_all(self.now, at);
        Ok(())
    }
}
