//! One object inside a transaction: what the store holds, with the call's own writes on top.
//!
//! A small object is copied out whole when it is opened and edited in place; a large one
//! keeps only the changed fields and asks the store for the others.

use std::collections::BTreeMap;

use super::overlay;
use crate::runtime::{Scan, Stop};
use crate::store::fields::small::{self, Put, SmallRef};
use crate::store::{
    Change, Commit, Expiry, Gone, Key, Now, Place, SMALL_BYTES_MAX, Store, Version,
};

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Stop {
        Stop::Conflict
    }
}

/// How far a call changed the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    #[default]
    Nothing,
    Expiry,
    State,
}

/// Changed fields of a large object: `None` is a deleted field.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether the fields that the store has are hidden.
    pub(super) cleared: bool,
    /// Whether all that the store has is hidden, the opaque value included.
    fresh: bool,
    pub(super) fields: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    value: Option<Vec<u8>>,
    count: u64,
}

/// An opened object.
#[derive(Debug)]
pub(super) struct Object {
    /// The object's name, `type$key`.
    pub(super) name: Vec<u8>,
    pub(super) hash: u64,
    opened: bool,
    /// Version and place of the object in the store; `None` when the store has none.
    base: Option<(Version, Place)>,
    present: bool,
    expiry: Expiry,
    touched: Touched,
    /// The whole state, when `large` is `None`.
    small: Vec<u8>,
    large: Option<Box<Changes>>,
}

impl Object {
    pub(super) fn new() -> Object {
        Object {
            name: Vec::new(),
            hash: 0,
            opened: false,
            base: None,
            present: false,
            expiry: Expiry(None),
            touched: Touched::Nothing,
            small: Vec::new(),
            large: None,
        }
    }

    /// Makes this value stand for another object, keeping the buffers.
    pub(super) fn rename(&mut self, key: Key<'_>) {
        self.name.clear();
        self.name.extend_from_slice(key.bytes);
        self.hash = key.hash;
        self.forget();
    }

    /// Makes the object one that was not read yet, for the next run of the same call.
    pub(super) fn forget(&mut self) {
        self.opened = false;
        self.base = None;
        self.present = false;
        self.expiry = Expiry(None);
        self.touched = Touched::Nothing;
        self.small.clear();
        self.large = None;
    }

