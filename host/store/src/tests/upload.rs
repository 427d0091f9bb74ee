//! Values that come in parts.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;

use super::model::Random;
use super::*;
use crate::memory::arena;

fn store(memory_bytes_max: usize, shards: usize) -> Arc<Store> {
    Arc::new(Store::new(&config(memory_bytes_max, shards)))
}

fn announced(len: usize) -> Announced {
    Announced {
        flags: 0,
        expiry: NEVER,
        len,
        want_cas: false,
    }
}

/// Bytes that show where they belong.
fn value(seed: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (seed as usize + i * 31 + i / 256) as u8)
        .collect()
}

impl Store {
    fn begin(self: &Arc<Store>, key: &[u8], len: usize) -> Upload {
        self.upload(self.key(key), announced(len))
            .expect("it may begin")
    }

    fn used(&self) -> u64 {
        self.alloc.lock().used_grains
    }

    fn holds_nothing(&self) -> bool {
        self.uploading.load(Relaxed) == 0 && self.alloc.lock().held.iter().all(|held| *held == 0)
    }
}

/// Has the upload take `bytes` in parts of random lengths, some of them read from a file.
fn send(upload: &mut Upload, mut bytes: &[u8], random: &mut Random) {
    let (from, mut to) = std::io::pipe().expect("a pipe");
    while !bytes.is_empty() {
        let most = 1 << random.below(16);
        let part = 1 + random.below(most) as usize;
        let (mut now, later) = bytes.split_at(part.min(bytes.len()));
        bytes = later;
        if cfg!(miri) || random.below(2) == 0 {
            upload.write(now).expect("room");
            continue;
        }
        to.write_all(now).expect("a pipe holds 64 KiB");
        while !now.is_empty() {
            let taken = upload.read_from(from.as_fd(), &mut []).expect("room");
            now = &now[taken.expect("bytes are there").placed..];
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn an_upload_is_as_a_set(
        key in prop::collection::vec(any::<u8>(), 1..=250),
        len in 1usize..200_000,
        flags in prop::sample::select(vec![0, 7]),
        expires in any::<bool>(),
        want_cas in any::<bool>(),
        old in prop::option::of(1usize..100_000),
        holes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let value = value(seed, len);
        let expiry = if expires { until(50) } else { NEVER };
        let stores = [store(4 << 20, 4), store(4 << 20, 4)];
        let outcomes = stores.each_ref().map(|store| {
            if holes {
                for i in 0..2000u32 {
                    store.put(&i.to_le_bytes(), &[0; 300]);
                }
                for i in (0..2000u32).step_by(2) {
                    store.delete(store.key(&i.to_le_bytes()), NOW, &DeleteOptions::default());
                }
            }
            if let Some(old) = old {
                store.put(&key, &vec![1; old]);
            }
            let before = store.used();
            let outcome = if std::ptr::eq(store, &stores[0]) {
                store.set(store.key(&key), NOW, &Write { flags, expiry, want_cas, ..write(&value) })
            } else {
                let what = Announced { flags, expiry, len, want_cas };
                let mut upload = store.upload(store.key(&key), what).expect("it may begin");
                send(&mut upload, &value, &mut Random(seed));
                assert!(old.is_none_or(|old| store.read(&key) == Some(vec![1; old])), "not yet");
                upload.publish(NOW)
            };
            store.audit();
            let SetOutcome::Stored { cas, len } = outcome else {
                panic!("it has room");
            };
            assert_eq!(cas != 0, want_cas);
            (len, store.look(&key, NOW, &GetOptions::default()).map(|(info, value)| {
                assert_eq!(info.cas, cas);
                (info.flags, info.expiry, info.fetched, value)
            }), store.stats().payload_bytes, store.stats().total_items, store.used() - before.min(store.used()))
        });
        let [set, upload] = outcomes;
        prop_assert_eq!(upload.1.as_ref().map(|found| &found.3), Some(&value));
        prop_assert_eq!((&set.0, &set.1, set.2, set.3), (&upload.0, &upload.1, upload.2, upload.3));
        // A link, and heads of pieces that a set has as well unless it found one hole.
        prop_assert!(holes || upload.4.abs_diff(set.4) <= 2, "{} for {} grains", upload.4, set.4);
        prop_assert!(stores[1].holds_nothing());
    }
}

#[test]
#[cfg_attr(miri, ignore = "has no such call")]
fn one_read_takes_what_is_there_of_the_value_and_after_it() {
    let store = store(4 << 20, 4);
    let value = value(7, 50_000);
    let (from, mut to) = std::io::pipe().expect("a pipe");
    let mut upload = store.begin(b"k", value.len());
    let mut after = [0; 4];
    let mut send = |bytes: &[&[u8]]| {
        to.write_all(&bytes.concat()).expect("a pipe holds 64 KiB");
        let taken = upload.read_from(from.as_fd(), &mut after).expect("room");
        taken.expect("bytes are there")
    };
    let taken = |placed, after, drained| Taken {
        placed,
        after,
        drained,
    };
    assert_eq!(send(&[&value[..30_000]]), taken(30_000, 0, true));
    assert_eq!(
        send(&[&value[30_000..], b"\r\nget k\r\n"]),
        taken(20_000, 4, false)
    );
    assert_eq!(after, *b"\r\nge");
    upload.publish(NOW);
    assert_eq!(store.read(b"k"), Some(value));
}

#[test]
fn memory_is_taken_as_bytes_come_and_given_back() {
    let store = store(8 << 20, 4);
    let empty = store.used();
    let mut upload = store.begin(b"k", 1 << 20);
    assert_eq!(store.used(), empty, "an announcement takes nothing");
    upload.write(&[1; 40_000]).expect("room");
    let region = u64::from(arena::REGION_GRAINS);
    assert!(store.used() - empty <= 40_000 / 8 + region);
    assert_eq!(store.read(b"k"), None);
    drop(upload);
    store.free_garbage(usize::MAX);
    assert_eq!(store.used(), empty);
    assert!(store.holds_nothing());
    store.audit();
}

#[test]
fn uploads_among_others_agree_with_the_twin() {
    for seed in 0..6 {
        let store = store(3 << 20, 4);
        let mut random = Random(seed);
        let mut twin: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut uploads: Vec<(u64, Vec<u8>, usize, Upload)> = Vec::new();
        for step in 0..8000 {
            let key = random.below(300);
            let name = key.to_le_bytes();
            match random.below(12) {
                0 => {
                    let value = value(step, 1 + random.below(120_000) as usize);
                    let begun = store.upload(store.key(&name), announced(value.len()));
                    if let Ok(upload) = begun {
                        uploads.push((key, value, 0, upload));
                    }
                }
                1..5 if !uploads.is_empty() => {
                    let at = random.below(uploads.len() as u64) as usize;
                    let (_, value, sent, upload) = &mut uploads[at];
                    let part = random.below(30_000) as usize;
                    let end = (*sent + part).min(value.len());
                    upload.write(&value[*sent..end]).expect("others can leave");
                    *sent = end;
                    assert_eq!(upload.left(), value.len() - end);
                    if upload.left() == 0 {
                        let (key, value, _, upload) = uploads.swap_remove(at);
                        let len = value.len() as u32;
                        assert_eq!(upload.publish(NOW), SetOutcome::Stored { cas: 0, len });
                        assert_eq!(store.read(&key.to_le_bytes()).as_ref(), Some(&value));
                        twin.insert(key, value);
                    }
                }
                5 if !uploads.is_empty() => {
                    drop(uploads.swap_remove(random.below(uploads.len() as u64) as usize));
                }
                6 => {
                    store.delete(store.key(&name), NOW, &DeleteOptions::default());
                    twin.remove(&key);
                }
                7 if step % 10 == 0 => {
                    store.set_memory_limit((2 << 20) + random.below(2 << 20) as usize);
                }
                7 => drop(store.maintain(NOW, 200)),
                _ => {
                    let most = 1 << random.below(15);
                    let value = value(step, random.below(most) as usize);
                    assert!(matches!(
                        store.put(&name, &value),
                        SetOutcome::Stored { .. }
                    ));
                    twin.insert(key, value);
                }
            }
            let key = random.below(300);
            if let Some(got) = store.read(&key.to_le_bytes()) {
                assert_eq!(twin.get(&key), Some(&got), "seed {seed}, step {step}");
            }
        }
        drop(uploads);
        assert!(store.holds_nothing());
        store.set_memory_limit(4 << 20);
        store.audit();
    }
}

#[test]
fn threads_upload_while_the_limit_changes() {
    let store = store(4 << 20, 8);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(thread);
                for step in 0..1500 {
                    let key = random.below(100);
                    let name = key.to_le_bytes();
                    let value = value(key, 1 + random.below(60_000) as usize);
                    match random.below(5) {
                        0..2 => {
                            let Ok(mut upload) =
                                store.upload(store.key(&name), announced(value.len()))
                            else {
                                continue;
                            };
                            let sent = random.below(2 * value.len() as u64) as usize;
                            send(&mut upload, &value[..sent.min(value.len())], &mut random);
                            if upload.left() == 0 {
                                assert!(matches!(upload.publish(NOW), SetOutcome::Stored { .. }));
                            }
                        }
                        2 => drop(store.put(&name, &value[..value.len() / 8])),
                        3 if step % 20 == 0 => {
                            store.set_memory_limit((2 << 20) + random.below(3 << 20) as usize);
                        }
                        3 => drop(store.maintain(at(random.below(10) as u32), 100)),
                        _ => {
                            let got = store.read(&name).unwrap_or_default();
                            assert_eq!(got, super::upload::value(key, got.len()), "torn");
                        }
                    }
                }
            });
        }
    });
    assert!(store.holds_nothing());
    store.set_memory_limit(6 << 20);
    store.audit();
}

