//! One object type, and the pace of each of its functions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use cacheismo_abi as abi;
use wasmtime::Module;

use super::backoff::{Backoff, STOPS_MAX};
use super::error::CallError;
use super::instances::Image;
use super::limits::Limits;
use super::loader::{Loaded, Places, Source};
use super::metadata::{Function, Metadata};
use super::registry::{FunctionRef, Names};
use super::tally::{Tallies, TypeStats};

/// One object type: its module, what it says of itself, its limits and its record.
pub struct ObjectType {
    pub(super) metadata: Metadata,
    pub(super) source_name: String,
    pub(super) limits: Limits,
    /// New with every load; an instance of another generation is dropped.
    pub(super) generation: u64,
    pub(super) name: Arc<str>,
    pub(super) module: Module,
    pub(super) places: Places,
    alone: bool,
    /// Functions by their number; `None` was dropped by a reload.
    pub(super) functions: Vec<Option<Callable>>,
    pub(super) by_name: Names,
    /// Numbers of all functions there have been: one that comes back gets its old number.
    pub(super) numbers: Names,
    pub(super) tallies: Arc<Tallies>,
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
    /// Number of the module's function that runs it: its own, but for a script's.
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

/// Where a function runs, and whether it is paused. Shared by all threads, written rarely.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) on_lane: AtomicBool,
    /// Tick at which a pause ends; 0 when there is none, the usual case.
    paused_until_ms: AtomicU64,
    backoff: Mutex<Backoff>,
}

impl Pace {
    /// How long it is still paused, in milliseconds.
    pub(super) fn paused_for_ms(&self, now_ms: impl FnOnce() -> u64) -> Option<u64> {
        match self.paused_until_ms.load(Relaxed) {
            0 => None,
            until => until.checked_sub(now_ms()).filter(|left| *left > 0),
        }
    }

    /// Notes a trap or deadline stop; true when it brought a pause.
    pub(super) fn note_stop(&self, now_ms: u64) -> bool {
        let mut backoff = self
            .backoff
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let until = backoff.note_stop(now_ms);
        if let Some(until) = until {
            self.paused_until_ms.store(until, Relaxed);
        }
        until.is_some()
    }
}

/// Stops that bring a pause, for its message.
pub(super) const STOPS: u32 = STOPS_MAX;

impl ObjectType {
    /// What the module says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// File it came from.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// Limits of its calls.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    fn callable(&self, function: FunctionRef) -> Option<&Callable> {
        self.functions.get(function.function as usize)?.as_ref()
    }

    /// The same for a call of it.
    ///
    /// # Errors
    /// When a reload dropped it.
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

    /// Its module cannot open other objects, nor items: a call uses its own object, and nothing else.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Calls of this function take long: run them on a lane, with [`Budget::Full`](super::Budget::Full).
    #[inline]
    pub fn wants_lane(&self, function: FunctionRef) -> bool {
        self.callable(function)
            .is_some_and(|c| c.pace.on_lane.load(Relaxed))
    }

    /// Its counters, over all threads.
    pub fn stats(&self) -> TypeStats {
        self.tallies.sum()
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
        ObjectType {
            alone,
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
