//! The answer to the scripts: the types they define, or why they failed. JSON.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What became of the scripts.
///
/// ```json
/// {"types":[{"name":"set","style":"legacy","functions":[{"name":"put","writes":true}]}]}
/// {"error":{"script":"set.lua","line":12,"message":"unexpected symbol near '}'"}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "host",
    derive(serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Loaded {
    /// The scripts ran, and define these types.
    Types(Vec<LoadedType>),
    /// A script did not run.
    Error(LoadedError),
}

/// A type that scripts define.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Deserialize))]
pub struct LoadedType {
    /// First word of the type's virtual keys.
    pub name: String,
    /// How the type was defined.
    pub style: Style,
    /// The functions that can be called.
    pub functions: Vec<LoadedFunction>,
}

/// How scripts define a type, which decides where its objects' state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "host",
    derive(serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Style {
    /// A global table with functions in it. State is plain items, which clients may write.
    Legacy,
    /// Declared with `object.type`. State is an object's, which only its functions write.
    Object,
}

/// A function of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Deserialize))]
pub struct LoadedFunction {
    /// Second word of the function's virtual keys.
    pub name: String,
    /// False only for a function that its type lists as read-only.
    pub writes: bool,
}

/// Why scripts did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Deserialize))]
pub struct LoadedError {
    /// File name of the script, empty when the error was in none of them.
    pub script: String,
    /// Line in the script, or 0.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl Style {
    fn name(self) -> &'static str {
        match self {
            Style::Legacy => "legacy",
            Style::Object => "object",
        }
    }
}

impl Loaded {
    /// Writes the answer.
    pub fn to_json(&self) -> String {
        match self {
            Loaded::Types(types) => {
                let types = joined(types, |of| {
                    let functions = joined(&of.functions, |function| {
                        let (name, writes) = (string(&function.name), function.writes);
                        format!(r#"{{"name":{name},"writes":{writes}}}"#)
                    });
                    let (name, style) = (string(&of.name), of.style.name());
                    format!(r#"{{"name":{name},"style":"{style}","functions":[{functions}]}}"#)
                });
                format!(r#"{{"types":[{types}]}}"#)
            }
            Loaded::Error(error) => {
                let (script, message) = (string(&error.script), string(&error.message));
                let line = error.line;
                format!(r#"{{"error":{{"script":{script},"line":{line},"message":{message}}}}}"#)
            }
        }
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When `json` is no such answer.
    #[cfg(feature = "host")]
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

/// What `write` makes of each element, with commas between.
fn joined<T>(all: &[T], write: impl Fn(&T) -> String) -> String {
    all.iter().map(write).collect::<Vec<_>>().join(",")
}

/// Text as a JSON string.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