    pub(super) fn key(&self) -> Key<'_> {
        Key {
            bytes: &self.name,
            hash: self.hash,
        }
    }

    /// Reads the object from the store.
    pub(super) fn open(&mut self, store: &Store, now: Now) -> Result<(), Stop> {
        let key = Key {
            bytes: &self.name,
            hash: self.hash,
        };
        let found = store
            .object_open(key, now, &mut self.small)
            .map_err(|_plain| Stop::Misuse("a plain item has the name of this object"))?;
        self.opened = true;
        if let Some(info) = found {
            self.base = Some((info.version, info.place));
            self.present = true;
            self.expiry = info.expiry;
            if !info.loaded {
                self.large = Some(Box::new(Changes {
                    count: info.fields,
                    ..Changes::default()
                }));
            }
        }
        Ok(())
    }

    pub(super) fn is_opened(&self) -> bool {
        self.opened
    }

    /// Whether the object is read from the store field by field.
    pub(super) fn is_large(&self) -> bool {
        self.large.is_some()
    }

    pub(super) fn present(&self) -> bool {
        self.present
    }

    pub(super) fn expiry(&self) -> Expiry {
        self.expiry
    }

    pub(super) fn set_expiry(&mut self, expiry: Expiry) {
        self.expiry = expiry;
        self.touched = self.touched.max(Touched::Expiry);
    }

    pub(super) fn create(&mut self) -> bool {
        let new = !self.present;
        if new {
            self.present = true;
            self.touched = Touched::State;
        }
        new
    }

    pub(super) fn delete(&mut self) -> bool {
        let was = self.present;
        self.present = false;
        self.expiry = Expiry(None);
        self.touched = Touched::State;
        self.large = None;
        self.small.clear();
        was
    }

    /// The field as the call sees it, if the call wrote it or the store's fields are hidden. `None`: ask the store.
    #[inline(always)]
    fn own(&self, field: &[u8]) -> Option<Option<&[u8]>> {
        match &self.large {
            None => Some(SmallRef::trusted(&self.small).get(field)),
            Some(changes) => match changes.fields.get(field) {
                Some(own) => Some(own.as_deref()),
                None if changes.cleared => Some(None),
                None => None,
            },
        }
    }

    fn version(&self) -> Version {
        let (version, _) = self
            .base
            .expect("only an object of the store is large and not cleared");
        version
    }

    /// Calls `read` with the field's value; `scratch` is used when the value comes from the store.
    pub(super) fn field<R>(
        &self,
        store: &Store,
        field: &[u8],
        scratch: &mut Vec<u8>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop> {
        if let Some(own) = self.own(field) {
            return Ok(own.map(read));
        }
        scratch.clear();
        let found = store.object_field(self.key(), self.version(), field, scratch)?;
        Ok(found.map(|_| read(scratch)))
    }

    pub(super) fn value<R>(
        &self,
        store: &Store,
        scratch: &mut Vec<u8>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Stop> {
        let Some(changes) = &self.large else {
            return Ok(SmallRef::trusted(&self.small).value().map(read));
        };
        if let Some(own) = &changes.value {
            return Ok(Some(read(own)));
        }
        let Some((version, _)) = self.base.filter(|_| !changes.fresh) else {
            return Ok(None);
        };
        scratch.clear();
        let found = store.object_value(self.key(), version, scratch)?;
        Ok(found.map(|_| read(scratch)))
    }

    pub(super) fn count(&self) -> u64 {
        match &self.large {
            None => SmallRef::trusted(&self.small).count() as u64,
            Some(changes) => changes.count,
        }
    }

    pub(super) fn put(
        &mut self,
        store: &Store,
        field: &[u8],
        value: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        if self.large.is_some() {
            let new = self.field(store, field, scratch, |_| ())?.is_none();
            self.put_large(field, value, new);
            return Ok(new);
        }
        let put = small::put(&mut self.small, field, value);
        self.wrote(put);
        Ok(put == Put::New)
    }

    /// Notes a write. To write the value that is there is none, so nothing is committed for it.
    fn wrote(&mut self, put: Put) {
        if put != Put::Same || !self.present {
            self.present = true;
            self.touched = Touched::State;
            self.outgrow();
        }
    }
    fn put_large(&mut self, field: &[u8], value: &[u8], new: bool) {
        self.present = true;
        self.touched = Touched::State;
        if let Some(changes) = &mut self.large {
            changes.count += u64::from(new);
            changes.fields.insert(field.to_vec(), Some(value.to_vec()));
        }
    }

    pub(super) fn remove(
        &mut self,
        store: &Store,
        field: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        if self.large.is_some() && self.field(store, field, scratch, |_| ())?.is_none() {
            return Ok(false);
        }
        let was = match &mut self.large {
            None => small::delete(&mut self.small, field),
            Some(changes) => {
                changes.count -= 1;
                changes.fields.insert(field.to_vec(), None);
                true
            }
        };
        if was {
            self.touched = Touched::State;
        }
        Ok(was)
    }

    pub(super) fn clear(&mut self) {
        if !self.present {
            return;
        }
        self.touched = Touched::State;
        match &mut self.large {
            None => small::clear_fields(&mut self.small),
            Some(changes) => {
                changes.cleared = true;
                changes.fields.clear();
                changes.count = 0;
            }
        }
    }

    pub(super) fn set_value(&mut self, value: &[u8]) {
        match &mut self.large {
            None => {
                let put = small::set_value(&mut self.small, Some(value));
                self.wrote(put);
            }
            Some(changes) => {
                changes.value = Some(value.to_vec());
                self.present = true;
                self.touched = Touched::State;
            }
        }
    }

    /// Turns a small state that has grown too long into changes over nothing.
    fn outgrow(&mut self) {
        if self.small.len() <= SMALL_BYTES_MAX {
            return;
        }
        let state = SmallRef::trusted(&self.small);
        let fields: BTreeMap<_, _> = state
            .iter()
            .map(|(field, value)| (field.to_vec(), Some(value.to_vec())))
            .collect();
        self.large = Some(Box::new(Changes {
            cleared: true,
            fresh: true,
            count: fields.len() as u64,
            value: state.value().map(<[u8]>::to_vec),
            fields,
        }));
        self.small.clear();
    }

    /// Fills `out` with whole entries from `from` on.
    pub(super) fn scan(
        &self,
        store: &Store,
        from: &[u8],
        flags: i32,
        out: &mut [u8],
    ) -> Result<Scan, Stop> {
        let mut batch = overlay::Batch::new(out, flags);
        match &self.large {
            None => {
                let state = SmallRef::trusted(&self.small);
                for (field, value) in state.range_from(from, batch.after(), batch.reverse()) {
                    if !batch.push(field, value) {
                        break;
                    }
                }
            }
            Some(changes) => {
                let base = if changes.cleared {
                    None
                } else {
                    Some((self.key(), self.version()))
                };
                overlay::merge(store, base, changes, from, &mut batch)?;
            }
        }
        Ok(batch.finish())
    }

    /// Whether the call wrote to the object.
    pub(super) fn written(&self) -> bool {
        self.touched != Touched::Nothing
    }

    /// Commits a small object over the one in the store, if that has the same length. False when it has not, or when it
    /// changed meanwhile.
    #[inline]
    pub(super) fn rewrite(&self, store: &Store) -> bool {
        match self.base {
            Some(opened) if self.present && self.large.is_none() => {
                store.rewrite(self.key(), opened, &self.small, self.expiry)
            }
            _ => false,
        }
    }

    /// What the commit has to do for the object; `None` when the object was not opened.
    #[inline(always)]
    pub(super) fn commit(&self) -> Option<Commit<'_>> {
        if !self.opened {
            return None;
        }
        let change = match (self.touched, self.present, &self.large) {
            (Touched::Nothing, ..) => Change::Unchanged,
            (_, false, _) if self.base.is_none() => Change::Unchanged,
            (_, false, _) => Change::Delete,
            (Touched::Expiry, ..) => Change::Expiry,
            (Touched::State, true, None) => Change::Small(&self.small),
            (Touched::State, true, Some(changes)) => Change::Fields {
                fields: &changes.fields,
                clear: changes.cleared,
                fresh: changes.fresh,
                value: changes.value.as_deref(),
            },
        };
        Some(Commit {
            key: self.key(),
            expected: self.base.map(|(version, _)| version),
            place: self.base.map(|(_, place)| place),
            blind: false,
            change,
            expiry: self.expiry,
        })
    }
}
