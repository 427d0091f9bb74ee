//! The fake host: objects in maps, an undo log, counters.

use std::collections::BTreeMap;
use std::ops::Bound;

use cacheismo_abi::{
    SCAN_AFTER, SCAN_ENTRY_HEAD, SCAN_KEYS, SCAN_REVERSE, SELF, TTL_ABSENT, TTL_NEVER,
};

use crate::cell::ValueCell;

/// Type and key of an object.
type Id = (Vec<u8>, Vec<u8>);

/// All objects, by type and key.
pub type State = BTreeMap<Id, Stored>;

/// An object as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The opaque value.
    pub value: Option<Vec<u8>>,
    /// The fields.
    pub fields: BTreeMap<Vec<u8>, Vec<u8>>,
    /// When the object expires, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// Limits of a call. The default is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Host calls.
    pub host_calls: u64,
    /// Bytes of the answer.
    pub reply_bytes: u64,
    /// Bytes of all field names and values written.
    pub written_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            host_calls: u64::MAX,
            reply_bytes: u64::MAX,
            written_bytes: u64::MAX,
        }
    }
}

/// Why the host ends a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    Limit(&'static str),
    Trap(&'static str),
}

/// How to take back a write.
enum Undo {
    Object(Id, Option<Stored>),
    Field(Id, Vec<u8>, Option<Vec<u8>>),
    Value(Id, Option<Vec<u8>>),
    Expiry(Id, Option<i64>),
}

pub(super) struct Host {
    pub(super) types: Vec<&'static str>,
    pub(super) state: State,
    pub(super) limits: Limits,
    pub(super) now_ms: i64,
    pub(super) utc_offset_s: Box<dyn Fn(i64) -> i32>,
    pub(super) random: u64,
    pub(super) logged: Vec<(i32, String)>,
    /// Host calls of the call that runs, or of the last one.
    pub(super) calls: u64,
    /// Types whose objects the call may open to read, and to change, beside its own.
    pub(super) reach: [&'static [&'static str]; 2],
    open: Vec<Id>,
    writes: bool,
    fail_at: Option<u64>,
    written_bytes: u64,
    undo: Vec<Undo>,
    reply: Vec<u8>,
    refusal: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            state: State::new(),
            limits: Limits::default(),
            now_ms: 1_704_067_200_000,
            utc_offset_s: Box::new(|_| 0),
            random: 0,
            logged: Vec::new(),
            calls: 0,
            reach: [&[]; 2],
            open: Vec::new(),
            writes: false,
            fail_at: None,
            written_bytes: 0,
            undo: Vec::new(),
            reply: Vec::new(),
            refusal: None,
        }
    }
}

fn lists(types: &[&str], type_name: &[u8]) -> bool {
    let mut names = types.iter();
    names.any(|name| *name == "*" || name.as_bytes() == type_name)
}

impl Host {
    pub(super) fn begin(
        &mut self,
        type_name: &str,
        key: &[u8],
        writes: bool,
        fail_at: Option<u64>,
    ) {
        self.open = vec![(type_name.as_bytes().to_vec(), key.to_vec())];
        self.writes = writes;
        self.fail_at = fail_at;
        self.calls = 0;
        self.written_bytes = 0;
        self.reply.clear();
        self.refusal = None;
    }

