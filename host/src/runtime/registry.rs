//! The object types there are. Readers hold an immutable snapshot; loading replaces it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use wasmtime::Module;

use super::backoff::{Backoff, STOPS_MAX};
use super::engine::Engine;
use super::error::{LoadError, Refusal};
use super::instances::Image;
use super::limits::{Limits, LimitsTable};
use super::loader::{self, Loaded, Source};
use super::metadata::{Function, Metadata};
use super::tally::{Tallies, TypeStats};

/// Most object types.
pub const TYPES_MAX: usize = 1024;

/// Names a function of a type. Small, `Copy`, and good for ever: a reload keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    pub(super) slot: u16,
    pub(super) function: u16,
}

type Names = HashMap<Box<[u8]>, u16, rapidhash::fast::RandomState>;

type Calls = HashMap<Box<[u8]>, FunctionRef, rapidhash::fast::RandomState>;

/// All object types, as they were at one moment.
#[derive(Debug, Default)]
pub struct Types {
    slots: Vec<Arc<ObjectType>>,
    by_name: Names,
    /// By `type:function`, as a virtual key begins.
    calls: Calls,
    /// Interpreters, which no virtual key names.
    interpreters: Names,
}

impl Types {
    /// The function that `type:function` names. Asked for every key with a `:` in it.
    #[inline]
    pub fn find(&self, call: &[u8]) -> Option<FunctionRef> {
        self.calls.get(call).copied()
    }

    /// A function of an interpreter.
    pub fn interpreter(&self, type_name: &[u8], function: &[u8]) -> Option<FunctionRef> {
        let slot = *self.interpreters.get(type_name)?;
        let function = *self.slots[slot as usize].by_name.get(function)?;
        Some(FunctionRef { slot, function })
    }

    fn names(&self, source: &Source) -> &Names {
        match source.setup {
            None => &self.by_name,
            Some(_) => &self.interpreters,
        }
    }

    /// The type of that name.
    pub fn named(&self, type_name: &[u8]) -> Option<&Arc<ObjectType>> {
        self.by_name
            .get(type_name)
            .map(|slot| &self.slots[*slot as usize])
    }

    /// The types that virtual keys name.
    pub fn named_types(&self) -> impl Iterator<Item = &Arc<ObjectType>> {
        self.by_name
            .values()
            .map(|slot| &self.slots[*slot as usize])
    }

    /// The type a function belongs to.
    pub fn of(&self, function: FunctionRef) -> &Arc<ObjectType> {
        &self.slots[function.slot as usize]
    }

    /// All types, in the order they were loaded, interpreters included.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ObjectType>> {
        self.slots.iter()
    }
}

/// One object type: its module, what it says of itself, its limits and its record.
pub struct ObjectType {
    metadata: Metadata,
    source_name: String,
    limits: Limits,
    /// New with every load; an instance of another generation is dropped.
    pub(super) generation: u64,
    pub(super) name: Arc<str>,
    pub(super) module: Module,
    pub(super) buffer_address: usize,
    /// Functions by their number; `None` was dropped by a reload.
    pub(super) functions: Vec<Option<Callable>>,
    by_name: Names,
    /// Numbers of all functions there have been: one that comes back gets its old number.
    numbers: Names,
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

    /// What the metadata says of a function; `None` when a reload dropped it.
    pub fn function(&self, function: FunctionRef) -> Option<&Function> {
        Some(
            &self
                .functions
                .get(function.function as usize)?
                .as_ref()?
                .function,
        )
    }

