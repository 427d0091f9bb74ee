//! One instance and a call on it.

use std::sync::Arc;

use cacheismo_abi::{FAILED, FUNCTION_PREFIX, REFUSED, RESERVE_EXPORT};
use wasmtime::{InstancePre, Memory, Store, TypedFunc, UpdateDeadline, WasmBacktrace};

use super::image::Image;
use super::value;
use crate::account::Share;
use crate::runtime::engine::Engine;
use crate::runtime::error::{CallError, Trap, one_line};
use crate::runtime::guest_memory::Span;
use crate::runtime::limits::{Budget, Limits};
use crate::runtime::loader::Places;
use crate::runtime::object_host::{ObjectHost, Stop};
use crate::runtime::object_type::ObjectType;
use crate::runtime::state::{CallState, Logger, Used, exceeded};

/// Memory grows by pages of this size.
const WASM_PAGE_BYTES: usize = 65_536;

/// An instance, and what is looked up in it once.
pub(super) struct Warm<H: ObjectHost> {
    store: Store<CallState<H>>,
    memory: Memory,
    places: Places,
    buffer_bytes: usize,
    reserve: TypedFunc<i32, i32>,
    /// The module's functions, by their numbers; the functions of scripts have no place here.
    functions: Box<[Option<TypedFunc<i32, i64>>]>,
    calls: u64,
    in_call: bool,
}

/// What a function's reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// What was asked for, or that it is done.
    Answer,
    /// A refusal in words of the function. What the function wrote is committed all the same.
    Refusal,
}

impl ReplyKind {
    #[inline]
    fn of(returned: i64) -> ReplyKind {
        match returned & REFUSED {
            0 => ReplyKind::Answer,
            _ => ReplyKind::Refusal,
        }
    }
}

/// What is to be called.
pub(super) struct Call<'a> {
    pub(super) function: usize,
    pub(super) args: &'a [&'a [u8]],
    pub(super) writes: bool,
    pub(super) deadline_ms: u64,
    pub(super) budget: Budget,
    /// The last tick before the call, in milliseconds.
    pub(super) ticked_ms: u64,
}

impl Call<'_> {
    /// Milliseconds the call may take.
    #[inline]
    fn budget_ms(&self) -> u64 {
        match self.budget {
            Budget::Inline { ms } => ms.min(self.deadline_ms),
            Budget::Full => self.deadline_ms,
        }
    }

    /// The error of a call that took longer.
    fn late(&self) -> CallError {
        if self.budget_ms() < self.deadline_ms {
            CallError::Slow
        } else {
            CallError::Deadline {
                ms: self.deadline_ms,
            }
        }
    }
}

impl<H: ObjectHost> Warm<H> {
    pub(super) fn new(
        prepared: &InstancePre<CallState<H>>,
        object: &ObjectType,
        logger: Logger,
        engine: &Engine,
        share: Share,
    ) -> wasmtime::Result<Warm<H>> {
        let reach = Arc::clone(&object.reach);
        let state = CallState::new(
            object.limits(),
            logger,
            reach,
            engine.clock().clone(),
            share,
        );
        let mut store = Store::new(&engine.wasm, state);
        store.limiter(|state| &mut state.memory_guard);
        store.epoch_deadline_callback(|mut store| {
            Ok(match store.data_mut().guest.time.is_late() {
                true => UpdateDeadline::Interrupt,
                false => UpdateDeadline::Continue(1),
            })
        });
        let instance = prepared.instantiate(&mut store)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .expect("the loader checked the export");
        store.data_mut().guest.memory = Some(memory);
        let reserve = instance.get_typed_func(&mut store, RESERVE_EXPORT)?;
        let functions = object
            .functions
            .iter()
            .enumerate()
            .map(|(number, callable)| match callable {
                Some(callable) if usize::from(callable.run_by) == number => {
                    let export = format!("{FUNCTION_PREFIX}{}", callable.function.name);
                    instance.get_typed_func(&mut store, &export).map(Some)
                }
                _ => Ok(None),
            })
            .collect::<wasmtime::Result<_>>()?;
        Ok(Warm {
            store,
            memory,
            places: object.places,
            buffer_bytes: object.metadata().buffer as usize,
            reserve,
            functions,
            calls: 0,
            in_call: false,
        })
    }

