//! What the workers and lanes share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::clock::Clock;
use super::detail::Detail;
use super::locks::ObjectLocks;
use super::object_name;
use super::peers::Peers;
use super::saves::{Disk, Saves};
use super::scripts::Scripts;
use crate::account::Account;
use crate::metrics::{CommandCounters, PerThread};
use crate::protocol::Limits;
use crate::runtime::{Budget, Log, Registry};
use crate::stats::WatchHub;
use crate::store::{Store, StoreStats};

/// The parts of a server that all its threads use.
pub struct Shared {
    pub(crate) store: Arc<Store>,
    pub(super) registry: Arc<Registry>,
    /// Types defined by scripts; they come before those of the registry.
    pub(super) scripts: Arc<ArcSwapOption<Scripts>>,
    pub(super) log: Arc<dyn Log>,
    pub(super) locks: ObjectLocks,
    pub(super) clock: Clock,
    /// Other servers.
    pub(super) peers: Arc<dyn Peers>,
    pub(super) protocol_limits: Limits,
    /// Longest item (`-I`), in bytes.
    pub(super) item_bytes_max: usize,
    pub(super) detail: Detail,
    /// Whether keys may be listed.
    pub(super) dump: bool,
    pub(super) inline_budget: Budget,
    /// Time that the calls of one connection may take before others have their turn.
    pub(super) turn: Duration,
    /// Whether scripts handle every text command.
    pub(super) lua_main: bool,
    /// Commands that workers executed.
    pub(super) counters: PerThread<CommandCounters>,
    /// The store's figures at the last `stats reset`.
    pub(super) store_base: Mutex<StoreStats>,
    /// Streams of `watch`.
    pub(super) hub: Arc<WatchHub>,
    pub(super) host: Arc<dyn super::Host>,
    /// The disk, where answers wait for it.
    pub(super) saves: OnceLock<Arc<dyn Saves>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// What memory that clients cause is counted on.
    pub(super) fn account(&self) -> &Arc<Account> {
        self.registry.engine().account()
    }

    /// Whether the key is the name under which an object keeps its state, which clients do not write.
    pub(super) fn is_object_name(&self, key: &[u8]) -> bool {
        let Some(type_name) = object_name::type_name(key) else {
            return false;
        };
        let script = self
            .scripts
            .load()
            .as_ref()
            .and_then(|s| s.types.get(type_name).map(|t| t.protected));
        script.unwrap_or_else(|| self.registry.types().named(type_name).is_some())
    }

    /// Whether there is an object type of that name.
    pub(super) fn is_type(&self, name: &[u8]) -> bool {
        self.registry.types().named(name).is_some()
            || self
                .scripts
                .load()
                .as_ref()
                .is_some_and(|scripts| scripts.types.contains_key(name))
    }

    /// The disk, if answers wait for one.
    pub(super) fn disk(&self) -> Disk {
        Disk::new(self.saves.get())
    }
}
