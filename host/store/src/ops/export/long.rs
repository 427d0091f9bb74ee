//! What is too long to be copied at once: values piece by piece, objects some fields at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Buf;

use super::Visit;
use super::classes::Classes;
use crate::fields::SmallRef;
use crate::item::{Item, flag};
use crate::memory::nodes::Reader;
use crate::shard::{Locked, ValueRef};
use crate::{Body, Effect, Head, Now, Pinned, Store};

/// Bytes of a piece of a value.
const PIECE_BYTES: usize = 128 << 10;
/// Bytes of names and values of a piece of an object, about.
const FIELDS_BYTES: usize = if cfg!(any(test, fuzzing)) {
    1 << 10
} else {
    16 << 10
};

/// An item that is visited in pieces.
#[derive(Debug)]
pub(super) struct Long {
    key: Box<[u8]>,
    hash: u64,
    /// Tick at the beginning: all pieces have it, so that they stay together.
    tick: u64,
    pieces: Pieces,
}

#[derive(Debug)]
enum Pieces {
    Value(Value),
    Object(Object),
}

/// A value that stays as it is.
#[derive(Debug)]
struct Value {
    head: Head,
    /// What is left of the value.
    pinned: Pinned,
    /// Bytes that were handed on.
    at: usize,
    /// The next piece; at first, the bytes of the value that are not in `pinned`.
    piece: Vec<u8>,
}

/// An object whose fields change while they are visited.
#[derive(Debug, Default)]
struct Object {
    /// Name of the last field that was visited, once there was a piece.
    last: Option<Vec<u8>>,
    /// Names and values of a piece, one behind the other, with their lengths.
    bytes: Vec<u8>,
    lens: Vec<(usize, usize)>,
    value: Option<Vec<u8>>,
}

impl Long {
    /// Begins with an item whose shard is locked; `None` if it can be copied at once.
    pub(super) fn begin(
        store: &Arc<Store>,
        locked: &Locked<'_>,
        item: &Item<'_>,
        key: Box<[u8]>,
    ) -> Option<Long> {
        let pieces = if item.is_tree() {
            Pieces::Object(Object::default())
        } else {
            let mut piece = Vec::new();
            // However much is pinned: it is one value, and never for long.
            let pinned = store.pin_within(&ValueRef::of(item), &mut piece, usize::MAX)?;
            Pieces::Value(Value {
                head: Head::from(&locked.info(item)),
                pinned,
                at: 0,
                piece,
            })
        };
        Some(Long {
            hash: store.hash(&key),
            key,
            tick: locked.whole_tick(item),
            pieces,
        })
    }

    /// Visits a piece; false when it was the last.
    pub(super) fn step(
        &mut self,
        store: &Store,
        now: Now,
        classes: &Classes,
        visit: Visit<'_>,
    ) -> bool {
        let Long {
            key,
            hash,
            tick,
            pieces,
        } = self;
        let visit = &mut |effect: &Effect<'_>| visit(classes.of(*tick), *tick, effect);
        match pieces {
            Pieces::Value(value) => value.step(key, visit),
            Pieces::Object(object) => object.step(store, (key, *hash), now, visit),
        }
    }
}

impl Value {
    fn step(&mut self, key: &[u8], visit: &mut dyn FnMut(&Effect<'_>)) -> bool {
        let start = self.piece.len();
        let len = self.pinned.remaining().min(PIECE_BYTES - start);
        self.piece.resize(start + len, 0);
        self.pinned.copy_to_slice(&mut self.piece[start..]);
        let (head, bytes) = (self.head, &self.piece[..]);
        let body = match self.at {
            0 => Body::Value(bytes),
            at => Body::Appended {
                at: at as u32,
                bytes,
            },
        };
        visit(&Effect::Stored { key, head, body });
        self.at += self.piece.len();
        self.piece.clear();
        self.pinned.has_remaining()
    }
}

/// How far an object is copied.
enum Copied {
    /// The object is not there.
    Gone,
    /// All fields were copied, or there are more.
    Some { head: Head, more: bool },
}

impl Object {
    fn step(
        &mut self,
        store: &Store,
        (key, hash): (&[u8], u64),
        now: Now,
        visit: &mut dyn FnMut(&Effect<'_>),
    ) -> bool {
        let begun = self.last.is_some();
        self.bytes.clear();
        self.lens.clear();
        self.value = None;
        let (head, more) = match self.copy(store, (key, hash), now) {
            Copied::Some { head, more } => (head, more),
            Copied::Gone => {
                // What was visited is not the whole object, and nothing may ever say so.
                if begun {
                    visit(&Effect::Deleted { key });
                }
                return false;
            }
        };
        let mut bytes = &self.bytes[..];
        let mut fields = BTreeMap::new();
        for (name_len, value_len) in &self.lens {
            let (name, rest) = bytes.split_at(*name_len);
            let (value, rest) = rest.split_at(*value_len);
            fields.insert(name, Some(value));
            bytes = rest;
        }
        let last = fields.keys().next_back().map(|name| name.to_vec());
        let body = Body::Fields {
            fields,
            clear: !begun,
            fresh: !begun,
            value: self.value.as_deref(),
        };
        visit(&Effect::Stored { key, head, body });
        self.last = last.or(self.last.take()).or(Some(Vec::new()));
        more
    }

    /// Copies some fields behind the last, and with the first of them the opaque value.
    fn copy(&mut self, store: &Store, (key, hash): (&[u8], u64), now: Now) -> Copied {
        let Object {
            last,
            bytes,
            lens,
            value,
        } = self;
        let locked = store.lock(hash);
        let object = |item: &Item<'_>| item.has(flag::OBJECT);
        let Some(item) = locked.look(key, hash, now).filter(object) else {
            return Copied::Gone;
        };
        let (from, after) = (last.as_deref().unwrap_or_default(), last.is_some());
        let mut add = |name: &[u8], value: &[u8]| {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value);
            lens.push((name.len(), value.len()));
            true
        };
        let more = if item.is_tree() {
            let (tree, nodes) = (item.tree(), Reader(store));
            if !after {
                let mut opaque = Vec::new();
                *value = tree.value(&nodes, &mut opaque).map(|_| opaque);
            }
            tree.scan(&nodes, from, after, false, FIELDS_BYTES, &mut add)
        } else {
            // The object has shrunk meanwhile.
            let mut state = Vec::new();
            ValueRef::of(&item).append_to(&mut state);
            let state = SmallRef::trusted(&state);
            if !after {
                *value = state.value().map(<[u8]>::to_vec);
            }
            for (name, value) in state.range_from(from, after, false) {
                add(name, value);
            }
            false
        };
        let head = Head::from(&locked.info(&item));
        Copied::Some { head, more }
    }
}
