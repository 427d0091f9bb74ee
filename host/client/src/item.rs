//! What is stored, and how.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A value with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The bytes.
    pub value: Bytes,
    /// The number that the writer stored with it. Servers do not care what it means.
    pub flags: u32,
    /// Changes with every write; [`Store::cas`] takes it. 0 when the server counts none.
    pub cas: u64,
    /// Seconds until the item expires; `None` when it never does.
    pub ttl_s: Option<u64>,
}

/// How long an item lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// Until its memory is needed.
    #[default]
    Never,
    /// So many seconds from now. 0 is already past.
    Seconds(u32),
    /// Until a date in seconds since 1970.
    At(u32),
}

/// Longest time that servers count from now; they take larger numbers as dates.
const RELATIVE_SECONDS_MAX: u32 = 30 * 86_400;

impl Ttl {
    /// The number that the protocol has for it.
    pub(crate) fn wire(self) -> i64 {
        match self {
            Self::Never => 0,
            Self::Seconds(0) => -1,
            Self::Seconds(seconds) if seconds <= RELATIVE_SECONDS_MAX => seconds.into(),
            Self::Seconds(seconds) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.map_or(0, |since| since.as_secs());
                i64::try_from(now + u64::from(seconds)).unwrap_or(i64::MAX)
            }
            // Servers would count such a small date from now.
            Self::At(date) if date <= RELATIVE_SECONDS_MAX => -1,
            Self::At(date) => date.into(),
        }
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Under which condition, and where the bytes go.
    pub mode: Mode,
    /// A number to store with the value. Appending and prepending keep the old one.
    pub flags: u32,
    /// How long the item lives. Appending and prepending keep the old time.
    pub ttl: Ttl,
    /// Store only over the item that had this [`Item::cas`].
    pub cas: Option<u64>,
}

/// When a value is stored, and where its bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Always.
    #[default]
    Set,
    /// If there is no item.
    Add,
    /// If there is an item.
    Replace,
    /// Behind the bytes of the item that is there.
    Append,
    /// Before the bytes of the item that is there.
    Prepend,
}

/// How storing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The value is stored.
    Yes {
        /// The item's new [`Item::cas`]; 0 when the server counts none.
        cas: u64,
    },
    /// The mode's condition does not hold.
    Not,
    /// The item has another [`Item::cas`].
    Changed,
    /// There is no item with the [`Item::cas`].
    Absent,
}

impl Stored {
    /// Whether the value is stored.
    pub fn is_stored(self) -> bool {
        matches!(self, Self::Yes { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_so_that_servers_understand_them() {
        assert_eq!(Ttl::Never.wire(), 0);
        assert_eq!(Ttl::Seconds(0).wire(), -1);
        assert_eq!(Ttl::Seconds(60).wire(), 60);
        assert_eq!(Ttl::Seconds(RELATIVE_SECONDS_MAX).wire(), 2_592_000);
        assert!(Ttl::Seconds(RELATIVE_SECONDS_MAX + 1).wire() > 1_700_000_000);
        assert_eq!(Ttl::At(5).wire(), -1);
        assert_eq!(Ttl::At(2_000_000_000).wire(), 2_000_000_000);
    }
}
