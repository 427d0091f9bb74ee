//! An object of the cache: fields, opaque value, lifetime.

use std::ops::Deref;

use cacheismo_abi as abi;

use crate::cell::ValueCell;
use crate::{FromArg, Scan, Value, sys};

/// An object: the one a call was made on, or another one that the call opened.
///
/// The state of an object is any number of *fields*, names and values of bytes kept in byte order of the names,
/// each read or written in O(log n), and one *opaque value* for types that are small and always
/// read whole. All of it is one item of the cache: it expires and is evicted as one.
///
/// A function that takes `&Object` reads, one that takes `&mut Object` may write. The compiler
/// checks it:
///
/// ```compile_fail
/// # use cacheismo_sdk::Object;
/// pub struct Wrong;
///
/// #[cacheismo_sdk::object(name = "wrong")]
/// impl Wrong {
///     fn sneak(o: &Object) {
///         o.put(b"field", b"value");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Object<'c> {
    handle: i32,
    key: &'c [u8],
    /// The cell with the value of the call's own object, if the type has one. Every object of a call knows the cell:
    /// any of them may be the call's own.
    cell: Option<&'static ValueCell>,
}

impl<'c> Object<'c> {
    /// The object of the call.
    #[inline]
    pub(crate) fn of_call(key: &'c [u8], cell: Option<&'static ValueCell>) -> Self {
        Self {
            handle: abi::SELF,
            key,
            cell,
        }
    }

