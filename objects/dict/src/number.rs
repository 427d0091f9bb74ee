//! Numbers that are added: whole ones as long as both are, else floats.

use cacheismo_sdk::FromArg;

use crate::value::Value;

/// The refusal of a sum that does not fit.
pub(crate) const TOO_LARGE: &str = "the sum is beyond 64 bits or not finite";

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        match i64::from_arg(text) {
            Ok(number) => Some(Self::Int(number)),
            // Digits alone are no float: a sum would lose the last of them.
            Err(_)
                if text
                    .iter()
                    .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-')) =>
            {
                None
            }
            Err(_) => f64::from_arg(text).ok().map(Self::Float),
        }
    }

    /// The number that a value is.
    pub(crate) fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Int(number)),
            Value::Float(number) => Some(Self::Float(number)),
            _ => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// `None` when the sum does not fit.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            return a.checked_add(b).map(Self::Int);
        }
        let sum = self.float() + other.float();
        sum.is_finite().then_some(Self::Float(sum))
    }

    /// `None` when it does not fit.
    pub(crate) fn negated(self) -> Option<Self> {
        match self {
            Self::Int(number) => number.checked_neg().map(Self::Int),
            Self::Float(number) => Some(Self::Float(-number)),
        }
    }
}

impl From<Number> for Value<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(number) => Self::Int(number),
            Number::Float(number) => Self::Float(number),
        }
    }
}
