//! A whole server, from its options to its end.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::allocator;
use super::durability::Durability;
use super::files::OwnFile;
use super::options::{self, Config};
use super::process::{self, PidFile};
use super::signals::Signals;
use super::{GuestLog, Listeners, ServerHost, Surroundings, objects, scripts, serve};
use crate::cache::{self, Cache};
use crate::runtime::Budget;
use crate::stats::log;
use crate::store;

/// Index shards of a worker that is alone.
const SHARDS_ALONE: usize = 4;
/// Index shards of several workers: enough that a cache line one worker has prefetched is seldom taken by another
/// before it is used.
const SHARDS_SHARED: usize = 256;
/// Time for the last lines of the log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Runs a server until it is told to stop.
///
/// Sockets come first, since binding fails most and may need privileges; threads only once the process is where it
/// shall be.
///
/// # Errors
/// When the system, a file or a module doesn't give what the server needs.
pub fn run(config: &Config, signals: Signals) -> anyhow::Result<()> {
    log::set_level(config.verbosity);
    for warning in &config.warnings {
        log::warn(format_args!("{warning}"));
    }
    process::raise_limits(&config.server);
    allocator::set_up();
    let listeners = Listeners::bind(&config.server)?;
    let surroundings = Surroundings::new(&config.server, &listeners)?;
    let leftovers = Leftovers {
        pid_file: process::detach(&config.server)?,
        socket: listeners.unix.as_ref().map(|unix| unix.file.clone()),
    };
    let result = run_detached(config, signals, listeners, &surroundings, &leftovers);
    leftovers.pid_file.iter().for_each(PidFile::remove);
    log::flush(LAST_LINES);
    result
}

fn run_detached(
    config: &Config,
    signals: Signals,
    listeners: Listeners,
    surroundings: &Surroundings,
    leftovers: &Leftovers,
) -> anyhow::Result<()> {
    log::write_behind().context("cannot start a thread")?;
    process::settle(&config.server, &listeners)?;
    let control = &surroundings.control;
    let leftovers = leftovers.clone();
    control.on_early_shutdown(move || {
        leftovers.remove();
        log::flush(LAST_LINES);
        std::process::exit(0);
    });
    signals
        .take(Arc::clone(control))
        .context("cannot start a thread")?;
    let registry = Arc::new(objects::registry(
        config,
        Arc::clone(&surroundings.account),
    )?);
    let host = ServerHost::new(config.clone(), surroundings.clone());
    let cache = Cache::new(
        &cache_config(config),
        registry,
        Arc::new(host),
        Arc::new(GuestLog),
    );
    if !config.runtime.lua_scripts.is_empty() {
        scripts::load_scripts(&cache, &config.runtime, control)?;
    }
    if let Some(options) = &config.persistence {
        let durability = Durability::start(options, &cache, config.store.memory_bytes as u64)?;
        let shared = Arc::clone(&surroundings.durability);
        control.on_snapshot(move || shared.get().into_iter().for_each(Durability::snapshot));
        let known = surroundings.durability.set(durability);
        debug_assert!(known.is_ok(), "a server starts once");
    }
    serve(listeners, Arc::new(cache), &config.server, surroundings)?;
    if let Some(durability) = surroundings.durability.get() {
        durability.finish(control.saves_all());
    }
    Ok(())
}

/// Files that must not outlive the process. The socket's file goes with its listener; only a process that ends at once
/// removes it here.
#[derive(Clone, Debug)]
struct Leftovers {
    pid_file: Option<PidFile>,
    socket: Option<OwnFile>,
}

impl Leftovers {
    fn remove(&self) {
        self.pid_file.iter().for_each(PidFile::remove);
        self.socket.iter().for_each(OwnFile::remove);
    }
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
        turn: cache::TURN,
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
