//! Records as lines of JSON.
//!
//! ```json
//! {"tick":7,"changes":[{"stored":{"key":"a","flags":1,"value":"text"}},{"deleted":{"key":{"hex":"ff00"}}}]}
//! ```
//! Bytes are a string where they are UTF-8, else an object with their hexadecimal digits. What a change does not have is
//! left out. `docs/JOURNAL-FORMAT.md` lists all names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use cacheismo_store::{Body, Effect, Expiry, Head};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line<'a> {
    /// The record's tick.
    pub tick: u64,
    changes: Vec<Change<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change<'a> {
    Stored(Stored<'a>),
    Deleted { key: Bytes<'a> },
    Flushed {},
    FlushPlanned { at_s: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored<'a> {
    key: Bytes<'a>,
    #[serde(default, skip_serializing_if = "is_default")]
    flags: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    cas: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    stale: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    token_sent: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    object: bool,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content<'a> {
    Value(Bytes<'a>),
    Appended { at: u32, bytes: Bytes<'a> },
    Same {},
    State(Bytes<'a>),
    Fields(Fields<'a>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fields<'a> {
    set: Vec<(Bytes<'a>, Option<Bytes<'a>>)>,
    #[serde(default, skip_serializing_if = "is_default")]
    clear: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    fresh: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opaque: Option<Bytes<'a>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Bytes as text where they are text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bytes<'a>(Cow<'a, [u8]>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled<'a> {
    Text(Cow<'a, str>),
    Hex { hex: Cow<'a, str> },
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spelled = match std::str::from_utf8(&self.0) {
            Ok(text) => Spelled::Text(text.into()),
            Err(_) => {
                let mut hex = String::with_capacity(2 * self.0.len());
                for byte in &*self.0 {
                    write!(hex, "{byte:02x}").expect("strings take all");
                }
                Spelled::Hex { hex: hex.into() }
            }
        };
        spelled.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match Spelled::deserialize(deserializer)? {
            Spelled::Text(text) => text.into_owned().into_bytes(),
            Spelled::Hex { hex } => from_hex(hex.as_bytes())
                .ok_or_else(|| serde::de::Error::custom("no hexadecimal digits"))?,
        };
        Ok(Bytes(bytes.into()))
    }
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes
        .collect::<Option<Vec<u8>>>()
        .filter(|_| rest.is_empty())
}

impl<'a> Line<'a> {
    /// A record as a line.
    pub fn new(tick: u64, changes: &[Effect<'a>]) -> Line<'a> {
        Line {
            tick,
            changes: changes.iter().map(Change::new).collect(),
        }
    }

    /// Appends the line, with its end.
    pub fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("all of it can be spelled");
        out.push(b'\n');
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is no record. The error says where.
    pub fn parse(line: &[u8]) -> Result<Line<'static>, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// What changed.
    pub fn changes(&self) -> impl Iterator<Item = Effect<'_>> {
        self.changes.iter().map(Change::effect)
    }
}

impl<'a> Change<'a> {
    fn new(effect: &Effect<'a>) -> Change<'a> {
        match effect {
            Effect::Deleted { key } => Change::Deleted { key: bytes(key) },
            Effect::Flushed => Change::Flushed {},
            Effect::FlushPlanned { at_s } => Change::FlushPlanned { at_s: *at_s },
            Effect::Stored { key, head, body } => Change::Stored(Stored {
                key: bytes(key),
                flags: head.flags,
                expires_unix_ms: head.expiry.0,
                cas: head.cas,
                stale: head.stale,
                token_sent: head.token_sent,
                object: head.object,
                content: Content::new(body),
            }),
        }
    }

    fn effect(&self) -> Effect<'_> {
        match self {
            Change::Deleted { key } => Effect::Deleted { key: &key.0 },
            Change::Flushed {} => Effect::Flushed,
            Change::FlushPlanned { at_s } => Effect::FlushPlanned { at_s: *at_s },
            Change::Stored(stored) => Effect::Stored {
                key: &stored.key.0,
                head: Head {
                    flags: stored.flags,
                    expiry: Expiry(stored.expires_unix_ms),
                    cas: stored.cas,
                    stale: stored.stale,
                    token_sent: stored.token_sent,
                    object: stored.object,
                },
                body: stored.content.body(),
            },
        }
    }
}

impl<'a> Content<'a> {
    fn new(body: &Body<'a>) -> Content<'a> {
        match body {
            Body::Value(value) => Content::Value(bytes(value)),
            Body::Appended { at, bytes: added } => Content::Appended {
                at: *at,
                bytes: bytes(added),
            },
            Body::Same => Content::Same {},
            Body::State(state) => Content::State(bytes(state)),
            Body::Fields {
                fields,
                clear,
                fresh,
                value,
            } => Content::Fields(Fields {
                set: fields
                    .iter()
                    .map(|(name, value)| (bytes(name), value.map(bytes)))
                    .collect(),
                clear: *clear,
                fresh: *fresh,
                opaque: value.map(bytes),
            }),
        }
    }

    fn body(&self) -> Body<'_> {
        match self {
            Content::Value(value) => Body::Value(&value.0),
            Content::Appended { at, bytes } => Body::Appended {
                at: *at,
                bytes: &bytes.0,
            },
            Content::Same {} => Body::Same,
            Content::State(state) => Body::State(&state.0),
            Content::Fields(fields) => Body::Fields {
                fields: fields
                    .set
                    .iter()
                    .map(|(name, value)| (&*name.0, value.as_ref().map(|value| &*value.0)))
                    .collect::<BTreeMap<_, _>>(),
                clear: fields.clear,
                fresh: fields.fresh,
                value: fields.opaque.as_ref().map(|value| &*value.0),
            },
        }
    }
}

fn bytes(bytes: &[u8]) -> Bytes<'_> {
    Bytes(Cow::Borrowed(bytes))
}
