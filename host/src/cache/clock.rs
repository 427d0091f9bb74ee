//! The clock of the server, read once for each batch of commands.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::store::{Expiry, Now};

/// Wall clock and time zone.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    zone: TimeZone,
}

impl Clock {
    /// The clock with the zone of `TZ`, or the system's.
    pub(super) fn new() -> Clock {
        Clock {
            started: Instant::now(),
            zone: TimeZone::system(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            unix_s: u32::try_from(since.as_secs()).unwrap_or(u32::MAX),
            millis: since.subsec_millis() as u16,
        }
    }

    pub(super) fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Offset of local time from UTC at that second; 0 when there is no such second.
    pub(super) fn utc_offset_s(&self, unix_s: i64) -> i32 {
        Timestamp::from_second(unix_s).map_or(0, |at| self.zone.to_offset(at).seconds())
    }

    /// Abbreviation of local time's name at that second, as `CET`. Without a zone it is UTC's, as in C.
    pub(super) fn zone_name(&self, unix_s: i64) -> String {
        let at = Timestamp::from_second(unix_s).ok();
        let named = at.filter(|_| !self.zone.is_unknown());
        named.map_or("UTC".to_owned(), |at| {
            self.zone.to_offset_info(at).abbreviation().to_owned()
        })
    }
}

/// The store's expiry for an exptime as a client sends it.
pub(super) fn expiry(exptime: i64, now: Now) -> Expiry {
    match crate::protocol::expiry(exptime, u64::from(now.unix_s)) {
        crate::protocol::Expiry::Never => Expiry(None),
        crate::protocol::Expiry::Past => Expiry(Some(0)),
        crate::protocol::Expiry::At(second) => Expiry(Some(second * 1000)),
    }
}
