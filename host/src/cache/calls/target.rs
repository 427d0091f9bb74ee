//! Where a key leads: to the item of that name, or to a function of an object.

use super::Calls;
use super::transaction::OBJECT_NAME_BYTES_MAX;
use crate::cache::object_name;
use crate::cache::scripts::ScriptFunction;
use crate::protocol::VirtualKey;
use crate::runtime::{FunctionRef, ObjectType};
use crate::store::Key;

/// Object type answered by the host itself.
const HELP: &[u8] = b"help";

/// What a key of a client leads to, and the hash of the item that is there.
#[derive(Clone, Debug)]
pub(in crate::cache) enum Target<'a> {
    /// The item of that key.
    Item(Key<'a>),
    /// A function of an object.
    Call(Call<'a>),
}

impl Target<'_> {
    /// Hash of the item's key or of the object's name; 0 where there can be no object.
    pub(in crate::cache) fn hash(&self) -> u64 {
        match self {
            Target::Item(key) => key.hash,
            Target::Call(call) => call.object.map_or(0, |object| object.hash),
        }
    }
}

/// A key that calls a function.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Call<'a> {
    pub(super) virtual_key: VirtualKey<'a>,
    /// Name of the object; `None` when it is too long for any object.
    pub(super) object: Option<ObjectName>,
    /// The function called; `None` for the host's own help.
    pub(super) function: Option<FunctionRef>,
    /// Whether the function may write.
    pub(super) writes: bool,
    /// Whether the function uses no other object and no item.
    pub(super) alone: bool,
    /// Whether the function's calls have been slow of late.
    pub(super) on_lane: bool,
    /// Whether the function is a script's.
    pub(super) script: bool,
}

/// The name of an object, `type$key`, among the names of the present batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct ObjectName {
    start: usize,
    len: usize,
    pub(super) hash: u64,
}

impl ObjectName {
    pub(super) fn of<'n>(&self, names: &'n [u8]) -> Key<'n> {
        Key {
            bytes: &names[self.start..][..self.len],
            hash: self.hash,
        }
    }
}

impl Calls {
    /// Where a key leads.
    #[inline(always)]
    pub(in crate::cache) fn target<'a>(&mut self, key: &'a [u8]) -> Target<'a> {
        match VirtualKey::parse(key).and_then(|key| self.virtual_key(key)) {
            Some(call) => Target::Call(call),
            None => Target::Item(self.shared.store.key(key)),
        }
    }

    /// What the key calls; `None` when it is an ordinary key.
    // Always inlined, as the result is long.
    #[inline(always)]
    fn virtual_key<'a>(&mut self, virtual_key: VirtualKey<'a>) -> Option<Call<'a>> {
        let scripts = self.scripts.load().as_deref();
        let script = scripts.and_then(|scripts| scripts.find(&virtual_key));
        let of = |object: &ObjectType, function, writes| {
            let on_lane = object.wants_lane(function);
            (Some(function), writes, object.is_alone(), on_lane)
        };
        let (function, writes, alone, on_lane) = if let Some(found) = script {
            let ScriptFunction { function, writes } = found?;
            let object = self.types.types().of(function);
            of(object, function, writes)
        } else {
            let (types, function) = self.types.find(virtual_key.call());
            if let Some(function) = function {
                let object = types.of(function);
                let writes = object.function(function).is_some_and(|f| f.writes);
                of(object, function, writes)
            } else if virtual_key.type_name() == HELP && self.is_topic(&virtual_key) {
                (None, false, false, false)
            } else {
                return None;
            }
        };
        let object = self.object_name(&virtual_key);
        if let Some(object) = object
            && writes
            && !alone
        {
            self.shared.locks.prefetch(object.hash);
        }
        Some(Call {
            virtual_key,
            object,
            function,
            writes,
            alone,
            on_lane,
            script: script.is_some(),
        })
    }

    /// Hash of the name of a virtual key's object; 0 when the name is too long for any object.
    pub(in crate::cache) fn object_hash(&mut self, key: &VirtualKey<'_>) -> u64 {
        self.object_name(key).map_or(0, |object| object.hash)
    }

    /// Adds the object's name to those of the batch; `None` when it is too long for any object.
    #[inline(always)]
    pub(super) fn object_name(&mut self, key: &VirtualKey<'_>) -> Option<ObjectName> {
        let (type_name, object) = (key.type_name(), key.object());
        let len = object_name::len(type_name, object);
        if len > OBJECT_NAME_BYTES_MAX {
            return None;
        }
        let start = self.names.len();
        for part in object_name::parts(type_name, object) {
            self.names.extend_from_slice(part);
        }
        let hash = self.shared.store.hash(&self.names[start..]);
        Some(ObjectName { start, len, hash })
    }
}
