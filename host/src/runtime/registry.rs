//! The object types there are. Readers hold an immutable snapshot; loading replaces it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use arrayvec::ArrayVec;

use super::engine::Engine;
use super::error::{LoadError, Refusal};
use super::limits::{Limits, LimitsTable};
use super::loader::{self, Source};
use super::object_type::ObjectType;

/// Most object types.
pub const TYPES_MAX: usize = 1024;

/// Names a function of a type. Small, `Copy`, and good for ever: a reload keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    pub(super) slot: u16,
    pub(super) function: u16,
}

impl FunctionRef {
    /// Number of the function's type.
    pub fn type_number(self) -> u16 {
        self.slot
    }
}

pub(super) type Names = HashMap<Box<[u8]>, u16, rapidhash::fast::RandomState>;

type Calls = HashMap<Box<[u8]>, FunctionRef, rapidhash::fast::RandomState>;

/// All object types, as they were at one moment.
#[derive(Debug, Default)]
pub struct Types {
    /// How many snapshots there were before this one.
    number: u64,
    slots: Vec<Arc<ObjectType>>,
    by_name: Names,
    /// Functions by `type:function`, as a virtual key begins.
    calls: Calls,
    /// Interpreters, which no virtual key names.
    interpreters: Names,
}

impl Types {
    /// The function that `type:function` names.
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
        TypesReader::new(&self.types)
    }

    /// Loads what can be loaded, and returns what was refused.
    ///
    /// The caller decides whether the server starts without the refused ones.
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
        // Another module of the same type is found before this one is compiled.
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
            number: before.number + 1,
            slots,
            by_name,
            calls,
            interpreters,
        }));
    }
}

/// The functions that virtual keys can name.
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
pub struct TypesReader {
    types: arc_swap::Cache<Arc<ArcSwap<Types>>, Arc<Types>>,
    recent: Option<Recent>,
}

/// The call that was found last, for clients that make the same call again and again.
#[derive(Clone)]
struct Recent {
    /// Number of the [`Types`] that the call was found in.
    types: u64,
    call: ArrayVec<u8, RECENT_BYTES_MAX>,
    function: FunctionRef,
}

/// Longest `type:function` that is remembered.
const RECENT_BYTES_MAX: usize = 48;

impl Recent {
    /// Finds a call anew, and remembers it.
    #[inline(never)]
    fn renew(recent: &mut Option<Recent>, types: &Types, call: &[u8]) -> Option<FunctionRef> {
        let function = types.find(call)?;
        if let Ok(call) = ArrayVec::try_from(call) {
            *recent = Some(Recent {
                types: types.number,
                call,
                function,
            });
        }
        Some(function)
    }
}

impl TypesReader {
    fn new(types: &Arc<ArcSwap<Types>>) -> TypesReader {
        TypesReader {
            types: arc_swap::Cache::new(Arc::clone(types)),
            recent: None,
        }
    }

    /// The types of this moment.
    #[inline]
    pub fn types(&mut self) -> &Arc<Types> {
        self.types.load()
    }

    /// The types of this moment, and what [`Types::find`] says. Asked for every key with a `:` in it.
    #[inline(always)]
    pub fn find(&mut self, call: &[u8]) -> (&Types, Option<FunctionRef>) {
        let types = self.types.load();
        if let Some(recent) = &self.recent
            && recent.types == types.number
            && recent.call[..] == *call
        {
            return (types, Some(recent.function));
        }
        (types, Recent::renew(&mut self.recent, types, call))
    }
}

impl std::fmt::Debug for TypesReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypesReader")
    }
}