#[test]
fn a_lower_limit_is_reached_around_an_upload() {
    let store = store(16 << 20, 4);
    let mut upload = store.begin(b"k", 1 << 20);
    let value = value(1, 1 << 20);
    for part in value.chunks(1 << 16).take(8) {
        // Other regions in between.
        for i in 0..200u32 {
            store.put(&[&i.to_le_bytes()[..], &part[..4]].concat(), &[7; 4000]);
        }
        upload.write(part).expect("room");
    }
    store.set_memory_limit(3 << 20);
    while store.maintain(NOW, 1000) > 0 {}
    let stats = store.stats();
    assert!(stats.resident_bytes <= 3 << 20, "{stats:?}");
    assert!(
        stats.curr_items > 100,
        "no more than needed left: {stats:?}"
    );
    for part in value.chunks(1 << 16).skip(8) {
        upload.write(part).expect("room");
    }
    assert!(matches!(upload.publish(NOW), SetOutcome::Stored { .. }));
    assert_eq!(store.read(b"k"), Some(value));
    assert!(store.stats().resident_bytes <= 3 << 20);
    store.audit();
}

#[test]
fn a_limit_below_an_upload_waits_for_it() {
    let store = store(8 << 20, 4);
    let mut upload = store.begin(b"k", 1 << 20);
    upload.write(&vec![1; 1 << 20]).expect("room");
    store.set_memory_limit(512 << 10);
    while store.maintain(NOW, 1000) > 0 {}
    assert!(store.stats().resident_bytes > 1 << 20, "it is still there");
    drop(upload);
    while store.maintain(NOW, 1000) > 0 {}
    assert!(store.stats().resident_bytes <= 512 << 10);
    store.audit();
}

