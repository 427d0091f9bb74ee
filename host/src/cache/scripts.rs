//! Object types defined by scripts, which an interpreter module runs (see objects/lua/HOST.md).
//!
//! The interpreter's functions are no virtual keys. A key whose type a script defines becomes a call of the
//! interpreter's `call`, and the tag in front of its answer says what the rest of it is.

use std::collections::HashMap;
use std::sync::Arc;

use cacheismo_lua_contract::{
    CALL, INTERPRETER, Loaded, LoadedError, LoadedFunction, LoadedType, MAIN, Rules, Style, Tag,
    load_arguments,
};

use super::handlers::COMMANDS;
use super::shared::Shared;
use super::transaction::Transaction;
use crate::protocol::VirtualKey;
use crate::runtime::{
    Budget, FunctionRef, Instances, Limits, LimitsTable, Registry, SETUP, SETUP_MS_MAX, Scripted,
    Source, Types,
};

/// What the registry calls the handler of a command. No type has a name with a space.
fn handler_name(command: &str) -> String {
    format!("main {command}")
}

/// A script: its path, for messages, and its text.
pub type Script = (String, Vec<u8>);

/// Looked into for every virtual key.
type Names<T> = HashMap<Vec<u8>, T, rapidhash::fast::RandomState>;

/// Why scripts were not loaded.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// File name of the script that failed, if one did.
    pub script: Option<String>,
    message: String,
}

impl From<String> for ScriptError {
    fn from(message: String) -> ScriptError {
        ScriptError {
            script: None,
            message,
        }
    }
}

impl From<&str> for ScriptError {
    fn from(message: &str) -> ScriptError {
        message.to_owned().into()
    }
}

/// The types there are.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) types: Names<ScriptType>,
    /// Under `--lua-main`: what handles a command, by its name.
    pub(super) main: HashMap<&'static str, FunctionRef>,
}

/// A type defined by scripts.
#[derive(Debug)]
pub(super) struct ScriptType {
    /// Its state is an object's, which clients do not write; else plain items in marshal format.
    pub(super) protected: bool,
    /// By name.
    pub(super) functions: Names<ScriptFunction>,
}

/// A function defined by a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptFunction {
    pub(super) function: FunctionRef,
    pub(super) writes: bool,
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
        match Tag::split(answer)? {
            (Tag::Value, value) => Some((Answer::Value, value)),
            (Tag::Raw, raw) => Some((Answer::Raw, raw)),
            (Tag::Native | Tag::Close, _) => None,
        }
    }
}

impl Scripts {
    /// The function a key names: `None` when its type is no script's, `Some(None)` when the script has no such function.
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

    /// What can be called of a type; scripts say no more of themselves.
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

impl Shared {
    /// Runs the scripts once, and from then on answers the types they define. Returns the types' names.
    ///
    /// # Errors
    /// Which script failed, where and why. The scripts loaded before then stay.
    pub(super) fn load_scripts(
        self: &Arc<Shared>,
        interpreter: &Source,
        scripts: &[Script],
    ) -> Result<Vec<String>, ScriptError> {
        let rules = self.rules();
        let pairs = scripts
            .iter()
            .map(|(name, text)| (name.as_bytes(), text.as_slice()));
        let arguments: Vec<Vec<u8>> = load_arguments(&rules, pairs).map(<[u8]>::to_vec).collect();
        let loaded = self.try_scripts(interpreter, &arguments)?;
        let mut scripted: Vec<Scripted> = loaded.iter().flat_map(scripted_functions).collect();
        let commands = if self.lua_main { COMMANDS } else { &[] };
        scripted.extend(commands.iter().map(|command| Scripted {
            name: handler_name(command),
            by: MAIN,
            writes: true,
        }));
        self.registry
            .reload(&interpreter.clone().with_setup(arguments, scripted))
            .map_err(|error| error.to_string())?;
        let types = self.registry.types();
        let names = loaded.iter().map(|of| of.name.clone()).collect();
        let handler = |command: &&'static str| {
            let name = handler_name(command);
            Some((
                *command,
                types.interpreter(INTERPRETER.as_bytes(), name.as_bytes())?,
            ))
        };
        let scripts = Scripts {
            main: commands.iter().filter_map(handler).collect(),
            types: loaded
                .into_iter()
                .map(|of| (of.name.clone().into_bytes(), ScriptType::new(of, &types)))
                .collect(),
        };
        self.prepare(&types)?;
        self.scripts.store(Some(Arc::new(scripts)));
        Ok(names)
    }

