//! What a directory can look like: gaps, several snapshots, none, little memory.

use super::damage::{copy, load, log, open, records, write_snapshot};
use super::life::OPTIONS;
use super::model::{Model, stored};
use crate::Error;
use crate::files::sim::Disk;
use crate::files::{Directory, Files};
use crate::recover::recover;
use crate::segment::{self, Before, LogWriter, Next, Options, Position};
use crate::snapshot::{self, SnapshotReader, SnapshotStart, SnapshotWriter};

#[test]
fn an_empty_directory_is_an_empty_store() {
    let (found, recovered) = load(&Disk::new(1)).expect("nothing is damaged");
    assert!(found.items.is_empty());
    assert_eq!(recovered.next, Next::FIRST);
    assert_eq!(
        (recovered.next_snapshot, recovered.needs_snapshot),
        (1, false)
    );
}

/// A log, an error, and a log that begins anew.
fn with_gap() -> (Disk, LogWriter<Disk>) {
    let (disk, first) = log(4);
    let mut next = first.give_up();
    assert_eq!(next.before, Before::Gap);
    let mut second = open(&disk, &mut next);
    second.append(&records(7..9)).expect("works");
    second.sync().expect("works");
    (disk, second)
}

#[test]
fn nothing_is_read_across_a_gap() {
    let (disk, second) = with_gap();
    let behind = second.position().segment;
    let (found, recovered) = load(&disk).expect("it is as it should be");
    assert_eq!(found.items.len(), 4);
    assert!(
        recovered.notes[0].contains(&segment::name(behind)),
        "{recovered:?}"
    );
    assert!(disk.content(&segment::name(behind)).is_none());
    assert!(recovered.next.number > behind);
    // And it goes on where it was read to.
    let mut third = open(&disk, &mut { recovered.next });
    third.append(&records(9..10)).expect("works");
    drop(third);
    let (found, recovered) = load(&disk).expect("it is as it should be");
    assert_eq!((found.items.len(), recovered.notes), (5, vec![]));
}

#[test]
fn a_snapshot_behind_a_gap_leads_on() {
    let (disk, mut second) = with_gap();
    let mut state = Model::default();
    state.apply(&stored(b"of the snapshot", b"value"));
    let begins = Position {
        offset: 0,
        ..second.position()
    };
    write_snapshot(&disk, 1, begins, second.position(), &state);
    second.append(&records(9..10)).expect("works");
    let (found, recovered) = load(&copy(&disk)).expect("it is as it should be");
    assert_eq!(found.items.len(), 4);
    assert_eq!((recovered.records, recovered.notes), (3, vec![]));
    // What is not needed any more goes, and is not missed.
    assert_eq!(
        snapshot::remove_superseded(&disk, 1, begins).expect("works"),
        1
    );
    assert_eq!(load(&copy(&disk)).expect("all is there").0, found);
    // Without the snapshot the log is of no use, and that is no secret.
    disk.take(&snapshot::name(1));
    let (found, recovered) = load(&disk).expect("there is nothing");
    assert!(found.items.is_empty() && recovered.notes.len() == 1);
}

