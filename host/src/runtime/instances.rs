//! Warm instances of one thread, and calls on them.
//!
//! A call moves the host into the instance's store, writes the arguments into the guest's scratch
//! buffer, runs the function, and copies its reply out: no allocation, no lock, nothing shared but
//! the snapshot of types. A worker and a lane thread each have their own `Instances`.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{InstancePre, Linker};

use super::engine::Engine;
use super::error::CallError;
use super::imports;
use super::lane::Gauge;
use super::limits::Budget;
use super::loader::SETUP;
use super::object_host::ObjectHost;
use super::object_type::{Callable, ObjectType};
use super::registry::{FunctionRef, Registry, TypesReader};
use super::state::{CallState, Log, Logger};
use super::tally::{Ending, Tally};
use crate::account::{Account, Purpose};

mod after;
mod image;
mod value;
mod warm;

/// Instances one thread keeps. Beyond, the one that was not used for longest makes room.
pub const INSTANCES_MAX: usize = 64;
/// Milliseconds an interpreter may take for its scripts: nobody waits for it but the start, or a reload.
pub const SETUP_MS_MAX: u64 = 10_000;

use after::{After, LASTING_TICKS_MS};
pub(super) use image::Image;
pub use warm::ReplyKind;
use warm::{Call, Warm};

/// Warm instances of one thread.
pub struct Instances<H: ObjectHost> {
    engine: Engine,
    types: TypesReader,
    linker: Linker<CallState<H>>,
    log: Arc<dyn Log>,
    slots: Vec<Slot<H>>,
}

/// One type's instance on this thread, and what belongs to it.
struct Slot<H: ObjectHost> {
    generation: u64,
    tally: Arc<Tally>,
    gauges: Vec<Gauge>,
    prepared: Option<InstancePre<CallState<H>>>,
    warm: Option<Warm<H>>,
    /// When the instance was last called, in milliseconds of the ticks.
    used_ms: u64,
}

impl<H: ObjectHost> std::fmt::Debug for Instances<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instances")
            .field("warm", &self.count())
            .finish_non_exhaustive()
    }
}

impl<H: ObjectHost> Instances<H> {
    /// No instances yet; each is made when its type is first called.
    pub fn new(registry: &Registry, log: Arc<dyn Log>) -> Instances<H> {
        Instances {
            engine: registry.engine().clone(),
            types: registry.reader(),
            linker: imports::linker(registry.engine()),
            log,
            slots: Vec::new(),
        }
    }

    /// The types of this moment.
    pub fn types(&mut self) -> &super::registry::Types {
        self.types.types()
    }

    /// Calls a function. `args` are the object's key and the arguments; those beyond what the function
    /// takes are left out. The reply is appended to `reply`, which is as it was when the call fails.
    ///
    /// The host is taken for the time of the call, and is back in any case. Its writes are to be committed only after
    /// `Ok`.
    ///
    /// # Errors
    /// See [`CallError`]; after `Slow`, `NeedsLane` and `Conflict` the call is to be made again.
    ///
    /// # Panics
    /// When there is no host, or when a host function of it panics. The instance isn't used again then, nor is the
    /// host.
    pub fn call(
        &mut self,
        function: FunctionRef,
        args: &[&[u8]],
        host: &mut Option<Box<H>>,
        budget: Budget,
        reply: &mut Vec<u8>,
    ) -> Result<ReplyKind, Box<CallError>> {
        let object = self.types.types().of(function);
        let mut slot = Slot::of(&mut self.slots, function.slot, object);
        let number = function.function as usize;
        let admitted = object.called(function).and_then(|callable| {
            let watched = admit(object, callable, args, &self.engine, host)?;
            Ok((callable, watched))
        });
        let (callable, watched) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                slot.tally.note(Ending::Error);
                return Err(error);
            }
        };
        if !slot.is_warm() {
            make_room(
                &mut self.slots,
                function.slot,
                object,
                self.engine.account(),
            );
            slot = Slot::of(&mut self.slots, function.slot, object);
            let warmed = slot.warm_up(object, &self.engine, &self.linker, &self.log, host);
            if let Err(error) = warmed {
                slot.tally.note(Ending::Error);
                return Err(error);
            }
        }
        let warm = slot.warm.as_mut().expect("it was just warmed up");

        let timing = slot.tally.timing();
        let start = timing.map(|_| Instant::now());
        let start_ms = self.engine.tick_for(object.limits().deadline_ms);
        slot.used_ms = start_ms;
        let taken = args.len().min(callable.most.saturating_add(1));
        let call = Call {
            function: usize::from(callable.run_by),
            args: &args[..taken],
            writes: callable.function.writes,
            deadline_ms: object.limits().deadline_ms,
            budget,
            ticked_ms: start_ms,
        };
        let result = warm.run(&call, host, reply);

        let ticks_ms = self.engine.ticks_ms() - start_ms;
        let ending = Ending::of(&result);
        slot.tally.note(ending);
        if start.is_some() || watched || ticks_ms >= LASTING_TICKS_MS || result.is_err() {
            let after = After {
                object,
                callable,
                on: result.as_ref().map_or_else(|_| object_hash(host), |_| 0),
                number,
                log: &*self.log,
                engine: &self.engine,
            };
            let ns = start.map(|start| start.elapsed().as_nanos() as u64);
            let error = result.as_ref().err().map(|error| &**error);
            after.note(slot, ticks_ms, ns.zip(timing), error);
        }
        slot.settle(object, result.is_err());
        result
    }

    /// Makes the instance that a call of the function will use. The first one of an interpreter runs the
    /// scripts; all later ones start from its memory.
    ///
    /// # Errors
    /// When no instance can be made.
    pub fn prepare(
        &mut self,
        function: FunctionRef,
        host: &mut Option<Box<H>>,
    ) -> Result<(), Box<CallError>> {
        let object = self.types.types().of(function);
        if Slot::of(&mut self.slots, function.slot, object).is_warm() {
            return Ok(());
        }
        make_room(
            &mut self.slots,
            function.slot,
            object,
            self.engine.account(),
        );
        let slot = Slot::of(&mut self.slots, function.slot, object);
        slot.warm_up(object, &self.engine, &self.linker, &self.log, host)
    }

    /// Drops the instances that no call has used for `idle_ms` milliseconds.
    pub fn drop_idle(&mut self, idle_ms: u64) {
        let now_ms = self.engine.clock().now_ms();
        for slot in &mut self.slots {
            if slot.warm.is_some() && now_ms.saturating_sub(slot.used_ms) >= idle_ms {
                slot.cool_down();
            }
        }
    }

    /// Instances this thread has.
    pub fn count(&self) -> usize {
        count(&self.slots)
    }

    /// Linear memory of all instances of this thread, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.slots
            .iter()
            .filter_map(|slot| slot.warm.as_ref())
            .map(Warm::memory_bytes)
            .sum()
    }
}

