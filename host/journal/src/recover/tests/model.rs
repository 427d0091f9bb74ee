//! A naive store that does what effects say.

use std::collections::BTreeMap;

use cacheismo_store::{Body, Effect, Expiry, Head};

use crate::recover::Target;

pub(crate) const PLAIN: Head = Head {
    flags: 0,
    expiry: Expiry(None),
    cas: 0,
    stale: false,
    token_sent: false,
    object: false,
};

pub(crate) fn stored<'a>(key: &'a [u8], value: &'a [u8]) -> Effect<'a> {
    Effect::Stored {
        key,
        head: PLAIN,
        body: Body::Value(value),
    }
}

/// What a store holds: by key what stands beside the content, the content, and the tick of the last change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) items: BTreeMap<Vec<u8>, (Head, Vec<u8>)>,
}

impl Model {
    pub(crate) fn apply(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Deleted { key } => {
                self.items.remove(*key);
            }
            Effect::Flushed => self.items.clear(),
            Effect::FlushPlanned { .. } => {}
            Effect::Stored { key, head, body } => match body {
                Body::Value(bytes) | Body::State(bytes) => {
                    self.items.insert(key.to_vec(), (*head, bytes.to_vec()));
                }
                Body::Appended { at, bytes } => {
                    let at = *at as usize;
                    if let Some(item) = self.items.get_mut(*key)
                        && item.1.len() >= at
                    {
                        item.0 = *head;
                        item.1.truncate(at);
                        item.1.extend_from_slice(bytes);
                    }
                }
                Body::Same => {
                    if let Some(item) = self.items.get_mut(*key) {
                        item.0 = *head;
                    }
                }
                Body::Fields { .. } => unreachable!("no test makes them"),
            },
        }
    }

    pub(crate) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.items.get(key).map(|(_, value)| &value[..])
    }
}

impl Target for Model {
    fn item(&mut self, _tick: u64, effect: &Effect<'_>) {
        self.apply(effect);
    }

    fn record(&mut self, _tick: u64, changes: &[Effect<'_>]) {
        changes.iter().for_each(|change| self.apply(change));
    }
}
