//! Tables of metrics: what is declared, and how each value is read from a sample.

use std::fmt::Display;
use std::time::Duration;

use super::metric::{Group, Value};

/// Takes the lines of `stats`: a name and a value.
pub type Line<'a> = dyn FnMut(&str, &dyn Display) + 'a;

/// Reads a value from a sample of now and the sample that `stats reset` took.
pub type Read<S> = fn(&S, &S) -> Value;

/// Metrics that are read from a sample `S`.
#[derive(Debug)]
pub struct Table<S: 'static> {
    /// The declarations.
    pub group: Group,
    /// The reader of each metric of the group.
    pub reads: &'static [Read<S>],
}

impl<S> Table<S> {
    /// Gives `line` every metric with `prefix` before its name. Counters are counted from `base` on.
    pub fn lines(&self, prefix: &str, now: &S, base: &S, line: &mut Line<'_>) {
        for (metric, read) in self.group.metrics.iter().zip(self.reads) {
            let value = read(now, base);
            match prefix {
                "" => line(metric.name, &value),
                _ => line(&format!("{prefix}{}", metric.name), &value),
            }
        }
    }
}

/// A quantity that grows, and how much it has grown.
pub trait Since {
    /// What came since the quantity was `base`; nothing if it is less, because `base` was taken later.
    #[must_use]
    fn since(self, base: Self) -> Self;
}

impl Since for u64 {
    fn since(self, base: u64) -> u64 {
        self.saturating_sub(base)
    }
}

impl Since for Duration {
    fn since(self, base: Duration) -> Duration {
        self.saturating_sub(base)
    }
}

/// Declares a [`Table`]. A metric's doc comment is its help; its kind says whether `stats reset` starts it anew.
///
/// ```text
/// table! {
///     /// What a tank tells in `stats`.
///     pub static TANK: Table<TankSample> in General {
///         /// Water that came in.
///         poured: Counter(Bytes) = |s| s.poured,
///         /// Water that is in.
///         level: Gauge(Bytes) = |s| s.level,
///     }
/// }
/// ```
macro_rules! table {
    (
        $(#[$meta:meta])*
        $vis:vis static $TABLE:ident: Table<$Sample:ty> in $listing:ident {
            $($(#[doc = $help:literal])+ $name:ident: $kind:ident($unit:ident) = $read:expr,)*
        }
    ) => {
        $(#[$meta])*
        $vis static $TABLE: $crate::metrics::Table<$Sample> = $crate::metrics::Table {
            group: $crate::metrics::Group {
                name: stringify!($TABLE),
                listing: $crate::metrics::Listing::$listing,
                metrics: &[$($crate::metrics::Metric {
                    name: stringify!($name),
                    kind: $crate::metrics::Kind::$kind,
                    unit: $crate::metrics::Unit::$unit,
                    // A doc comment begins with the space behind its slashes.
                    help: concat!($($help),+).trim_ascii_start(),
                }),*],
            },
            reads: &[$($crate::metrics::table!(@read $kind $Sample, $read)),*],
        };
    };
    (@read Counter $Sample:ty, $read:expr) => {
        |now: &$Sample, base: &$Sample| {
            let read: fn(&$Sample) -> _ = $read;
            $crate::metrics::Since::since(read(now), read(base)).into()
        }
    };
    (@read $kind:ident $Sample:ty, $read:expr) => {
        |now: &$Sample, _: &$Sample| {
            let read: fn(&$Sample) -> _ = $read;
            read(now).into()
        }
    };
}

pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Kind, Listing, Metric, Unit};

    #[derive(Default)]
    struct Sample {
        poured: u64,
        level: u64,
        open_for: Duration,
    }

    table! {
        /// A tank.
        static TANK: Table<Sample> in Items {
            /// Water that came in,
            /// from wherever.
            poured: Counter(Bytes) = |s| s.poured,
            /// Time the tap was open.
            open_for: Counter(Seconds) = |s| s.open_for,
            /// Water that is in.
            level: Gauge(Bytes) = |s| s.level,
            /// What it is made of.
            material: Info(None) = |_| "steel",
        }
    }

    fn lines(prefix: &str, now: &Sample, base: &Sample) -> String {
        let mut text = String::new();
        TANK.lines(prefix, now, base, &mut |name, value| {
            text.push_str(&format!("{name} {value}\n"));
        });
        text
    }

    #[test]
    fn a_declaration_becomes_a_metric() {
        let poured = Metric {
            name: "poured",
            kind: Kind::Counter,
            unit: Unit::Bytes,
            help: "Water that came in, from wherever.",
        };
        assert_eq!(TANK.group.metrics[0], poured);
        assert_eq!(TANK.group.metrics.len(), TANK.reads.len());
        assert_eq!(
            (TANK.group.name, TANK.group.listing),
            ("TANK", Listing::Items)
        );
    }

    #[test]
    fn counters_begin_at_the_base_and_gauges_do_not() {
        let base = Sample {
            poured: 3,
            level: 2,
            open_for: Duration::from_millis(500),
        };
        let now = Sample {
            poured: 10,
            level: 4,
            open_for: Duration::from_millis(2750),
        };
        assert_eq!(
            lines("", &now, &Sample::default()),
            "poured 10\nopen_for 2.750000\nlevel 4\nmaterial steel\n"
        );
        assert_eq!(
            lines("t:", &now, &base),
            "t:poured 7\nt:open_for 2.250000\nt:level 4\nt:material steel\n"
        );
    }

    #[test]
    fn a_sample_from_before_the_base_reads_zero() {
        let base = Sample {
            poured: 3,
            ..Sample::default()
        };
        assert!(lines("", &Sample::default(), &base).starts_with("poured 0\n"));
    }
}