fn count<H: ObjectHost>(slots: &[Slot<H>]) -> usize {
    slots.iter().filter(|slot| slot.warm.is_some()).count()
}

/// Before a type's slot gets an instance: makes room for it, as far as this thread's other instances can give it.
#[cold]
fn make_room<H: ObjectHost>(
    slots: &mut [Slot<H>],
    number: u16,
    object: &ObjectType,
    account: &Arc<Account>,
) {
    let fits = || {
        account
            .take(Purpose::Instances, object.memory_bytes_min())
            .is_ok()
    };
    while count(slots) >= INSTANCES_MAX || !fits() {
        let others = slots.iter_mut().enumerate();
        let others = others.filter(|(at, slot)| *at != number as usize && slot.warm.is_some());
        let Some((_, stalest)) = others.min_by_key(|(_, slot)| slot.used_ms) else {
            return;
        };
        stalest.cool_down();
    }
}

/// Refuses a call for reasons known before anything runs. True when calls of the function are watched.
#[inline(always)]
fn admit<H: ObjectHost>(
    object: &ObjectType,
    callable: &Callable,
    args: &[&[u8]],
    engine: &Engine,
    host: &Option<Box<H>>,
) -> Result<bool, Box<CallError>> {
    // `args` begins with the object's key, so it has one more.
    if args.len() <= callable.required {
        let usage = callable.function.usage(&object.name);
        return Err(Box::new(CallError::Usage(usage)));
    }
    let watched = callable.pace.is_watched();
    if watched {
        let now_ms = engine.clock().now_ms();
        if let Some(paused) = callable.pace.paused(object_hash(host), now_ms) {
            return Err(Box::new(CallError::Paused {
                for_ms: paused.until_ms - now_ms,
                whose: paused.whose,
            }));
        }
    }
    Ok(watched)
}

/// Hash of the object whose calls pay for a stop.
#[cold]
fn object_hash<H: ObjectHost>(host: &Option<Box<H>>) -> u64 {
    host.as_ref().map_or(0, |host| host.object_hash())
}

