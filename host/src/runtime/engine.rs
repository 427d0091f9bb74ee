//! One wasmtime engine for the process, with the time of its guests.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use wasmtime::{
    Cache, CacheConfig, Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmFeatures,
};

use super::code_cache;
use super::limits::{LINEAR_MEMORY_BYTES_CAP, TABLE_ELEMENTS_CAP};
use super::ticker::{Clock, LINGER_MS, Ticker};
use crate::account::Account;

/// Native stack a guest may take, in bytes. Worker threads have 2 MiB; running out of thread stack aborts the process.
const WASM_STACK_BYTES: usize = 512 * 1024;
/// Innermost functions of a trap that are named in the log.
const TRAP_FRAMES_MAX: usize = 8;
/// Bytes of a dropped instance's memory that are zeroed and kept rather than given back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;
/// Places of the pool that may keep such bytes while no instance is in them.
const UNUSED_SLOTS_WARM_MAX: u32 = 16;

/// Addresses of one place in the pool: what 32 bits reach, so that code need not compare them with the memory's size.
const SLOT_ADDRESS_BYTES: u64 = 4 << 30;
/// Addresses a memory reserves beyond its size where addresses are scarce, so that it needn't move each time it grows.
const SPARE_RESERVATION_BYTES: u64 = 1 << 20;
/// Addresses behind a memory that nothing uses, where addresses are scarce.
const SPARE_GUARD_BYTES: u64 = 64 << 10;

/// How the engine is made.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Instances there can be at a time: types times threads, and some more. Each reserves 4 GiB of addresses, but no
    /// memory; where there are too few addresses, instances are made without a pool.
    pub instances_max: u32,
    /// Where compiled modules are kept between starts; `None` compiles at each start.
    pub cache_directory: Option<PathBuf>,
    /// What memory of instances and their calls is counted on.
    pub account: Arc<Account>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            instances_max: 512,
            cache_directory: default_cache_directory(),
            account: Account::unlimited(),
        }
    }
}

/// `$XDG_CACHE_HOME/cacheismo`, or `~/.cache/cacheismo`.
fn default_cache_directory() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("cacheismo"))
}

/// The engine. Clones share it; the ticker stops with the last one.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasm: wasmtime::Engine,
    ticker: Arc<Ticker>,
    warnings: Arc<[String]>,
    account: Arc<Account>,
}

impl Engine {
    /// Makes the engine and starts its ticker.
    ///
    /// A cache directory that cannot be used, or too few addresses for the pool, makes a
    /// [warning](Engine::warnings), not an error.
    ///
    /// # Errors
    /// When this processor is not supported, or no thread can be started.
    pub fn new(options: &EngineOptions) -> anyhow::Result<Engine> {
        let mut warnings = Vec::new();
        let mut config = config();
        if let Some(directory) = &options.cache_directory {
            match open_cache(directory) {
                Ok(cache) => {
                    config.cache(Some(cache));
                }
                Err(error) => warnings.push(format!("compiled modules are not kept: {error:#}")),
            }
        }
        let pooled = pooled(&config, options.instances_max);
        let wasm = match pooled {
            Ok(engine) => engine,
            Err(error) => {
                warnings.push(format!(
                    "objects are slower: instances are made one by one, there is no pool: {error:#}"
                ));
                spare_addresses(&mut config);
                wasmtime::Engine::new(&config).map_err(|e| anyhow::anyhow!("{e:#}"))?
            }
        };
        let ticker = Arc::new(start_ticker(wasm.clone())?);
        Ok(Engine {
            wasm,
            ticker,
            warnings: warnings.into(),
            account: Arc::clone(&options.account),
        })
    }

    /// What did not go as wished at the start, for the operator.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What memory of instances and their calls is counted on.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Milliseconds at the last tick: a clock that costs nothing to read, and moves by ticks. It stands still while nobody calls.
    #[inline]
    pub fn ticks_ms(&self) -> u64 {
        self.ticker.clock().ticked_ms()
    }

