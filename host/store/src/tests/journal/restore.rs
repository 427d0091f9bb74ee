//! What was told, applied to a second store, gives the first: at once, later, from any point; and so does an export.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::model::Random;
use super::super::*;
use super::life::Life;
use super::mirror::{Mirror, keep, with_effect};
use super::twin::{Entry, Told, Twin};
use super::{assert_same, held, sorted, store_with};

type All = BTreeMap<Vec<u8>, Entry>;

/// An export that is under way, and what it has visited.
struct Exported {
    export: Export,
    effects: Vec<(u8, Told)>,
    done: bool,
}

impl Exported {
    fn begin(store: &Arc<Store>, now: Now) -> Exported {
        Exported {
            export: store.export(now),
            effects: Vec::new(),
            done: false,
        }
    }

    fn step(&mut self, now: Now) {
        let effects = &mut self.effects;
        self.done = !self.export.step(now, &mut |class, tick, effect| {
            effects.push((class, keep(tick, effect)));
        });
    }

    fn run(mut self, now: Now) -> Vec<Told> {
        while !self.done {
            self.step(now);
        }
        self.in_order()
    }

    /// As it is loaded: class by class, each by tick.
    fn in_order(self) -> Vec<Told> {
        let mut effects = self.effects;
        effects.sort_by_key(|(class, told)| (*class, told.tick()));
        let ticks = effects.iter().map(|(_, told)| told.tick());
        assert!(ticks.is_sorted(), "older items are in lower classes");
        effects.into_iter().map(|(_, told)| told).collect()
    }
}

/// All told with a tick, in an order that a log may have.
fn logged(told: &[Told], seed: u64) -> Vec<Told> {
    let effects = told
        .iter()
        .filter(|told| with_effect(told, |_, _| ()).is_some());
    sorted(effects.cloned().collect(), seed)
}

/// Checks a store that was restored without the news of who left: all that is held is there, and what is there besides
/// is as it was when it left.
fn check(restored: &All, store: &Store, told: &[Told], now: Now) {
    let mut twin = Twin::default();
    for told in told {
        if !matches!(told, Told::Left { .. }) {
            twin.apply(told);
        }
    }
    let known = twin.alive(now);
    for (key, entry) in restored {
        let name = String::from_utf8_lossy(key);
        assert_eq!(known.get(key), Some(entry), "{name}: told, restored");
    }
    for (key, entry) in &held(store, now) {
        let name = String::from_utf8_lossy(key);
        assert_eq!(restored.get(key), Some(entry), "{name}: restored, held");
    }
}

fn live(eviction: Eviction, shards: usize, seed: u64, steps: usize) {
    let (store, recorder) = store_with(eviction, shards);
    let mut life = Life::new(Arc::clone(&store), seed, NOW.unix_s);
    let mut random = Random(seed);
    let (mirror, mut all) = (Mirror::new(shards), Vec::new());
    let mut exported: Option<(usize, Exported)> = None;
    for step in 0..steps {
        life.step();
        let now = life.now();
        let held = (step % 16 == 0).then(|| held(&store, now));
        let told = recorder.take();
        for told in &told {
            let applied = mirror.apply(now, told);
            assert_ne!(applied, Some(Applied::Missing), "{told:?}");
        }
        all.extend(told);
        if let Some(held) = held {
            assert_same(&super::held(&mirror.0, now), &held);
        }
        match &mut exported {
            None if random.below(100) == 0 => {
                let from = all.len();
                exported = Some((from, Exported::begin(&store, now)));
            }
            None => {}
            Some((_, export)) if !export.done => {
                for _ in 0..random.below(3) {
                    export.step(now);
                }
            }
            Some(_) => {
                all.extend(recorder.take());
                let (from, export) = exported.take().expect("it is there");
                let loaded = Mirror::new(1 << random.below(4));
                loaded.replay(&export.in_order());
                loaded.replay(&logged(&all[from..], seed));
                loaded.0.resume_at(now, store.next_tick());
                check(&super::held(&loaded.0, now), &store, &all, now);
                loaded.0.audit();
            }
        }
    }
    check_replays(&store, &recorder.take(), all, life.now(), &mut random);
    mirror.0.audit();
}

/// Replays all, and then again from some points on.
fn check_replays(store: &Store, last: &[Told], mut all: Vec<Told>, now: Now, random: &mut Random) {
    all.extend_from_slice(last);
    let log = logged(&all, random.next());
    let again = Mirror::new(2);
    again.replay(&log);
    for _ in 0..3 {
        let from = random.below(log.len() as u64 + 1) as usize;
        again.replay(&log[from..]);
    }
    again.0.resume_at(now, store.next_tick());
    check(&held(&again.0, now), store, &all, now);
    again.0.audit();
}