#[test]
fn a_log_that_leads_nowhere_is_an_error() {
    let (disk, log) = log(20);
    let position = log.position();
    write_snapshot(&disk, 1, position, position, &Model::default());
    snapshot::remove_superseded(&disk, 1, position).expect("works");
    disk.take(&snapshot::name(1));
    let error = load(&disk).expect_err("the snapshot is missing");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_damaged_snapshot_is_passed_over_where_there_is_another_way() {
    let (disk, log) = log(5);
    let (state, _) = load(&copy(&disk)).expect("nothing is damaged");
    let position = log.position();
    for number in [1, 2] {
        write_snapshot(&disk, number, position, position, &state);
    }
    for damaged in [vec![2], vec![1, 2]] {
        let disk = copy(&disk);
        for number in &damaged {
            let name = snapshot::name(*number);
            let mut content = disk.content(&name).expect("it is there");
            content[100] ^= 1;
            disk.put(&name, &content);
        }
        let (found, recovered) = load(&disk).expect("there is another way");
        assert_eq!(found, state);
        assert_eq!(recovered.notes.len(), 2 * damaged.len(), "{recovered:?}");
        assert_eq!(recovered.next_snapshot, 3);
        assert!(disk.content(&snapshot::name_aside(2)).is_some());
    }
}

#[test]
fn a_damaged_snapshot_behind_a_gap_has_no_other_way() {
    let (disk, second) = with_gap();
    let begins = Position {
        offset: 0,
        ..second.position()
    };
    write_snapshot(&disk, 1, begins, second.position(), &Model::default());
    let name = snapshot::name(1);
    let mut content = disk.content(&name).expect("it is there");
    content[20] ^= 1;
    disk.put(&name, &content);
    let error = load(&disk).expect_err("acknowledged records are behind the gap");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_snapshot_needs_the_log_up_to_its_end() {
    let (disk, log) = log(12);
    let position = log.position();
    let begins = Position {
        segment: 2,
        offset: 0,
    };
    let beyond = Position {
        offset: position.offset + 100,
        ..position
    };
    write_snapshot(&disk, 1, begins, beyond, &Model::default());
    snapshot::remove_superseded(&disk, 1, begins).expect("works");
    let error = load(&disk).expect_err("the log is too short");
    assert!(error.to_string().contains("needs the log up to"), "{error}");
}

#[test]
fn a_longer_record_than_a_segment_has_its_own() {
    let (disk, mut log) = log(2);
    let mut long = Vec::new();
    let mut open = crate::record::begin(&mut long, 50);
    crate::record::add(&mut long, &mut open, &stored(b"long", &[b'x'; 5000]));
    crate::record::end(&mut long, open);
    crate::record::seal(&mut long);
    let mut batch = records(60..61);
    batch.extend(&long);
    batch.extend(records(61..63));
    log.append(&batch).expect("works");
    log.finish().expect("works");
    let (found, recovered) = load(&disk).expect("nothing is damaged");
    assert_eq!((found.items.len(), recovered.records), (6, 6));
    assert_eq!(found.value(b"long"), Some(&[b'x'; 5000][..]));
    assert!(recovered.next_tick > 62);
}

#[test]
fn a_small_memory_takes_the_items_used_last() {
    let disk = Disk::new(1);
    let start = SnapshotStart {
        node: OPTIONS.node,
        number: 1,
        position: Position {
            segment: 1,
            offset: 0,
        },
        hash_seed: 0,
        unix_ms: 0,
    };
    let mut writer = SnapshotWriter::begin(disk.clone(), &start).expect("works");
    for number in (0..6400u64).rev() {
        let (key, value) = (number.to_string(), [b'v'; 100]);
        let effect = stored(key.as_bytes(), &value);
        writer
            .add((number / 100) as u8, number, &effect)
            .expect("works");
    }
    let about = writer.finish(start.position, 6400, 0).expect("works");
    assert_eq!(about.items, 6400);
    for bytes_max in [u64::MAX, about.bytes / 2, about.bytes / 10, 1, 0] {
        let reader = SnapshotReader::open(&disk, 1).expect("works");
        let mut ticks = Vec::new();
        reader
            .read(bytes_max, |tick, _| ticks.push(tick))
            .expect("nothing is damaged");
        let first = ticks.first().copied().unwrap_or(6400);
        assert_eq!(ticks, (first..6400).collect::<Vec<_>>());
        let share = bytes_max.min(about.bytes) * 64 / about.bytes;
        let classes = (6400 - first) / 100;
        assert!(
            (share..=share + 1).contains(&classes),
            "{bytes_max} {classes}"
        );
    }
    let mut found = Model::default();
    let recovered = recover(&disk, u64::MAX, &mut found).expect("there was no log yet");
    assert_eq!((found.items.len(), recovered.needs_snapshot), (6400, false));
    assert_eq!(
        recovered.next,
        Next {
            number: 1,
            before: Before::Gap
        }
    );
    let mut log = open(&disk, &mut { recovered.next });
    log.append(&records(0..3)).expect("works");
    let mut found = Model::default();
    recover(&disk, u64::MAX, &mut found).expect("the log begins at the snapshot");
    assert_eq!(found.items.len(), 6403);
    assert!(disk.list().expect("works").len() == 2);
}

#[test]
fn a_real_directory_with_segments_of_full_length_is_recovered() {
    let path = std::env::temp_dir().join(format!("cacheismo-recover-{}", std::process::id()));
    let options = Options {
        segment_bytes: Options::SEGMENT_BYTES,
        ..OPTIONS
    };
    for part in 0..3 {
        let directory = Directory::open(&path).expect("nobody has it");
        let mut found = Model::default();
        let recovered = recover(&directory, u64::MAX, &mut found).expect("nothing is damaged");
        assert_eq!((found.items.len(), recovered.notes), (part * 10, vec![]));
        let opened = LogWriter::open_new(directory.clone(), options, &mut { recovered.next });
        let mut log = opened.expect("the disk works");
        let first = part as u64 * 10;
        log.append(&records(first..first + 10))
            .expect("the disk works");
        log.sync().expect("the disk works");
        if part == 1 {
            log.finish().expect("the disk works");
        }
    }
    std::fs::remove_dir_all(&path).expect("it is there");
}