    /// Runs the scripts once more, in an instance whose memory all others start from.
    fn prepare(self: &Arc<Shared>, types: &Types) -> Result<(), String> {
        let load = types.interpreter(INTERPRETER.as_bytes(), SETUP.as_bytes());
        let load = load.ok_or("the interpreter takes no scripts")?;
        let mut instances = Instances::new(&self.registry, Arc::clone(&self.log));
        let mut transaction = Transaction::new(Arc::clone(self));
        transaction.begin(self.clock.now(), self.store.key(b"$"), false, true);
        let prepared = instances.prepare(load, &mut Some(transaction));
        prepared.map_err(|error| format!("scripts: {error}"))
    }

    /// What scripts are told before all else: the longest value, and the types whose objects only their functions write.
    fn rules(&self) -> Vec<u8> {
        let mut rules = Vec::new();
        let types = self.registry.types();
        let names = types
            .named_types()
            .map(|object| object.metadata().type_name.as_bytes());
        Rules::write(&mut rules, self.item_bytes_max as u32, names);
        rules
    }

    /// Loads the scripts into an interpreter of their own, which nobody else sees.
    fn try_scripts(
        self: &Arc<Shared>,
        interpreter: &Source,
        arguments: &[Vec<u8>],
    ) -> Result<Vec<LoadedType>, ScriptError> {
        let mut limits = LimitsTable::default();
        limits.general = Limits {
            deadline_ms: SETUP_MS_MAX,
            ..self.registry.limits_of(INTERPRETER)
        };
        let registry = Registry::new(self.registry.engine().clone(), limits);
        let refused = registry.load(&[interpreter.clone().with_setup(Vec::new(), Vec::new())]);
        if let Some(error) = refused.first() {
            return Err(error.to_string().into());
        }
        let load = registry
            .types()
            .interpreter(INTERPRETER.as_bytes(), SETUP.as_bytes());
        let load = load.ok_or("the interpreter takes no scripts")?;
        let mut instances = Instances::new(&registry, Arc::clone(&self.log));
        let mut transaction = Transaction::new(Arc::clone(self));
        transaction.begin(self.clock.now(), self.store.key(b"$"), false, true);
        let args: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let mut json = Vec::new();
        let mut transaction = Some(transaction);
        let result = instances.call(load, &args, &mut transaction, Budget::Full, &mut json);
        result.map_err(|error| format!("scripts: {error}"))?;
        match Loaded::from_json(&json).map_err(|error| format!("interpreter: {error}"))? {
            Loaded::Error(LoadedError {
                script,
                line,
                message,
            }) => Err(ScriptError {
                message: format!("{script}:{line}: {message}"),
                script: Some(script).filter(|script| !script.is_empty()),
            }),
            Loaded::Types(types) => Ok(types),
        }
    }
}

/// A type's functions, as the registry is told of them.
fn scripted_functions(of: &LoadedType) -> impl Iterator<Item = Scripted> {
    of.functions.iter().map(|function| Scripted {
        name: full_name(of, &function.name),
        by: CALL,
        writes: function.writes,
    })
}

/// `type:function`.
fn full_name(of: &LoadedType, function: &str) -> String {
    format!("{}:{function}", of.name)
}

impl ScriptType {
    fn new(loaded: LoadedType, types: &Types) -> ScriptType {
        let function = |f: &LoadedFunction| {
            let name = full_name(&loaded, &f.name);
            let function = types.interpreter(INTERPRETER.as_bytes(), name.as_bytes())?;
            let writes = f.writes;
            Some((
                f.name.clone().into_bytes(),
                ScriptFunction { function, writes },
            ))
        };
        ScriptType {
            protected: loaded.style == Style::Object,
            functions: loaded.functions.iter().filter_map(function).collect(),
        }
    }
}
