//! What a store holds while a guest runs: the host, the reply, and what the call has used up.

use std::sync::Arc;

use cacheismo_abi::level;
use wasmtime::{Memory, ResourceLimiter};

use super::deadline::CallTime;
use super::limits::Limits;
use super::object_host::{Handle, ObjectHost, Stop};
use super::reach::{Access, Reach};
use super::ticker::Clock;
use crate::account::{Purpose, Scarce, Share};

/// A buffer of results this large is kept for the next call.
const PARKED_KEPT_BYTES: usize = 64 << 10;

/// Data of a store. The host is moved in for the time of a call.
pub(super) struct CallState<H> {
    pub(super) host: Option<Box<H>>,
    pub(super) guest: Guest,
    pub(super) memory_guard: MemoryGuard,
    /// The export `invoke` of an interpreter that catches errors through the host.
    pub(super) invoke: Option<super::lua::Invoke>,
}

impl<H: ObjectHost> super::lua::LuaData for CallState<H> {
    fn invoke(&mut self) -> &mut Option<super::lua::Invoke> {
        &mut self.invoke
    }
}

/// The part of the state that does not depend on the host.
pub(super) struct Guest {
    /// The guest's memory; set right after instantiation.
    pub(super) memory: Option<Memory>,
    pub(super) limits: Limits,
    pub(super) used: Used,
    /// Whether the last call came back from the guest by itself, with a reply or a failure.
    pub(super) returned: bool,
    /// Whether the function called may write.
    pub(super) writes: bool,
    /// The caller's buffer, swapped in for the time of a call.
    pub(super) reply: Vec<u8>,
    /// Length of `reply` before the call.
    pub(super) reply_start: usize,
    /// The text that `fail` was given.
    pub(super) failure: Option<Vec<u8>>,
    /// Why a host function ended the call.
    pub(super) stop: Option<Stop>,
    /// The bytes that `result_read` reads.
    pub(super) parked: Vec<u8>,
    /// What is parked, on the account.
    parked_share: Share,
    pub(super) time: CallTime,
    /// Other types whose objects the module may touch.
    reach: Arc<Reach>,
    /// Objects the call has opened that it may only read.
    read_only: Vec<Handle>,
    pub(super) log: Logger,
}

/// What one call has used of its limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) host_calls: u64,
    pub(super) host_bytes: u64,
    pub(super) written_bytes: u64,
    pub(super) objects: u64,
    pub(super) log_lines: u64,
    pub(super) log_bytes: u64,
    pub(super) peer_calls: u64,
}

/// Where guests' and the runtime's log lines go.
pub trait Log: Send + Sync {
    /// Whether lines of this level ([`cacheismo_abi::level`]) are shown. Asked before a line is made.
    fn shows(&self, level: i32) -> bool;
    /// One line, printable, about `type:function`.
    fn line(&self, level: i32, subject: &str, text: &str);
}

/// A log that shows nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoLog;

impl Log for NoLog {
    fn shows(&self, _: i32) -> bool {
        false
    }
    fn line(&self, _: i32, _: &str, _: &str) {}
}

/// The log with the type whose instance this is.
pub(super) struct Logger {
    pub(super) log: std::sync::Arc<dyn Log>,
    pub(super) type_name: std::sync::Arc<str>,
}

impl Logger {
    pub(super) fn guest_line(&self, level: i32, text: &[u8]) {
        let level = level.clamp(level::DEBUG, level::ERROR);
        if self.log.shows(level) {
            self.log
                .line(level, &self.type_name, &super::error::one_line(text));
        }
    }
}

impl<H: ObjectHost> CallState<H> {
    pub(super) fn new(
        limits: &Limits,
        log: Logger,
        reach: Arc<Reach>,
        clock: Clock,
        memory: Share,
    ) -> CallState<H> {
        let parked_share = memory.account().share(Purpose::Calls);
        CallState {
            host: None,
            invoke: None,
            memory_guard: MemoryGuard::new(limits, memory),
            guest: Guest {
                memory: None,
                limits: *limits,
                used: Used::default(),
                returned: false,
                writes: false,
                reply: Vec::new(),
                reply_start: 0,
                failure: None,
                stop: None,
                parked: Vec::new(),
                parked_share,
                time: CallTime::new(clock),
                reach,
                read_only: Vec::new(),
                log,
            },
        }
    }
}

impl Guest {
    /// Counts what was parked on the account.
    pub(super) fn hold_parked(&mut self) -> Result<(), Stop> {
        let held = self.parked_share.resize(self.parked.capacity());
        held.map_err(|scarce| {
            self.parked = Vec::new();
            Stop::Limit(scarce.to_string())
        })
    }

    /// Drops what was parked after a call, unless it is little.
    #[inline]
    pub(super) fn drop_parked(&mut self) {
        if self.parked.capacity() > PARKED_KEPT_BYTES {
            self.parked = Vec::new();
            let _ = self.parked_share.resize(0);
        }
    }

