//! Looking, repairing, and lines of JSON.

use cacheismo_store::Effect;
use proptest::prelude::*;

use super::json::Line;
use super::*;
use crate::files::Files;
use crate::files::sim::Disk;
use crate::record::tests::{Owned, steps};
use crate::recover::tests::damage::{copy, load, log, open, records, write_snapshot};
use crate::recover::tests::life::OPTIONS;
use crate::recover::tests::model::{Model, stored};
use crate::recover::{Target, recover};
use crate::segment::{self, Next, Options};
use crate::snapshot;

/// All that it is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Target for Told {
    fn item(&mut self, tick: u64, effect: &Effect<'_>) {
        self.record(tick, std::slice::from_ref(effect));
    }

    fn record(&mut self, tick: u64, changes: &[Effect<'_>]) {
        self.0.push(format!("{tick} {changes:?}"));
    }
}

fn shown(files: &Disk, key: Option<&[u8]>) -> Vec<String> {
    let mut lines = Vec::new();
    show(files, key, &mut |seen| {
        lines.push(seen.to_string());
        true
    })
    .expect("the disk works");
    lines
}

proptest! {
    #[test]
    fn a_line_of_json_is_the_record(steps in steps()) {
        for (tick, changes) in &steps {
            let changes: Vec<_> = changes.iter().map(Owned::effect).collect();
            let mut text = Vec::new();
            Line::new(*tick, &changes).write(&mut text);
            prop_assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line = Line::parse(&text).expect("it was written");
            prop_assert_eq!(line.tick, *tick);
            prop_assert_eq!(line.changes().collect::<Vec<_>>(), changes);
        }
    }

    #[test]
    fn any_text_is_a_line_or_none(text in "\\PC{0,60}", at: prop::sample::Index) {
        let _ = Line::parse(text.as_bytes());
        let mut line = br#"{"tick":1,"changes":[{"stored":{"key":{"hex":"ff"},"value":"a"}}]}"#.to_vec();
        let at = at.index(line.len());
        line.splice(at..=at, text.bytes());
        let _ = Line::parse(&line);
    }

    #[test]
    fn what_is_exported_is_imported(steps in steps(), more in steps()) {
        let disk = Disk::new(1);
        let options = Options { segment_bytes: 600, ..OPTIONS };
        let mut log = segment::LogWriter::open_new(disk.clone(), options, &mut { Next::FIRST }).expect("works");
        for steps in [&steps, &more] {
            log.append(&crate::record::tests::write(steps).0).expect("works");
        }
        log.sync().expect("works");
        let mut lines = Vec::new();
        let exported = export(&disk, &mut lines).expect("nothing is damaged");
        prop_assert_eq!(exported.records, (steps.len() + more.len()) as u64);
        let other = Disk::new(2);
        let imported = import(&other, options, &mut &lines[..]).expect("it was exported");
        prop_assert_eq!(imported.records, exported.records);
        let (mut one, mut two) = (Told::default(), Told::default());
        recover(&disk, u64::MAX, &mut one).expect("nothing is damaged");
        recover(&other, u64::MAX, &mut two).expect("nothing is damaged");
        prop_assert_eq!(one.0, two.0);
        let again = import(&other, options, &mut &lines[..]);
        let refused = matches!(again, Err(ImportError::NotEmpty { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn what_is_no_export_is_refused_with_its_line() {
    let good = br#"{"tick":1,"changes":[{"deleted":{"key":"a"}}]}"#;
    let first = br#"{"format":"cacheismo export","version":1}"#;
    let long = format!(
        r#"{{"tick":1,"changes":[{{"deleted":{{"key":"{}"}}}}]}}"#,
        "k".repeat(256)
    );
    for (bad, line) in [
        (&b"{\"format\":\"cacheismo export\",\"version\":2}\n"[..], 1),
        (b"", 1),
        (&[&first[..], good, b"{}"].join(&b'\n'), 3),
        (&[&first[..], long.as_bytes()].join(&b'\n'), 2),
        (
            &[
                &first[..],
                br#"{"tick":1,"changes":[{"deleted":{"key":""}}]}"#,
            ]
            .join(&b'\n'),
            2,
        ),
        (
            &[
                &first[..],
                br#"{"tick":1,"changes":[{"deleted":{"key":{"hex":"f"}}}]}"#,
            ]
            .join(&b'\n'),
            2,
        ),
    ] {
        let error = import(&Disk::new(1), OPTIONS, &mut &bad[..]).expect_err("it is bad");
        assert!(
            error.to_string().starts_with(&format!("line {line}:")),
            "{error}"
        );
    }
}

#[test]
fn a_key_has_a_history() {
    let (disk, mut log) = log(3);
    let position = log.position();
    let mut state = Model::default();
    state.apply(&stored(b"key 1", b"in the snapshot"));
    write_snapshot(&disk, 1, position, position, &state);
    log.append(&records(1..3)).expect("works");
    log.sync().expect("works");
    let lines = shown(&disk, Some(b"key 1"));
    assert!(
        lines[0].contains("snapshot 1") && lines[0].contains("in the snapshot"),
        "{lines:?}"
    );
    assert!(lines[1].contains("segment 1 begun"), "{lines:?}");
    assert!(
        lines[2].contains("1:") && lines[2].contains(r#""key":"key 1""#),
        "{lines:?}"
    );
    assert_eq!(
        lines.iter().filter(|line| line.contains("tick 1 ")).count(),
        2,
        "{lines:?}"
    );
    assert_eq!(
        shown(&disk, None)
            .iter()
            .filter(|line| line.contains("tick"))
            .count(),
        5
    );
    let mut json = Vec::new();
    show(&disk, None, &mut |seen| {
        seen.json(&mut json);
        true
    })
    .expect("works");
    assert_eq!(
        json.split(|byte| *byte == b'\n')
            .filter(|line| Line::parse(line).is_ok())
            .count(),
        5
    );
}

#[test]
fn a_replay_ends_where_it_is_told() {
    let (disk, log) = log(10);
    log.finish().expect("works");
    for last in 0..10 {
        let mut found = Model::default();
        let replayed = replay(&disk, Until::Tick(last), &mut found).expect("works");
        assert_eq!(
            (replayed.records, replayed.last_tick, replayed.more),
            (last + 1, last, last < 9)
        );
        assert_eq!(found.items.len() as u64, last + 1);
    }
    // The log's beginning is gone, and a snapshot stands for it.
    let (disk, mut log) = self::log(6);
    let position = log.position();
    let (state, _) = load(&copy(&disk)).expect("works");
    write_snapshot(&disk, 1, position, position, &state);
    snapshot::remove_superseded(&disk, 1, position).expect("works");
    log.append(&records(100..105)).expect("works");
    log.finish().expect("works");
    let mut found = Model::default();
    let replayed = replay(&disk, Until::Tick(102), &mut found).expect("works");
    assert_eq!((replayed.records, found.items.len()), (3, 9));
    replay(&disk, Until::Tick(50), &mut found).expect_err("nothing is from before");
}

#[test]
fn a_replay_ends_at_a_time() {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NOW_MS: AtomicU64 = AtomicU64::new(0);
    let options = Options {
        now_ms: || NOW_MS.load(Relaxed),
        ..OPTIONS
    };
    let disk = Disk::new(1);
    let mut log =
        segment::LogWriter::open_new(disk.clone(), options, &mut { Next::FIRST }).expect("works");
    for number in 0..10 {
        NOW_MS.store(number * 5000, Relaxed);
        log.append(&records(number..number + 1)).expect("works");
    }
    drop(log);
    for (until, records) in [(0, 1), (4999, 1), (5000, 2), (44_000, 9), (90_000, 10)] {
        let replayed = replay(&disk, Until::UnixMs(until), &mut Model::default());
        assert_eq!(replayed.expect("works").records, records, "{until}");
    }
}

/// Files that hold a snapshot and a log, both needed.
fn directory() -> Disk {
    let (disk, mut log) = log(9);
    let position = log.position();
    let (state, _) = load(&copy(&disk)).expect("works");
    write_snapshot(&disk, 1, position, position, &state);
    snapshot::remove_superseded(&disk, 1, position).expect("works");
    for number in 20..40 {
        log.append(&records(number..number + 1)).expect("works");
        log.sync().expect("works");
    }
    log.finish().expect("works");
    disk
}

#[test]
fn a_good_directory_is_good() {
    let disk = directory();
    let report = verify(&disk).expect("works");
    assert!(report.is_good(), "{report}");
    assert!(
        report
            .to_string()
            .contains("snapshot 1 with 9 items and 20 records"),
        "{report}"
    );
    assert!(repair(&disk).expect("works").is_empty());
    let (found, recovered) = load(&disk).expect("works");
    assert_eq!((found.items.len(), recovered.notes), (29, vec![]));
}

#[test]
fn what_is_damaged_is_listed_and_repaired() {
    let disk = directory();
    let (all, _) = load(&copy(&disk)).expect("works");
    for name in disk.list().expect("works") {
        let content = disk.content(&name).expect("listed");
        for at in 0..content.len() {
            let damaged = copy(&disk);
            let mut content = content.clone();
            content[at] ^= 0x10;
            damaged.put(&name, &content);
            if load(&copy(&damaged)).is_ok() {
                continue;
            }
            let report = verify(&damaged).expect("works");
            assert!(
                !report.is_good() && report.start.is_err(),
                "{name} {at}: {report}"
            );
            let done = match repair(&damaged) {
                Ok(done) => done,
                // A version that is not known yet: nobody may touch that.
                Err(error) => {
                    assert!(error.to_string().contains("format"), "{name} {at}: {error}");
                    continue;
                }
            };
            assert!(!done.is_empty());
            // What is left is a part of what was there, it starts, and it goes on.
            let (found, recovered) =
                load(&damaged).unwrap_or_else(|error| panic!("{name} {at}: {error}"));
            assert!(
                found
                    .items
                    .iter()
                    .all(|(key, value)| all.items.get(key) == Some(value))
            );
            if segment::number(&name).is_some() {
                assert!(found.items.len() >= 9, "{name} {at}: {done:?}");
            }
            let mut log = open(&damaged, &mut { recovered.next });
            log.append(&records(90..91)).expect("works");
            let (again, _) =
                load(&damaged).unwrap_or_else(|error| panic!("{name} {at}: {error}, {done:?}"));
            let added = usize::from(!recovered.needs_snapshot);
            assert_eq!(
                again.items.len(),
                found.items.len() + added,
                "{name} {at}: {done:?}"
            );
        }
    }
}

#[test]
fn a_chunk_that_is_damaged_costs_its_items_only() {
    let disk = directory();
    let name = snapshot::name(1);
    let mut content = disk.content(&name).expect("it is there");
    content[76 + 30] ^= 1;
    disk.put(&name, &content);
    let done = repair(&disk).expect("works").join("\n");
    assert!(
        done.contains("snapshot 2 holds the 7 items") && done.contains("2 are lost"),
        "{done}"
    );
    let (found, _) = load(&disk).expect("it is repaired");
    assert_eq!(found.items.len(), 27);
    assert!(disk.content(&snapshot::name_aside(1)).is_some());
}

#[test]
fn a_snapshot_whose_log_is_lost_stands_alone() {
    let (disk, mut log) = log(9);
    let begins = log.position();
    log.append(&records(30..33)).expect("works");
    log.sync().expect("works");
    let (state, _) = load(&copy(&disk)).expect("works");
    write_snapshot(&disk, 1, begins, log.position(), &state);
    snapshot::remove_superseded(&disk, 1, begins).expect("works");
    disk.take(&segment::name(begins.segment));
    load(&disk).expect_err("the log is lost");
    let done = repair(&disk).expect("works");
    let (found, recovered) = load(&disk).expect("it is repaired");
    assert_eq!(
        (found, recovered.needs_snapshot),
        (state, false),
        "{done:?}"
    );
    assert_ne!(recovered.next.number, begins.segment);
}
