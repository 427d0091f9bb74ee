//! One wasmtime engine for the process, with the time of its guests.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::{
    Cache, CacheConfig, Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmFeatures,
};

use super::code_cache;
use super::limits::{LINEAR_MEMORY_BYTES_CAP, TABLE_ELEMENTS_CAP};
use super::ticker::{LINGER_MS, Ticker};

/// Native stack a guest may take, in bytes. Worker threads have 2 MiB; running out of thread stack aborts the process.
const WASM_STACK_BYTES: usize = 512 * 1024;
/// Innermost functions of a trap that are named in the log.
const TRAP_FRAMES_MAX: usize = 8;
/// Bytes of a dropped instance's memory that are zeroed and kept rather than given back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;

/// How the engine is made.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Instances there can be at a time: types times threads, and some more. Each reserves 4 GiB of address space, but no memory.
    pub instances_max: u32,
    /// Where compiled modules are kept between starts; `None` compiles at each start.
    pub cache_directory: Option<PathBuf>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            instances_max: 512,
            cache_directory: default_cache_directory(),
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
}

impl Engine {
    /// Makes the engine and starts its ticker.
    ///
    /// A cache directory that cannot be used, or too little address space for the pool, makes a
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
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
            options.instances_max,
        )));
        let wasm = match wasmtime::Engine::new(&pooled) {
            Ok(engine) => engine,
            Err(error) => {
                warnings.push(format!(
                    "instances are made one by one, there is no pool: {error:#}"
                ));
                wasmtime::Engine::new(&config).map_err(|e| anyhow::anyhow!("{e:#}"))?
            }
        };
        let ticker = Arc::new(start_ticker(wasm.clone())?);
        Ok(Engine {
            wasm,
            ticker,
            warnings: warnings.into(),
        })
    }

    /// What did not go as wished at the start, for the operator.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Milliseconds the ticker has counted: a clock that costs nothing to read, moves by ticks and may run a little fast or slow.
    /// It stands still while nobody calls.
    #[inline]
    pub fn ticks_ms(&self) -> u64 {
        self.ticker.ticks_ms()
    }

    /// Has the clock go on for so many milliseconds, for a deadline that ends within them; gives the time.
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
        // What no guest toolchain emits by default is surface for nothing.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_features(WasmFeatures::FUNCTION_REFERENCES, false)
        // Names of functions help authors; addresses within them would only cost memory.
        .wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_FRAMES_MAX))
        .generate_address_map(false);
    config
}

fn pool(instances_max: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances_max)
        .total_memories(instances_max)
        .total_tables(instances_max)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
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
        })
        .unwrap();
        let start_ms = engine.tick_for(10);
        while engine.ticks_ms() < start_ms + 10 {
            std::thread::yield_now();
        }
    }
}
