//! When an hour, a day or a month of local time ends.

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;

/// A kind of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Window {
    /// From one full hour to the next.
    Hour,
    /// From one midnight to the next.
    Day,
    /// From the midnight before the first of a month to the next such.
    Month,
}

impl Window {
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"hour" => Some(Self::Hour),
            b"day" => Some(Self::Day),
            b"month" => Some(Self::Month),
            _ => None,
        }
    }

    /// The reverse of `as u8`.
    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Hour,
            1 => Self::Day,
            _ => Self::Month,
        }
    }

    /// The last second that belongs to the window of `now_s`: one after the first second of the next
    /// hour, day or month, where the original drew the line. `utc_offset_s` tells the offset of local
    /// time at a Unix time.
    pub(crate) fn ends_s(self, now_s: i64, utc_offset_s: impl Fn(i64) -> i32) -> i64 {
        let offset_s = i64::from(utc_offset_s(now_s));
        let local_s = now_s + offset_s;
        let next_local_s = match self {
            Self::Hour => (local_s.div_euclid(HOUR_S) + 1) * HOUR_S,
            Self::Day => (local_s.div_euclid(DAY_S) + 1) * DAY_S,
            Self::Month => first_of_next_month(local_s.div_euclid(DAY_S)) * DAY_S,
        };
        let next_s = match self {
            // A clock set forward or back shall not stretch an hour.
            Self::Hour => next_local_s - offset_s,
            // The offset may change before midnight, so the one of then counts.
            Self::Day | Self::Month => {
                next_local_s - i64::from(utc_offset_s(next_local_s - offset_s))
            }
        };
        next_s + 1
    }
}

/// Day number, from 1970-01-01, of the first of the month after the one `day` is in.
///
/// Counts in eras of 400 years of 146097 days, with years that begin in March so that the leap day
/// is the last.
fn first_of_next_month(day: i64) -> i64 {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let first_of_month = (153 * month_from_march + 2) / 5;
    let leap_year = {
        // February belongs to the year that begins in March: its leap day is that of the next year.
        let year = year_of_era + 1;
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    };
    let month_days = match month_from_march {
        11 if leap_year => 29,
        11 => 28,
        // April, June, September, November.
        1 | 3 | 6 | 8 => 30,
        _ => 31,
    };
    let year_start = era * 146_097 + 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    year_start + first_of_month + month_days - 719_468
}

#[cfg(test)]
mod tests {
    use super::{DAY_S, HOUR_S, Window, first_of_next_month};

    /// Day numbers counted one month after the other, the naive way.
    #[test]
    fn the_first_of_the_next_month_is_as_the_calendar_says_for_two_thousand_years() {
        let mut first = -719_162; // 0001-01-01
        for year in 1..2400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for days in [
                31,
                if leap { 29 } else { 28 },
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ] {
                let next = first + days;
                for day in [first, first + 1, first + 14, next - 1] {
                    assert_eq!(first_of_next_month(day), next, "year {year}");
                }
                first = next;
            }
        }
        assert_eq!(first_of_next_month(0), 31);
    }

    #[test]
    fn windows_end_one_second_into_the_next_one() {
        let utc = |_| 0;
        let new_year_2024 = 1_704_067_200;
        assert_eq!(
            Window::Hour.ends_s(new_year_2024, utc),
            new_year_2024 + HOUR_S + 1
        );
        assert_eq!(
            Window::Hour.ends_s(new_year_2024 - 1, utc),
            new_year_2024 + 1
        );
        assert_eq!(
            Window::Day.ends_s(new_year_2024 + DAY_S - 1, utc),
            new_year_2024 + DAY_S + 1
        );
        assert_eq!(
            Window::Month.ends_s(new_year_2024 + DAY_S, utc),
            new_year_2024 + 31 * DAY_S + 1
        );
        assert_eq!(
            Window::Month.ends_s(-1, utc),
            1,
            "times before 1970 work too"
        );
    }

    #[test]
    fn windows_are_of_local_time() {
        let half_past_five_hours_east = |_| 19_800;
        let new_year_2024_there = 1_704_067_200 - 19_800;
        for window in [Window::Hour, Window::Day, Window::Month] {
            assert_eq!(
                window.ends_s(new_year_2024_there - 1, half_past_five_hours_east),
                new_year_2024_there + 1
            );
        }
    }

    #[test]
    fn a_clock_change_moves_midnight_but_not_the_hour() {
        // Central Europe, 2024-10-27: at 01:00 UTC the offset falls from 2 h to 1 h.
        let change = 1_729_990_800;
        let zone = |unix_s| if unix_s < change { 7200 } else { 3600 };
        let noon_before = change - 13 * HOUR_S;
        let midnight_of_the_27th = change - 3 * HOUR_S;
        assert_eq!(
            Window::Day.ends_s(noon_before, zone),
            midnight_of_the_27th + 1
        );
        let midnight_of_the_28th = change + 22 * HOUR_S;
        assert_eq!(
            Window::Day.ends_s(midnight_of_the_27th, zone),
            midnight_of_the_28th + 1,
            "a day of 25 hours"
        );
        assert_eq!(Window::Hour.ends_s(change - 1, zone), change + 1);
    }
}
