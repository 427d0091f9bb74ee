//! A random life: operations that change something, with many of their options. Time stands still.

use std::collections::BTreeMap;
use std::sync::Arc;

use cacheismo_store::fields::small;
use cacheismo_store::{
    Announced, Arith, Change, Commit, DeleteOptions, Expiry, GetOptions, SetMode, Store, Write,
};

use crate::NOW;

pub(crate) struct Life {
    store: Arc<Store>,
    random: u64,
}

impl Life {
    pub(crate) fn new(store: Arc<Store>, seed: u64) -> Life {
        Life {
            store,
            random: seed,
        }
    }

    /// Splitmix.
    fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn name(&mut self) -> Vec<u8> {
        format!("plain {}", self.below(20)).into_bytes()
    }

    fn object_name(&mut self) -> Vec<u8> {
        format!("set$object{}", self.below(5)).into_bytes()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len_max = if self.chance(20) { 20_000 } else { 120 };
        let len = self.below(len_max) as usize;
        vec![self.below(256) as u8; len]
    }

    /// Never, or later than any test.
    fn expiry(&mut self) -> Expiry {
        let later = u64::from(NOW.unix_s) + 1000 + self.below(1000);
        Expiry(self.chance(3).then_some(later * 1000))
    }

    pub(crate) fn step(&mut self) {
        match self.below(30) {
            0..9 => self.set(),
            9..12 => self.get(),
            12..15 => self.delete(),
            15..18 => self.arith(),
            18..23 => self.commit(1),
            23..27 => self.commit(3),
            27 => self.upload(),
            28 => {
                let (name, expiry) = (self.name(), self.expiry());
                self.store.touch(self.store.key(&name), NOW, expiry);
            }
            _ if self.chance(20) => self.store.flush_all(NOW, NOW),
            _ => {}
        }
    }

    fn set(&mut self) {
        let (name, value) = (self.name(), self.bytes());
        let mode = match self.below(8) {
            0 => SetMode::Add,
            1 => SetMode::Replace,
            2 | 3 => SetMode::Append,
            4 => SetMode::Prepend,
            _ => SetMode::Set,
        };
        let write = Write {
            flags: self.below(3) as u32,
            expiry: self.expiry(),
            value: &value,
            mode,
            cas_compare: None,
            stale_if_older: false,
            cas_override: None,
            want_cas: self.chance(3),
            vivify: None,
        };
        self.store.set(self.store.key(&name), NOW, &write);
    }

    fn get(&mut self) {
        let name = self.name();
        let options = GetOptions {
            want_cas: self.chance(3),
            touch: self.chance(4).then(|| self.expiry()),
            vivify: self.chance(3).then(|| self.expiry()),
            may_win: self.chance(2),
            ..GetOptions::default()
        };
        self.store
            .get(self.store.key(&name), NOW, &options, |_, _| {});
    }

    fn delete(&mut self) {
        let name = self.name();
        let options = DeleteOptions {
            mark_stale: self.chance(3),
            drop_value: self.chance(4),
            ..DeleteOptions::default()
        };
        self.store.delete(self.store.key(&name), NOW, &options);
    }

    fn arith(&mut self) {
        let name = format!("number {}", self.below(4)).into_bytes();
        let arith = Arith {
            delta: self.below(1000),
            decrement: self.chance(2),
            vivify: Some((self.below(2000), self.expiry())),
            touch: None,
            cas_compare: None,
            cas_override: None,
            want_cas: self.chance(3),
        };
        self.store.arith(self.store.key(&name), NOW, &arith);
    }

    fn fields(&mut self, max: u64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let count = self.below(max);
        let one = |life: &mut Life| {
            let name = life.below(200).to_be_bytes().to_vec();
            let value = vec![life.below(256) as u8; life.below(60) as usize];
            (name, (!life.chance(3)).then_some(value))
        };
        (0..count).map(|_| one(self)).collect()
    }

    fn commit(&mut self, count: usize) {
        let mut names = vec![self.object_name(), self.object_name(), self.name()];
        names.truncate(count);
        names.sort();
        names.dedup();
        let fields = self.fields(60);
        let mut state = Vec::new();
        for (name, value) in self.fields(5) {
            small::put(&mut state, &name, &value.unwrap_or_default());
        }
        let value = self.bytes();
        let change = |life: &mut Life| match life.below(9) {
            0..3 => Change::Small(&state),
            3..6 => Change::Fields {
                fields: &fields,
                clear: life.chance(6),
                fresh: life.chance(6),
                value: life.chance(3).then_some(b"value".as_slice()),
            },
            6 => Change::Plain {
                flags: 9,
                value: &value,
            },
            7 => Change::Expiry,
            _ => Change::Delete,
        };
        let mut commits = Vec::new();
        for name in &names {
            let key = self.store.key(name);
            let opened = self.store.object_open(key, NOW, &mut Vec::new());
            let seen = opened.ok().flatten();
            commits.push(Commit {
                key,
                expected: seen.map(|seen| seen.version),
                place: seen.map(|seen| seen.place),
                blind: opened.is_err() || self.chance(4),
                change: change(self),
                expiry: self.expiry(),
            });
        }
        // Somebody else may have been faster.
        let _may_be_gone = self.store.commit(NOW, &commits);
    }

    fn upload(&mut self) {
        let (name, value) = (self.name(), self.bytes());
        let announced = Announced {
            flags: 1,
            expiry: self.expiry(),
            len: value.len(),
            want_cas: self.chance(2),
        };
        let upload = self.store.upload(self.store.key(&name), announced);
        let Ok(mut upload) = upload else { return };
        if upload.write(&value).is_ok() {
            upload.publish(NOW);
        }
    }
}