    /// Calls of this function take long: run them on a lane, with [`Budget::Full`](super::Budget::Full).
    pub fn wants_lane(&self, function: FunctionRef) -> bool {
        let callable = self.functions.get(function.function as usize);
        callable
            .and_then(Option::as_ref)
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

    fn new(
        source: &Source,
        loaded: Loaded,
        limits: Limits,
        before: Option<&ObjectType>,
    ) -> ObjectType {
        let Loaded {
            metadata,
            module,
            buffer_address,
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
        ObjectType {
            source_name: source.name.clone(),
            setup: source.setup.clone(),
            image: OnceLock::new(),
            limits,
            generation: before.map_or(1, |b| b.generation + 1),
            name: metadata.type_name.as_str().into(),
            module,
            buffer_address,
            functions,
            by_name,
            numbers,
            tallies: before.map(|b| Arc::clone(&b.tallies)).unwrap_or_default(),
            metadata,
        }
    }
}

/// Loads types and hands out snapshots. Shared by all threads.
#[derive(Debug)]
pub struct Registry {
    engine: Engine,
    limits: LimitsTable,
    types: Arc<ArcSwap<Types>>,
    /// Held while loading, so that two loads do not undo each other.
    loading: Mutex<()>,
}

impl Registry {
    /// A registry without types.
    pub fn new(engine: Engine, limits: LimitsTable) -> Registry {
        let types = Arc::new(ArcSwap::from_pointee(Types::default()));
        Registry {
            engine,
            limits,
            types,
            loading: Mutex::new(()),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The limits of a type of that name.
    pub fn limits_of(&self, type_name: &str) -> Limits {
        self.limits.of(type_name)
    }

    /// The types of this moment. For one look; a thread that looks often keeps a [`TypesReader`].
    pub fn types(&self) -> Arc<Types> {
        self.types.load_full()
    }

    /// A reader for one thread.
    pub fn reader(&self) -> TypesReader {
        TypesReader(arc_swap::Cache::new(Arc::clone(&self.types)))
    }

    /// Loads what can be loaded, and returns what was refused.
    ///
    /// Whether the server starts without the refused ones is the caller's to say.
    pub fn load(&self, sources: &[Source]) -> Vec<LoadError> {
        let _guard = self
            .loading
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut refused = Vec::new();
        for source in sources {
            if let Err(refusal) = self.load_one(source) {
                refused.push(LoadError {
                    source_name: source.name.clone(),
                    refusal,
                });
            }
        }
        refused
    }

    /// Replaces a loaded type by a newer module of the same type name. Calls in progress end on the old code.
    ///
    /// # Errors
    /// When the module is refused, or its type is not loaded. The old one then stays.
    pub fn reload(&self, source: &Source) -> Result<(), LoadError> {
        let _guard = self
            .loading
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.reload_one(source).map_err(|refusal| LoadError {
            source_name: source.name.clone(),
            refusal,
        })
    }

    fn load_one(&self, source: &Source) -> Result<(), Refusal> {
        let metadata = loader::metadata(source)?;
        let types = self.types();
        // Known before the module is compiled, so asked before.
        if let Some(slot) = types.names(source).get(metadata.type_name.as_bytes()) {
            let other = types.slots[*slot as usize].source_name.clone();
            return Err(Refusal::Duplicate {
                type_name: metadata.type_name,
                other,
            });
        }
        if types.slots.len() >= TYPES_MAX {
            return Err(Refusal::TooMany("object types", TYPES_MAX));
        }
        let limits = self.limits.of(&metadata.type_name);
        let loaded = loader::load(&self.engine, source, metadata, &limits)?;
        self.publish(
            &types,
            types.slots.len(),
            ObjectType::new(source, loaded, limits, None),
        );
        Ok(())
    }

    fn reload_one(&self, source: &Source) -> Result<(), Refusal> {
        let metadata = loader::metadata(source)?;
        let types = self.types();
        let Some(&slot) = types.names(source).get(metadata.type_name.as_bytes()) else {
            return Err(Refusal::Unknown(metadata.type_name));
        };
        let before = &types.slots[slot as usize];
        // Numbers are never given twice, so they could run out.
        let more = metadata.functions.len() + source.scripted.len();
        if before.functions.len() + more > usize::from(u16::MAX) {
            return Err(Refusal::TooMany(
                "functions over all reloads",
                u16::MAX.into(),
            ));
        }
        let limits = self.limits.of(&metadata.type_name);
        let loaded = loader::load(&self.engine, source, metadata, &limits)?;
        let object = ObjectType::new(source, loaded, limits, Some(before));
        self.publish(&types, slot as usize, object);
        Ok(())
    }

    fn publish(&self, before: &Types, slot: usize, object: ObjectType) {
        let mut slots = before.slots.clone();
        let mut by_name = before.by_name.clone();
        let mut interpreters = before.interpreters.clone();
        let names = match object.setup {
            None => &mut by_name,
            Some(_) => &mut interpreters,
        };
        names.insert(object.name.as_bytes().into(), slot as u16);
        match slots.get_mut(slot) {
            Some(place) => *place = Arc::new(object),
            None => slots.push(Arc::new(object)),
        }
        let calls = calls(&slots, &by_name);
        self.types.store(Arc::new(Types {
            slots,
            by_name,
            calls,
            interpreters,
        }));
    }
}

/// What virtual keys can name.
fn calls(slots: &[Arc<ObjectType>], by_name: &Names) -> Calls {
    let mut calls = Calls::default();
    for (type_name, &slot) in by_name {
        for (function, &number) in &slots[slot as usize].by_name {
            let call = [&type_name[..], function].join(&b':');
            let function = number;
            calls.insert(call.into(), FunctionRef { slot, function });
        }
    }
    calls
}

/// One thread's view of the types: follows the registry, at the cost of one load per look.
#[derive(Clone)]
pub struct TypesReader(arc_swap::Cache<Arc<ArcSwap<Types>>, Arc<Types>>);

impl TypesReader {
    /// The types of this moment.
    pub fn types(&mut self) -> &Arc<Types> {
        self.0.load()
    }
}

impl std::fmt::Debug for TypesReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypesReader")
    }
}
