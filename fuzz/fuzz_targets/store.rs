//! Any sequence of operations on a small store against a hash map: what is found is what was stored last, and without
//! a reason to leave everything is found. What is pinned stays as it was.

#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Buf;
use cacheismo_fuzz::store::{
    Change, Commit, Config, DeleteOptions, DeleteOutcome, Eviction, Expiry, GetOptions, Now, Pinned, SetMode,
    SetOutcome, Store, Write,
};
use libfuzzer_sys::fuzz_target;

/// Memory limit: few regions, so that everything happens soon.
const LIMIT: usize = 512 << 10;

/// The store and its naive twin.
struct Life {
    store: Arc<Store>,
    now: Now,
    twin: HashMap<u8, (Vec<u8>, Option<u32>)>,
    /// Items may have left for room.
    lossy: bool,
    /// Pinned values with the bytes they have.
    pinned: Vec<(Pinned, Vec<u8>)>,
}

fuzz_target!(|input: &[u8]| {
    let Some((first, steps)) = input.split_first() else {
        return;
    };
    let store = Store::new(&Config {
        memory_bytes_max: LIMIT,
        item_bytes_max: 1 << 17,
        shards: 1 << (first & 3),
        eviction: if first & 4 == 0 { Eviction::Lru } else { Eviction::SizeIdle },
        hash_seed: u64::from(first >> 3),
    });
    let mut life = Life {
        store: Arc::new(store),
        now: Now { unix_s: 1000, millis: 0 },
        twin: HashMap::new(),
        lossy: false,
        pinned: Vec::new(),
    };
    for step in steps.chunks_exact(4) {
        life.step(step[0], step[1], usize::from(step[2]) << (step[3] & 15), step[3]);
    }
    life.end();
});

impl Life {
    fn step(&mut self, operation: u8, name: u8, len: usize, fill: u8) {
        let bytes = [name];
        let key = self.store.key(&bytes);
        match operation % 11 {
            0 | 1 => self.write(name, &vec![fill; len.min(100_000)], SetMode::Set, None),
            2 => self.write(name, &vec![fill; len.min(100)], SetMode::Append, None),
            3 => self.write(name, &vec![fill; len.min(2000)], SetMode::Set, Some(1 + u32::from(fill & 7))),
            4 => {
                let done = self.store.delete(key, self.now, &DeleteOptions::default());
                let was = self.alive(name).is_some();
                assert!(done == DeleteOutcome::NotFound || was);
                self.twin.remove(&name);
            }
            5 => self.now.unix_s += u32::from(fill & 3),
            6 => while self.store.maintain(self.now, 100) >= 100 {},
            7 => {
                self.store.set_memory_limit(LIMIT / 4 + len.min(LIMIT));
                self.lossy = true;
            }
            8 => self.change_object(name, len, fill),
            9 => self.pin(name, fill),
            _ => self.look(name),
        }
        self.look(name);
        self.lossy |= self.store.stats().evictions > 0;
    }

    fn alive(&self, name: u8) -> Option<&Vec<u8>> {
        let (value, expiry) = self.twin.get(&name)?;
        expiry.is_none_or(|at| at > self.now.unix_s).then_some(value)
    }

    fn write(&mut self, name: u8, value: &[u8], mode: SetMode, ttl_s: Option<u32>) {
        let expiry = ttl_s.map(|ttl| self.now.unix_s + ttl);
        let write = Write {
            flags: u32::from(name & 1),
            expiry: Expiry(expiry.map(|at| u64::from(at) * 1000)),
            value,
            mode,
            cas_compare: None,
            stale_if_older: false,
            cas_override: None,
            want_cas: name & 2 != 0,
            vivify: None,
        };
        let before = self.alive(name).cloned();
        match self.store.set(self.store.key(&[name]), self.now, &write) {
            SetOutcome::Stored { .. } if mode == SetMode::Append => {
                let mut whole = before.expect("only what is there is appended to");
                whole.extend_from_slice(value);
                let expiry = self.twin[&name].1;
                self.twin.insert(name, (whole, expiry));
            }
            SetOutcome::Stored { .. } => drop(self.twin.insert(name, (value.to_vec(), expiry))),
            SetOutcome::NotStored => assert!(mode == SetMode::Append && (before.is_none() || self.lossy)),
            SetOutcome::TooLarge => {
                assert!(self.lossy || value.len() + before.map_or(0, |v| v.len()) > 50_000);
                self.twin.remove(&name);
            }
            other => panic!("{other:?}"),
        }
    }

    fn look(&mut self, name: u8) {
        let mut out = Vec::new();
        let key = [name];
        let found = self.store.get(self.store.key(&key), self.now, &GetOptions::default(), |_, value| {
            value.append_to(&mut out);
        });
        match found {
            Some(()) => assert_eq!(Some(&out), self.alive(name)),
            None => {
                assert!(self.lossy || self.store.stats().evictions > 0 || self.alive(name).is_none());
                self.twin.remove(&name);
            }
        }
    }

    /// Pins a value and unpins another.
    fn pin(&mut self, name: u8, fill: u8) {
        let mut lead = Vec::new();
        let key = [name];
        let pinned = self.store.get(self.store.key(&key), self.now, &GetOptions::default(), |_, value| {
            self.store.pin(&value, &mut lead)
        });
        if let Some(pinned) = pinned.flatten() {
            let whole = self.alive(name).expect("it was found");
            assert_eq!(lead, whole[..lead.len()]);
            let rest = whole[lead.len()..].to_vec();
            self.pinned.push((pinned, rest));
        }
        if self.pinned.len() > usize::from(fill & 7) {
            self.unpin(usize::from(fill) % self.pinned.len());
        }
    }

    fn unpin(&mut self, i: usize) {
        let (mut pinned, whole) = self.pinned.swap_remove(i);
        assert_eq!(pinned.copy_to_bytes(whole.len()), whole);
        assert!(!pinned.has_remaining());
    }

    /// Objects have names of their own; what they hold is checked by the store's own tests.
    fn change_object(&mut self, name: u8, len: usize, fill: u8) {
        let fields: BTreeMap<Vec<u8>, Option<Vec<u8>>> = (0..fill)
            .map(|i| (vec![i], (i & 3 != name & 3).then(|| vec![fill; len % 500])))
            .collect();
        let key = [b'o', name & 7];
        let commit = Commit {
            key: self.store.key(&key),
            expected: None,
            place: None,
            blind: true,
            change: Change::Fields { fields: &fields, clear: len == 0, fresh: false, value: None },
            expiry: Expiry(None),
        };
        let _may_not_fit = self.store.commit(self.now, &[commit]);
        self.lossy |= self.store.stats().evictions > 0;
    }

    fn end(mut self) {
        for name in 0..=u8::MAX {
            self.look(name);
        }
        while !self.pinned.is_empty() {
            self.unpin(0);
        }
        self.store.set_memory_limit(LIMIT);
        self.store.flush_all(self.now, self.now);
        while self.store.maintain(self.now, 1000) > 0 {}
        let stats = self.store.stats();
        assert_eq!((stats.curr_items, stats.bytes, stats.payload_bytes), (0, 0, 0), "a leak");
    }
}
