//! The store filled with what a directory holds.
//!
//! One thread reads; others, each with a part of the shards, apply what it hands them in batches. What concerns all shards,
//! a flush, is applied when all batches before it are.

use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use cacheismo_journal::files::Directory;
use cacheismo_journal::record;
use cacheismo_journal::recover::{self, Recovered, Target};
use cacheismo_journal::snapshot::About;

use crate::cache::Cache;
use crate::stats::log;
use crate::store::{Effect, Now, Part, Store, Tally};

/// Bytes of changes after which a batch is handed on.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait for a thread, at most.
const BATCHES_MAX: usize = 4;
/// Threads that apply, beside the one that reads.
const THREADS: usize = 2;
/// Time between two lines of progress in a log, and on a terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const BAR_WIDTH: usize = 30;

/// Recovers what the directory holds. Of a snapshot longer than the memory only what was used last is read.
///
/// # Errors
/// When the disk fails, or something is damaged.
pub(super) fn load(
    directory: &Directory,
    cache: &Cache,
    memory_bytes: u64,
) -> Result<Recovered, cacheismo_journal::Error> {
    let store = cache.store();
    thread::scope(|scope| {
        let mut loader = Loader {
            store,
            parts: (0..THREADS)
                .map(|number| Applier::start(scope, Arc::clone(store), number))
                .collect(),
            batch: Batch::default(),
            items: 0,
            progress: Progress::new(),
        };
        let recovered = recover::recover(directory, memory_bytes, &mut loader)?;
        loader.settle();
        let Loader {
            parts,
            items,
            progress,
            ..
        } = loader;
        let mut tally = Tally::default();
        for part in parts {
            tally += part.finish();
        }
        store.resume_at(cache.now(), recovered.next_tick);
        progress.end(items, &recovered, &tally);
        Ok(recovered)
    })
}

struct Loader<'s, 'scope> {
    store: &'s Store,
    parts: Vec<Applier<'scope>>,
    batch: Batch,
    /// Effects so far.
    items: u64,
    progress: Progress,
}

impl Loader<'_, '_> {
    fn add(&mut self, tick: u64, effect: &Effect<'_>) {
        self.items += 1;
        if effect.key().is_none() {
            self.settle();
            self.store.apply(Now::BEFORE_ALL, tick, effect);
            return;
        }
        self.batch.add(tick, effect);
        if self.batch.changes.len() >= BATCH_BYTES {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let batch = Arc::new(std::mem::take(&mut self.batch));
        for part in &self.parts {
            part.send(Message::Apply(Arc::clone(&batch)));
        }
    }

    /// Returns when all that was added is applied.
    fn settle(&mut self) {
        if !self.batch.ticks.is_empty() {
            self.hand_on();
        }
        let done: Vec<_> = self
            .parts
            .iter()
            .map(|part| {
                let (sender, receiver) = sync_channel(1);
                part.send(Message::Settle(sender));
                receiver
            })
            .collect();
        for done in done {
            done.recv().expect("a thread ends when it is told");
        }
    }
}

impl Target for Loader<'_, '_> {
    fn snapshot(&mut self, about: &About) {
        self.store.expect_items(about.items);
    }

    fn item(&mut self, tick: u64, effect: &Effect<'_>) {
        self.add(tick, effect);
    }

    fn record(&mut self, tick: u64, changes: &[Effect<'_>]) {
        for (tick, change) in (tick..).zip(changes) {
            self.add(tick, change);
        }
    }

    fn progress(&mut self, done_bytes: u64, all_bytes: u64) {
        self.progress.tell(self.items, done_bytes, all_bytes);
    }
}

enum Message {
    Apply(Arc<Batch>),
    Settle(SyncSender<()>),
}

/// A thread that applies the effects of one part of the shards.
struct Applier<'scope> {
    batches: SyncSender<Message>,
    thread: ScopedJoinHandle<'scope, Tally>,
}

impl<'scope> Applier<'scope> {
    fn start<'env>(
        scope: &'scope thread::Scope<'scope, 'env>,
        store: Arc<Store>,
        number: usize,
    ) -> Applier<'scope> {
        let (batches, received) = sync_channel(BATCHES_MAX);
        let part = Part {
            number,
            of: THREADS,
        };
        let thread = scope.spawn(move || {
            let mut tally = Tally::default();
            for message in received {
                match message {
                    Message::Apply(batch) => {
                        let effects = batch.effects();
                        tally += store.apply_all(Now::BEFORE_ALL, part, &effects);
                    }
                    // Whoever asked waits for it.
                    Message::Settle(done) => drop(done.send(())),
                }
            }
            tally
        });
        Applier { batches, thread }
    }

    fn send(&self, message: Message) {
        let sent = self.batches.send(message);
        assert!(sent.is_ok(), "a thread ends when it is told");
    }

    fn finish(self) -> Tally {
        drop(self.batches);
        self.thread.join().expect("applying does not panic")
    }
}

/// Copies of effects.
#[derive(Default)]
struct Batch {
    ticks: Vec<u64>,
    /// The effects, one behind the other, as the log holds them.
    changes: Vec<u8>,
}

impl Batch {
    fn add(&mut self, tick: u64, effect: &Effect<'_>) {
        self.ticks.push(tick);
        record::write_change(&mut self.changes, effect);
    }

    fn effects(&self) -> Vec<(u64, Effect<'_>)> {
        let effects = record::read_changes(&self.changes).expect("they were written here");
        self.ticks.iter().copied().zip(effects).collect()
    }
}

/// Tells an operator how far the recovery is: a bar on a terminal, lines in a log.
struct Progress {
    began: Instant,
    told: Instant,
    terminal: bool,
}

impl Progress {
    fn new() -> Progress {
        let now = Instant::now();
        Progress {
            began: now,
            told: now,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn tell(&mut self, items: u64, done_bytes: u64, all_bytes: u64) {
        let every = if self.terminal { BAR_EVERY } else { LINE_EVERY };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let share = done_bytes as f64 / all_bytes.max(1) as f64;
        let rate = mebibytes(done_bytes) / self.began.elapsed().as_secs_f64();
        let text = format!(
            "{:.0} % of {:.0} MiB, {items} changes, {rate:.0} MiB/s",
            share * 100.0,
            mebibytes(all_bytes)
        );
        if self.terminal {
            let full = ((share * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR_WIDTH - full));
            // Whoever does not read the bar does not hold up the start.
            let _shown = write!(std::io::stderr(), "\rrecovering [{bar}] {text} ");
        } else {
            log::line(format_args!("recovering: {text}"));
        }
    }

    fn end(&self, items: u64, recovered: &Recovered, tally: &Tally) {
        if self.terminal && self.told > self.began {
            let _shown = writeln!(std::io::stderr());
        }
        if items == 0 {
            return;
        }
        let snapshot = match &recovered.snapshot {
            Some(about) => format!("snapshot {} of {} items", about.number, about.items),
            None => "no snapshot".to_owned(),
        };
        log::line(format_args!(
            "recovered in {:.1} s: {snapshot}, {} records of the log",
            self.began.elapsed().as_secs_f64(),
            recovered.records
        ));
        let lost = tally.no_room + tally.malformed;
        if lost > 0 {
            log::warn(format_args!(
                "{lost} changes were left out: {} found no memory, {} this version does not know",
                tally.no_room, tally.malformed
            ));
        }
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
