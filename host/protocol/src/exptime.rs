//! The meaning of an exptime.

/// Longest exptime in seconds that counts from now; a larger one is a date.
pub const RELATIVE_S_MAX: i64 = 60 * 60 * 24 * 30;

/// One more than the last second that 32 bits can say, in February 2106.
const DATE_S_END: i64 = 1 << 32;

/// The least date that is a negative number cut to 32 bits: libraries send -1 so, and mean the past.
const NEGATIVE_S_MIN: i64 = DATE_S_END - RELATIVE_S_MAX;

/// The last date, in January 2106; later ones become it.
const DATE_S_MAX: i64 = NEGATIVE_S_MIN - 1;

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

/// What `exptime` means at the second `now_s` since 1970: 0 is never, a negative one is past, up to 30 days count from
/// now, anything larger is a date. Dates of the last 30 days that 32 bits can say are negative numbers of clients that
/// know no sign; later dates become the last possible one.
pub fn expiry(exptime: i64, now_s: u64) -> Expiry {
    match exptime {
        0 => Expiry::Never,
        ..0 => Expiry::Past,
        1..=RELATIVE_S_MAX => Expiry::At(now_s + exptime as u64),
        NEGATIVE_S_MIN..DATE_S_END => Expiry::Past,
        DATE_S_END.. => Expiry::At(DATE_S_MAX as u64),
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
            (NEGATIVE_S_MIN - 1, Expiry::At(4_292_375_295)),
            (NEGATIVE_S_MIN, Expiry::Past),
            (u32::MAX.into(), Expiry::Past),
            (DATE_S_END, Expiry::At(4_292_375_295)),
            (1 << 61, Expiry::At(4_292_375_295)),
            (i64::MAX, Expiry::At(4_292_375_295)),
        ] {
            assert_eq!(expiry(exptime, NOW), expected, "{exptime}");
        }
    }
}
