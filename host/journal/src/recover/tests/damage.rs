//! Damage: each flipped bit, each cut, and files that are missing or changed places.

use super::life::OPTIONS;
use super::model::{Model, stored};
use crate::Error;
use crate::files::Files;
use crate::files::sim::Disk;
use crate::record;
use crate::recover::{Recovered, recover};
use crate::segment::{self, LogWriter, Next, Options, Position};
use crate::snapshot::{self, SnapshotStart, SnapshotWriter};
use cacheismo_store::{Body, Effect};

/// Records that store `key {n}` for each n.
pub(crate) fn records(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let mut open = record::begin(&mut bytes, number);
        let key = format!("key {number}");
        record::add(&mut bytes, &mut open, &stored(key.as_bytes(), b"value"));
        record::end(&mut bytes, open);
    }
    record::seal(&mut bytes);
    bytes
}

pub(crate) fn open(disk: &Disk, next: &mut Next) -> LogWriter<Disk> {
    let options = Options {
        segment_bytes: 700,
        ..OPTIONS
    };
    LogWriter::open_new(disk.clone(), options, next).expect("the disk works")
}

/// A log of that many records, each synced.
pub(crate) fn log(records_max: u64) -> (Disk, LogWriter<Disk>) {
    let disk = Disk::new(1);
    let mut log = open(&disk, &mut { Next::FIRST });
    for number in 0..records_max {
        log.append(&records(number..number + 1))
            .expect("the disk works");
        log.sync().expect("the disk works");
    }
    (disk, log)
}

pub(crate) fn write_snapshot(
    disk: &Disk,
    number: u64,
    position: Position,
    end: Position,
    state: &Model,
) {
    let start = SnapshotStart {
        node: OPTIONS.node,
        number,
        position,
        hash_seed: 3,
        unix_ms: 4,
    };
    let mut writer = SnapshotWriter::begin(disk.clone(), &start).expect("the disk works");
    for (at, (key, (head, value))) in state.items.iter().enumerate() {
        let effect = Effect::Stored {
            key,
            head: *head,
            body: Body::Value(value),
        };
        writer
            .add(at as u8 % 5, at as u64, &effect)
            .expect("the disk works");
    }
    writer.finish(end, 100, 5).expect("the disk works");
}

pub(crate) fn copy(disk: &Disk) -> Disk {
    let copy = Disk::new(2);
    for name in disk.list().expect("the disk works") {
        copy.put(&name, &disk.content(&name).expect("listed"));
    }
    copy
}

pub(crate) fn load(disk: &Disk) -> Result<(Model, Recovered), Error> {
    let mut found = Model::default();
    let recovered = recover(disk, u64::MAX, &mut found)?;
    Ok((found, recovered))
}

/// Flips each bit of each file, and hands to `check` what is recovered then.
fn each_flip(disk: &Disk, check: impl Fn(&str, usize, Result<(Model, Recovered), Error>)) {
    for name in disk.list().expect("the disk works") {
        let bytes = disk.content(&name).expect("listed");
        for bit in 0..bytes.len() * 8 {
            let damaged = copy(disk);
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            damaged.put(&name, &bytes);
            check(&name, bit / 8, load(&damaged));
        }
    }
}

#[test]
fn each_flipped_bit_of_a_log_is_noticed() {
    let (disk, running) = log(11);
    let (original, _) = load(&copy(&disk)).expect("nothing is damaged");
    assert_eq!(original.items.len(), 11);
    let check = |name: &str, at: usize, found: Result<(Model, Recovered), Error>| match found {
        Err(Error::Damaged { .. } | Error::Version { .. }) => {}
        Err(error) => panic!("{name} {at}: {error}"),
        // The flip is in zeros, or in the last mark: that was torn off.
        Ok((found, recovered)) => {
            assert_eq!(found, original, "{name} {at}");
            assert!(!recovered.notes.is_empty(), "{name} {at}");
        }
    };
    each_flip(&disk, check);
    running.finish().expect("the disk works");
    each_flip(&disk, check);
}

#[test]
fn each_flipped_bit_of_a_snapshot_is_noticed() {
    let (disk, mut log) = log(9);
    let (state, _) = load(&copy(&disk)).expect("nothing is damaged");
    let position = log.position();
    log.append(&records(9..12)).expect("the disk works");
    log.sync().expect("the disk works");
    write_snapshot(&disk, 1, position, log.position(), &state);
    snapshot::remove_superseded(&disk, 1, position).expect("the disk works");
    let (original, _) = load(&copy(&disk)).expect("nothing is damaged");
    assert_eq!(original.items.len(), 12);
    let content = disk.content(&snapshot::name(1)).expect("it was written");
    for bit in 0..content.len() * 8 {
        let damaged = copy(&disk);
        let mut content = content.clone();
        content[bit / 8] ^= 1 << (bit % 8);
        damaged.put(&snapshot::name(1), &content);
        let error = load(&damaged).expect_err("a bit was flipped");
        let text = error.to_string();
        assert!(
            text.contains("snapshot-") && (text.contains("log repair") || text.contains("format")),
            "{text}"
        );
    }
    // Cut anywhere.
    for bytes in 0..content.len() {
        let damaged = copy(&disk);
        damaged.put(&snapshot::name(1), &content[..bytes]);
        load(&damaged).expect_err("it is cut");
    }
}

