//! Values, and their bytes in a field: a letter for the type, then
//!
//! | letter | type | bytes |
//! | --- | --- | --- |
//! | `i` | int | little endian, as few bytes as hold the number and its sign: none for 0, at most 8 |
//! | `f` | float | 8, a double, little endian |
//! | `s` | string | UTF-8 |
//! | `b` | bytes | as they are |
//! | `t`, `u` | bool | none: true, untrue |
//! | `n` | null | none |
//! | `j` | json | the text of an array or an object |

use std::io::Write;

use cacheismo_sdk::number::Integer;
use cacheismo_sdk::{Error, FromArg, Reply};

use crate::json;

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this dict is damaged; delete it";

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'v> {
    Int(i64),
    Float(f64),
    String(&'v str),
    Bytes(&'v [u8]),
    Bool(bool),
    Null,
    /// An array or an object.
    Json(&'v str),
}

impl<'v> Value<'v> {
    /// Reads a value of a type from text.
    pub(crate) fn parse(type_name: &[u8], text: Option<&'v [u8]>) -> Result<Self, Error> {
        let given = text.unwrap_or_default();
        let wrong = |expected| Error::new(["value is not ", expected].concat());
        match type_name {
            b"int" => i64::from_arg(given).map(Self::Int).map_err(wrong),
            b"float" => f64::from_arg(given).map(Self::Float).map_err(wrong),
            b"string" => <&str>::from_arg(given).map(Self::String).map_err(wrong),
            b"bytes" => Ok(Self::Bytes(given)),
            b"bool" => bool::from_arg(given).map(Self::Bool).map_err(wrong),
            b"null" if matches!(given, b"" | b"null") => Ok(Self::Null),
            b"null" => Err(wrong("null")),
            b"json" => {
                let text = std::str::from_utf8(given).ok().and_then(json::nested);
                text.map(Self::Json)
                    .ok_or_else(|| wrong("a JSON array or object of at most 64 levels"))
            }
            _ => Err("type is not int, float, string, bytes, bool, null or json".into()),
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Bool(_) => "bool",
            Self::Null => "null",
            Self::Json(_) => "json",
        }
    }

    /// Answers the value as text. A float has a point or an exponent, so that it reads as one.
    pub(crate) fn write(&self, out: &mut Reply) {
        match self {
            Self::Int(number) => out.write(Integer::from(*number).text()),
            Self::Float(number) => write!(out, "{number:?}").expect("a reply takes everything"),
            Self::String(text) | Self::Json(text) => out.write(text.as_bytes()),
            Self::Bytes(bytes) => out.write(bytes),
            Self::Bool(true) => out.write(b"true"),
            Self::Bool(false) => out.write(b"false"),
            Self::Null => out.write(b"null"),
        }
    }

    /// The bytes of a field.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Int(number) => {
                let (bytes, used) = short(number);
                [b"i", &bytes[..used]].concat()
            }
            Self::Float(number) => [&b"f"[..], &number.to_le_bytes()].concat(),
            Self::String(text) => [b"s", text.as_bytes()].concat(),
            Self::Bytes(bytes) => [b"b", bytes].concat(),
            Self::Bool(truth) => vec![if truth { b't' } else { b'u' }],
            Self::Null => vec![b'n'],
            Self::Json(text) => [b"j", text.as_bytes()].concat(),
        }
    }

    /// Reads the bytes of a field; `None` when they are no value.
    pub(crate) fn from_bytes(bytes: &'v [u8]) -> Option<Self> {
        let (letter, bytes) = bytes.split_first()?;
        let text = || std::str::from_utf8(bytes).ok();
        match (letter, bytes.len()) {
            (b'i', 0..=8) => Some(Self::Int(long(bytes))),
            (b'f', 8) => {
                let number = f64::from_le_bytes(bytes.try_into().ok()?);
                number.is_finite().then_some(Self::Float(number))
            }
            (b's', _) => text().map(Self::String),
            (b'b', _) => Some(Self::Bytes(bytes)),
            (b't', 0) => Some(Self::Bool(true)),
            (b'u', 0) => Some(Self::Bool(false)),
            (b'n', 0) => Some(Self::Null),
            // That the text is JSON was seen when it was set, and costs too much to be seen each time.
            (b'j', _) => text().map(Self::Json),
            _ => None,
        }
    }
}

/// A number, and how many of its bytes are needed: what is left out is all sign.
fn short(number: i64) -> ([u8; 8], usize) {
    let sign_bits = if number < 0 {
        number.leading_ones()
    } else {
        number.leading_zeros()
    };
    let used_bits = if number == 0 { 0 } else { 64 - sign_bits + 1 };
    (number.to_le_bytes(), used_bits.div_ceil(8) as usize)
}

/// The number of at most eight bytes.
fn long(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_numbers_take_few_bytes() {
        for (number, bytes) in [
            (0, 0),
            (1, 1),
            (127, 1),
            (128, 2),
            (-1, 1),
            (-128, 1),
            (-129, 2),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            assert_eq!(Value::Int(number).to_bytes().len(), 1 + bytes, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_value_reads_back(number: i64, shift in 0..64, float in -1e300..1e300, text: String, bytes: Vec<u8>, truth: bool) {
            for value in [
                Value::Int(number >> shift), Value::Float(float), Value::String(&text), Value::Bytes(&bytes),
                Value::Bool(truth), Value::Null, Value::Json(&text),
            ] {
                let stored = value.to_bytes();
                prop_assert_eq!(Value::from_bytes(&stored), Some(value));
            }
        }

        #[test]
        fn any_bytes_are_a_value_or_none(letter in prop::sample::select(b"ifsbtunjx".to_vec()), bytes: Vec<u8>) {
            let bytes = [&[letter], &bytes[..]].concat();
            if let Some(Value::Float(number)) = Value::from_bytes(&bytes) {
                prop_assert!(number.is_finite());
            }
            let _ = Value::from_bytes(&bytes[1..]);
        }
    }
}
