//! Executes commands: the middle of the house, between the sockets and the rest.
//!
//! A [`Cache`] is what a server shares; each worker thread has a [`Worker`], which turns the bytes of a
//! [`Connection`] into replies. Plain commands go to the store, virtual keys to the runtime, whose host functions
//! work on a [`transaction::Transaction`].

mod admin;
mod calls;
mod clock;
mod detail;
mod flow;
mod footprint;
mod host;
mod locks;
mod lua;
mod next;
mod object_name;
mod ops;
mod peers;
mod reply;
mod saves;
mod scripts;
mod shared;
mod wire;
mod worker;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use admin::MEMCACHED_VERSION;
pub use admin::METRIC_GROUPS;
pub use calls::{LaneJob, LaneResult, TURN, transaction};
pub use detail::PREFIX_DELIMITER;
pub use host::{Host, Login, Standalone};
pub use lua::{Script, ScriptError};
pub use next::{Next, Step};
pub use peers::{Hit, NoPeers, Peers, Question};
pub use saves::{NotSaved, Saves};
pub use shared::Shared;
pub use worker::{Connection, Worker};

use self::calls::Lanes;
use crate::metrics::PerThread;
use crate::protocol::Limits;
use crate::runtime::{Budget, Log, Registry, Source};
use crate::store::{self, Store};

/// Expired items, and pieces of other deferred work, that the maintenance does in one step.
const MAINTAIN_STEP: usize = 1000;

/// How a cache is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the store is made.
    pub store: store::Config,
    /// How long a call may keep a worker, whose other connections wait meanwhile.
    pub inline_budget: Budget,
    /// Time that the calls of one connection may take before others have their turn; [`TURN`] serves well.
    pub turn: Duration,
    /// Whether keys are counted by prefix from the start (`stats detail`), and the byte that ends a prefix.
    pub detail: (bool, u8),
    /// Whether keys may be listed (`lru_crawler`, `stats cachedump`; not with `-X`).
    pub dump: bool,
    /// Whether scripts handle every text command.
    pub lua_main: bool,
}

#[cfg(test)]
impl Config {
    /// A small cache for tests.
    pub(crate) fn small() -> Config {
        Config {
            store: store::Config {
                memory_bytes_max: 64 << 20,
                item_bytes_max: 1 << 20,
                shards: 4,
                eviction: store::Eviction::Lru,
                hash_seed: 1,
            },
            inline_budget: Budget::INLINE,
            turn: TURN,
            detail: (false, PREFIX_DELIMITER),
            dump: true,
            lua_main: false,
        }
    }
}

/// Everything the workers share.
#[derive(Clone, Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    lanes: Arc<Lanes>,
}

impl Cache {
    /// An empty cache with the object types of `registry`, living in `host`; guests and their troubles speak to `log`.
    pub fn new(
        config: &Config,
        registry: Arc<Registry>,
        host: Arc<dyn Host>,
        log: Arc<dyn Log>,
    ) -> Cache {
        let item_bytes_max = config.store.item_bytes_max;
        let shared = Shared {
            store: Arc::new(Store::new(&config.store)),
            registry,
            scripts: Arc::default(),
            log,
            locks: locks::ObjectLocks::new(),
            clock: clock::Clock::new(),
            peers: host.peers(),
            protocol_limits: Limits {
                value_bytes_max: item_bytes_max,
                // Scripts that handle every command need its value.
                announced_bytes_min: match config.lua_main {
                    true => usize::MAX,
                    false => worker::UPLOAD_BYTES_MIN,
                },
                ..Limits::default()
            },
            item_bytes_max,
            detail: detail::Detail::new(config.detail.0, config.detail.1),
            dump: config.dump,
            inline_budget: config.inline_budget,
            turn: config.turn,
            lua_main: config.lua_main,
            counters: PerThread::default(),
            store_base: parking_lot::Mutex::default(),
            hub: host.watch_hub(),
            saves: OnceLock::new(),
            host,
        };
        shared.observe_evictions();
        Cache {
            shared: Arc::new(shared),
            lanes: Arc::default(),
        }
    }

    /// The store, for whoever fills it at the start and keeps it on disk.
    pub fn store(&self) -> &Arc<Store> {
        &self.shared.store
    }

    /// The present moment, as the store is told it.
    pub fn now(&self) -> store::Now {
        self.shared.clock.now()
    }

    /// Has answers wait for the disk from now on. Only once, before there are workers.
    pub fn wait_for(&self, saves: Arc<dyn Saves>) {
        let set = self.shared.saves.set(saves);
        debug_assert!(set.is_ok(), "answers wait for one disk");
    }

    /// A worker's part; one for each thread.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.shared), Arc::clone(&self.lanes))
    }

    /// Runs scripts in `interpreter`, a module the registry has with an empty setup, and from then on answers the types
    /// they define, whatever else has the names of those types. Returns these names.
    ///
    /// # Errors
    /// Which script failed, where and why. The scripts loaded before then stay.
    pub fn load_scripts(
        &self,
        interpreter: &Source,
        scripts: &[Script],
    ) -> Result<Vec<String>, ScriptError> {
        self.shared.load_scripts(interpreter, scripts)
    }

    /// A step of the work that nobody waits for: expired items, memory given back. True when there is more to do at
    /// once.
    pub fn maintain(&self) -> bool {
        self.shared
            .store
            .maintain(self.shared.clock.now(), MAINTAIN_STEP)
            >= MAINTAIN_STEP
    }
}
