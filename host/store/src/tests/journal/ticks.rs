//! What a log relies on: the ticks of commits, and the clock at the end of a turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::super::*;
use super::life::Life;
use super::store_with;
use super::twin::Told;

/// Ticks and keys of a commit.
type Ticks = Vec<(u64, Vec<u8>)>;

/// The commits of several keys that a thread told.
fn commits(told: &[Told]) -> Vec<Ticks> {
    let mut commits = Vec::new();
    let mut open: Option<Ticks> = None;
    for told in told {
        match (told, &mut open) {
            (Told::CommitBegins(_), _) => open = Some(Ticks::new()),
            (Told::CommitEnds, _) => commits.extend(open.take()),
            (Told::Left { .. }, _) => {}
            (told, Some(ticks)) => {
                let key = told.key().expect("a commit changes keys");
                ticks.push((told.tick(), key.to_vec()));
            }
            _ => {}
        }
    }
    commits
}

#[test]
fn a_commit_has_one_place_among_all_that_is_told_in_its_shards() {
    let (store, recorder) = store_with(Eviction::Lru, 4);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let mut life = Life::new(Arc::clone(&store), 300 + thread, NOW.unix_s);
            let store = &store;
            scope.spawn(move || {
                for step in 0..4_000 {
                    if thread > 0 && step % 16 == 0 {
                        store.end_turn();
                        store.begin_turn();
                    }
                    life.step_at_rest();
                }
                store.end_turn();
            });
        }
    });
    let shard_of = |key: &[u8]| store.shard_of(store.hash(key));
    let mut ticks: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for told in recorder.take() {
        if let Some(key) = told.key() {
            ticks.entry(shard_of(key)).or_default().push(told.tick());
        }
    }
    assert!(ticks.values().all(|ticks| ticks.is_sorted_by(|a, b| a < b)));
    let commits: Vec<Ticks> = recorder
        .threads()
        .iter()
        .flat_map(|told| commits(told))
        .collect();
    assert!(commits.iter().filter(|commit| commit.len() > 1).count() > 100);
    for commit in commits.iter().filter(|commit| !commit.is_empty()) {
        let (first, last) = (commit[0].0, commit[commit.len() - 1].0);
        for (_, key) in commit {
            let shard = shard_of(key);
            let own = commit.iter().filter(|(_, key)| shard_of(key) == shard);
            let all = ticks[&shard]
                .iter()
                .filter(|tick| (first..=last).contains(tick));
            assert_eq!(own.count(), all.count(), "{first} to {last} in {shard}");
        }
    }
}

/// Looks at the clock when a turn ends.
#[derive(Debug, Default)]
struct Watch {
    store: OnceLock<Arc<Store>>,
    last: Mutex<u64>,
    turns: Mutex<u64>,
}

impl Journal for Arc<Watch> {
    fn stored(&self, tick: u64, _: &[u8], _: &ItemInfo, _: Content<'_>) {
        *self.last.lock().expect("nobody panicked") = tick;
    }

    fn turn_ends(&self) {
        let clock = self.store.get().expect("it was set").clock_now();
        assert!(clock > *self.last.lock().expect("nobody panicked"));
        *self.turns.lock().expect("nobody panicked") += 1;
    }
}

#[test]
fn at_the_end_of_a_turn_the_clock_is_above_it() {
    let store = Arc::new(Store::new(&config(4 << 20, 4)));
    let watch = Arc::new(Watch::default());
    watch.store.set(Arc::clone(&store)).expect("set once");
    store.listen(Box::new(Arc::clone(&watch)));
    for turn in 0..100u32 {
        store.begin_turn();
        for number in 0..turn % 7 {
            store.put(&number.to_le_bytes(), b"value");
        }
        store.end_turn();
        // One that is a turn of its own.
        store.put(b"single", b"value");
    }
    assert_eq!(*watch.turns.lock().expect("nobody panicked"), 200);
}
