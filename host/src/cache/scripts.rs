//! Object types defined by scripts, which an interpreter module runs (see objects/lua/HOST.md).
//!
//! The interpreter's functions are no virtual keys. A key whose type a script defines becomes a call of the
//! interpreter's `call`, and the tag in front of its answer says what the rest of it is.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::shared::Shared;
use super::transaction::Transaction;
use crate::runtime::{Budget, FunctionRef, Instances, LimitsTable, Registry, SETUP, Source};

/// Type name of the interpreter, in its metadata.
const INTERPRETER: &[u8] = b"lua";
/// Its function for calls.
const CALL: &[u8] = b"call";

/// A script: its path, for messages, and its text.
pub type Script = (String, Vec<u8>);

/// The types there are, and how to call them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) call: FunctionRef,
    pub(super) types: HashMap<Vec<u8>, ScriptType>,
}

/// A type defined by scripts.
#[derive(Debug)]
pub(super) struct ScriptType {
    /// Its state is an object's, which clients do not write; else plain items in marshal format.
    pub(super) protected: bool,
    /// Function names, and whether they write.
    pub(super) functions: HashMap<Vec<u8>, bool>,
}

/// What an answer of the interpreter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A value, to be framed for the client's command.
    Value,
    /// Bytes of the protocol as they are; none is a miss.
    Raw,
}

impl Answer {
    /// Takes the tag off an answer.
    pub(super) fn split(answer: &[u8]) -> Option<(Answer, &[u8])> {
        match answer.split_first()? {
            (b'V', value) => Some((Answer::Value, value)),
            (b'R', raw) => Some((Answer::Raw, raw)),
            _ => None,
        }
    }
}

/// The answer of the interpreter to its scripts.
#[derive(Deserialize)]
struct Loaded {
    #[serde(default)]
    types: Vec<LoadedType>,
    error: Option<LoadedError>,
}

#[derive(Deserialize)]
struct LoadedType {
    name: String,
    style: String,
    functions: Vec<LoadedFunction>,
}

#[derive(Deserialize)]
struct LoadedFunction {
    name: String,
    writes: bool,
}

#[derive(Deserialize)]
struct LoadedError {
    script: String,
    line: u32,
    message: String,
}

impl Shared {
    /// Runs the scripts once, and from then on answers the types they define. Returns the types' names.
    ///
    /// # Errors
    /// Which script failed, where and why. The scripts loaded before then stay.
    pub(super) fn load_scripts(
        self: &Arc<Shared>,
        interpreter: &Source,
        scripts: &[Script],
    ) -> Result<Vec<String>, String> {
        // The first argument of every function is an object's key, and there is none.
        let mut arguments = vec![Vec::new()];
        for (name, text) in scripts {
            arguments.extend([name.clone().into_bytes(), text.clone()]);
        }
        let loaded = self.try_scripts(interpreter, &arguments)?;
        self.registry
            .reload(&interpreter.clone().with_setup(arguments))
            .map_err(|error| error.to_string())?;
        let types = self.registry.types();
        let call = types
            .interpreter(INTERPRETER, CALL)
            .ok_or("the interpreter cannot be called")?;
        let names = loaded.iter().map(|of| of.name.clone()).collect();
        let types = loaded
            .into_iter()
            .map(|of| (of.name.clone().into_bytes(), ScriptType::new(of)));
        let scripts = Scripts {
            call,
            types: types.collect(),
        };
        self.scripts.store(Some(Arc::new(scripts)));
        Ok(names)
    }

    /// Loads the scripts into an interpreter of their own, which nobody else sees.
    fn try_scripts(
        self: &Arc<Shared>,
        interpreter: &Source,
        arguments: &[Vec<u8>],
    ) -> Result<Vec<LoadedType>, String> {
        let registry = Registry::new(self.registry.engine().clone(), LimitsTable::default());
        let refused = registry.load(&[interpreter.clone().with_setup(Vec::new())]);
        if let Some(error) = refused.first() {
            return Err(error.to_string());
        }
        let load = registry.types().interpreter(INTERPRETER, SETUP.as_bytes());
        let load = load.ok_or("the interpreter takes no scripts")?;
        let mut instances = Instances::new(&registry, Arc::clone(&self.log));
        let mut transaction = Transaction::new(Arc::clone(self));
        let own = (INTERPRETER, SETUP.as_bytes(), None);
        transaction.begin(self.clock.now(), own, false, true);
        let args: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let mut json = Vec::new();
        let (_, result) = instances.call(load, &args, transaction, Budget::Full, &mut json);
        result.map_err(|error| format!("scripts: {error}"))?;
        let loaded: Loaded =
            serde_json::from_slice(&json).map_err(|error| format!("interpreter: {error}"))?;
        match loaded.error {
            Some(LoadedError {
                script,
                line,
                message,
            }) => Err(format!("{script}:{line}: {message}")),
            None => Ok(loaded.types),
        }
    }
}

impl ScriptType {
    fn new(loaded: LoadedType) -> ScriptType {
        ScriptType {
            protected: loaded.style == "object",
            functions: loaded
                .functions
                .into_iter()
                .map(|f| (f.name.into_bytes(), f.writes))
                .collect(),
        }
    }
}
