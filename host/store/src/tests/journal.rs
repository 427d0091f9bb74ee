//! Whoever listens knows what the store holds: random lives of every operation, rebuilt from what was told.

mod ends;
mod life;
mod mirror;
mod restore;
mod ticks;
mod twin;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::model::Random;
use super::*;
use life::Life;
use twin::{Body, Recorder, Told, Twin};

const LIMIT: usize = 320 << 10;

fn store_with(eviction: Eviction, shards: usize) -> (Arc<Store>, Recorder) {
    let store = Store::new(&Config {
        item_bytes_max: life::ITEM_BYTES_MAX,
        eviction,
        ..config(LIMIT, shards)
    });
    let recorder = Recorder::default();
    store.listen(Box::new(recorder.clone()));
    (Arc::new(store), recorder)
}

/// What a log would have after sorting by tick, whatever order it was told in.
fn sorted(mut told: Vec<Told>, seed: u64) -> Vec<Told> {
    let mut random = Random(seed);
    for i in (1..told.len()).rev() {
        told.swap(i, random.below(i as u64 + 1) as usize);
    }
    told.sort_by_key(Told::tick);
    told
}

fn live(eviction: Eviction, shards: usize, seed: u64, steps: usize) {
    let (store, recorder) = store_with(eviction, shards);
    let mut life = Life::new(Arc::clone(&store), seed, NOW.unix_s);
    let mut twin = Twin::default();
    let mut all = Vec::new();
    for step in 0..steps {
        life.step();
        // Looking tells, too: of who has expired, and that a planned flush is due.
        let held = (step % 16 == 0).then(|| held(&store, life.now()));
        let told = recorder.take();
        told.iter().for_each(|told| twin.apply(told));
        all.extend(told);
        if let Some(held) = held {
            assert_same(&twin.alive(life.now()), &held);
        }
    }
    let held = held(&store, life.now());
    all.extend(recorder.take());
    check_replay(&all, &held, life.now(), seed);
    store.set_memory_limit(LIMIT);
    while store.maintain(life.now(), 1000) > 0 {}
    // All are gone whose time has come, and each was told of.
    all.extend(recorder.take());
    let mut twin = Twin::default();
    all.iter().for_each(|told| twin.apply(told));
    assert_same(twin.all(), &self::held(&store, life.now()));
    store.audit();
}

/// Names the first key of which two differ, as all of them would be a long list.
fn assert_same(told: &BTreeMap<Vec<u8>, twin::Entry>, held: &BTreeMap<Vec<u8>, twin::Entry>) {
    let keys = told.keys().chain(held.keys());
    for key in keys {
        let name = String::from_utf8_lossy(key);
        assert_eq!(told.get(key), held.get(key), "{name}: told, held");
    }
}

/// Rebuilds from what was told, sorted by tick, with and without the news of who left.
fn check_replay(told: &[Told], held: &BTreeMap<Vec<u8>, twin::Entry>, now: Now, seed: u64) {
    let mut keyed: Vec<Told> = told
        .iter()
        .filter(|told| told.is_keyed())
        .cloned()
        .collect();
    check_ticks(&keyed);
    keyed = sorted(keyed, seed);
    let (mut all, mut without) = (Twin::default(), Twin::default());
    for told in &keyed {
        all.apply(told);
        if !matches!(told, Told::Left { .. }) {
            without.apply(told);
        }
    }
    assert_same(&all.alive(now), held);
    // A log that has no record of who left may know more, but nothing that is older than what the store has, and
    // nothing that was deleted or flushed.
    let without = without.alive(now);
    for (key, entry) in held {
        assert_eq!(without.get(key), Some(entry));
    }
    for key in without.keys().filter(|key| !held.contains_key(*key)) {
        let last = keyed.iter().rev().find(|told| told.concerns(key));
        assert!(matches!(last, Some(Told::Left { .. })), "{key:?}: {last:?}");
    }
}