    /// Counts bytes the host copies for the guest.
    #[inline]
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Stop> {
        spend(
            &mut self.used.host_bytes,
            bytes as u64,
            self.limits.host_bytes,
            "bytes copied by the host",
        )
    }

    /// Counts a host call.
    #[inline]
    pub(super) fn spend_call(&mut self) -> Result<(), Stop> {
        spend(
            &mut self.used.host_calls,
            1,
            self.limits.host_calls,
            "host calls",
        )
    }

    /// Counts an object that is to be opened, and refuses those of types the module may not touch.
    pub(super) fn spend_open(&mut self, type_name: &[u8], key: &[u8]) -> Result<Access, Stop> {
        let Guest { used, limits, .. } = self;
        if used.objects == 0 {
            // Handles of the call before mean nothing any more.
            self.read_only.clear();
        }
        spend(&mut used.objects, 1, limits.objects, "opened objects")?;
        self.spend_bytes(type_name.len() + key.len())?;
        match self.reach.access(type_name) {
            Access::None => Err(self.foreign("open", type_name)),
            access => Ok(access),
        }
    }

    /// Notes that the object may be read, not changed.
    pub(super) fn note_read_only(&mut self, h: Handle) {
        if !self.read_only.contains(&h) {
            self.read_only.push(h);
        }
    }

    #[cold]
    fn foreign(&self, verb: &str, type_name: &[u8]) -> Stop {
        let own = self.reach.own();
        let type_name = String::from_utf8_lossy(type_name);
        Stop::Refused(format!(
            "the type {own:?} may not {verb} objects of type {type_name:?}: its metadata does not say so"
        ))
    }

    /// Counts a write to an object, and refuses it in a read-only function, or on an object of another type that the
    /// module may only read.
    #[inline]
    pub(super) fn spend_write_to(&mut self, h: Handle, bytes: usize) -> Result<(), Stop> {
        if h != Handle::OWN && self.read_only.contains(&h) {
            return Err(self.only_read());
        }
        self.spend_write(bytes)
    }

    #[cold]
    fn only_read(&self) -> Stop {
        Stop::Refused(format!(
            "the type {:?} may only read this object of another type: its metadata does not say more",
            self.reach.own()
        ))
    }

    /// Counts a write, and refuses it in a read-only function.
    #[inline]
    pub(super) fn spend_write(&mut self, bytes: usize) -> Result<(), Stop> {
        if !self.writes {
            return Err(Stop::Misuse("write in a read-only function"));
        }
        spend(
            &mut self.used.written_bytes,
            bytes as u64,
            self.limits.written_bytes,
            "bytes written",
        )
    }

    /// Appends to the reply.
    #[inline]
    pub(super) fn extend_reply<const N: usize>(&mut self, parts: &[&[u8]; N]) -> Result<(), Stop> {
        let so_far = self.reply.len() - self.reply_start;
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if (so_far + bytes) as u64 > self.limits.reply_bytes {
            return Err(exceeded(self.limits.reply_bytes, "reply bytes"));
        }
        let reserved = self.reply.try_reserve(bytes);
        reserved.map_err(|_| Stop::Limit(Scarce.to_string()))?;
        parts
            .iter()
            .for_each(|part| self.reply.extend_from_slice(part));
        Ok(())
    }
}

/// Adds to a counter that must not pass its limit.
#[inline]
pub(super) fn spend(used: &mut u64, amount: u64, limit: u64, what: &str) -> Result<(), Stop> {
    *used += amount;
    if *used > limit {
        Err(exceeded(limit, what))
    } else {
        Ok(())
    }
}

#[cold]
pub(super) fn exceeded(limit: u64, what: &str) -> Stop {
    Stop::Limit(format!("limit of {limit} {what} reached"))
}

/// Bounds of an instance's memory and table, and what was refused.
#[derive(Debug)]
pub(super) struct MemoryGuard {
    memory_bytes: usize,
    /// The memory on the account.
    share: Share,
    table_elements: usize,
    /// Whether growth beyond a limit was refused; a trap that follows is most likely due to it.
    pub(super) refused: bool,
    /// Whether the memory grew.
    pub(super) grew: bool,
}

impl MemoryGuard {
    /// Of an instance that holds `share` from the start.
    pub(super) fn new(limits: &Limits, share: Share) -> MemoryGuard {
        MemoryGuard {
            memory_bytes: limits.memory_bytes as usize,
            share,
            table_elements: limits.table_elements as usize,
            refused: false,
            grew: false,
        }
    }
}

impl ResourceLimiter for MemoryGuard {
    fn memory_growing(&mut self, _: usize, to: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = to <= self.memory_bytes && self.share.resize(to).is_ok();
        self.refused |= !allowed;
        self.grew |= allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, to: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(to <= self.table_elements)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
