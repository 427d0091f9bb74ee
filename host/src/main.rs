//! The `cacheismo` binary: options in, rooms wired, serve.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cacheismo::cache::{self, Cache};
use cacheismo::runtime::{Budget, Engine, EngineOptions, LimitsTable, Registry, Source};
use cacheismo::server::options::{self, Config, EXIT_USAGE, Request, RuntimeOptions};
use cacheismo::server::{self, GuestLog, Listeners, ServerHost, Surroundings, process};
use cacheismo::stats::log;
use cacheismo::store;

/// Exit status when the system or a file doesn't give what the server needs (`EX_OSERR` of sysexits).
const EXIT_SYSTEM: u8 = 71;
/// What a script may add to a value: key, flags and lengths of its block.
const REPLY_FRAME_BYTES: u64 = 512;
/// Index shards of a worker that is alone.
const SHARDS_ALONE: usize = 4;
/// Index shards of several workers: enough that what one has just asked for is seldom taken away by another before it
/// is used.
const SHARDS_SHARED: usize = 256;

/// The modules of `objects/prebuilt`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The one of them that runs scripts.
const INTERPRETER: &str = "lua.wasm";

fn main() -> ExitCode {
    match options::parse(std::env::args_os()) {
        Err(error) => {
            eprintln!("cacheismo: {error}");
            ExitCode::from(EXIT_USAGE)
        }
        Ok(Request::Print(text) | Request::Checked(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Request::Serve(config)) => match serve(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cacheismo: {error:#}");
                ExitCode::from(EXIT_SYSTEM)
            }
        },
    }
}

/// Sockets first, since binding fails most and may need privileges; threads only once the process is where it
/// shall be.
fn serve(config: Config) -> anyhow::Result<()> {
    log::set_level(config.verbosity);
    for warning in &config.warnings {
        log::warn(format_args!("{warning}"));
    }
    process::raise_limits(&config.server);
    let listeners = Listeners::bind(&config.server)?;
    let surroundings = Surroundings::new(&config.server, &listeners)?;
    let _pid_file = process::detach(&config.server)?;
    process::settle(&config.server)?;
    let registry = Arc::new(registry(&config)?);
    let host = ServerHost::new(config.clone(), surroundings.clone());
    let cache = Cache::new(
        &cache_config(&config),
        registry,
        Arc::new(host),
        Arc::new(GuestLog),
    );
    if !config.runtime.lua_scripts.is_empty() {
        scripts(&cache, &config.runtime, &surroundings)?;
    }
    server::serve(listeners, Arc::new(cache), &config.server, &surroundings)?;
    Ok(())
}

fn cache_config(config: &Config) -> cache::Config {
    let eviction = match config.store.eviction {
        _ if !config.store.evict => store::Eviction::Refuse,
        options::Eviction::Lru => store::Eviction::Lru,
        options::Eviction::SizeIdle => store::Eviction::SizeIdle,
    };
    let inline = config.runtime.inline_budget;
    cache::Config {
        store: store::Config {
            memory_bytes_max: config.store.memory_bytes,
            item_bytes_max: config.store.item_bytes_max,
            shards: shards(config.server.threads),
            eviction,
            hash_seed: RandomState::new().hash_one(std::process::id()),
        },
        inline_budget: Budget::Inline {
            ms: inline.as_micros().div_ceil(1000) as u64,
        },
        detail: (config.cache.detail, config.cache.prefix_delimiter),
        dump: config.cache.dump,
        lua_main: config.runtime.lua_main,
    }
}

/// Index shards for so many workers.
fn shards(workers: usize) -> usize {
    match workers {
        1 => SHARDS_ALONE,
        _ => SHARDS_SHARED,
    }
}

/// Loads all modules; those that are refused stop the start, or are only named with `--objects-lenient`.
fn registry(config: &Config) -> anyhow::Result<Registry> {
    let sources = sources(&config.runtime)?;
    let threads = config.server.threads + config.server.lane_threads;
    let engine = Engine::new(&EngineOptions {
        instances_max: EngineOptions::default()
            .instances_max
            .max((threads * (sources.len() + 1)) as u32),
        ..EngineOptions::default()
    })
    .context("cannot run WebAssembly here")?;
    for warning in engine.warnings() {
        log::info(format_args!("{warning}"));
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
    Ok(registry)
}

/// The embedded Lua interpreter, without scripts.
fn interpreter() -> anyhow::Result<Source> {
    let (name, wasm) = EMBEDDED
        .iter()
        .find(|(name, _)| *name == INTERPRETER)
        .context("this build has no Lua object")?;
    Ok(Source::embedded(name, wasm).with_setup(Vec::new(), Vec::new()))
}

/// Loads the Lua scripts now, and again whenever the server is told to reload.
fn scripts(
    cache: &Cache,
    options: &RuntimeOptions,
    surroundings: &Surroundings,
) -> anyhow::Result<()> {
    let (cache, directories) = (cache.clone(), options.lua_scripts.clone());
    let interpreter = interpreter()?;
    let take = move |scripts: &[cache::Script]| {
        let types = cache.load_scripts(&interpreter, scripts)?;
        for name in types.iter().filter(|name| is_embedded(name)) {
            log::warn(format_args!(
                "the script's type {name} takes the place of the embedded one"
            ));
        }
        Ok(())
    };
    start_scripts(&take, options)?;
    let load = move || {
        let scripts = read_scripts(&directories).map_err(|error| format!("{error:#}"))?;
        take(&scripts).map_err(|error: cache::ScriptError| error.to_string())
    };
    surroundings.control.on_reload_scripts(load);
    Ok(())
}

/// Loads the scripts for the first time; with `--objects-lenient` without those that fail.
fn start_scripts(
    take: impl Fn(&[cache::Script]) -> Result<(), cache::ScriptError>,
    options: &RuntimeOptions,
) -> anyhow::Result<()> {
    let mut scripts = match read_scripts(&options.lua_scripts) {
        Err(error) if options.lenient => {
            log::warn(format_args!("{error:#}"));
            return Ok(());
        }
        read => read?,
    };
    while let Err(error) = take(&scripts) {
        if !options.lenient {
            bail!("{error}; --objects-lenient starts without the script");
        }
        log::warn(format_args!("{error}"));
        let before = scripts.len();
        let failed = error.script.unwrap_or_default();
        scripts.retain(|(path, _)| Path::new(path).file_name() != Some(failed.as_ref()));
        // An error of nobody's, or of one of the interpreter's own.
        if scripts.len() == before {
            break;
        }
    }
    Ok(())
}

fn is_embedded(type_name: &str) -> bool {
    EMBEDDED
        .iter()
        .any(|(file, _)| file.strip_suffix(".wasm") == Some(type_name))
}

/// Every `*.lua` of the directories, by name.
fn read_scripts(directories: &[PathBuf]) -> anyhow::Result<Vec<cache::Script>> {
    let mut scripts = Vec::new();
    for directory in directories {
        let entries =
            std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry
                .with_context(|| directory.display().to_string())?
                .path();
            if path.extension().is_some_and(|extension| extension == "lua") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
            scripts.push((path.display().to_string(), text));
        }
    }
    if scripts.is_empty() {
        bail!("no *.lua file in the directories of --lua-scripts");
    }
    Ok(scripts)
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
    // What an item may hold, a call may be given and answer.
    let item_bytes_max = config.store.item_bytes_max as u64;
    let framed = item_bytes_max + REPLY_FRAME_BYTES;
    limits.general.reply_bytes = limits.general.reply_bytes.max(framed);
    limits.general.argument_bytes = limits.general.argument_bytes.max(2 * item_bytes_max);
    for assignment in &options.limits {
        limits.set(assignment).map_err(anyhow::Error::msg)?;
    }
    Ok(limits)
}
