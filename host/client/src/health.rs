//! Whether a node is asked.
//!
//! A node is *up*, or *taken out* for [`Options::reconnect_ms`](crate::Options::reconnect_ms). When that time has passed,
//! the next request for one of its keys starts a *probe*, a connection that must answer; the request itself still goes to
//! the next node. A probe that is answered brings the node back, one that fails takes it out again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Cause;

#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Whether the node is up: what every request asks, without the lock.
    is_out: AtomicBool,
    outage: Mutex<Option<Outage>>,
}

#[derive(Clone, Debug)]
struct Outage {
    cause: Cause,
    retry_at: Instant,
    is_probed: bool,
}

impl Health {
    pub(crate) fn is_up(&self) -> bool {
        !self.is_out.load(Ordering::Acquire)
    }

    /// Why the node is taken out, and for how long it still is.
    pub(crate) fn outage(&self, now: Instant) -> Option<(Cause, Duration)> {
        let outage = self.lock();
        let outage = outage.as_ref()?;
        Some((
            outage.cause.clone(),
            outage.retry_at.saturating_duration_since(now),
        ))
    }

    /// Takes the node out.
    pub(crate) fn take_out(&self, cause: Cause, retry_at: Instant) {
        *self.lock() = Some(Outage {
            cause,
            retry_at,
            is_probed: false,
        });
        self.is_out.store(true, Ordering::Release);
    }

    /// Brings the node back.
    pub(crate) fn bring_back(&self) {
        *self.lock() = None;
        self.is_out.store(false, Ordering::Release);
    }

    /// Whether the caller must probe the node now. It is told so once for each outage.
    pub(crate) fn must_probe(&self, now: Instant) -> bool {
        match &mut *self.lock() {
            Some(outage) if outage.retry_at <= now => {
                !std::mem::replace(&mut outage.is_probed, true)
            }
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outage>> {
        // Nothing is half done when a holder panics.
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_taken_out_is_probed_once_when_its_time_has_come() {
        let (health, now) = (Health::default(), Instant::now());
        let later = now + Duration::from_millis(10);
        assert!(health.is_up() && !health.must_probe(later));
        health.take_out(Cause::Closed, later);
        assert!(!health.is_up() && !health.must_probe(now));
        assert_eq!(
            health.outage(now),
            Some((Cause::Closed, Duration::from_millis(10)))
        );
        assert!(health.must_probe(later) && !health.must_probe(later));
        health.take_out(Cause::Closed, later);
        assert!(health.must_probe(later));
        health.bring_back();
        assert!(health.is_up() && health.outage(now).is_none());
    }
}
