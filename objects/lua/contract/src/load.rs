//! What the interpreter is given before all else: what the host refuses, and the scripts.

use alloc::vec::Vec;

use crate::packed::{Reader, is_list, list, put_counted};

/// What the host would refuse, so that a script gets an error that it can catch, and no trap.
///
/// ```text
/// u32 longest value in bytes | list of the names of native types
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules<'a> {
    /// Longest value of an item in bytes.
    pub value_bytes_max: u32,
    types: &'a [u8],
}

impl<'a> Rules<'a> {
    /// Appends packed rules. `types` are the names of types whose objects only their own functions write.
    pub fn write<'n>(
        out: &mut Vec<u8>,
        value_bytes_max: u32,
        types: impl Iterator<Item = &'n [u8]>,
    ) {
        out.extend_from_slice(&value_bytes_max.to_le_bytes());
        types.for_each(|name| put_counted(out, name));
    }

    /// Reads packed rules; `None` when the bytes are none.
    pub fn read(packed: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(packed);
        let value_bytes_max = reader.u32()?;
        is_list(reader.0).then_some(Rules {
            value_bytes_max,
            types: reader.0,
        })
    }

    /// Names of the native types.
    pub fn types(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        list(self.types)
    }
}

/// The arguments of [`LOAD`](crate::LOAD): packed [`Rules`], then for each script its path and its text.
pub fn load_arguments<'a>(
    rules: &'a [u8],
    scripts: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> impl Iterator<Item = &'a [u8]> {
    let pairs = scripts.flat_map(|(path, text)| [path, text]);
    core::iter::once(rules).chain(pairs)
}

/// The arguments of [`LOAD`](crate::LOAD), read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load<'a> {
    /// What the host refuses.
    pub rules: Rules<'a>,
    /// Path and text of each script.
    pub scripts: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Load<'a> {
    /// Reads the arguments; `None` when they are none, or a script has no text.
    pub fn read(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let rules = Rules::read(arguments.next()?)?;
        let mut scripts = Vec::new();
        while let Some(path) = arguments.next() {
            scripts.push((path, arguments.next()?));
        }
        Some(Load { rules, scripts })
    }
}
