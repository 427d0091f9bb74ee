//! Commits that know where their object stood, whatever happened to it since.

use super::model::Random;
use super::*;
use crate::fields::{SmallRef, small};

/// Names in use: few, so that they meet.
const OBJECTS: u64 = 12;

fn name(number: u64) -> Vec<u8> {
    format!("set$object{number}").into_bytes()
}

/// A state of about `len` bytes that nobody else has.
fn state(serial: u64, len: u64) -> Vec<u8> {
    let mut state = Vec::new();
    small::put(&mut state, &serial.to_be_bytes(), &vec![7; len as usize]);
    state
}

fn open(store: &Store, name: &[u8]) -> (Option<ObjectInfo>, Vec<u8>) {
    let mut state = Vec::new();
    let info = store.object_open(store.key(name), NOW, &mut state);
    (info.expect("no plain item has the name"), state)
}

fn change<'a>(
    store: &Store,
    name: &'a [u8],
    seen: Option<ObjectInfo>,
    change: Change<'a>,
) -> Commit<'a> {
    Commit {
        key: store.key(name),
        expected: seen.map(|seen| seen.version),
        place: seen.map(|seen| seen.place),
        blind: false,
        change,
        expiry: NEVER,
    }
}

/// The version there is, found without an access.
fn version(store: &Store, name: &[u8]) -> Option<Version> {
    let unnoticed = GetOptions {
        no_bump: true,
        ..GetOptions::default()
    };
    store.get(store.key(name), NOW, &unnoticed, |info, _| {
        Version(info.cas)
    })
}

/// One thing that may happen between an opening and its commit.
fn disturb(store: &Store, random: &mut Random, serial: u64) {
    let name = name(random.below(OBJECTS));
    let key = store.key(&name);
    match random.below(8) {
        0 => drop(store.touch(key, NOW, until(9))),
        1 => drop(store.delete(key, NOW, &DeleteOptions::default())),
        // The place of what is deleted is the next to be taken.
        2 => {
            store.delete(key, NOW, &DeleteOptions::default());
            let state = state(serial, random.below(60));
            let new = change(store, &name, None, Change::Small(&state));
            store.commit(NOW, &[new]).expect("room");
        }
        3 => drop(store.read(&name)),
        4 => drop(store.put(&random.below(3000).to_be_bytes(), &[1; 60])),
        5 => drop(store.delete(
            store.key(&random.below(3000).to_be_bytes()),
            NOW,
            &DeleteOptions::default(),
        )),
        6 if random.below(200) == 0 => store.flush_all(NOW, NOW),
        _ => {
            let (seen, _) = open(store, &name);
            let state = state(serial, random.below(60));
            let new = change(store, &name, seen, Change::Small(&state));
            store.commit(NOW, &[new]).expect("nobody is faster");
        }
    }
}

#[test]
fn a_commit_succeeds_exactly_if_its_version_still_holds() {
    let store = Store::new(&config(1 << 20, 2));
    let mut random = Random(11);
    let (mut held, mut gone) = (0, 0);
    for round in 0..60_000 {
        let name = name(random.below(OBJECTS));
        let (seen, _) = open(&store, &name);
        for i in 0..random.below(4) {
            disturb(&store, &mut random, round * 8 + i + 1);
        }
        let holds = version(&store, &name) == seen.map(|seen| seen.version);
        let new = state(round * 8, random.below(60));
        let commit = change(&store, &name, seen, Change::Small(&new));
        let done = store.commit(NOW, &[commit]);
        assert_eq!(done.is_ok(), holds, "round {round}");
        if holds {
            held += 1;
            assert_eq!(open(&store, &name).1, new);
        } else {
            gone += 1;
            let (now, state) = open(&store, &name);
            assert!(now.is_none() || SmallRef::trusted(&state).count() == 1 && state != new);
        }
    }
    assert!(held > 10_000 && gone > 1000, "{held} {gone}");
    store.audit();
}
