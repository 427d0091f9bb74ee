//! The metadata a module carries in a custom section: what its type is, what it can do, how it is called.
//!
//! The format is described in `guest-sdk/ABI.md`. It is guest-chosen, so every name, number and
//! length is checked here, once; the rest of the host trusts a [`Metadata`].

use cacheismo_abi::{ABI_VERSION, capability};
use serde::Deserialize;

mod function;

pub use function::{Argument, Function, Kind};

/// Longest metadata section, in bytes.
pub const METADATA_BYTES_MAX: usize = 256 * 1024;
/// Longest type name, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 32;
/// Longest function or argument name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest version, in bytes.
pub const VERSION_BYTES_MAX: usize = 64;
/// Most functions of one type.
pub const FUNCTIONS_MAX: usize = 1024;
/// Smallest scratch buffer, in bytes.
pub const BUFFER_BYTES_MIN: u32 = 1024;
/// Largest scratch buffer, in bytes.
pub const BUFFER_BYTES_MAX: u32 = 1024 * 1024;
/// Most other types a module may name.
pub const TYPES_NAMED_MAX: usize = 64;
/// Stands for all types in the lists of other types.
pub const EVERY_TYPE: &str = "*";
/// Type names of the server itself: `help:objects` is answered by the host.
pub const RESERVED_TYPES: &[&str] = &["help"];

/// What a module says of itself, checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The ABI the module was built for; always [`ABI_VERSION`] once checked.
    pub abi: u32,
    /// Name of the type: the first word of its virtual keys.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Version of the type, shown in the help.
    pub version: String,
    /// What the type is, for the help.
    #[serde(default)]
    pub doc: String,
    /// A command to try, for the help.
    #[serde(default)]
    pub example: String,
    /// Size of the scratch buffer in bytes.
    pub buffer: u32,
    /// Names of [`capability`] that the module asks for.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Other types whose objects the type reads, or [`EVERY_TYPE`].
    #[serde(default)]
    pub opens: Vec<String>,
    /// Other types whose objects the type reads and changes, or [`EVERY_TYPE`].
    #[serde(default)]
    pub writes: Vec<String>,
    /// The functions that can be called.
    pub functions: Vec<Function>,
}

/// Only the number that decides whether the rest may be read.
#[derive(Deserialize)]
struct AbiNumber {
    abi: u32,
}

/// What is wrong with a module's metadata.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Longer than [`METADATA_BYTES_MAX`].
    #[error("metadata of {0} bytes is longer than {METADATA_BYTES_MAX}")]
    TooLong(usize),
    /// Not the JSON object it should be.
    #[error("metadata is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// Built for another host.
    #[error("ABI version {0}, but this server speaks {ABI_VERSION}")]
    Abi(u32),
    /// A value breaks a rule.
    #[error("metadata: {0}")]
    Rule(String),
}

impl Metadata {
    /// Reads and checks a metadata section.
    ///
    /// # Errors
    /// The first rule that the section breaks.
    pub fn parse(section: &[u8]) -> Result<Metadata, MetadataError> {
        if section.len() > METADATA_BYTES_MAX {
            return Err(MetadataError::TooLong(section.len()));
        }
        // Another ABI may have other members: its number is read first, for the clearer error.
        let AbiNumber { abi } = serde_json::from_slice(section)?;
        if abi != ABI_VERSION {
            return Err(MetadataError::Abi(abi));
        }
        let metadata: Metadata = serde_json::from_slice(section)?;
        metadata.check().map_err(MetadataError::Rule)?;
        Ok(metadata)
    }

    /// Whether the module asks for the capability.
    pub fn has_capability(&self, name: &str) -> bool {
        self.capabilities.iter().any(|asked| asked == name)
    }

    fn check(&self) -> Result<(), String> {
        check_type_name(&self.type_name)?;
        check_version(&self.version)?;
        if !(BUFFER_BYTES_MIN..=BUFFER_BYTES_MAX).contains(&self.buffer) {
            return Err(format!(
                "buffer of {} bytes is not within {BUFFER_BYTES_MIN} to {BUFFER_BYTES_MAX}",
                self.buffer
            ));
        }
        check_capabilities(&self.capabilities)?;
        check_others("opens", &self.opens)?;
        check_others("writes", &self.writes)?;
        if self.functions.is_empty() {
            return Err("no functions".to_owned());
        }
        if self.functions.len() > FUNCTIONS_MAX {
            return Err(format!("more than {FUNCTIONS_MAX} functions"));
        }
        unique("function", self.functions.iter().map(|f| f.name.as_str()))?;
        self.functions.iter().try_for_each(Function::check)
    }
}

fn check_type_name(name: &str) -> Result<(), String> {
    let well_formed = name.len() <= TYPE_NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !well_formed {
        return Err(format!(
            "type name {name:?} is not 1 to {TYPE_NAME_BYTES_MAX} of a-z, 0-9 and _, starting with a letter"
        ));
    }
    if RESERVED_TYPES.contains(&name) {
        return Err(format!("type name {name:?} belongs to the server"));
    }
    Ok(())
}

/// Checks a list of other types.
fn check_others(what: &str, types: &[String]) -> Result<(), String> {
    if types.len() > TYPES_NAMED_MAX {
        return Err(format!("{what}: more than {TYPES_NAMED_MAX} types"));
    }
    unique("type", types.iter().map(String::as_str))
        .and_then(|()| {
            let mut named = types.iter().filter(|name| *name != EVERY_TYPE);
            named.try_for_each(|name| check_type_name(name))
        })
        .map_err(|rule| format!("{what}: {rule}"))
}

fn check_version(version: &str) -> Result<(), String> {
    let well_formed = (1..=VERSION_BYTES_MAX).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_graphic());
    if well_formed {
        Ok(())
    } else {
        Err(format!(
            "version {version:?} is not 1 to {VERSION_BYTES_MAX} visible ASCII characters"
        ))
    }
}

fn check_capabilities(asked: &[String]) -> Result<(), String> {
    const KNOWN: &[&str] = &[capability::ITEMS, capability::PEERS];
    unique("capability", asked.iter().map(String::as_str))?;
    match asked.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown capability {name:?}")),
        None => Ok(()),
    }
}

/// Checks the name of a function or an argument.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let well_formed = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if well_formed {
        Ok(())
    } else {
        Err(format!(
            "{what} name {name:?} is not 1 to {NAME_BYTES_MAX} of letters, digits and _, starting with a letter"
        ))
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("{what} {name:?} is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
