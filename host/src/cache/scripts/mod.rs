//! Object types defined by scripts, and what their functions are told (see objects/lua/HOST.md).
//!
//! The interpreter's functions are no virtual keys. A key whose type a script defines becomes a call of the
//! interpreter's `call`, and the tag in front of its answer says what the rest of it is.

mod request;

use std::collections::HashMap;

pub(super) use request::{Encoded, Keys, Numbers, Request};

use crate::protocol::VirtualKey;
use crate::runtime::FunctionRef;

/// A map by name. It is looked into for every virtual key.
type Names<T> = HashMap<Vec<u8>, T, rapidhash::fast::RandomState>;

/// All types that scripts define.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) types: Names<ScriptType>,
    /// Under `--lua-main`: the handler of each command, by the command's name.
    pub(super) main: HashMap<&'static str, FunctionRef>,
}

/// A type defined by scripts.
#[derive(Debug)]
pub(super) struct ScriptType {
    /// Whether the type's state is an object's, which clients do not write; else it is plain items in marshal format.
    pub(super) protected: bool,
    /// The type's functions, by name.
    pub(super) functions: Names<ScriptFunction>,
}

/// A function defined by a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptFunction {
    pub(super) function: FunctionRef,
    pub(super) writes: bool,
}

impl Scripts {
    /// The function a key names: `None` when its type is no script's, `Some(None)` when the script has no such
    /// function.
    pub(super) fn find(&self, key: &VirtualKey<'_>) -> Option<Option<ScriptFunction>> {
        let of = self.types.get(key.type_name())?;
        Some(of.functions.get(key.function()).copied())
    }

    /// A line for each type, for the help.
    pub(super) fn list(&self) -> String {
        let mut names: Vec<_> = self.types.keys().collect();
        names.sort();
        let line = |name: &&Vec<u8>| format!("{}  A Lua script.\n", String::from_utf8_lossy(name));
        names.iter().map(line).collect()
    }

    /// The functions of a type, for the help; scripts say no more of their types.
    pub(super) fn describe(&self, type_name: &[u8]) -> Option<String> {
        let functions = &self.types.get(type_name)?.functions;
        let mut names: Vec<_> = functions
            .keys()
            .map(|n| String::from_utf8_lossy(n))
            .collect();
        names.sort();
        let name = String::from_utf8_lossy(type_name);
        let mut text = format!("{name}\nA Lua script. Its functions:\n");
        for function in names {
            text += &format!("  {name}:{function}:<object>[:<argument>...]\n");
        }
        text.truncate(text.trim_end().len());
        Some(text)
    }
}
