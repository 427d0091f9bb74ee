//! What was told, kept; and what a listener makes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use super::super::*;
use crate::fields::SmallRef;

/// One call of a journal's method.
#[derive(Clone, Debug)]
pub(super) enum Told {
    TurnBegins(u64),
    TurnEnds,
    CommitBegins(usize),
    CommitEnds,
    FlushPlanned {
        tick: u64,
        at_s: u32,
    },
    Stored {
        tick: u64,
        key: Vec<u8>,
        /// The item; what is in it is `content`.
        entry: Entry,
        content: Owned,
    },
    Deleted {
        tick: u64,
        key: Vec<u8>,
    },
    Left {
        tick: u64,
        key: Vec<u8>,
    },
    Flushed(u64),
}

impl Told {
    /// True when it has a tick.
    pub(super) fn is_keyed(&self) -> bool {
        self.key().is_some() || matches!(self, Told::Flushed(_))
    }

    pub(super) fn tick(&self) -> u64 {
        match self {
            Told::Stored { tick, .. }
            | Told::Deleted { tick, .. }
            | Told::Left { tick, .. }
            | Told::FlushPlanned { tick, .. }
            | Told::Flushed(tick) => *tick,
            other => panic!("{other:?} has no tick"),
        }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            Told::Stored { key, .. } | Told::Deleted { key, .. } | Told::Left { key, .. } => {
                Some(key)
            }
            _ => None,
        }
    }

    /// True when it says something of `key`.
    pub(super) fn concerns(&self, key: &[u8]) -> bool {
        matches!(self, Told::Flushed(_)) || self.key() == Some(key)
    }
}

/// A `Content` that owns its bytes.
#[derive(Clone, Debug)]
pub(super) enum Owned {
    Value(Vec<u8>),
    Appended(usize, Vec<u8>),
    Same,
    State(Vec<u8>),
    Fields {
        fields: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        clear: bool,
        fresh: bool,
        value: Option<Vec<u8>>,
    },
}

impl Owned {
    fn of(content: Content<'_>) -> Owned {
        match content {
            Content::Value(value) => {
                let mut bytes = Vec::new();
                value.append_to(&mut bytes);
                Owned::Value(bytes)
            }
            Content::Appended { at, bytes } => Owned::Appended(at as usize, bytes.to_vec()),
            Content::Same => Owned::Same,
            Content::State(state) => Owned::State(state.to_vec()),
            Content::Fields {
                fields,
                clear,
                fresh,
                value,
            } => Owned::Fields {
                fields: fields.clone(),
                clear,
                fresh,
                value: value.map(<[u8]>::to_vec),
            },
        }
    }
}

/// What is in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Plain(Vec<u8>),
    Object {
        fields: BTreeMap<Vec<u8>, Vec<u8>>,
        value: Option<Vec<u8>>,
    },
}

impl Body {
    pub(super) fn small(state: &[u8]) -> Body {
        let state = SmallRef::parse(state).expect("a small object");
        let fields = state.iter();
        Body::Object {
            fields: fields
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
            value: state.value().map(<[u8]>::to_vec),
        }
    }
}

/// An item as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) flags: u32,
    pub(super) expiry: Expiry,
    pub(super) cas: u64,
    pub(super) stale: bool,
    pub(super) token_sent: bool,
    pub(super) object: bool,
    pub(super) body: Body,
}

impl Entry {
    pub(super) fn new(info: &ItemInfo, body: Body) -> Entry {
        Entry {
            flags: info.flags,
            expiry: info.expiry,
            cas: info.cas,
            stale: info.stale,
            token_sent: info.token_sent,
            object: info.object,
            body,
        }
    }
}

/// What a listener knows who believes what it is told.
#[derive(Debug, Default)]
pub(super) struct Twin(BTreeMap<Vec<u8>, Entry>);

impl Twin {
    pub(super) fn apply(&mut self, told: &Told) {
        match told {
            Told::Stored {
                key,
                entry,
                content,
                ..
            } => {
                let old = self.0.remove(key).map(|old| old.body);
                let body = changed(old, content);
                self.0.insert(
                    key.clone(),
                    Entry {
                        body,
                        ..entry.clone()
                    },
                );
            }
            Told::Deleted { key, .. } | Told::Left { key, .. } => drop(self.0.remove(key)),
            Told::Flushed(_) => self.0.clear(),
            _ => {}
        }
    }

