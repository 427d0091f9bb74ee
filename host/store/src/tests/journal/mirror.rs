//! A second store that is fed only by effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::*;
use super::life::ITEM_BYTES_MAX;
use super::twin::{Body as Held, Entry, Owned, Told};

/// Room for all that the names of a life can have.
const BYTES: usize = 8 << 20;

/// What is told, or exported, as effects; and the store that does what they say.
#[derive(Debug)]
pub(super) struct Mirror(pub(super) Arc<Store>);

impl Mirror {
    pub(super) fn new(shards: usize) -> Mirror {
        Mirror(Arc::new(Store::new(&Config {
            item_bytes_max: ITEM_BYTES_MAX,
            ..config(BYTES, shards)
        })))
    }

    /// Does what was told, if that is an effect.
    pub(super) fn apply(&self, now: Now, told: &Told) -> Option<Applied> {
        with_effect(told, |tick, effect| {
            let applied = self.0.apply(now, tick, effect);
            let wrong = matches!(applied, Applied::NoRoom | Applied::Malformed);
            assert!(!wrong, "{applied:?}: {tick} {effect:?}");
            applied
        })
    }

    /// Does all of what was told but departures, one after the other.
    pub(super) fn replay(&self, all: &[Told]) {
        for told in all {
            if !matches!(told, Told::Left { .. }) {
                self.apply(Now::BEFORE_ALL, told);
            }
        }
    }
}

/// What was told as an effect; that an item left is one that deletes the key.
pub(super) fn with_effect<R>(told: &Told, see: impl FnOnce(u64, &Effect<'_>) -> R) -> Option<R> {
    let tick = match told {
        Told::TurnBegins(_) | Told::TurnEnds | Told::CommitBegins(_) | Told::CommitEnds => {
            return None;
        }
        told => told.tick(),
    };
    let effect = match told {
        Told::Stored {
            key,
            entry,
            content,
            ..
        } => Effect::Stored {
            key,
            head: head(entry),
            body: body(content),
        },
        Told::Deleted { key, .. } | Told::Left { key, .. } => Effect::Deleted { key },
        Told::FlushPlanned { at_s, .. } => Effect::FlushPlanned { at_s: *at_s },
        _ => Effect::Flushed,
    };
    Some(see(tick, &effect))
}

fn head(entry: &Entry) -> Head {
    Head {
        flags: entry.flags,
        expiry: entry.expiry,
        cas: entry.cas,
        stale: entry.stale,
        token_sent: entry.token_sent,
        object: entry.object,
    }
}

fn body(content: &Owned) -> Body<'_> {
    match content {
        Owned::Value(bytes) => Body::Value(bytes),
        Owned::Appended(at, bytes) => Body::Appended {
            at: *at as u32,
            bytes,
        },
        Owned::Same => Body::Same,
        Owned::State(state) => Body::State(state),
        Owned::Fields {
            fields,
            clear,
            fresh,
            value,
        } => Body::Fields {
            fields: fields
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_deref()))
                .collect(),
            clear: *clear,
            fresh: *fresh,
            value: value.as_deref(),
        },
    }
}

/// An effect, kept.
pub(super) fn keep(tick: u64, effect: &Effect<'_>) -> Told {
    match effect {
        Effect::Stored { key, head, body } => Told::Stored {
            tick,
            key: key.to_vec(),
            entry: Entry {
                flags: head.flags,
                expiry: head.expiry,
                cas: head.cas,
                stale: head.stale,
                token_sent: head.token_sent,
                object: head.object,
                body: Held::Plain(Vec::new()),
            },
            content: keep_body(body),
        },
        Effect::Deleted { key } => Told::Deleted {
            tick,
            key: key.to_vec(),
        },
        Effect::Flushed => Told::Flushed(tick),
        Effect::FlushPlanned { at_s } => Told::FlushPlanned { tick, at_s: *at_s },
    }
}

fn keep_body(body: &Body<'_>) -> Owned {
    match body {
        Body::Value(bytes) => Owned::Value(bytes.to_vec()),
        Body::Appended { at, bytes } => Owned::Appended(*at as usize, bytes.to_vec()),
        Body::Same => Owned::Same,
        Body::State(state) => Owned::State(state.to_vec()),
        Body::Fields {
            fields,
            clear,
            fresh,
            value,
        } => Owned::Fields {
            fields: fields
                .iter()
                .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
                .collect::<BTreeMap<_, _>>(),
            clear: *clear,
            fresh: *fresh,
            value: value.map(<[u8]>::to_vec),
        },
    }
}