#[test]
fn each_prefix_of_a_log_gives_a_prefix_of_its_records() {
    let disk = Disk::new(1);
    let mut log = LogWriter::open_new(disk.clone(), OPTIONS, &mut { Next::FIRST }).expect("works");
    let mut ends = vec![log.position().offset];
    for number in 0..9 {
        ends.push(
            log.append(&records(number..number + 1))
                .expect("works")
                .offset,
        );
    }
    let name = segment::name(1);
    let content = disk.content(&name).expect("it is there");
    let header = ends[0] as usize;
    for bytes in header..content.len() {
        let cut = copy(&disk);
        cut.put(&name, &content[..bytes]);
        let (found, recovered) = load(&cut).expect("the end is torn");
        let whole = ends[1..].iter().filter(|end| **end <= bytes as u64).count();
        let mut expected = Model::default();
        for number in 0..whole {
            expected.apply(&stored(format!("key {number}").as_bytes(), b"value"));
        }
        assert_eq!(found, expected, "{bytes}");
        assert_eq!(recovered.records, whole as u64);
        let torn = !ends.contains(&(bytes as u64)) && bytes < ends[9] as usize;
        assert_eq!(!recovered.notes.is_empty(), torn, "{bytes} {recovered:?}");
        // The next start has nothing to mend.
        let (again, recovered) = load(&cut).expect("it was mended");
        assert_eq!((again, recovered.notes), (found, vec![]));
    }
}

#[test]
fn a_torn_end_is_kept_aside_to_the_byte() {
    let (disk, log) = log(3);
    let position = log.position();
    let name = segment::name(position.segment);
    let mut content = disk.content(&name).expect("it is there");
    // Behind the mark of the last sync.
    let end = position.offset as usize + record::mark::MARK_BYTES;
    content[end..end + 20].copy_from_slice(b"something of a write");
    disk.put(&name, &content);
    let (_, recovered) = load(&disk).expect("the end is torn");
    let aside = segment::name_aside(position.segment, end as u64);
    assert!(recovered.notes[0].contains(&aside), "{recovered:?}");
    assert_eq!(
        disk.content(&aside).expect("it is kept"),
        b"something of a write"
    );
    assert_eq!(disk.content(&name).expect("it stays").len(), end);
}

#[test]
fn a_segment_that_is_missing_or_swapped_is_noticed() {
    let (disk, log) = log(20);
    let last = log.position().segment;
    assert!(last >= 4);
    for number in 1..last {
        let damaged = copy(&disk);
        damaged.take(&segment::name(number));
        let error = load(&damaged).expect_err("one is missing");
        assert!(error.to_string().contains("missing"), "{error}");
    }
    let damaged = copy(&disk);
    let (two, three) = (segment::name(2), segment::name(3));
    damaged.put(&two, &disk.content(&three).expect("it is there"));
    damaged.put(&three, &disk.content(&two).expect("it is there"));
    let error = load(&damaged).expect_err("two are swapped");
    assert!(error.to_string().contains("under another name"), "{error}");
    // Others of another life of the directory, in good order by themselves.
    for numbers in [5..10, 0..1] {
        let damaged = copy(&disk);
        let other = Disk::new(3);
        let mut older = open(&other, &mut { Next::FIRST });
        older.append(&records(numbers)).expect("the disk works");
        older.finish().expect("the disk works");
        let first = segment::name(1);
        damaged.put(&first, &other.content(&first).expect("it is there"));
        let error = load(&damaged).expect_err("the first is another");
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    let damaged = copy(&disk);
    let first = segment::name(1);
    let mut content = damaged.content(&first).expect("it is there");
    let at = content
        .windows(5)
        .position(|bytes| bytes == b"value")
        .expect("a value");
    content[at..at + 5].copy_from_slice(b"other");
    // With the checksum that it should have.
    record::seal(&mut content[segment::header::HEADER_BYTES..]);
    damaged.put(&first, &content);
    let error = load(&damaged).expect_err("the chain is another");
    assert!(
        error.to_string().contains("not the records that were"),
        "{error}"
    );
}
