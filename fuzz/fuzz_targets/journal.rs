//! Files of a data directory that hold anything: they are read or refused, and what is read is written the same. The first
//! byte says what the others are. Checksums are not looked at in these builds, since no fuzzer finds one.

#![no_main]

use cacheismo_journal::files::sim::Disk;
use cacheismo_journal::recover::{Target, recover};
use cacheismo_journal::{inspect, record, segment, snapshot};
use cacheismo_store::Effect;
use libfuzzer_sys::fuzz_target;

/// Takes all.
struct Sink;

impl Target for Sink {
    fn item(&mut self, tick: u64, effect: &Effect<'_>) {
        self.record(tick, std::slice::from_ref(effect));
    }

    fn record(&mut self, tick: u64, changes: &[Effect<'_>]) {
        let mut bytes = Vec::new();
        let mut open = record::begin(&mut bytes, tick);
        for change in changes {
            record::add(&mut bytes, &mut open, change);
        }
        record::end(&mut bytes, open);
        record::seal(&mut bytes);
        let again = record::iter(&bytes).next().expect("one was written");
        let again = again.expect("it was written");
        assert_eq!((again.tick, &again.changes[..]), (tick, changes));

        let mut line = Vec::new();
        inspect::json::Line::new(tick, changes).write(&mut line);
        let line = inspect::json::Line::parse(&line).expect("it was written");
        assert!(line.changes().eq(changes.iter().cloned()));
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((what, bytes)) = input.split_first() else {
        return;
    };
    let disk = Disk::new(1);
    match what % 3 {
        0 => {
            for record in record::iter(bytes).flatten() {
                Sink.record(record.tick, &record.changes);
            }
            return;
        }
        1 => disk.put(&segment::name(1), bytes),
        _ => disk.put(&snapshot::name(1), bytes),
    }
    let report = inspect::verify(&disk).expect("the disk works");
    let _ = report.to_string();
    inspect::show(&disk, Some(b"key"), &mut |seen| {
        let _ = seen.to_string();
        true
    })
    .expect("the disk works");
    let found = recover(&disk, u64::MAX, &mut Sink);
    assert_eq!(found.is_ok(), report.start.is_ok(), "{found:?} {report}");
    if found.is_err() {
        let _ = inspect::repair(&disk);
    }
});