/// Ticks of a key rise in the order in which its changes were told.
fn check_ticks(told: &[Told]) {
    let (mut last, mut flushed) = (HashMap::new(), 0);
    for told in told {
        let Some(key) = told.key() else {
            assert!(last.values().all(|before| *before < told.tick()));
            flushed = told.tick();
            continue;
        };
        let before = last.insert(key.to_vec(), told.tick()).unwrap_or(0);
        assert!(told.tick() > before.max(flushed), "{told:?} after {before}");
    }
}

/// Everything the store holds, as it is seen from outside.
fn held(store: &Store, now: Now) -> BTreeMap<Vec<u8>, twin::Entry> {
    let mut held = BTreeMap::new();
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        cursor = store.scan(now, from, &mut |key, info, value| {
            let mut bytes = Vec::new();
            value.append_to(&mut bytes);
            held.insert(key.to_vec(), twin::Entry::new(info, Body::Plain(bytes)));
        });
    }
    for (key, entry) in held.iter_mut().filter(|(_, entry)| entry.object) {
        entry.body = object(store, key, now);
    }
    held
}

fn object(store: &Store, name: &[u8], now: Now) -> Body {
    let key = store.key(name);
    let mut state = Vec::new();
    let info = store.object_open(key, now, &mut state);
    let info = info.expect("an object").expect("it was there");
    if info.loaded {
        return Body::small(&state);
    }
    let mut fields = BTreeMap::new();
    let mut more = true;
    while more {
        let last = fields.keys().next_back().cloned();
        let from = last.clone().unwrap_or_default();
        let mut visit = |name: &[u8], value: &[u8]| {
            fields.insert(name.to_vec(), value.to_vec());
            true
        };
        let scanned =
            store.object_scan(key, info.version, &from, last.is_some(), false, &mut visit);
        more = scanned.expect("nobody else writes");
    }
    let mut out = Vec::new();
    let value = store.object_value(key, info.version, &mut out);
    let value = value.expect("nobody else writes").map(|_| out);
    Body::Object { fields, value }
}

#[test]
fn what_was_told_is_what_there_is() {
    for (seed, eviction) in [
        (1, Eviction::Lru),
        (2, Eviction::SizeIdle),
        (3, Eviction::Refuse),
    ] {
        live(eviction, 4, seed, 20_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_was_told_is_what_there_is_in_short_lives(seed in any::<u64>(), shards_log in 0u32..4) {
        live(Eviction::Lru, 1 << shards_log, seed, 600);
    }
}

#[test]
fn what_threads_told_sorted_by_tick_is_what_there_is() {
    let (store, recorder) = store_with(Eviction::Lru, 4);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let mut life = Life::new(Arc::clone(&store), 100 + thread, NOW.unix_s);
            let store = &store;
            scope.spawn(move || {
                for step in 0..8_000 {
                    // One thread works without turns.
                    if thread > 0 && step % 20 == 0 {
                        store.end_turn();
                        store.begin_turn();
                    }
                    life.step_at_rest();
                }
                store.end_turn();
            });
        }
    });
    let told = recorder.take();
    check_turns_and_commits(&recorder.threads());
    check_replay(&told, &held(&store, NOW), NOW, 7);
    store.audit();
}

#[test]
fn what_was_forgotten_is_told_to_be_deleted_all_the_same() {
    let (store, recorder) = store_with(Eviction::Lru, 4);
    let key = store.key(b"k");
    let commit = Commit {
        key,
        expected: None,
        place: None,
        blind: true,
        change: Change::Delete,
        expiry: NEVER,
    };
    let long = [1; life::ITEM_BYTES_MAX + 1];
    let ways: [&dyn Fn(); 4] = [
        &|| {
            assert_eq!(
                store.delete(key, NOW, &DeleteOptions::default()),
                DeleteOutcome::NotFound
            )
        },
        &|| assert_eq!(store.set(key, NOW, &write(&long)), SetOutcome::TooLarge),
        &|| assert_eq!(store.refuse_upload(key, NOW), SetOutcome::TooLarge),
        &|| {
            store
                .commit(NOW, std::slice::from_ref(&commit))
                .expect("it can")
        },
    ];
    for (number, delete) in ways.iter().enumerate() {
        delete();
        let told = recorder.take();
        let deleted = matches!(
            &told[..],
            [Told::TurnBegins(_), Told::Deleted { key, .. }, Told::TurnEnds] if key == b"k"
        );
        assert!(deleted, "{number}: {told:?}");
    }
}