#[test]
fn without_room_an_upload_ends_and_others_stay() {
    let refusing = Config {
        eviction: Eviction::Refuse,
        ..config(2 << 20, 4)
    };
    let store = Arc::new(Store::new(&refusing));
    store.put(b"old", &vec![1; 800_000]);
    store.put(b"other", &vec![1; 400_000]);
    let before = store.used();
    let mut upload = store.begin(b"old", 1 << 20);
    let mut taken = 0;
    while upload.write(&[2; 10_000]).is_ok() {
        taken += 10_000;
    }
    assert!(taken > 700_000, "{taken} bytes fit");
    assert_eq!(store.read(b"old").map(|value| value.len()), Some(800_000));
    drop(upload);
    store.free_garbage(usize::MAX);
    assert_eq!(store.used(), before);
    assert_eq!(
        store.refuse_upload(store.key(b"old"), NOW),
        SetOutcome::TooLarge
    );
    assert_eq!(
        store.read(b"old"),
        None,
        "as after a set that found no room"
    );
    store.audit();
}

#[test]
fn what_can_never_be_kept_is_refused_at_once() {
    let store = store(1 << 20, 4);
    let refused = |key: &[u8], len| store.upload(store.key(key), announced(len)).err();
    assert_eq!(
        refused(b"k", 1 << 20),
        Some(NoUpload::TooLarge),
        "all of the memory"
    );
    assert_eq!(
        refused(b"k", (1 << 20) + 1),
        Some(NoUpload::TooLarge),
        "over the item limit"
    );
    assert_eq!(refused(b"", 10), Some(NoUpload::TooLarge));
    assert!(store.holds_nothing());
}

