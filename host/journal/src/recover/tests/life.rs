//! A life of a directory: records, syncs, rotations, snapshots, errors and crashes, and what must be there after each.

use cacheismo_store::{Body, Effect, Head};

use super::model::{Model, PLAIN};
use crate::Error;
use crate::files::sim::{Disk, Random};
use crate::record;
use crate::recover::{Recovered, recover};
use crate::segment::{LogWriter, Next, Options, Position};
use crate::snapshot::{SnapshotStart, SnapshotWriter, remove_superseded};

/// The key whose value is the number of the last record, so that no two states are alike.
const COUNT: &[u8] = b"count";
const KEYS: u64 = 12;

/// Small enough that rotation is frequent.
pub(crate) const OPTIONS: Options = Options {
    node: *b"sixteen bytes id",
    segment_bytes: 1500,
    now_ms: || 1_700_000_000_000,
};

pub(crate) struct Life {
    pub(crate) seed: u64,
    pub(crate) disk: Disk,
    random: Random,
    /// What the store held after each record that may still be recovered.
    states: Vec<Model>,
    /// The tick of each of these records.
    ticks: Vec<u64>,
    /// Number of the last record, lost ones included.
    count: u64,
    tick: u64,
    log: Result<LogWriter<Disk>, Next>,
    snapshot: Option<Scan>,
    next_snapshot: u64,
    /// The log leads from the start, or from a snapshot, to its end.
    usable: bool,
    /// Index of the oldest state that recovery may give.
    durable: usize,
    /// The same, as long as the machine runs.
    visible: usize,
    /// Snapshots that were finished.
    pub(crate) snapshots: u64,
}

/// A snapshot on its way.
struct Scan {
    writer: SnapshotWriter<Disk>,
    number: u64,
    position: Position,
    key: u64,
}

fn name(key: u64) -> Vec<u8> {
    match key {
        0 => COUNT.to_vec(),
        key => format!("key {key}").into_bytes(),
    }
}

impl Life {
    pub(crate) fn new(seed: u64) -> Life {
        Life {
            seed,
            disk: Disk::new(seed),
            random: Random::new(seed ^ 0xabcd),
            states: vec![Model::default()],
            ticks: vec![0],
            count: 0,
            tick: 0,
            log: Err(Next::FIRST),
            snapshot: None,
            next_snapshot: 1,
            usable: false,
            durable: 0,
            visible: 0,
            snapshots: 0,
        }
    }

    /// Recovers, which works if the disk does, and compares.
    pub(crate) fn start(&mut self) -> Result<Recovered, Error> {
        let mut found = Model::default();
        let recovered = recover(&self.disk, u64::MAX, &mut found)?;
        let is = self.states.iter().rposition(|state| *state == found);
        let Some(is) = is else {
            panic!("seed {}: it held never {found:?}; {recovered:?}", self.seed);
        };
        let last = self.states.len() - 1;
        let least = self.durable.max(self.visible);
        let seed = self.seed;
        assert!(
            is >= least,
            "seed {seed}: {is} of {least}..={last}: {recovered:?}"
        );
        self.states.truncate(is + 1);
        self.durable = is;
        self.visible = 0;
        // Ticks of what was lost may come again, others not.
        self.tick = self.ticks[is];
        assert!(recovered.next_tick > self.tick || is == 0);
        self.ticks.truncate(is + 1);
        self.log = Err(recovered.next);
        self.usable = !recovered.needs_snapshot;
        self.next_snapshot = recovered.next_snapshot;
        self.snapshot = None;
        // The first segment after a start leads on; whatever fails from here on makes a gap.
        self.open();
        Ok(recovered)
    }

    fn open(&mut self) {
        if let Err(mut next) = self.log {
            let opened = LogWriter::open_new(self.disk.clone(), OPTIONS, &mut next);
            self.usable &= opened.is_ok();
            self.log = opened.map_err(|_| next);
        }
    }

    /// The machine or the process ends.
    pub(crate) fn end(&mut self) {
        if self.random.one_in(4) {
            // The system still has what a process wrote before it was killed.
            if self.usable && self.log.is_ok() {
                self.visible = self.states.len() - 1;
            }
            self.disk.kill();
        } else {
            self.visible = 0;
            self.disk.crash();
        }
        self.log = Err(Next::FIRST);
    }

    pub(crate) fn step(&mut self) {
        match self.random.below(12) {
            0..6 => self.append(),
            6..8 => self.sync(),
            8 if self.log.is_err() => self.open(),
            _ if self.snapshot.is_some() => self.snapshot_on(),
            8..10 => self.snapshot_begin(),
            _ => self.append(),
        }
    }

    /// Some records, and the writer's answer.
    pub(crate) fn append(&mut self) {
        let mut bytes = Vec::new();
        for _ in 0..=self.random.below(4) {
            self.record(&mut bytes);
        }
        record::seal(&mut bytes);
        self.with_log(|log| log.append(&bytes).map(|_| ()));
    }