#[test]
fn a_planned_flush_is_told_when_it_is_planned_and_when_it_comes() {
    let (store, recorder) = store_with(Eviction::Lru, 4);
    store.flush_all(NOW, at(5));
    store.read(b"k");
    let told = recorder.take();
    let second = NOW.unix_s + 5;
    assert!(
        matches!(told[..], [Told::TurnBegins(_), Told::FlushPlanned { at_s, .. }, Told::TurnEnds] if at_s == second),
        "{told:?}"
    );
    store.look(b"k", at(5), &GetOptions::default());
    let told = recorder.take();
    assert!(
        matches!(
            told[..],
            [Told::TurnBegins(_), Told::Flushed(_), Told::TurnEnds]
        ),
        "{told:?}"
    );
}

/// Within a thread turns and commits begin and end in pairs, and a turn has no tick below the one it began with.
fn check_turns_and_commits(threads: &[Vec<Told>]) {
    let (mut turns, mut commits) = (0, 0);
    for told in threads {
        let (mut turn, mut commit): (Option<u64>, Option<usize>) = (None, None);
        for told in told {
            match told {
                Told::TurnBegins(tick) => assert_eq!(turn.replace(*tick), None),
                Told::TurnEnds => assert!(turn.take().is_some() && commit.is_none()),
                Told::CommitBegins(changes) => assert_eq!(commit.replace(*changes), None),
                Told::CommitEnds => assert!(commit.take().is_some()),
                Told::FlushPlanned { .. } => assert!(turn.is_some()),
                Told::Left { .. } => assert!(commit.is_none()),
                keyed => {
                    let turn = turn.expect("every change is told in a turn");
                    assert!(keyed.tick() >= turn);
                    if let Some(left) = &mut commit {
                        *left = left.checked_sub(1).expect("no more than were announced");
                        commits += 1;
                    }
                }
            }
            turns += usize::from(matches!(told, Told::TurnEnds));
        }
        assert!(turn.is_none() && commit.is_none());
    }
    assert!(turns > 100 && commits > 100, "{turns} {commits}");
}

#[test]
fn a_long_value_can_be_pinned_when_it_is_told() {
    #[derive(Debug)]
    struct Pinner(
        std::sync::OnceLock<Arc<Store>>,
        std::sync::mpsc::Sender<Pinned>,
    );
    impl Journal for Arc<Pinner> {
        fn stored(&self, _: u64, _: &[u8], _: &ItemInfo, content: Content<'_>) {
            if let (Content::Value(value), Some(store)) = (content, self.0.get()) {
                let pinned = store.pin(&value, &mut Vec::new()).expect("it is long");
                self.1.send(pinned).expect("somebody receives");
            }
        }
    }
    let (send, pins) = std::sync::mpsc::channel();
    let pinner = Arc::new(Pinner(std::sync::OnceLock::new(), send));
    let store = Arc::new(Store::new(&config(4 << 20, 1)));
    store.listen(Box::new(Arc::clone(&pinner)));
    pinner.0.set(Arc::clone(&store)).expect("set once");
    store.put(b"k", &[1; 100_000]);
    store.put(b"k", &[2; 100_000]);
    for byte in [1, 2] {
        let pinned = pins.recv().expect("it was told");
        assert!(bytes::Buf::chunk(&pinned).iter().all(|b| *b == byte));
    }
}