#[test]
fn many_uploads_share_a_part_of_the_memory_and_one_may_have_it_all() {
    let store = store(1 << 20, 4);
    let mut alone = store.begin(b"alone", 900_000);
    let crowded = store.upload(store.key(b"k"), announced(10)).err();
    assert_eq!(crowded, Some(NoUpload::Crowded));
    let value = value(3, 900_000);
    send(&mut alone, &value, &mut Random(1));
    assert!(matches!(alone.publish(NOW), SetOutcome::Stored { .. }));
    assert_eq!(store.read(b"alone"), Some(value));
    let begun: Vec<_> = (0..20u8)
        .map_while(|i| store.upload(store.key(&[i]), announced(100_000)).ok())
        .collect();
    assert_eq!(begun.len(), 2, "a quarter of the limit");
    drop(begun);
    assert!(store.holds_nothing());
}

#[test]
fn expired_values_on_their_way_are_met_by_nobody() {
    let store = store(2 << 20, 2);
    let expired = Announced {
        expiry: until(1),
        ..announced(40)
    };
    // More uploads in a region than a walk takes note of at a time.
    let mut uploads: Vec<_> = (0..400u32)
        .map(|i| {
            store
                .upload(store.key(&i.to_le_bytes()), expired)
                .expect("small")
        })
        .collect();
    for upload in &mut uploads {
        upload.write(&[5; 39]).expect("room");
    }
    store.set(
        store.key(b"due"),
        NOW,
        &Write {
            expiry: until(1),
            ..write(b"x")
        },
    );
    store.maintain(at(5), 1000);
    assert_eq!(store.stats().reclaimed, 1, "only the item that is there");
    for upload in &mut uploads {
        upload.write(&[5]).expect("room");
    }
    for upload in uploads.drain(..200) {
        assert!(matches!(upload.publish(at(5)), SetOutcome::Stored { .. }));
    }
    store.maintain(at(6), 1000);
    assert_eq!(store.stats().reclaimed, 201);
    drop(uploads);
    store.audit();
}

#[test]
fn the_state_of_an_object_is_not_replaced() {
    let store = store(1 << 20, 2);
    let commit = Commit {
        key: store.key(b"o$x"),
        expected: None,
        place: None,
        blind: true,
        change: Change::Small(b""),
        expiry: NEVER,
    };
    store.commit(NOW, &[commit]).expect("room");
    let mut upload = store.begin(b"o$x", 5);
    upload.write(b"forge").expect("room");
    assert_eq!(upload.publish(NOW), SetOutcome::IsObject);
    assert!(store.holds_nothing());
    store.audit();
}
