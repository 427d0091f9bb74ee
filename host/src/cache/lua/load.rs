//! Loading of scripts: they are tried in an interpreter that nobody else sees, then take the place of those before.

use std::sync::Arc;

use cacheismo_lua_contract::{
    CALL, INTERPRETER, Loaded, LoadedError, LoadedFunction, LoadedType, MAIN, Rules, Style,
    load_arguments,
};

use crate::cache::calls::Transaction;
use crate::cache::object_name;
use crate::cache::scripts::{ScriptFunction, ScriptType, Scripts};
use crate::cache::shared::Shared;
use crate::protocol::COMMAND_NAMES;
use crate::runtime::{
    Budget, Instances, Limits, LimitsTable, Registry, SETUP, SETUP_MS_MAX, Scripted, Source, Types,
};

/// What the registry calls the handler of a command. No type has a name with a space.
fn handler_name(command: &str) -> String {
    format!("main {command}")
}

/// A script: its path, for messages, and its text.
pub type Script = (String, Vec<u8>);

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

impl Shared {
    /// Runs the scripts once, and from then on answers the types they define. Returns the types' names.
    ///
    /// # Errors
    /// Which script failed, where and why. The scripts loaded before then stay.
    pub(in crate::cache) fn load_scripts(
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
        let commands = if self.lua_main { COMMAND_NAMES } else { &[] };
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
        transaction.begin(
            self.clock.now(),
            self.store.key(object_name::NONE),
            false,
            true,
        );
        let prepared = instances.prepare(load, &mut Some(transaction));
        prepared.map_err(|error| format!("scripts: {error}"))
    }

    /// What scripts are told before all else: the longest value, and the types whose objects only their functions
    /// write.
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
        transaction.begin(
            self.clock.now(),
            self.store.key(object_name::NONE),
            false,
            true,
        );
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
