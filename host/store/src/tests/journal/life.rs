//! A random life: every operation that may change something, with every option.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::model::Random;
use super::super::*;
use crate::fields::small;

pub(super) const ITEM_BYTES_MAX: usize = 48 << 10;
/// Names in use: few, so that operations meet.
const PLAIN_NAMES: u64 = 60;
const OBJECT_NAMES: u64 = 6;

pub(super) struct Life {
    store: Arc<Store>,
    random: Random,
    now_s: u32,
}

impl Life {
    pub(super) fn new(store: Arc<Store>, seed: u64, now_s: u32) -> Life {
        Life {
            store,
            random: Random(seed),
            now_s,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            unix_s: self.now_s,
            millis: 0,
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.random.below(one_in) == 0
    }

    fn some<T>(&mut self, one_in: u64, make: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.chance(one_in).then(|| make(self))
    }

    fn plain_name(&mut self) -> Vec<u8> {
        match self.chance(20) {
            true => self.object_name(),
            // Some are as long as can be.
            false if self.chance(20) => vec![b'n'; 254 + self.random.below(2) as usize],
            false => format!("plain {}", self.random.below(PLAIN_NAMES)).into_bytes(),
        }
    }

    fn object_name(&mut self) -> Vec<u8> {
        format!("set$object{}", self.random.below(OBJECT_NAMES)).into_bytes()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len_max = match self.random.below(40) {
            0 => ITEM_BYTES_MAX + 1000,
            30 => return Vec::new(),
            31 => return vec![7; ITEM_BYTES_MAX],
            1..5 => 6000,
            _ => 120,
        };
        let len = self.random.below(len_max as u64) as usize;
        vec![self.random.next() as u8; len]
    }

    fn expiry(&mut self) -> Expiry {
        let seconds = self.random.below(30);
        // Some are over already.
        Expiry((seconds > 10).then(|| (u64::from(self.now_s) + seconds - 12) * 1000))
    }

    /// A token that is the item's, or nearly.
    fn token(&mut self, name: &[u8]) -> u64 {
        let asking = GetOptions {
            want_cas: true,
            no_bump: true,
            ..GetOptions::default()
        };
        let token = self.store.look(name, self.now(), &asking);
        token.map_or(1, |(info, _)| info.cas) + self.random.below(3) - 1
    }

    /// Does one operation, after some time.
    pub(super) fn step(&mut self) {
        if self.chance(12) {
            self.now_s += 1;
        }
        self.step_at_rest();
    }

    /// Does one operation; time stands still.
    pub(super) fn step_at_rest(&mut self) {
        match self.random.below(34) {
            0..8 => self.set(),
            8..12 => self.get(),
            12..15 => self.delete(),
            15..19 => self.arith(),
            19..21 => self.touch(),
            21..25 => self.commit_one(),
            25..28 => self.commit_several(),
            28..30 => self.rewrite(),
            30 => self.upload(),
            31 => {
                self.store.maintain(self.now(), 20);
            }
            _ => self.seldom(),
        }
    }

    fn seldom(&mut self) {
        let now = self.now();
        match self.random.below(40) {
            0 => self.store.flush_all(now, now),
            1 => self.store.flush_all(
                now,
                Now {
                    unix_s: self.now_s + 1 + self.random.below(4) as u32,
                    millis: 0,
                },
            ),
            2 => self.store.evict(self.random.below(20_000) as usize),
            3 => {
                let limit = super::LIMIT / 2 + self.random.below(super::LIMIT as u64 / 2) as usize;
                self.store.set_memory_limit(limit);
            }
            4 => {
                let name = self.plain_name();
                self.store.refuse_upload(self.store.key(&name), now);
            }
            _ => {}
        }
    }

    fn set(&mut self) {
        let (name, value) = (self.plain_name(), self.bytes());
        let mode = match self.random.below(8) {
            0 => SetMode::Add,
            1 => SetMode::Replace,
            2 | 3 => SetMode::Append,
            4 => SetMode::Prepend,
            _ => SetMode::Set,
        };
        let write = Write {
            flags: self.random.below(3) as u32,
            expiry: self.expiry(),
            value: &value,
            mode,
            cas_compare: self.some(4, |life| life.token(&name)),
            stale_if_older: self.chance(2),
            cas_override: self.some(6, |life| 1 + life.random.below(1000)),
            want_cas: self.chance(3),
            vivify: self.some(2, Life::expiry),
        };
        self.store.set(self.store.key(&name), self.now(), &write);
    }

    fn get(&mut self) {
        let name = self.plain_name();
        let options = GetOptions {
            want_cas: self.chance(3),
            want_idle: false,
            no_bump: self.chance(2),
            touch: self.some(4, Life::expiry),
            vivify: self.some(3, Life::expiry),
            recache_below_s: self.some(3, |life| life.random.below(20) as u32),
            may_win: self.chance(2),
            cas_override: self.some(4, |life| 1 + life.random.below(1000)),
        };
        self.store.look(&name, self.now(), &options);
    }

    fn delete(&mut self) {
        let name = self.plain_name();
        let options = DeleteOptions {
            cas_compare: self.some(4, |life| life.token(&name)),
            mark_stale: self.chance(2),
            touch: self.some(3, Life::expiry),
            drop_value: self.chance(3),
            cas_override: self.some(4, |life| 1 + life.random.below(1000)),
        };
        self.store
            .delete(self.store.key(&name), self.now(), &options);
    }

    fn arith(&mut self) {
        // Numbers have names of their own, so that most of their values are numbers.
        let name = format!("number {}", self.random.below(8)).into_bytes();
        let digits = self.random.below(20) as u32;
        let arith = Arith {
            delta: self.random.below(10u64.pow(digits)),
            decrement: self.chance(2),
            vivify: self.some(2, |life| (life.random.below(2000), life.expiry())),
            touch: self.some(3, Life::expiry),
            cas_compare: self.some(6, |life| life.token(&name)),
            cas_override: self.some(6, |life| 1 + life.random.below(1000)),
            want_cas: self.chance(3),
        };
        self.store.arith(self.store.key(&name), self.now(), &arith);
    }

    fn touch(&mut self) {
        let (name, expiry) = (self.plain_name(), self.expiry());
        self.store.touch(self.store.key(&name), self.now(), expiry);
    }

    fn state(&mut self) -> Vec<u8> {
        let mut state = Vec::new();
        let fields = match self.chance(6) {
            true => 60,
            false => 5,
        };
        for _ in 0..self.random.below(fields) {
            let (name, len) = (self.random.below(200), self.random.below(60));
            let value = vec![self.random.next() as u8; len as usize];
            small::put(&mut state, &name.to_be_bytes(), &value);
        }
        if self.chance(3) {
            small::set_value(&mut state, Some(b"opaque"));
        }
        state
    }

    fn fields(&mut self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let count = self.random.below(50);
        let one = |life: &mut Life| {
            let name = life.random.below(200).to_be_bytes().to_vec();
            let len = life.random.below(80) as usize;
            let value = vec![life.random.next() as u8; len];
            (name, (!life.chance(2)).then_some(value))
        };
        (0..count).map(|_| one(self)).collect()
    }

    fn commit_one(&mut self) {
        let name = self.object_name();
        self.commit(&[name]);
    }

    fn commit_several(&mut self) {
        let mut names = vec![self.object_name(), self.object_name(), self.plain_name()];
        names.sort();
        names.dedup();
        self.commit(&names);
    }

    /// Changes each of these names, as it was seen or blindly.
    fn commit(&mut self, names: &[Vec<u8>]) {
        let (state, fields, value) = (self.state(), self.fields(), self.bytes());
        let mut commits = Vec::new();
        for name in names {
            let key = self.store.key(name);
            let opened = self.store.object_open(key, self.now(), &mut Vec::new());
            let seen = opened.ok().flatten();
            let change = match self.random.below(9) {
                0..2 => Change::Small(&state),
                2..6 => Change::Fields {
                    fields: &fields,
                    clear: self.chance(6),
                    fresh: self.chance(6),
                    value: self.some(3, |_| b"value".as_slice()),
                },
                6 => Change::Plain {
                    flags: 9,
                    value: &value,
                },
                7 => Change::Expiry,
                _ => Change::Delete,
            };
            commits.push(Commit {
                key,
                expected: seen.map(|seen| seen.version),
                place: seen.map(|seen| seen.place),
                blind: opened.is_err() || self.chance(4),
                change,
                expiry: self.expiry(),
            });
        }
        let _may_not_fit = self.store.commit(self.now(), &commits);
    }

    /// Writes a state of the same length over a small one.
    fn rewrite(&mut self) {
        let name = self.object_name();
        let key = self.store.key(&name);
        let mut state = Vec::new();
        let opened = self.store.object_open(key, self.now(), &mut state);
        let Some(info) = opened.ok().flatten().filter(|info| info.loaded) else {
            return;
        };
        small::set_value(&mut state, Some(b"opaque"));
        let opened = (info.version, info.place);
        let _done = self.store.rewrite(key, opened, &state, info.expiry);
    }

    fn upload(&mut self) {
        let (name, value) = (self.plain_name(), self.bytes());
        let announced = Announced {
            flags: self.random.below(2) as u32,
            expiry: self.expiry(),
            len: value.len(),
            want_cas: self.chance(2),
        };
        let upload = self.store.upload(self.store.key(&name), announced);
        let Ok(mut upload) = upload else { return };
        if upload.write(&value).is_ok() {
            upload.publish(self.now());
        }
    }
}