    /// Whether a call was begun and never ended.
    #[inline]
    pub(super) fn in_call(&self) -> bool {
        self.in_call
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Gives a new instance the memory of one that had taken its scripts.
    pub(super) fn restore(&mut self, image: &Image) -> wasmtime::Result<()> {
        let missing = image.memory_bytes().saturating_sub(self.memory_bytes());
        let pages = missing.div_ceil(WASM_PAGE_BYTES) as u64;
        self.memory.grow(&mut self.store, pages)?;
        image.write(self.memory.data_mut(&mut self.store));
        Ok(())
    }

    /// The size of the memory, when it grew since this was last asked.
    pub(super) fn memory_change(&mut self) -> Option<usize> {
        let grew = std::mem::take(&mut self.store.data_mut().memory_guard.grew);
        grew.then(|| self.memory_bytes())
    }

    /// Whether the instance is to be dropped. Always after a call that was stopped: a trap leaves the guest's stack
    /// pointer, and whatever it was about to do, where they were.
    #[inline]
    pub(super) fn is_spent(&self, failed: bool, limits: &Limits) -> bool {
        let grew = self.store.data().memory_guard.grew;
        (failed && !self.returned())
            || self.calls >= limits.instance_calls
            || grew && self.memory_bytes() as u64 > limits.memory_keep_bytes
    }

    /// Whether the last call came back from the guest by itself.
    #[inline]
    fn returned(&self) -> bool {
        self.store.data().guest.returned
    }

    /// Runs a call. On errors `reply` has its former length.
    ///
    /// # Panics
    /// When there is no host.
    #[inline(always)]
    pub(super) fn run(
        &mut self,
        call: &Call<'_>,
        host: &mut Option<Box<H>>,
        reply: &mut Vec<u8>,
    ) -> Result<ReplyKind, Box<CallError>> {
        // The next tick interrupts the guest, which then asks for the time.
        self.store.set_epoch_deadline(1);
        self.calls += 1;
        self.in_call = true;

        let state = self.store.data_mut();
        std::mem::swap(&mut state.host, host);
        state.memory_guard.refused = false;
        let guest = &mut state.guest;
        guest.used = Used::default();
        guest.writes = call.writes;
        guest.failure = None;
        guest.stop = None;
        guest.returned = false;
        guest.time.begin(call.ticked_ms, call.budget_ms());
        guest.reply_start = reply.len();
        std::mem::swap(&mut guest.reply, reply);

        let ended = self.enter(call);
        let result = match ended {
            Ok(kind) => Ok(kind),
            Err(fault) => Err(Box::new(self.explain(fault, call))),
        };

        let state = self.store.data_mut();
        std::mem::swap(&mut state.guest.reply, reply);
        if result.is_err() {
            reply.truncate(state.guest.reply_start);
        }
        state.guest.drop_parked();
        std::mem::swap(&mut state.host, host);
        self.in_call = false;
        result
    }

    /// From the arguments to the reply, both inside the guest's memory.
    #[inline(always)]
    fn enter(&mut self, call: &Call<'_>) -> Result<ReplyKind, Fault> {
        let len = self.put_arguments(call.args)?;
        let function = self.functions[call.function]
            .as_ref()
            .expect("the caller found the function in the same generation");
        let returned = function.call(&mut self.store, len)?;
        let (memory, state) = self.memory.data_and_store_mut(&mut self.store);
        let guest = &mut state.guest;
        if returned == FAILED {
            guest.returned = true;
            return Err(Fault::Failed);
        }
        let kind = ReplyKind::of(returned);
        let reply = Span::new(((returned & !REFUSED) >> 32) as i32, returned as i32);
        guest.extend_reply(&[reply.of(memory)?])?;
        if let Some(cell) = self.places.value {
            value::take(memory, cell, there(&mut state.host), guest)?;
        }
        guest.returned = true;
        Ok(kind)
    }

    /// Writes count, lengths and bytes of the arguments where the guest expects them; returns the parameter of its
    /// function.
    #[inline(always)]
    fn put_arguments(&mut self, args: &[&[u8]]) -> Result<i32, Fault> {
        let bytes: usize = args.iter().map(|arg| arg.len()).sum();
        let len = 4 + 4 * args.len() + bytes;
        let limit = self.store.data().guest.limits.argument_bytes;
        if len as u64 > limit {
            return Err(exceeded(limit, "argument bytes").into());
        }
        let parameter = len as i32;
        let (address, parameter) = if len <= self.buffer_bytes {
            (self.places.buffer as i32, parameter)
        } else {
            (self.reserve.call(&mut self.store, parameter)?, -parameter)
        };
        let (memory, state) = self.memory.data_and_store_mut(&mut self.store);
        if let Some(cell) = self.places.value {
            value::give(memory, cell, there(&mut state.host))?;
        }
        let place = Span::new(address, len as i32).of_mut(memory)?;
        let (head, mut rest) = place.split_at_mut(4 + 4 * args.len());
        let (words, _) = head.as_chunks_mut::<4>();
        words[0] = (args.len() as u32).to_le_bytes();
        for (arg, length) in args.iter().zip(&mut words[1..]) {
            *length = (arg.len() as u32).to_le_bytes();
            let (bytes, after) = rest.split_at_mut(arg.len());
            bytes.copy_from_slice(arg);
            rest = after;
        }
        Ok(parameter)
    }

    /// Why the call ended, in words.
    #[cold]
    fn explain(&mut self, fault: Fault, call: &Call<'_>) -> CallError {
        let state = self.store.data_mut();
        let failure = state.guest.failure.take();
        let error = match fault {
            Fault::Failed => {
                let text = failure
                    .as_deref()
                    .map_or_else(|| "failed".to_owned(), one_line);
                return CallError::Failed(text);
            }
            Fault::Stop(stop) => return stopped(stop, Vec::new(), call),
            Fault::Wasm(error) => error,
        };
        let frames = frames(&error);
        if let Some(stop) = state.guest.stop.take() {
            return stopped(stop, frames, call);
        }
        let trap = error.downcast_ref::<wasmtime::Trap>().copied();
        if trap == Some(wasmtime::Trap::Interrupt) {
            return call.late();
        }
        if state.memory_guard.refused {
            let limit = state.guest.limits.memory_bytes;
            return CallError::Limit(format!("limit of {limit} bytes of memory reached"));
        }
        let message = match (failure, trap) {
            (Some(text), _) => one_line(&text),
            (None, Some(trap)) => trap_text(trap),
            (None, None) => one_line(format!("{error:#}").as_bytes()),
        };
        CallError::Trap(Trap { message, frames })
    }
}

/// The host of a call.
fn there<H>(host: &mut Option<Box<H>>) -> &mut H {
    host.as_mut().expect("a call has a host")
}

/// The error of a call that the host or a host function ended, with the reason `stop`.
fn stopped(stop: Stop, frames: Vec<String>, call: &Call<'_>) -> CallError {
    match stop {
        Stop::Deadline => call.late(),
        Stop::Refused(text) => CallError::Failed(one_line(text.as_bytes())),
        Stop::Conflict => CallError::Conflict,
        Stop::NeedsLane => CallError::NeedsLane,
        Stop::Limit(text) => CallError::Limit(one_line(text.as_bytes())),
        Stop::Misuse(text) => CallError::Trap(Trap {
            message: text.to_owned(),
            frames,
        }),
    }
}

/// Why a call did not come back with a reply.
enum Fault {
    /// The guest failed on purpose.
    Failed,
    /// The host refused something before or after the guest ran.
    Stop(Stop),
    /// A trap, or a host function's refusal.
    Wasm(wasmtime::Error),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stop(stop)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Fault {
        Fault::Wasm(error)
    }
}

fn trap_text(trap: wasmtime::Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

/// Names of the guest's functions, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frames = backtrace.map_or(&[][..], WasmBacktrace::frames);
    frames
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => one_line(name.as_bytes()),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}