    /// Keeps what the call wrote, or takes it back.
    pub(super) fn end(&mut self, keep: bool) {
        let undo = std::mem::take(&mut self.undo);
        if keep {
            return;
        }
        for undo in undo.into_iter().rev() {
            self.take_back(undo);
        }
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Object(id, Some(object)) => drop(self.state.insert(id, object)),
            Undo::Object(id, None) => drop(self.state.remove(&id)),
            Undo::Field(id, field, Some(value)) => drop(self.entry(id).fields.insert(field, value)),
            Undo::Field(id, field, None) => drop(self.entry(id).fields.remove(&field)),
            Undo::Value(id, value) => self.entry(id).value = value,
            Undo::Expiry(id, expires_ms) => self.entry(id).expires_ms = expires_ms,
        }
    }

    fn entry(&mut self, id: Id) -> &mut Stored {
        self.state.entry(id).or_default()
    }

    /// Puts the value of the call's object into the cell.
    pub(super) fn fill(&self, cell: &'static ValueCell) -> &'static ValueCell {
        let object = self.object(SELF).unwrap_or_default();
        cell.fill(object.and_then(|object| object.value.as_deref()));
        cell
    }

    /// The streamed part and the tail together. What changed in the cell is kept.
    pub(super) fn take_answer(
        &mut self,
        tail: &[u8],
        cell: Option<&ValueCell>,
    ) -> Result<Vec<u8>, Stop> {
        self.stream(tail)?;
        let mut kept = Ok(());
        if let Some(cell) = cell {
            cell.settle(|value| kept = self.set_value(SELF, value));
        }
        kept.map(|()| std::mem::take(&mut self.reply))
    }

    pub(super) fn take_refusal(&mut self) -> String {
        self.refusal.take().unwrap_or_default()
    }

    pub(super) fn set_time(&mut self, unix_ms: i64) {
        self.now_ms = unix_ms;
        self.state.retain(|_, object| {
            object
                .expires_ms
                .is_none_or(|expires_ms| expires_ms > unix_ms)
        });
    }

    pub(super) fn count_call(&mut self) -> Result<(), Stop> {
        self.calls += 1;
        if self.fail_at == Some(self.calls) {
            return Err(Stop::Trap("the test makes this host call fail"));
        }
        if self.calls > self.limits.host_calls {
            return Err(Stop::Limit("too many host calls"));
        }
        Ok(())
    }

    /// Opening the same object again gives the same handle.
    pub(super) fn open(&mut self, type_name: &[u8], key: &[u8]) -> Result<i32, Stop> {
        if !self.types.iter().any(|known| known.as_bytes() == type_name) {
            return Err(Stop::Trap("opened an object of an unknown type"));
        }
        if !self.may_open(type_name) && !self.may_change(type_name) {
            return Err(Stop::Trap(
                "opened an object of a type that `opens` and `writes` do not list",
            ));
        }
        let id = (type_name.to_vec(), key.to_vec());
        let known = self.open.iter().position(|open| *open == id);
        let handle = known.unwrap_or_else(|| {
            self.open.push(id);
            self.open.len() - 1
        });
        i32::try_from(handle).map_err(|_| Stop::Limit("too many objects opened"))
    }

    fn may_open(&self, type_name: &[u8]) -> bool {
        lists(self.reach[0], type_name)
    }

    /// Whether the call may change objects of that type: always those of its own type, which the first handle has.
    fn may_change(&self, type_name: &[u8]) -> bool {
        self.open[0].0 == type_name || lists(self.reach[1], type_name)
    }

    fn id(&self, h: i32) -> Result<&Id, Stop> {
        let open = usize::try_from(h)
            .ok()
            .and_then(|handle| self.open.get(handle));
        open.ok_or(Stop::Trap("unknown handle"))
    }

    pub(super) fn object(&self, h: i32) -> Result<Option<&Stored>, Stop> {
        let object = self.state.get(self.id(h)?);
        Ok(object.filter(|object| {
            object
                .expires_ms
                .is_none_or(|expires_ms| expires_ms > self.now_ms)
        }))
    }

    /// The object's id, if this call may write.
    fn writable(&self, h: i32) -> Result<Id, Stop> {
        let id = self.id(h)?;
        if !self.writes {
            return Err(Stop::Trap("a write in a function that only reads"));
        }
        if !self.may_change(&id.0) {
            return Err(Stop::Trap(
                "a write to an object of a type that `writes` does not list",
            ));
        }
        Ok(id.clone())
    }

    /// Accounts a write, and creates the object when it is absent.
    fn write(&mut self, h: i32, bytes: usize) -> Result<Id, Stop> {
        self.writable(h)?;
        self.written_bytes += bytes as u64;
        if self.written_bytes > self.limits.written_bytes {
            return Err(Stop::Limit("too many bytes written"));
        }
        self.create(h)?;
        self.id(h).cloned()
    }

    pub(super) fn create(&mut self, h: i32) -> Result<bool, Stop> {
        let id = self.writable(h)?;
        if self.object(h)?.is_some() {
            return Ok(false);
        }
        let expired = self.state.insert(id.clone(), Stored::default());
        self.undo.push(Undo::Object(id, expired));
        Ok(true)
    }

    pub(super) fn delete(&mut self, h: i32) -> Result<bool, Stop> {
        let id = self.writable(h)?;
        let existed = self.object(h)?.is_some();
        let object = self.state.remove(&id);
        self.undo.push(Undo::Object(id, object));
        Ok(existed)
    }

    pub(super) fn ttl(&self, h: i32) -> Result<i64, Stop> {
        Ok(match self.object(h)? {
            None => TTL_ABSENT,
            Some(object) => object
                .expires_ms
                .map_or(TTL_NEVER, |expires_ms| expires_ms - self.now_ms),
        })
    }

    pub(super) fn set_ttl(&mut self, h: i32, ms: i64) -> Result<bool, Stop> {
        let id = self.writable(h)?;
        if self.object(h)?.is_none() {
            return Ok(false);
        }
        let expires_ms = (ms != TTL_NEVER).then(|| self.now_ms.saturating_add(ms));
        let old = std::mem::replace(&mut self.entry(id.clone()).expires_ms, expires_ms);
        self.undo.push(Undo::Expiry(id, old));
        Ok(true)
    }

    pub(super) fn set_value(&mut self, h: i32, value: &[u8]) -> Result<(), Stop> {
        let id = self.write(h, value.len())?;
        let old = self.entry(id.clone()).value.replace(value.to_vec());
        self.undo.push(Undo::Value(id, old));
        Ok(())
    }

    pub(super) fn put(&mut self, h: i32, field: &[u8], value: &[u8]) -> Result<bool, Stop> {
        let id = self.write(h, field.len() + value.len())?;
        let old = self
            .entry(id.clone())
            .fields
            .insert(field.to_vec(), value.to_vec());
        let new = old.is_none();
        self.undo.push(Undo::Field(id, field.to_vec(), old));
        Ok(new)
    }

    pub(super) fn remove(&mut self, h: i32, field: &[u8]) -> Result<bool, Stop> {
        let id = self.writable(h)?;
        let Some(old) = self
            .state
            .get_mut(&id)
            .and_then(|object| object.fields.remove(field))
        else {
            return Ok(false);
        };
        self.undo.push(Undo::Field(id, field.to_vec(), Some(old)));
        Ok(true)
    }

    pub(super) fn clear(&mut self, h: i32) -> Result<(), Stop> {
        let id = self.writable(h)?;
        let fields = self
            .state
            .get_mut(&id)
            .map(|object| std::mem::take(&mut object.fields))
            .unwrap_or_default();
        let undo = fields
            .into_iter()
            .map(|(field, value)| Undo::Field(id.clone(), field, Some(value)));
        self.undo.extend(undo);
        Ok(())
    }

    /// Fills `out` with whole entries, as the ABI says.
    pub(super) fn scan(
        &self,
        h: i32,
        from: &[u8],
        flags: i32,
        out: &mut [u8],
    ) -> Result<i32, Stop> {
        let Some(object) = self.object(h)? else {
            return Ok(0);
        };
        let start = if flags & SCAN_AFTER != 0 {
            Bound::Excluded(from)
        } else {
            Bound::Included(from)
        };
        let open = Bound::Unbounded;
        Ok(if flags & SCAN_REVERSE == 0 {
            fill(object.fields.range::<[u8], _>((start, open)), flags, out)
        } else {
            let start = if from.is_empty() { open } else { start };
            fill(
                object.fields.range::<[u8], _>((open, start)).rev(),
                flags,
                out,
            )
        })
    }

    pub(super) fn next_random(&mut self) -> u64 {
        // SplitMix64: a counter and a mixer, so that any seed is a good one.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn refuse(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.refusal = Some(String::from_utf8_lossy(text).into_owned());
        Ok(())
    }

    pub(super) fn stream(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.reply.extend_from_slice(bytes);
        if self.reply.len() as u64 > self.limits.reply_bytes {
            return Err(Stop::Limit("the answer is too long"));
        }
        Ok(())
    }
}

/// Copies whole entries while they fit.
fn fill<'s>(
    entries: impl Iterator<Item = (&'s Vec<u8>, &'s Vec<u8>)>,
    flags: i32,
    out: &mut [u8],
) -> i32 {
    let mut filled = 0;
    for (key, value) in entries {
        let value = if flags & SCAN_KEYS == 0 {
            value.as_slice()
        } else {
            &[]
        };
        let entry_bytes = SCAN_ENTRY_HEAD + key.len() + value.len();
        let Some(entry) = out[filled..].get_mut(..entry_bytes) else {
            return if filled == 0 {
                -abi_length(entry_bytes)
            } else {
                abi_length(filled)
            };
        };
        entry[..4].copy_from_slice(&abi_length(key.len()).to_le_bytes());
        entry[4..8].copy_from_slice(&abi_length(value.len()).to_le_bytes());
        entry[8..8 + key.len()].copy_from_slice(key);
        entry[8 + key.len()..].copy_from_slice(value);
        filled += entry_bytes;
    }
    abi_length(filled)
}

fn abi_length(length: usize) -> i32 {
    i32::try_from(length).expect("a test's fields are short")
}

const _: () = assert!(SELF == 0, "the first opened object is the call's own");
