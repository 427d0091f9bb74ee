//! Any sequence of operations on a small store against a hash map: what is found is what was stored last, and everything
//! is found that nothing was heard of leaving. What is pinned stays as it was, and what is uploaded comes as it was sent.

#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Buf;
use cacheismo_store::{
    Announced, Cause, Change, Commit, Config, DeleteOptions, DeleteOutcome, Eviction, Expiry, GetOptions, ItemInfo,
    Journal, Now, Pinned, SetMode, SetOutcome, Store, Upload, Write,
};
use libfuzzer_sys::fuzz_target;

/// Memory limit: few regions, so that everything happens soon.
const LIMIT: usize = 512 << 10;
const VALUE_BYTES_MAX: usize = 100_000;
/// Values up to this length find room, if limits, pins and uploads leave the memory alone.
const FITS_BYTES: usize = 50_000;

/// Names that left for room since it was looked at.
#[derive(Clone, Debug, Default)]
struct Evicted(Arc<Mutex<Vec<Vec<u8>>>>);

impl Journal for Evicted {
    fn wants_changes(&self) -> bool {
        false
    }

    fn left(&self, _: u64, name: &[u8], _: &ItemInfo, cause: Cause, _: u32) {
        if cause == Cause::Evicted {
            self.0.lock().expect("one thread").push(name.to_vec());
        }
    }
}

/// The store and its naive twin.
struct Life {
    store: Arc<Store>,
    now: Now,
    /// Values, and the seconds they end at.
    twin: HashMap<u8, (Vec<u8>, Option<u32>)>,
    evicted: Evicted,
    /// Values may find no room: the limit changed, or memory was pinned or uploaded.
    tight: bool,
    /// Pinned values with the bytes they have.
    pinned: Vec<(Pinned, Vec<u8>)>,
    /// Values on their way in, with what they will be.
    uploads: Vec<(Upload, u8, Vec<u8>, Option<u32>)>,
}

