//! One object type, and the pace of each of its functions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use cacheismo_abi as abi;
use parking_lot::Mutex;
use wasmtime::Module;

use super::backoff::{Backoff, Paused, WINDOW_MS};
use super::error::CallError;
use super::instances::Image;
use super::limits::Limits;
use super::loader::{Loaded, Places, Source};
use super::metadata::{Function, Metadata};
use super::reach::Reach;
use super::registry::{FunctionRef, Names};
use super::tally::{Tallies, TypeStats};

/// One object type: its module, what it says of itself, its limits and its record.
pub struct ObjectType {
    pub(super) metadata: Metadata,
    pub(super) source_name: String,
    pub(super) limits: Limits,
    /// A number that is new with every load; an instance of another generation is dropped.
    pub(super) generation: u64,
    pub(super) name: Arc<str>,
    pub(super) module: Module,
    pub(super) places: Places,
    alone: bool,
    /// Functions by their number; `None` was dropped by a reload.
    pub(super) functions: Vec<Option<Callable>>,
    pub(super) by_name: Names,
    /// Numbers of all functions there have been: a function that comes back gets its old number.
    pub(super) numbers: Names,
    pub(super) tallies: Arc<Tallies>,
    /// Other types whose objects the module may touch.
    pub(super) reach: Arc<Reach>,
    /// See [`Source::setup`].
    pub(super) setup: Option<Arc<[Vec<u8>]>>,
    /// The memory an instance had after its setup; made by the first one.
    pub(super) image: OnceLock<Image>,
}

impl std::fmt::Debug for ObjectType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectType")
            .field("name", &self.name)
            .field("source_name", &self.source_name)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A function with what calling it needs.
pub(super) struct Callable {
    pub(super) function: Function,
    pub(super) required: usize,
    pub(super) most: usize,
    pub(super) pace: Pace,
    /// Number of the module's function that runs this one: its own, except for a script's function.
    pub(super) run_by: u16,
}

impl Callable {
    fn new(function: Function, run_by: u16) -> Callable {
        Callable {
            required: function.required(),
            most: function.most(),
            function,
            pace: Pace::default(),
            run_by,
        }
    }
}

/// Where a function runs, and which of its calls are paused. Shared by all threads, written rarely.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) on_lane: AtomicBool,
    /// Until when the function's calls are watched, as some were stopped, in milliseconds; 0 when none were of late,
    /// the usual case.
    watched_until_ms: AtomicU64,
    /// When the last pause ends, of whichever calls, in milliseconds.
    paused_until_ms: AtomicU64,
    /// Whether a call has succeeded since the last stop.
    succeeded: AtomicBool,
    backoff: Mutex<Backoff>,
}

impl Pace {
    /// Whether calls were stopped of late. A call of a function that behaves asks nothing more.
    #[inline(always)]
    pub(super) fn is_watched(&self) -> bool {
        self.watched_until_ms.load(Relaxed) != 0
    }

    /// The pause of calls on the object, if they are paused now.
    #[cold]
    pub(super) fn paused(&self, object: u64, now_ms: u64) -> Option<Paused> {
        let watched_until_ms = self.watched_until_ms.load(Relaxed);
        if now_ms >= watched_until_ms {
            // Nothing changes if another thread has just noted a stop.
            let _ = self
                .watched_until_ms
                .compare_exchange(watched_until_ms, 0, Relaxed, Relaxed);
            return None;
        }
        if now_ms >= self.paused_until_ms.load(Relaxed) {
            return None;
        }
        self.backoff.lock().paused(object, now_ms)
    }

    /// Notes a trap or deadline stop of a call on the object; returns the pause it brought.
    #[cold]
    pub(super) fn note_stop(&self, object: u64, now_ms: u64) -> Option<Paused> {
        let mut backoff = self.backoff.lock();
        let succeeded = self.succeeded.swap(false, Relaxed);
        let paused = backoff.note_stop(object, succeeded, now_ms);
        let until_ms = paused.map_or(0, |paused| paused.until_ms);
        self.paused_until_ms.fetch_max(until_ms, Relaxed);
        self.watched_until_ms
            .fetch_max((now_ms + WINDOW_MS).max(until_ms), Relaxed);
        paused
    }

    /// Notes that a call succeeded.
    pub(super) fn note_success(&self) {
        if self.is_watched() && !self.succeeded.load(Relaxed) {
            self.succeeded.store(true, Relaxed);
        }
    }
}