    /// The clock of deadlines.
    pub(super) fn clock(&self) -> &Clock {
        self.ticker.clock()
    }

    /// Keeps the clock going for so many milliseconds, for a deadline that ends within them; returns the time.
    #[inline]
    pub(super) fn tick_for(&self, ms: u64) -> u64 {
        self.ticker.tick_for(ms)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("ticks_ms", &self.ticks_ms())
            .finish_non_exhaustive()
    }
}

fn start_ticker(engine: wasmtime::Engine) -> std::io::Result<Ticker> {
    Ticker::start(LINGER_MS, move || engine.increment_epoch())
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK_BYTES)
        // Features that no guest toolchain uses by default would only be more to attack.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_features(WasmFeatures::FUNCTION_REFERENCES, false)
        // Names of functions help authors; addresses within them would only cost memory.
        .wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_FRAMES_MAX))
        .generate_address_map(false);
    config
}

/// An engine with a pool, if there are addresses for it.
fn pooled(config: &Config, instances_max: u32) -> anyhow::Result<wasmtime::Engine> {
    let needed = u64::from(instances_max) * SLOT_ADDRESS_BYTES;
    let limit = getrlimit(Resource::As).current;
    if let Some(limit) = limit.filter(|limit| limit / 2 < needed) {
        anyhow::bail!(
            "it needs {} GiB of addresses, and half of what the process may have is {} MiB",
            needed >> 30,
            limit >> 21
        );
    }
    let mut config = config.clone();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances_max)));
    wasmtime::Engine::new(&config).map_err(|e| anyhow::anyhow!("{e:#}"))
}

/// Has memories reserve few addresses. Code then compares each access with the memory's size, which
/// costs loops over memory a quarter to the double, and memory that grows may be copied.
fn spare_addresses(config: &mut Config) {
    config
        .memory_reservation(SPARE_RESERVATION_BYTES)
        .memory_reservation_for_growth(SPARE_RESERVATION_BYTES)
        .memory_guard_size(SPARE_GUARD_BYTES)
        .guard_before_linear_memory(false)
        .memory_may_move(true);
}

fn pool(instances_max: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances_max)
        .total_memories(instances_max)
        .total_tables(instances_max)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_unused_warm_slots(UNUSED_SLOTS_WARM_MAX)
        .table_elements(TABLE_ELEMENTS_CAP as usize)
        .max_memory_size(LINEAR_MEMORY_BYTES_CAP as usize)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}

fn open_cache(directory: &Path) -> anyhow::Result<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(code_cache::trusted(directory).map_err(anyhow::Error::msg)?);
    Cache::new(config).map_err(|e| anyhow::anyhow!("{e:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_cache_directory_is_a_warning() {
        let options = EngineOptions {
            instances_max: 2,
            cache_directory: Some("/dev/null/x".into()),
            ..EngineOptions::default()
        };
        let engine = Engine::new(&options).unwrap();
        assert!(
            engine.warnings()[0].contains("/dev/null/x"),
            "{:?}",
            engine.warnings()
        );
    }

    #[test]
    fn too_large_a_pool_falls_back_to_single_instances() {
        let options = EngineOptions {
            instances_max: 1_000_000,
            cache_directory: None,
            ..EngineOptions::default()
        };
        let engine = Engine::new(&options).unwrap();
        assert!(
            engine.warnings()[0].contains("there is no pool"),
            "{:?}",
            engine.warnings()
        );
    }

    #[test]
    fn time_passes_for_whoever_asks() {
        let engine = Engine::new(&EngineOptions {
            instances_max: 2,
            cache_directory: None,
            ..EngineOptions::default()
        })
        .unwrap();
        let start_ms = engine.tick_for(10);
        while engine.ticks_ms() < start_ms + 10 {
            std::thread::yield_now();
        }
    }
}
