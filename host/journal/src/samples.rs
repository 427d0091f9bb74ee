//! Stored files of each version of the format: they load for ever, and the current version is written as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cacheismo_store::{Body, Effect, Expiry, Head};

use crate::files::Files;
use crate::files::sim::Disk;
use crate::inspect::{export, verify};
use crate::record;
use crate::recover::recover;
use crate::recover::tests::model::PLAIN;
use crate::segment::{self, LogWriter, Next, Options, Position};
use crate::snapshot::{SnapshotStart, SnapshotWriter, remove_superseded};

/// The version that is written.
const CURRENT: &str = "v1";
/// What each sample holds, as an export.
const CONTENT: &str = "content.jsonl";

const OPTIONS: Options = Options {
    node: *b"node of samples\0",
    segment_bytes: 700,
    now_ms: || 1_700_000_000_000,
};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// One change of each kind, with all that a head can have.
fn each_kind() -> Vec<Effect<'static>> {
    let all = Head {
        flags: 0xdead_beef,
        expiry: Expiry(Some(1_800_000_000_000)),
        cas: 77,
        stale: true,
        token_sent: true,
        object: false,
    };
    let object = Head {
        object: true,
        cas: 5,
        ..PLAIN
    };
    let fields = BTreeMap::from([
        (&b"apple"[..], Some(&b"1"[..])),
        (b"fig", None),
        (b"\xff", Some(b"")),
    ]);
    let bodies: [(&[u8], Head, Body<'static>); 7] = [
        (b"value", all, Body::Value(b"some text")),
        (b"\x00key\xff", PLAIN, Body::Value(b"\x80\x00")),
        (
            b"value",
            all,
            Body::Appended {
                at: 9,
                bytes: b" more",
            },
        ),
        (b"value", PLAIN, Body::Same),
        (b"set$fruit", object, Body::State(b"\x00")),
        (
            b"set$fruit",
            object,
            Body::Fields {
                fields,
                clear: false,
                fresh: false,
                value: Some(b"opaque"),
            },
        ),
        (
            b"set$new",
            object,
            Body::Fields {
                fields: BTreeMap::new(),
                clear: true,
                fresh: true,
                value: None,
            },
        ),
    ];
    let stored = bodies.map(|(key, head, body)| Effect::Stored { key, head, body });
    let others = [
        Effect::Deleted { key: b"value" },
        Effect::FlushPlanned {
            at_s: 1_900_000_000,
        },
        Effect::Flushed,
    ];
    stored.into_iter().chain(others).collect()
}

/// A record of each kind of change, and one of all.
fn records(tick: u64) -> Vec<u8> {
    let kinds = each_kind();
    let mut bytes = Vec::new();
    let mut put = |tick, changes: &[Effect<'_>]| {
        let mut open = record::begin(&mut bytes, tick);
        changes
            .iter()
            .for_each(|change| record::add(&mut bytes, &mut open, change));
        record::end(&mut bytes, open);
    };
    for (at, kind) in kinds.iter().enumerate() {
        put(tick + at as u64, std::slice::from_ref(kind));
    }
    put(tick + 100, &kinds);
    record::seal(&mut bytes);
    bytes
}

fn begin(disk: &Disk, next: &mut Next) -> LogWriter<Disk> {
    let mut log = LogWriter::open_new(disk.clone(), OPTIONS, next).expect("the disk works");
    log.append(&records(10)).expect("the disk works");
    log.sync().expect("the disk works");
    log
}

fn snapshot(disk: &Disk, position: Position, end: Position) {
    let start = SnapshotStart {
        node: OPTIONS.node,
        number: 1,
        position,
        hash_seed: 0x1234_5678_9abc_def0,
        unix_ms: 1_700_000_000_001,
    };
    let mut writer = SnapshotWriter::begin(disk.clone(), &start).expect("the disk works");
    for (at, effect) in each_kind().iter().enumerate() {
        let class = (at * 7 % 64) as u8;
        writer
            .add(class, 500 - at as u64, effect)
            .expect("the disk works");
    }
    writer
        .finish(end, 1000, 1_700_000_000_002)
        .expect("the disk works");
    remove_superseded(disk, 1, position).expect("the disk works");
}

