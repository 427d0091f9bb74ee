//! The meaning of an exptime.

/// Longest exptime in seconds that counts from now; a larger one is a date.
pub const RELATIVE_S_MAX: i64 = 60 * 60 * 24 * 30;

/// When an item stops existing, in the resolution clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It does not expire.
    Never,
    /// It is expired already.
    Past,
    /// At this second since 1970.
    At(u64),
}

/// What `exptime` means at the second `now_s` since 1970: 0 is never, a negative one is past, up to 30
/// days count from now, anything larger is a date.
pub fn expiry(exptime: i64, now_s: u64) -> Expiry {
    match exptime {
        0 => Expiry::Never,
        ..0 => Expiry::Past,
        1..=RELATIVE_S_MAX => Expiry::At(now_s + exptime as u64),
        date if date as u64 <= now_s => Expiry::Past,
        date => Expiry::At(date as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_up_to_30_days_and_dates_beyond() {
        const NOW: u64 = 1_800_000_000;
        for (exptime, expected) in [
            (0, Expiry::Never),
            (-1, Expiry::Past),
            (i64::MIN, Expiry::Past),
            (1, Expiry::At(NOW + 1)),
            (RELATIVE_S_MAX, Expiry::At(NOW + 2_592_000)),
            (RELATIVE_S_MAX + 1, Expiry::Past),
            (NOW as i64, Expiry::Past),
            (NOW as i64 + 1, Expiry::At(NOW + 1)),
            (i64::MAX, Expiry::At(i64::MAX as u64)),
        ] {
            assert_eq!(expiry(exptime, NOW), expected, "{exptime}");
        }
    }
}