    /// What the twin holds, although it may have expired.
    pub(super) fn all(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.0
    }

    /// What the twin holds that has not expired.
    pub(super) fn alive(&self, now: Now) -> BTreeMap<Vec<u8>, Entry> {
        let mut alive = self.0.clone();
        let end = u64::from(now.unix_s) * 1000;
        alive.retain(|_, entry| entry.expiry.0.is_none_or(|expiry| expiry > end));
        alive
    }
}

fn changed(old: Option<Body>, content: &Owned) -> Body {
    match content {
        Owned::Value(value) => Body::Plain(value.clone()),
        Owned::State(state) => Body::small(state),
        Owned::Same => old.expect("something was there"),
        Owned::Appended(at, bytes) => match old {
            Some(Body::Plain(mut value)) => {
                assert_eq!(value.len(), *at, "what was there before");
                value.extend_from_slice(bytes);
                Body::Plain(value)
            }
            other => panic!("bytes put behind {other:?}"),
        },
        Owned::Fields {
            fields: changes,
            clear,
            fresh,
            value: new,
        } => {
            let (mut fields, mut value) = match old {
                Some(Body::Object { fields, value }) if !fresh => (fields, value),
                _ if *fresh => (BTreeMap::new(), None),
                other => panic!("fields changed of {other:?}"),
            };
            if *clear {
                fields.clear();
            }
            for (name, change) in changes {
                match change {
                    Some(value) => drop(fields.insert(name.clone(), value.clone())),
                    None => drop(fields.remove(name)),
                }
            }
            value = new.clone().or(value);
            Body::Object { fields, value }
        }
    }
}

/// A journal that writes down what it is told, and by which thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
struct Records {
    new: Vec<Told>,
    threads: Vec<(ThreadId, Vec<Told>)>,
}

impl Recorder {
    fn push(&self, told: Told) {
        let mut records = self.0.lock().expect("nobody panicked");
        let id = thread::current().id();
        match records.threads.iter_mut().find(|(known, _)| *known == id) {
            Some((_, all)) => all.push(told.clone()),
            None => records.threads.push((id, vec![told.clone()])),
        }
        records.new.push(told);
    }

    /// What was told since the recorder was asked last.
    pub(super) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().expect("nobody panicked").new)
    }

    /// All that was told, by thread.
    pub(super) fn threads(&self) -> Vec<Vec<Told>> {
        let records = self.0.lock().expect("nobody panicked");
        let threads = records.threads.iter();
        threads.map(|(_, told)| told.clone()).collect()
    }
}

impl Journal for Recorder {
    fn turn_begins(&self, tick: u64) {
        self.push(Told::TurnBegins(tick));
    }

    fn turn_ends(&self) {
        self.push(Told::TurnEnds);
    }

    fn commit_begins(&self, changes: usize) {
        self.push(Told::CommitBegins(changes));
    }

    fn commit_ends(&self) {
        self.push(Told::CommitEnds);
    }

    fn stored(&self, tick: u64, key: &[u8], info: &ItemInfo, content: Content<'_>) {
        self.push(Told::Stored {
            tick,
            key: key.to_vec(),
            entry: Entry::new(info, Body::Plain(Vec::new())),
            content: Owned::of(content),
        });
    }

    fn deleted(&self, tick: u64, key: &[u8]) {
        let key = key.to_vec();
        self.push(Told::Deleted { tick, key });
    }

    fn flushed(&self, tick: u64) {
        self.push(Told::Flushed(tick));
    }

    fn flush_planned(&self, tick: u64, at_s: u32) {
        self.push(Told::FlushPlanned { tick, at_s });
    }

    fn left(&self, tick: u64, key: &[u8], _: &ItemInfo, _: Cause, _: u32) {
        let key = key.to_vec();
        self.push(Told::Left { tick, key });
    }
}