#[test]
fn a_store_fed_by_effects_is_the_same() {
    for (seed, eviction) in [
        (11, Eviction::Lru),
        (12, Eviction::SizeIdle),
        (13, Eviction::Refuse),
    ] {
        live(eviction, 4, seed, 12_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn a_store_fed_by_effects_is_the_same_in_short_lives(seed in any::<u64>(), shards_log in 0u32..4) {
        live(Eviction::Lru, 1 << shards_log, seed, 800);
    }
}

#[test]
fn an_export_while_threads_work_and_what_they_told_give_the_store() {
    for seed in 0..3 {
        let (store, recorder) = store_with(Eviction::Lru, 4);
        let mut life = Life::new(Arc::clone(&store), seed, NOW.unix_s);
        (0..500).for_each(|_| life.step_at_rest());
        let before = recorder.take();
        let mut exported = Exported::begin(&store, NOW);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let mut life = Life::new(Arc::clone(&store), seed << 8 | thread, NOW.unix_s);
                let store = &store;
                scope.spawn(move || {
                    for step in 0..2_000 {
                        if thread > 0 && step % 20 == 0 {
                            store.end_turn();
                            store.begin_turn();
                        }
                        life.step_at_rest();
                    }
                    store.end_turn();
                });
            }
            while !exported.done {
                exported.step(NOW);
                std::thread::yield_now();
            }
        });
        let since = recorder.take();
        let loaded = Mirror::new(4);
        loaded.replay(&exported.in_order());
        loaded.replay(&logged(&since, seed));
        loaded.0.resume_at(NOW, store.next_tick());
        let mut all = logged(&before, seed);
        all.extend(logged(&since, seed));
        check(&held(&loaded.0, NOW), &store, &all, NOW);
        loaded.0.audit();
    }
}

/// Evicts all, and returns the keys in the order in which they left.
fn eviction_order(store: &Store) -> Vec<Vec<u8>> {
    let recorder = super::Recorder::default();
    store.listen(Box::new(recorder.clone()));
    while store.stats().curr_items > 0 {
        store.evict(1);
    }
    let told = recorder.take();
    let left = told.iter().filter(|told| matches!(told, Told::Left { .. }));
    left.filter_map(|told| told.key().map(<[u8]>::to_vec))
        .collect()
}

/// The effects that two threads apply, each to its half.
fn load_by_two(store: &Store, effects: &[Told]) {
    let owned: Vec<&Told> = effects.iter().collect();
    std::thread::scope(|scope| {
        for number in 0..2 {
            let owned = &owned;
            scope.spawn(move || {
                let part = Part { number, of: 2 };
                for told in owned.iter() {
                    with_effect(told, |tick, effect| {
                        let effect = [(tick, effect.clone())];
                        store.apply_all(Now::BEFORE_ALL, part, &effect)
                    });
                }
            });
        }
    });
}

#[test]
fn an_export_gives_the_order_back() {
    for seed in 0..6 {
        // Ticks run over 32 bits on the way.
        let config = Config {
            item_bytes_max: super::life::ITEM_BYTES_MAX,
            ..config(super::LIMIT, 1 << (seed % 4))
        };
        let store = Arc::new(Store::starting_at(&config, (1 << 32) - 2000));
        let mut life = Life::new(Arc::clone(&store), seed, NOW.unix_s);
        (0..3000).for_each(|_| life.step());
        let now = life.now();
        let effects = Exported::begin(&store, now).run(now);
        let held = held(&store, now);
        let ticks: BTreeMap<_, _> = effects
            .iter()
            .filter_map(|told| Some((told.key()?.to_vec(), told.tick())))
            .collect();
        let (one, two) = (Mirror::new(4), Mirror::new(8));
        one.replay(&effects);
        load_by_two(&two.0, &effects);
        // Those that are dead do not leave in the order of their use.
        store.maintain(now, usize::MAX);
        let before = eviction_order(&store);
        assert_eq!(before.len(), held.len());
        for loaded in [one, two] {
            loaded.0.resume_at(now, store.next_tick());
            assert_same(&super::held(&loaded.0, now), &held);
            loaded.0.audit();
            let after = eviction_order(&loaded.0);
            let of_order = |keys: &[Vec<u8>]| keys.iter().map(|key| ticks[key]).collect::<Vec<_>>();
            assert_eq!(of_order(&after), of_order(&before), "seed {seed}");
        }
    }
}