    fn record(&mut self, bytes: &mut Vec<u8>) {
        self.count += 1;
        self.tick += 1 + self.random.below(3);
        let mut state = self.states.last().expect("there is one").clone();
        let mut open = record::begin(bytes, self.tick);
        for _ in 0..self.random.below(3) {
            let key = name(1 + self.random.below(KEYS));
            let head = Head {
                flags: self.random.below(100) as u32,
                ..PLAIN
            };
            let long = if self.random.one_in(30) { 2500 } else { 60 };
            let value = vec![self.random.number() as u8; self.random.below(long) as usize];
            let old = state.value(&key).map(<[u8]>::len);
            let body = match (self.random.below(4), old) {
                (0, Some(len)) if len < 200 => Body::Appended {
                    at: len as u32,
                    bytes: &value,
                },
                (1, Some(_)) => Body::Same,
                _ => Body::Value(&value),
            };
            let effect = match self.random.below(20) {
                0 => Effect::Flushed,
                1..4 => Effect::Deleted { key: &key },
                _ => Effect::Stored {
                    key: &key,
                    head,
                    body,
                },
            };
            state.apply(&effect);
            record::add(bytes, &mut open, &effect);
        }
        let count = self.count.to_string();
        let effect = Effect::Stored {
            key: COUNT,
            head: PLAIN,
            body: Body::Value(count.as_bytes()),
        };
        state.apply(&effect);
        record::add(bytes, &mut open, &effect);
        record::end(bytes, open);
        self.states.push(state);
        self.ticks.push(self.tick);
    }

    pub(crate) fn sync(&mut self) {
        if self.with_log(LogWriter::sync) && self.usable {
            self.durable = self.states.len() - 1;
        }
    }

    /// Whether it worked. After an error the log is given up.
    fn with_log(&mut self, act: impl FnOnce(&mut LogWriter<Disk>) -> Result<(), Error>) -> bool {
        let Ok(log) = &mut self.log else {
            return false;
        };
        if act(log).is_ok() {
            return true;
        }
        let log = std::mem::replace(&mut self.log, Err(Next::FIRST));
        self.log = Err(log.map_or_else(|next| next, LogWriter::give_up));
        self.usable = false;
        // What was scanned for it is no longer led to by the log.
        self.drop_snapshot();
        false
    }

    pub(crate) fn snapshot_begin(&mut self) {
        let Ok(log) = &self.log else {
            return;
        };
        let start = SnapshotStart {
            node: OPTIONS.node,
            number: self.next_snapshot,
            position: log.position(),
            hash_seed: 7,
            unix_ms: 1,
        };
        self.next_snapshot += 1;
        let begun = SnapshotWriter::begin(self.disk.clone(), &start);
        self.snapshot = begun.ok().map(|writer| Scan {
            writer,
            number: start.number,
            position: start.position,
            key: 0,
        });
    }

    /// Looks at some items, and finishes when all were looked at.
    pub(crate) fn snapshot_on(&mut self) {
        let Some(scan) = &mut self.snapshot else {
            return;
        };
        let state = self.states.last().expect("there is one");
        let upto = scan.key + 1 + self.random.below(8);
        while scan.key <= KEYS && scan.key < upto {
            let key = name(scan.key);
            scan.key += 1;
            let Some((head, value)) = state.items.get(&key) else {
                continue;
            };
            let effect = Effect::Stored {
                key: &key,
                head: *head,
                body: Body::Value(value),
            };
            let class = self.random.below(64) as u8;
            if scan.writer.add(class, self.tick, &effect).is_err() {
                return self.drop_snapshot();
            }
        }
        if scan.key > KEYS {
            self.snapshot_finish();
        }
    }

    fn drop_snapshot(&mut self) {
        if let Some(scan) = self.snapshot.take() {
            let _ = scan.writer.abandon();
        }
    }

    fn snapshot_finish(&mut self) {
        // The log has to be there first.
        if !self.with_log(LogWriter::sync) {
            return;
        }
        let end = self.log.as_ref().expect("it was synced").position();
        let Some(scan) = self.snapshot.take() else {
            return;
        };
        if scan.writer.finish(end, self.tick + 1, 2).is_ok() {
            self.usable = true;
            self.durable = self.states.len() - 1;
            self.snapshots += 1;
            if self.random.one_in(3) {
                return;
            }
            // If this fails the next snapshot does it.
            let _ = remove_superseded(&self.disk, scan.number, scan.position);
        }
    }

    /// Stops with all on disk.
    pub(crate) fn finish(&mut self) -> bool {
        let log = std::mem::replace(&mut self.log, Err(Next::FIRST));
        log.is_ok_and(|log| log.finish().is_ok())
    }
}
