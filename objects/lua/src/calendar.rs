//! Dates: seconds since 1970 to calendar fields and back, and `strftime`. The offset from UTC
//! is asked of a closure, because only the host knows the zone.

/// A moment in some zone. As C's `struct tm`, but with the real year and months from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Date {
    /// Year.
    pub(crate) year: i64,
    /// Month, 1 to 12.
    pub(crate) month: i64,
    /// Day of the month, 1 to 31.
    pub(crate) day: i64,
    /// Hour, 0 to 23.
    pub(crate) hour: i64,
    /// Minute, 0 to 59.
    pub(crate) minute: i64,
    /// Second, 0 to 59.
    pub(crate) second: i64,
    /// Days since Sunday.
    pub(crate) weekday: i64,
    /// Days since 1 January.
    pub(crate) yearday: i64,
    /// Seconds east of UTC.
    pub(crate) offset: i64,
    /// Whether daylight saving time is in force.
    pub(crate) dst: bool,
    /// Whether the date is UTC by request, not by zone.
    pub(crate) gmt: bool,
    /// The moment itself, in seconds since 1970.
    pub(crate) unix_s: i64,
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar; any `day` will do.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds of a date as if it were UTC. Fields out of range carry over.
pub(crate) fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
}

/// The date at `unix_s` when the local clock is `offset` ahead of UTC.
fn date(unix_s: i64, offset: i64) -> Date {
    let local = unix_s + offset;
    let day = local.div_euclid(86_400);
    let rest = local.rem_euclid(86_400);
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let year = shifted.div_euclid(146_097) * 400 + year_of_era + i64::from(month <= 2);
    Date {
        year,
        month,
        day: of_year - (153 * month_from_march + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        weekday: (day + 4).rem_euclid(7),
        yearday: day - days(year, 1, 1),
        offset,
        dst: false,
        gmt: false,
        unix_s,
    }
}

/// The date at `unix_s` in UTC.
pub(crate) fn utc(unix_s: i64) -> Date {
    Date {
        gmt: true,
        ..date(unix_s, 0)
    }
}

/// Offsets of winter and summer in a year: the smaller and the larger one.
fn offsets_of_year(year: i64, offset_at: &impl Fn(i64) -> i64) -> (i64, i64) {
    let january = offset_at(seconds(year, 1, 1, 12, 0, 0));
    let july = offset_at(seconds(year, 7, 1, 12, 0, 0));
    (january.min(july), january.max(july))
}

/// The local date at `unix_s`.
pub(crate) fn local(unix_s: i64, offset_at: impl Fn(i64) -> i64) -> Date {
    let offset = offset_at(unix_s);
    let mut date = date(unix_s, offset);
    let (standard, summer) = offsets_of_year(date.year, &offset_at);
    date.dst = standard != summer && offset == summer;
    date
}

/// Seconds since 1970 of a local date, given as seconds of the same date in UTC.
///
/// `dst` says whether the date is meant in daylight saving time, `None` to find out.
pub(crate) fn from_local(as_utc: i64, dst: Option<bool>, offset_at: impl Fn(i64) -> i64) -> i64 {
    let guess = as_utc - offset_at(as_utc);
    let mut unix_s = as_utc - offset_at(guess);
    if offset_at(unix_s) != offset_at(guess) {
        // Within an hour of a change of clocks: the later reading keeps the older offset.
        unix_s = as_utc - offset_at(as_utc - 86_400);
    }
    if let Some(dst) = dst {
        let (standard, summer) = offsets_of_year(utc(as_utc).year, &offset_at);
        if standard != summer {
            unix_s = as_utc - if dst { summer } else { standard };
        }
    }
    unix_s
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The ISO 8601 year and week of a date.
fn iso_week(date: &Date) -> (i64, i64) {
    let monday_based = (date.weekday + 6) % 7;
    let week = (date.yearday - monday_based + 10) / 7;
    let weeks_in = |year: i64| {
        let first = (days(year, 1, 1) + 4).rem_euclid(7);
        let leap = days(year + 1, 1, 1) - days(year, 1, 1) == 366;
        if first == 4 || (leap && first == 3) {
            53
        } else {
            52
        }
    };
    if week < 1 {
        (date.year - 1, weeks_in(date.year - 1))
    } else if week > weeks_in(date.year) {
        (date.year + 1, 1)
    } else {
        (date.year, week)
    }
}

/// Formats a date as C's `strftime` does in the C locale. Unknown conversions stay as they are. `zone_name` tells the
/// abbreviation of local time's name at a moment.
pub(crate) fn format(pattern: &[u8], date: &Date, zone_name: &dyn Fn(i64) -> String) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = pattern.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut conversion = rest.next();
        if matches!(conversion, Some(b'E' | b'O')) {
            conversion = rest.next();
        }
        let Some(&conversion) = conversion else {
            out.push(b'%');
            break;
        };
        match convert(conversion, date, zone_name) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.extend_from_slice(&[b'%', conversion]),
        }
    }
    out
}