fuzz_target!(|input: &[u8]| {
    let Some((first, steps)) = input.split_first() else {
        return;
    };
    let store = Arc::new(Store::new(&Config {
        memory_bytes_max: LIMIT,
        item_bytes_max: 1 << 17,
        shards: 1 << (first & 3),
        eviction: if first & 4 == 0 { Eviction::Lru } else { Eviction::SizeIdle },
        hash_seed: u64::from(first >> 3),
    }));
    let evicted = Evicted::default();
    store.listen(Box::new(evicted.clone()));
    let mut life = Life {
        store,
        now: Now { unix_s: 1000, millis: 0 },
        twin: HashMap::new(),
        evicted,
        tight: false,
        pinned: Vec::new(),
        uploads: Vec::new(),
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
        match operation % 15 {
            0 | 1 => self.write(name, &vec![fill; len.min(VALUE_BYTES_MAX)], SetMode::Set, None),
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
                self.tight = true;
            }
            8 => self.change_object(name, len, fill),
            9 => self.pin(name, fill),
            10 => self.touch(name, 1 + u32::from(fill & 7)),
            11 => self.begin(name, len.min(VALUE_BYTES_MAX), fill),
            12 | 13 => self.go_on(usize::from(name), len, fill),
            _ => self.look(name),
        }
        self.hear(name);
        self.look(name);
    }

    /// Forgets what left for room. `name` may have left before it was stored or after it: it may be there.
    fn hear(&mut self, name: u8) {
        for gone in self.evicted.0.lock().expect("one thread").drain(..) {
            if gone.len() == 1 && gone != [name] {
                self.twin.remove(&gone[0]);
            } else if gone == [name] && self.read(name).is_none() {
                self.twin.remove(&name);
            }
        }
    }

    /// True when it left in this step: by size and idle time it may for its own longer value.
    fn left(&self, name: u8) -> bool {
        self.evicted.0.lock().expect("one thread").contains(&vec![name])
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
            SetOutcome::NotStored => {
                let long = |before: &Vec<u8>| before.len() + value.len() > FITS_BYTES;
                let may = before.as_ref().is_none_or(long) || self.tight || self.left(name);
                assert!(mode == SetMode::Append && may);
            }
            SetOutcome::TooLarge => {
                assert!(mode == SetMode::Set && (self.tight || value.len() > FITS_BYTES));
                self.twin.remove(&name);
            }
            other => panic!("{other:?}"),
        }
    }

    /// What the store has, without any effect.
    fn read(&self, name: u8) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let quiet = GetOptions { no_bump: true, ..GetOptions::default() };
        let read = self.store.get(self.store.key(&[name]), self.now, &quiet, |_, value| {
            value.append_to(&mut out);
        });
        read.map(|()| out)
    }

    fn look(&mut self, name: u8) {
        self.store.get(self.store.key(&[name]), self.now, &GetOptions::default(), |_, _| ());
        assert!(self.read(name).as_ref() == self.alive(name), "{name} is not what it was");
    }

    fn touch(&mut self, name: u8, ttl_s: u32) {
        let expiry = self.now.unix_s + ttl_s;
        let ends = Expiry(Some(u64::from(expiry) * 1000));
        let done = self.store.touch(self.store.key(&[name]), self.now, ends);
        if done == DeleteOutcome::Done {
            self.twin.get_mut(&name).expect("it was found").1 = Some(expiry);
        } else {
            assert!(self.tight || self.alive(name).is_none() || self.left(name));
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
            self.tight = true;
        }
        if self.pinned.len() > usize::from(fill & 7) {
            self.unpin(usize::from(fill) % self.pinned.len());
        }
    }

    fn unpin(&mut self, i: usize) {
        let (mut pinned, whole) = self.pinned.swap_remove(i);
        assert!(pinned.copy_to_bytes(whole.len()) == whole, "a pinned value changed");
        assert!(!pinned.has_remaining());
    }

    fn begin(&mut self, name: u8, len: usize, fill: u8) {
        let expiry = (fill & 8 != 0).then(|| self.now.unix_s + u32::from(fill & 7));
        let announced = Announced {
            flags: u32::from(name & 1),
            expiry: Expiry(expiry.map(|at| u64::from(at) * 1000)),
            len,
            want_cas: name & 2 != 0,
        };
        if let Ok(upload) = self.store.upload(self.store.key(&[name]), announced) {
            let value = (0..len).map(|i| fill.wrapping_add((i / 8) as u8)).collect();
            self.uploads.push((upload, name, value, expiry));
            self.tight = true;
        }
    }

    /// Sends more of an upload. What has come whole is published, some that has not is given up.
    fn go_on(&mut self, which: usize, len: usize, fill: u8) {
        if self.uploads.is_empty() {
            return;
        }
        let i = which % self.uploads.len();
        let (upload, _, value, _) = &mut self.uploads[i];
        let from = value.len() - upload.left();
        let wrote = upload.write(&value[from..(from + len).min(value.len())]).is_ok();
        if wrote && upload.left() > 0 && fill & 0xf0 != 0 {
            return;
        }
        let (upload, name, value, expiry) = self.uploads.swap_remove(i);
        if !wrote || upload.left() > 0 {
            return;
        }
        match upload.publish(self.now) {
            SetOutcome::Stored { .. } => drop(self.twin.insert(name, (value, expiry))),
            SetOutcome::TooLarge => drop(self.twin.remove(&name)),
            other => panic!("{other:?}"),
        }
        self.hear(name);
        self.look(name);
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
    }

    fn end(mut self) {
        for name in 0..=u8::MAX {
            if self.twin.contains_key(&name) {
                self.look(name);
            }
        }
        while !self.pinned.is_empty() {
            self.unpin(0);
        }
        self.uploads.clear();
        self.store.set_memory_limit(LIMIT);
        self.store.flush_all(self.now, self.now);
        while self.store.maintain(self.now, 1000) > 0 {}
        let stats = self.store.stats();
        assert_eq!((stats.curr_items, stats.bytes, stats.payload_bytes), (0, 0, 0), "a leak");
    }
}
