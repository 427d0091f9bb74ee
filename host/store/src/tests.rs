//! The store against naive twins.

mod apply;
mod audit;
mod basics;
mod concurrent;
mod hostile;
mod journal;
mod long;
mod model;
mod objects;
mod order;
mod pins;
mod places;
mod refused;
mod short;
mod shrink;
mod soak;
mod turns;
mod upload;

use super::*;

pub(super) const NOW: Now = Now {
    unix_s: 1_000_000,
    millis: 0,
};
pub(super) const NEVER: Expiry = Expiry(None);

pub(super) fn config(memory_bytes_max: usize, shards: usize) -> Config {
    Config {
        memory_bytes_max,
        item_bytes_max: 1 << 20,
        shards,
        eviction: Eviction::Lru,
        hash_seed: 7,
    }
}

pub(super) fn at(seconds: u32) -> Now {
    Now {
        unix_s: NOW.unix_s + seconds,
        millis: 0,
    }
}

pub(super) fn until(seconds: u32) -> Expiry {
    Expiry(Some(u64::from(NOW.unix_s + seconds) * 1000))
}

pub(super) fn write(value: &[u8]) -> Write<'_> {
    Write {
        flags: 0,
        expiry: NEVER,
        value,
        mode: SetMode::Set,
        cas_compare: None,
        stale_if_older: false,
        cas_override: None,
        want_cas: false,
        vivify: None,
    }
}

impl Store {
    pub(super) fn put(&self, key: &[u8], value: &[u8]) -> SetOutcome {
        self.set(self.key(key), NOW, &write(value))
    }

    pub(super) fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.look(key, NOW, &GetOptions::default())
            .map(|(_, value)| value)
    }

    pub(super) fn look(
        &self,
        key: &[u8],
        now: Now,
        options: &GetOptions,
    ) -> Option<(ItemInfo, Vec<u8>)> {
        self.get(self.key(key), now, options, |info, value| {
            let mut out = Vec::new();
            value.append_to(&mut out);
            (*info, out)
        })
    }
}
