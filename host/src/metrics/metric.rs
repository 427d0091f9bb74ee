//! What a metric is.

use std::borrow::Cow;
use std::fmt::{Display, Formatter};
use std::time::Duration;

/// A figure or a fact that the server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name in `stats`: memcached's where it has one.
    pub name: &'static str,
    /// What the metric's values do over time.
    pub kind: Kind,
    /// What the metric's values are measured in.
    pub unit: Unit,
    /// What the metric tells, in whole sentences.
    pub help: &'static str,
}

/// What the values of a metric do over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Values only grow, from zero at the start or at `stats reset`.
    Counter,
    /// Values rise and fall.
    Gauge,
    /// Values stay what they are: a version, a setting.
    Info,
}

/// What the numbers of a metric count.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: a text, a switch, a bare number.
    None,
    Bits,
    Bytes,
    Calls,
    Connections,
    Items,
    Lines,
    Microseconds,
    Milliseconds,
    Nanoseconds,
    Requests,
    Seconds,
    Threads,
    /// How often something happened.
    Times,
}

/// The `stats` command that shows a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// `stats`.
    General,
    /// `stats settings`.
    Settings,
    /// `stats items`.
    Items,
    /// `stats slabs`.
    Slabs,
    /// `stats objects`.
    Objects,
    /// `stats persistence`.
    Persistence,
}

/// Metrics that are read together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The name of the group's declaration.
    pub name: &'static str,
    /// The command that shows the group.
    pub listing: Listing,
    /// The metrics, in the order they are shown.
    pub metrics: &'static [Metric],
}

/// A metric's value at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In the metric's unit.
    Number(u64),
    /// Shown in seconds with six decimals.
    Time(Duration),
    /// A fact.
    Text(Cow<'static, str>),
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Time(time) => write!(f, "{}.{:06}", time.as_secs(), time.subsec_micros()),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Value {
        Value::Time(time)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Value {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into())
    }
}

/// A switch, as memcached shows most of them.
impl From<bool> for Value {
    fn from(on: bool) -> Value {
        Value::from(if on { "yes" } else { "no" })
    }
}