    /// The value cell, when this object's value is in it.
    #[inline(always)]
    fn cell(&self) -> Option<&'static ValueCell> {
        self.cell.filter(|_| self.handle == abi::SELF)
    }

    /// Opens an object by type and key: another one, or the call's own by another way.
    #[inline]
    fn opened<'k>(&self, type_name: &str, key: &'k [u8]) -> Object<'k> {
        Object {
            handle: sys::object_open(type_name.as_bytes(), key),
            key,
            cell: self.cell,
        }
    }

    /// Tells the host a changed value. Goes before any question whose answer depends on the value, such as whether the
    /// object exists.
    #[inline(always)]
    fn settle(&self) {
        if let Some(cell) = self.cell() {
            cell.settle(|value| sys::value_set(abi::SELF, value));
        }
    }

    #[inline(always)]
    fn value_get(&self, offset: u32, out: &mut [u8]) -> i32 {
        self.cell()
            .and_then(|cell| cell.get(offset as usize, out))
            .unwrap_or_else(|| sys::value_get(self.handle, offset as i32, out))
    }

    /// The object's key: `fruit` in `get set:put:fruit:apple`.
    #[inline]
    pub fn key(&self) -> &'c [u8] {
        self.key
    }

    /// Whether the object exists. An object may exist without fields or value.
    #[inline]
    pub fn exists(&self) -> bool {
        self.settle();
        sys::object_exists(self.handle)
    }

    /// Opens another object for reading. It need not exist. Opening takes part in the call's
    /// isolation: nobody else changes that object before this call ends.
    #[inline]
    pub fn open<'k>(&self, type_name: &str, key: &'k [u8]) -> ObjectRef<'k> {
        ObjectRef(self.opened(type_name, key))
    }

    /// Milliseconds until the object expires; `None` when it does not exist.
    #[inline]
    pub fn ttl(&self) -> Option<Ttl> {
        self.settle();
        match sys::object_ttl(self.handle) {
            abi::TTL_ABSENT => None,
            abi::TTL_NEVER => Some(Ttl::Never),
            ms => Some(Ttl::Ms(ms.unsigned_abs())),
        }
    }

    /// The opaque value; `None` when it was never set or the object does not exist.
    #[inline]
    pub fn value(&self) -> Option<Value> {
        Value::read(|out| self.value_get(0, out))
    }

    /// Copies the opaque value from `offset` into `out` and returns its full length.
    #[inline]
    pub fn value_read(&self, offset: u32, out: &mut [u8]) -> Option<usize> {
        usize::try_from(self.value_get(offset, out)).ok()
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Value> {
        Value::read(|out| sys::field_get(self.handle, field, out))
    }

    /// The value of a field, read as a number or text the way an argument is; `None` also when the value does not read
    /// so.
    #[inline]
    pub fn field_as<T: for<'v> FromArg<'v>>(&self, field: &[u8]) -> Option<T> {
        self.get(field).and_then(|value| T::from_arg(&value).ok())
    }

    /// Copies what fits of a field's value into `out` and returns its full length.
    #[inline]
    pub fn get_into(&self, field: &[u8], out: &mut [u8]) -> Option<usize> {
        usize::try_from(sys::field_get(self.handle, field, out)).ok()
    }

    /// Appends a field's value to the answer, with `before` ahead of it; false when there is none.
    #[inline]
    pub(crate) fn reply_field(&self, field: &[u8], before: &[u8]) -> bool {
        sys::reply_field(self.handle, field, before) != abi::ABSENT
    }

    /// Whether the object has the field.
    #[inline]
    pub fn has(&self, field: &[u8]) -> bool {
        sys::field_get(self.handle, field, &mut []) >= 0
    }

    /// Number of fields.
    #[inline]
    pub fn count(&self) -> u64 {
        sys::field_count(self.handle).unsigned_abs()
    }

    /// Lists the fields in order of their names; see [`Scan`].
    #[inline]
    pub fn scan(&self) -> Scan<'_> {
        Scan::new(self.handle)
    }

    /// Opens another object for writing.
    #[inline]
    pub fn open_mut<'k>(&mut self, type_name: &str, key: &'k [u8]) -> Object<'k> {
        self.opened(type_name, key)
    }

    /// Creates the object, empty and never expiring; false when it was there already.
    #[inline]
    pub fn create(&mut self) -> bool {
        self.settle();
        sys::object_create(self.handle)
    }

    /// Deletes the object with all fields; false when it was not there.
    #[inline]
    pub fn delete(&mut self) -> bool {
        self.settle();
        if let Some(cell) = self.cell() {
            cell.forget();
        }
        sys::object_delete(self.handle)
    }

    /// Sets when the object expires; false when there is no object.
    #[inline]
    pub fn set_ttl(&mut self, ttl: Ttl) -> bool {
        self.settle();
        let ms = match ttl {
            Ttl::Never => abi::TTL_NEVER,
            Ttl::Ms(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
        };
        sys::object_ttl_set(self.handle, ms)
    }

    /// Sets the opaque value, creating the object when absent.
    #[inline]
    pub fn set_value(&mut self, value: &[u8]) {
        if !self.cell().is_some_and(|cell| cell.set(value)) {
            sys::value_set(self.handle, value);
        }
    }

    /// Sets a field, creating the object when absent; true when the field is new.
    #[inline]
    pub fn put(&mut self, field: &[u8], value: &[u8]) -> bool {
        sys::field_put(self.handle, field, value)
    }

    /// Sets a field if the object exists; true when the field is new. `None`, and nothing is written,
    /// when there is no object. One host call less than [`exists`](Self::exists) and [`put`](Self::put).
    #[inline]
    pub fn update(&mut self, field: &[u8], value: &[u8]) -> Option<bool> {
        self.settle();
        match sys::field_update(self.handle, field, value) {
            abi::ABSENT => None,
            new => Some(new != 0),
        }
    }

    /// Deletes a field; false when it was not there.
    #[inline]
    pub fn remove(&mut self, field: &[u8]) -> bool {
        sys::field_delete(self.handle, field)
    }

    /// Deletes every field; the object itself and its value stay.
    #[inline]
    pub fn clear(&mut self) {
        sys::field_clear(self.handle);
    }
}

/// Another object, opened for reading: all of [`Object`] that does not write.
#[derive(Debug)]
pub struct ObjectRef<'k>(Object<'k>);

impl<'k> Deref for ObjectRef<'k> {
    type Target = Object<'k>;

    #[inline]
    fn deref(&self) -> &Object<'k> {
        &self.0
    }
}

/// How long an object has to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ttl {
    /// So many milliseconds.
    Ms(u64),
    /// Never: the object lives until it is deleted or evicted.
    Never,
}