impl<H: ObjectHost> Slot<H> {
    /// The slot of a type, up to date with its generation.
    #[inline(always)]
    fn of<'a>(slots: &'a mut Vec<Slot<H>>, number: u16, object: &ObjectType) -> &'a mut Slot<H> {
        let number = number as usize;
        if number >= slots.len() {
            Slot::add(slots, number);
        }
        let slot = &mut slots[number];
        if slot.generation != object.generation {
            slot.renew(object);
        }
        slot
    }

    #[cold]
    fn add(slots: &mut Vec<Slot<H>>, number: usize) {
        slots.resize_with(number + 1, Slot::vacant);
    }

    /// A slot for a type this thread has not called yet.
    fn vacant() -> Slot<H> {
        Slot {
            generation: 0,
            tally: Arc::default(),
            gauges: Vec::new(),
            prepared: None,
            warm: None,
            used_ms: 0,
        }
    }

    #[cold]
    fn renew(&mut self, object: &ObjectType) {
        if self.generation == 0 {
            self.tally = object.tallies.join();
        }
        self.generation = object.generation;
        self.gauges = vec![Gauge::default(); object.functions.len()];
        self.prepared = None;
        self.cool_down();
    }

    /// Whether the type can be called: there is an instance, and no call in it that never ended, as the host panicked.
    #[inline(always)]
    fn is_warm(&self) -> bool {
        self.warm.as_ref().is_some_and(|warm| !warm.in_call())
    }

    /// Makes an instance, and gives an interpreter its scripts.
    #[cold]
    fn warm_up(
        &mut self,
        object: &ObjectType,
        engine: &Engine,
        linker: &Linker<CallState<H>>,
        log: &Arc<dyn Log>,
        host: &mut Option<Box<H>>,
    ) -> Result<(), Box<CallError>> {
        self.make(object, engine, linker, log)
            .map_err(no_instance)?;
        match &object.setup {
            Some(arguments) if !arguments.is_empty() => {
                let ticked_ms = engine.tick_for(SETUP_MS_MAX);
                self.set_up(object, arguments, ticked_ms, host)
            }
            _ => Ok(()),
        }
    }

    fn set_up(
        &mut self,
        object: &ObjectType,
        arguments: &[Vec<u8>],
        ticked_ms: u64,
        host: &mut Option<Box<H>>,
    ) -> Result<(), Box<CallError>> {
        let warm = self.warm.as_mut().expect("it was just made");
        if let Some(image) = object.image.get() {
            let restored = warm.restore(image);
            if restored.is_err() {
                self.cool_down();
            }
            return restored.map_err(no_instance);
        }
        let Some(function) = object.function_number(SETUP) else {
            return Ok(());
        };
        let before = warm.memory().to_vec();
        let args: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let call = Call {
            function,
            args: &args,
            writes: false,
            deadline_ms: SETUP_MS_MAX,
            budget: Budget::Full,
            ticked_ms,
        };
        let result = warm.run(&call, host, &mut Vec::new()).map(drop);
        match result {
            // Another thread may have been first; the images are alike.
            Ok(()) => drop(object.image.set(Image::new(&before, warm.memory()))),
            Err(_) => self.cool_down(),
        }
        result
    }

    fn make(
        &mut self,
        object: &ObjectType,
        engine: &Engine,
        linker: &Linker<CallState<H>>,
        log: &Arc<dyn Log>,
    ) -> wasmtime::Result<()> {
        self.cool_down();
        let prepared = match &mut self.prepared {
            Some(prepared) => prepared,
            empty => empty.insert(linker.instantiate_pre(&object.module)?),
        };
        let logger = Logger {
            log: Arc::clone(log),
            type_name: Arc::clone(&object.name),
        };
        let share = engine
            .account()
            .take(Purpose::Instances, object.memory_bytes_min())?;
        let warm = Warm::new(prepared, object, logger, engine, share)?;
        self.tally.note_instance(warm.memory_bytes());
        self.warm = Some(warm);
        Ok(())
    }

    /// Drops the instance after a call that failed, or when it is worn out.
    #[inline(always)]
    fn settle(&mut self, object: &ObjectType, failed: bool) {
        let Some(warm) = &mut self.warm else { return };
        if warm.is_spent(failed, object.limits()) {
            self.cool_down();
        } else if let Some(bytes) = warm.memory_change() {
            self.tally.set_memory(bytes);
        }
    }

    #[cold]
    fn cool_down(&mut self) {
        self.warm = None;
        self.tally.set_memory(0);
    }
}

#[cold]
fn no_instance(error: wasmtime::Error) -> Box<CallError> {
    Box::new(CallError::Unavailable(format!("no instance: {error:#}")))
}

impl<H: ObjectHost> Drop for Slot<H> {
    fn drop(&mut self) {
        self.tally.set_memory(0);
    }
}

impl Ending {
    fn of(result: &Result<ReplyKind, Box<CallError>>) -> Ending {
        let Err(error) = result else {
            return Ending::Replied;
        };
        match **error {
            CallError::Trap(_) => Ending::Trap,
            CallError::Deadline { .. } => Ending::Deadline,
            CallError::Limit(_) => Ending::Limit,
            CallError::Slow | CallError::NeedsLane | CallError::Conflict => Ending::Retry,
            _ => Ending::Error,
        }
    }
}
