//! Object types at the start: which modules there are, and under which limits they run.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::options::{Config, RuntimeOptions, nearest};
use crate::account::Account;
use crate::runtime::{Engine, EngineOptions, LimitsTable, Registry, Source};
use crate::stats::log;

/// What a script may add to a value: key, flags and lengths of its block.
const REPLY_FRAME_BYTES: u64 = 512;

/// The modules of `objects/prebuilt`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The embedded module that runs scripts.
const INTERPRETER: &str = "lua.wasm";

/// Loads all modules; those that are refused stop the start, or are only named with `--objects-lenient`.
///
/// # Errors
/// Why there are no objects: a module or a limit is refused, or this machine can't run any.
pub fn registry(config: &Config, account: Arc<Account>) -> anyhow::Result<Registry> {
    let sources = sources(&config.runtime)?;
    let threads = config.server.threads + config.server.lane_threads;
    let engine = Engine::new(&EngineOptions {
        instances_max: EngineOptions::default()
            .instances_max
            .max((threads * (sources.len() + 1)) as u32),
        account,
        ..EngineOptions::default()
    })
    .context("cannot run WebAssembly here")?;
    for warning in engine.warnings() {
        // Root's server should not have a cache that others may write to.
        match rustix::process::geteuid().is_root() {
            true => log::warn(format_args!("{warning}")),
            false => log::info(format_args!("{warning}")),
        }
    }
    let registry = Registry::new(engine, limits(config)?);
    let refused = registry.load(&sources);
    for error in &refused {
        log::warn(format_args!("{error}"));
    }
    if !refused.is_empty() && !config.runtime.lenient {
        bail!(
            "{} of {} objects cannot be loaded; --objects-lenient starts without them",
            refused.len(),
            sources.len()
        );
    }
    check_limits(&config.runtime, &registry)?;
    Ok(registry)
}

/// The embedded Lua interpreter, without scripts.
pub(super) fn interpreter() -> anyhow::Result<Source> {
    let (name, wasm) = EMBEDDED
        .iter()
        .find(|(name, _)| *name == INTERPRETER)
        .context("this build has no Lua object")?;
    Ok(Source::embedded(name, wasm).with_setup(Vec::new(), Vec::new()))
}

/// Whether a module of this build has the type.
pub(super) fn is_embedded(type_name: &str) -> bool {
    EMBEDDED
        .iter()
        .any(|(file, _)| file.strip_suffix(".wasm") == Some(type_name))
}

fn sources(options: &RuntimeOptions) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    if options.embedded {
        sources.extend(
            EMBEDDED
                .iter()
                .filter(|(name, _)| *name != INTERPRETER)
                .map(|(name, wasm)| Source::embedded(name, wasm)),
        );
    }
    if !options.lua_scripts.is_empty() {
        sources.push(interpreter()?);
    }
    for directory in &options.objects {
        match Source::directory(directory) {
            Ok(found) => sources.extend(found),
            Err(error) if options.lenient => log::warn(format_args!("{error}")),
            Err(error) => bail!("{error}"),
        }
    }
    Ok(sources)
}

fn limits(config: &Config) -> anyhow::Result<LimitsTable> {
    let options = &config.runtime;
    let mut limits = LimitsTable::default();
    limits.general.deadline_ms = options.deadline.as_millis() as u64;
    limits.general.slow_log_ms = options.slow_log.as_millis() as u64;
    limits.general.memory_bytes = options.memory_bytes_max as u64;
    // A call may be given, and may answer, as much as an item holds.
    let item_bytes_max = config.store.item_bytes_max as u64;
    let framed = item_bytes_max + REPLY_FRAME_BYTES;
    limits.general.reply_bytes = limits.general.reply_bytes.max(framed);
    limits.general.argument_bytes = limits.general.argument_bytes.max(2 * item_bytes_max);
    for assignment in &options.limits {
        limits.set(assignment).map_err(anyhow::Error::msg)?;
    }
    Ok(limits)
}

/// Refuses a limit for a type that does not exist; with `--objects-lenient` it is only named, as a module that was left
/// out may have been meant.
fn check_limits(options: &RuntimeOptions, registry: &Registry) -> anyhow::Result<()> {
    let types = registry.types();
    let names: Vec<&str> = types
        .iter()
        .map(|of| of.metadata().type_name.as_str())
        .collect();
    let given = options.limits.iter();
    for (assignment, type_name) in given.filter_map(|text| Some((text, limited_type(text)?))) {
        if names.contains(&type_name) {
            continue;
        }
        let hint = nearest(type_name, &names)
            .map(|name| format!("; did you mean '{name}'?"))
            .unwrap_or_default();
        let refusal = format!(
            "--limit {assignment}: there is no module of type '{type_name}'{hint} (types of scripts have the limits of 'lua')"
        );
        match options.lenient {
            true => log::warn(format_args!("{refusal}")),
            false => bail!(refusal),
        }
    }
    Ok(())
}

/// The type of `TYPE.NAME=VALUE`.
fn limited_type(assignment: &str) -> Option<&str> {
    let (path, _) = assignment.split_once('=')?;
    Some(path.split_once('.')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::options::{Request, parse};

    fn load(line: &str) -> anyhow::Result<Registry> {
        match parse(std::iter::once("cacheismo").chain(line.split_whitespace())) {
            Ok(Request::Serve(config)) => registry(&config, Account::unlimited()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_limit_of_a_type_that_is_not_there_is_refused() {
        let registry = load("--limit set.deadline_ms=7").expect("there is a set");
        assert_eq!(registry.limits_of("set").deadline_ms, 7);
        let error = load("--limit quotta.deadline_ms=7").expect_err("a misspelt type");
        let error = format!("{error:#}");
        assert!(error.contains("'quotta'; did you mean 'quota'?"), "{error}");
        // Without scripts there is no interpreter to limit.
        assert!(load("--no-objects --limit lua.deadline_ms=7").is_err());
        load("--objects-lenient --limit quotta.deadline_ms=7").expect("only a warning");
    }
}
