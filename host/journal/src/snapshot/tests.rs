//! Snapshots by themselves: order, length, any content.

use cacheismo_store::Effect;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::files::sim::Disk;
use crate::record::tests::{Owned, effect};

pub(crate) const START: SnapshotStart = SnapshotStart {
    node: [9; 16],
    number: 4,
    position: Position {
        segment: 3,
        offset: 100,
    },
    hash_seed: 11,
    unix_ms: 12,
};

fn write(disk: &Disk, items: &[(u8, u64, Owned)]) -> About {
    let mut writer = SnapshotWriter::begin(disk.clone(), &START).expect("the disk works");
    for (class, tick, effect) in items {
        let added = writer.add(*class, *tick, &effect.effect());
        added.expect("the disk works");
    }
    let end = Position {
        segment: 5,
        offset: 6,
    };
    writer.finish(end, 7, 8).expect("the disk works")
}

proptest! {
    #[test]
    fn items_come_back_by_class_and_tick(items in vec((0..64u8, 0..5u64, effect()), 0..60)) {
        let disk = Disk::new(1);
        let about = write(&disk, &items);
        prop_assert_eq!(about.items, items.len() as u64);
        let mut expected: Vec<_> = items.iter().collect();
        expected.sort_by_key(|(class, tick, _)| (*class, *tick));
        // From memory, and one by one.
        for class_bytes_max in [u64::MAX, 0] {
            let mut reader = SnapshotReader::open(&disk, 4).expect("nothing is damaged");
            prop_assert_eq!(reader.about(), &about);
            reader.class_bytes_max = class_bytes_max;
            let mut at = 0;
            reader.read(u64::MAX, |tick, effect| {
                assert_eq!((tick, effect), (expected[at].1, &expected[at].2.effect()));
                at += 1;
            }).expect("nothing is damaged");
            prop_assert_eq!(at, items.len());
            reader.verify().expect("nothing is damaged");
        }
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_damage(
        bytes in vec(any::<u8>(), 0..300),
        items in vec((0..64u8, 0..5u64, effect()), 0..5),
        at: prop::sample::Index,
    ) {
        let disk = Disk::new(1);
        disk.put(&name(4), &bytes);
        SnapshotReader::open(&disk, 4).expect_err("it has no checksum");
        // Something else within a good one.
        write(&disk, &items);
        let mut content = disk.content(&name(4)).expect("it was written");
        let at = at.index(content.len());
        let end = content.len().min(at + bytes.len());
        content[at..end].copy_from_slice(&bytes[..end - at]);
        disk.put(&name(4), &content);
        if let Ok(reader) = SnapshotReader::open(&disk, 4) {
            let _ = reader.read(u64::MAX, |_, _| {});
            let _ = reader.verify();
        }
    }
}

#[test]
fn long_items_stand_beside_short_ones_in_order() {
    let disk = Disk::new(1);
    let lengths = [10, 100_000, 20, 40_000, 32 << 10, 5, 0, 70_000];
    let items: Vec<_> = lengths
        .iter()
        .enumerate()
        .map(|(at, length)| (at.to_string(), vec![at as u8; *length]))
        .collect();
    let mut writer = SnapshotWriter::begin(disk.clone(), &START).expect("the disk works");
    for (key, value) in &items {
        let effect = crate::recover::tests::model::stored(key.as_bytes(), value);
        writer.add(3, 1, &effect).expect("the disk works");
    }
    // A class that there is not is the newest.
    writer
        .add(200, 0, &Effect::Flushed)
        .expect("the disk works");
    writer.finish(START.position, 2, 3).expect("the disk works");
    let reader = SnapshotReader::open(&disk, 4).expect("nothing is damaged");
    let mut at = 0;
    let read = reader.read(u64::MAX, |_, effect| {
        match items.get(at) {
            Some((key, value)) => {
                let expected = crate::recover::tests::model::stored(key.as_bytes(), value);
                assert_eq!(effect, &expected);
            }
            None => assert_eq!(effect, &Effect::Flushed),
        }
        at += 1;
    });
    read.expect("nothing is damaged");
    assert_eq!(at, items.len() + 1);
}