impl ObjectType {
    /// What the module says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// File that the type came from.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// Limits of the type's calls.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    fn callable(&self, function: FunctionRef) -> Option<&Callable> {
        self.functions.get(function.function as usize)?.as_ref()
    }

    /// As `callable`, for a call of the function.
    ///
    /// # Errors
    /// When a reload dropped the function.
    #[inline]
    pub(super) fn called(&self, function: FunctionRef) -> Result<&Callable, Box<CallError>> {
        self.callable(function).ok_or_else(|| {
            let gone = "there is no such function any more".to_owned();
            Box::new(CallError::Unavailable(gone))
        })
    }

    /// What the metadata says of a function; `None` when a reload dropped it.
    #[inline]
    pub fn function(&self, function: FunctionRef) -> Option<&Function> {
        self.callable(function).map(|callable| &callable.function)
    }

    /// Whether a call uses its own object and nothing else: the module can open neither other objects nor items.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether calls of this function take long: then run them on a lane, with [`Budget::Full`](super::Budget::Full).
    #[inline]
    pub fn wants_lane(&self, function: FunctionRef) -> bool {
        self.callable(function)
            .is_some_and(|c| c.pace.on_lane.load(Relaxed))
    }

    /// The type's counters, over all threads.
    pub fn stats(&self) -> TypeStats {
        self.tallies.sum()
    }

    /// Linear memory that an instance has from its start, in bytes: what the module says, or the scripts of an interpreter fill.
    pub(super) fn memory_bytes_min(&self) -> usize {
        let declared = self.module.exports().find_map(|export| {
            let memory = export.ty();
            Some(memory.memory()?.minimum() * memory.memory()?.page_size())
        });
        let filled = self.image.get().map_or(0, |image| image.memory_bytes());
        filled.max(declared.unwrap_or(0) as usize)
    }

    /// Number of a function, for a call by the host itself.
    pub(super) fn function_number(&self, name: &str) -> Option<usize> {
        self.by_name
            .get(name.as_bytes())
            .map(|number| *number as usize)
    }

    pub(super) fn new(
        source: &Source,
        loaded: Loaded,
        limits: Limits,
        before: Option<&ObjectType>,
    ) -> ObjectType {
        let Loaded {
            metadata,
            module,
            places,
        } = loaded;
        let mut numbers = before.map(|b| b.numbers.clone()).unwrap_or_default();
        let mut by_name = Names::default();
        let mut number_of = |name: &str| {
            let next = numbers.len() as u16;
            *numbers.entry(name.as_bytes().into()).or_insert(next)
        };
        let mut callables = Vec::new();
        for function in &metadata.functions {
            let number = number_of(&function.name);
            by_name.insert(function.name.as_bytes().into(), number);
            callables.push((number, Callable::new(function.clone(), number)));
        }
        for scripted in &*source.scripted {
            let by = metadata.functions.iter().find(|f| f.name == scripted.by);
            let by = by.expect("the caller names a function of the interpreter");
            let run_by = number_of(&by.name);
            let number = number_of(&scripted.name);
            by_name.insert(scripted.name.as_bytes().into(), number);
            let function = Function {
                name: scripted.name.clone(),
                writes: scripted.writes,
                ..by.clone()
            };
            callables.push((number, Callable::new(function, run_by)));
        }
        let mut functions: Vec<Option<Callable>> = Vec::new();
        functions.resize_with(numbers.len(), || None);
        for (number, callable) in callables {
            functions[number as usize] = Some(callable);
        }
        let alone = module.imports().all(|import| {
            import.module() == abi::IMPORT_MODULE && import.name() != abi::imports::OBJECT_OPEN
        });
        let reach = match source.setup {
            None => Reach::of_module(&metadata),
            Some(_) => Reach::of_interpreter(&metadata),
        };
        ObjectType {
            alone,
            reach: Arc::new(reach),
            source_name: source.name.clone(),
            setup: source.setup.clone(),
            image: OnceLock::new(),
            limits,
            generation: before.map_or(1, |b| b.generation + 1),
            name: metadata.type_name.as_str().into(),
            module,
            places,
            functions,
            by_name,
            numbers,
            tallies: before.map(|b| Arc::clone(&b.tallies)).unwrap_or_default(),
            metadata,
        }
    }
}