/// The samples of the current version.
fn written() -> BTreeMap<&'static str, Disk> {
    let disk = || Disk::new(1);
    let (finished, killed, both, gap) = (disk(), disk(), disk(), disk());
    begin(&finished, &mut { Next::FIRST })
        .finish()
        .expect("the disk works");

    let log = begin(&killed, &mut { Next::FIRST });
    let last = segment::name(log.position().segment);
    let mut content = killed.content(&last).expect("it is there");
    let end = log.position().offset as usize + record::mark::MARK_BYTES;
    content[end..end + 9].copy_from_slice(b"\x30\0\0\0 torn");
    killed.put(&last, &content);

    let mut log = begin(&both, &mut { Next::FIRST });
    let position = log.position();
    log.append(&records(300)).expect("the disk works");
    log.sync().expect("the disk works");
    snapshot(&both, position, log.position());
    log.finish().expect("the disk works");

    let mut next = begin(&gap, &mut { Next::FIRST }).give_up();
    let begins = Position {
        segment: next.number,
        offset: 0,
    };
    let log = begin(&gap, &mut next);
    snapshot(&gap, begins, log.position());
    log.finish().expect("the disk works");
    BTreeMap::from([
        ("finished", finished),
        ("killed", killed),
        ("snapshot", both),
        ("gap", gap),
    ])
}

fn exported(disk: &Disk) -> String {
    let mut lines = Vec::new();
    export(disk, &mut lines).expect("nothing is damaged");
    String::from_utf8(lines).expect("JSON is text")
}

/// The files of a directory, and what they hold.
fn stored(directory: &Path) -> (Disk, String) {
    let disk = Disk::new(1);
    let mut content = None;
    for entry in std::fs::read_dir(directory).expect("a directory of samples") {
        let path = entry.expect("a directory can be listed").path();
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy();
        let bytes = std::fs::read(&path).expect("a sample can be read");
        match &*name {
            CONTENT => content = Some(String::from_utf8(bytes).expect("JSON is text")),
            name => disk.put(name, &bytes),
        }
    }
    (disk, content.expect("each sample says what it holds"))
}

#[derive(Default)]
struct Count(u64);

impl crate::recover::Target for Count {
    fn item(&mut self, _tick: u64, _effect: &Effect<'_>) {
        self.0 += 1;
    }

    fn record(&mut self, _tick: u64, _changes: &[Effect<'_>]) {
        self.0 += 1;
    }
}

#[test]
fn samples_of_all_versions_load() {
    let mut loaded = 0;
    for version in std::fs::read_dir(samples()).expect("samples are in the repository") {
        let version = version.expect("a directory can be listed").path();
        for directory in std::fs::read_dir(version).expect("a directory of a version") {
            let directory = directory.expect("a directory can be listed").path();
            let (disk, content) = stored(&directory);
            assert_eq!(exported(&disk), content, "{}", directory.display());
            let report = verify(&disk).expect("the disk works");
            assert!(report.is_good(), "{}: {report}", directory.display());
            let mut count = Count::default();
            recover(&disk, u64::MAX, &mut count).expect("nothing is damaged");
            assert_eq!(count.0, content.lines().count() as u64 - 1);
            loaded += 1;
        }
    }
    assert!(loaded >= 4);
}

#[test]
fn the_current_version_is_written_as_it_was() {
    for (name, disk) in written() {
        let (sample, _) = stored(&samples().join(CURRENT).join(name));
        let names = disk.list().expect("the disk works");
        assert_eq!(names, sample.list().expect("the disk works"), "{name}");
        for file in names {
            let same = disk.content(&file) == sample.content(&file);
            assert!(
                same,
                "{name}/{file}: the format changed; it needs a new version, and samples of it"
            );
        }
    }
}

/// For a new version: `cargo test -p cacheismo-journal write_samples -- --ignored`.
#[test]
#[ignore = "writes into the repository"]
fn write_samples() {
    for (name, disk) in written() {
        let directory = samples().join(CURRENT).join(name);
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        for file in disk.list().expect("the disk works") {
            let path = directory.join(&file);
            assert!(!path.exists(), "{}: samples never change", path.display());
            std::fs::write(path, disk.content(&file).expect("listed"))
                .expect("a file can be written");
        }
        std::fs::write(directory.join(CONTENT), exported(&disk)).expect("a file can be written");
    }
}