fn convert(conversion: u8, d: &Date, zone_name: &dyn Fn(i64) -> String) -> Option<String> {
    let day = DAYS[usize::try_from(d.weekday).unwrap_or(0) % 7];
    let month = MONTHS[usize::try_from(d.month - 1).unwrap_or(0) % 12];
    let hour12 = (d.hour + 11) % 12 + 1;
    let again = |pattern: &str| {
        String::from_utf8(format(pattern.as_bytes(), d, zone_name)).expect("made of text")
    };
    let (iso_year, week) = iso_week(d);
    Some(match conversion {
        b'a' => day[..3].to_owned(),
        b'A' => day.to_owned(),
        b'b' | b'h' => month[..3].to_owned(),
        b'B' => month.to_owned(),
        b'c' => again("%a %b %e %H:%M:%S %Y"),
        b'C' => format!("{:02}", d.year.div_euclid(100)),
        b'd' => format!("{:02}", d.day),
        b'D' | b'x' => again("%m/%d/%y"),
        b'e' => format!("{:2}", d.day),
        b'F' => again("%Y-%m-%d"),
        b'g' => format!("{:02}", iso_year.rem_euclid(100)),
        b'G' => iso_year.to_string(),
        b'H' => format!("{:02}", d.hour),
        b'I' => format!("{hour12:02}"),
        b'j' => format!("{:03}", d.yearday + 1),
        b'm' => format!("{:02}", d.month),
        b'M' => format!("{:02}", d.minute),
        b'n' => "\n".to_owned(),
        b'p' => if d.hour < 12 { "AM" } else { "PM" }.to_owned(),
        b'r' => again("%I:%M:%S %p"),
        b'R' => again("%H:%M"),
        b's' => {
            (seconds(d.year, d.month, d.day, d.hour, d.minute, d.second) - d.offset).to_string()
        }
        b'S' => format!("{:02}", d.second),
        b't' => "\t".to_owned(),
        b'T' | b'X' => again("%H:%M:%S"),
        b'u' => ((d.weekday + 6) % 7 + 1).to_string(),
        b'U' => format!("{:02}", (d.yearday + 7 - d.weekday) / 7),
        b'V' => format!("{week:02}"),
        b'w' => d.weekday.to_string(),
        b'W' => format!("{:02}", (d.yearday + 7 - (d.weekday + 6) % 7) / 7),
        b'y' => format!("{:02}", d.year.rem_euclid(100)),
        b'Y' => d.year.to_string(),
        b'z' => zone(d.offset),
        b'Z' if d.gmt => "GMT".to_owned(),
        b'Z' => zone_name(d.unix_s),
        b'%' => "%".to_owned(),
        _ => return None,
    })
}

/// The offset as `+hhmm`.
fn zone(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offset of Berlin: two hours from the end of March to the end of October 2023, else one.
    fn berlin(unix_s: i64) -> i64 {
        if (1_679_792_400..1_698_541_200).contains(&unix_s) {
            7200
        } else {
            3600
        }
    }

    #[test]
    fn dates_and_seconds_agree_over_eight_centuries() {
        for day in (-150_000..150_000).step_by(17) {
            let at = day * 86_400 + 3723;
            let d = utc(at);
            assert_eq!(
                seconds(d.year, d.month, d.day, d.hour, d.minute, d.second),
                at
            );
            assert_eq!(days(d.year, 1, 1) + d.yearday, day);
        }
    }

    #[test]
    fn months_and_days_out_of_range_carry_over() {
        assert_eq!(seconds(2023, 13, 1, 0, 0, 1), seconds(2024, 1, 1, 0, 0, 1));
        assert_eq!(seconds(2023, 12, 32, 0, 0, 0), seconds(2024, 1, 1, 0, 0, 0));
        assert_eq!(seconds(2024, 3, 0, 24, 0, 0), seconds(2024, 3, 1, 0, 0, 0));
        assert_eq!(seconds(2023, -11, 1, 0, 0, 0), seconds(2022, 1, 1, 0, 0, 0));
    }

    #[test]
    fn local_time_comes_back_outside_the_doubled_hour() {
        for at in (1_672_531_200..1_704_067_200).step_by(1800) {
            let d = local(at, berlin);
            let as_utc = seconds(d.year, d.month, d.day, d.hour, d.minute, d.second);
            assert_eq!(from_local(as_utc, Some(d.dst), berlin), at);
            if !(1_698_537_600..1_698_544_800).contains(&at) {
                assert_eq!(from_local(as_utc, None, berlin), at, "{d:?}");
            }
        }
    }

    #[test]
    fn a_format_reads_as_that_of_c() {
        let d = utc(1_700_000_000);
        let nobody = |_: i64| unreachable!("the zone has no name here");
        let text = |p: &str| String::from_utf8(format(p.as_bytes(), &d, &nobody)).expect("text");
        assert_eq!(text("%z %Z"), "+0000 GMT");
        assert_eq!(
            text("%c|%x|%X|%p|%%"),
            "Tue Nov 14 22:13:20 2023|11/14/23|22:13:20|PM|%"
        );
        assert_eq!(
            text("%a %A %b %B %d %H %I %j %m %M %S %U %w %W %y %Y"),
            "Tue Tuesday Nov November 14 22 10 318 11 13 20 46 2 46 23 2023"
        );
        assert_eq!(
            text("%F %T %V %G %e %s %Q %"),
            "2023-11-14 22:13:20 46 2023 14 1700000000 %Q %"
        );
    }

    #[test]
    fn a_zone_has_the_name_of_its_moment() {
        let name = |unix_s: i64| {
            if berlin(unix_s) == 7200 {
                "CEST"
            } else {
                "CET"
            }
            .to_owned()
        };
        for (at, expected) in [(1_700_000_000, "+0100 CET"), (1_690_000_000, "+0200 CEST")] {
            let made = format(b"%z %Z", &local(at, berlin), &name);
            assert_eq!(String::from_utf8_lossy(&made), expected);
        }
    }
}
