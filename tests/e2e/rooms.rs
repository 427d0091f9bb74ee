//! Calls between the rooms of the host go one way, and some libraries stay in one room.
//! ARCHITECTURE.md has the table this enforces. Rooms that are crates of their own can't name the host's.

use std::path::{Path, PathBuf};

use cacheismo_tests::tools;

/// Room, and the rooms it may name. `main` may name any.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "account", "cache", "runtime", "store", "protocol", "journal", "stats", "metrics",
        ],
    ),
    (
        "cache",
        &[
            "account", "runtime", "store", "protocol", "stats", "metrics",
        ],
    ),
    ("runtime", &["account", "metrics"]),
    ("account", &["metrics"]),
    ("stats", &["metrics"]),
    ("metrics", &[]),
];

/// Rooms that are crates of their own, in `host/` beside `host/src`.
const CRATES: &[&str] = &["protocol", "store", "journal"];

/// Library, and the only rooms that may name it.
const KEPT: &[(&str, &[&str])] = &[
    ("tokio", &["server", "main.rs"]),
    ("tokio_rustls", &["server"]),
    ("wasmtime", &["runtime"]),
    ("wasmparser", &["runtime"]),
    ("clap", &["server", "main.rs"]),
];

#[test]
fn rooms_name_only_the_rooms_below_them() {
    let mut wrong = Vec::new();
    for (path, room) in sources() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        for (number, line) in code_lines(&path) {
            let modules = ARROWS.iter().map(|(name, _)| name);
            for other in modules.chain(CRATES) {
                let named = ["crate::", "cacheismo_"].iter().any(|path| {
                    line.contains(&format!("{path}{other}::"))
                        || line.contains(&format!("{path}{other};"))
                });
                if named && *other != room && !allowed.contains(other) {
                    wrong.push(format!("{}:{number}: {room} names {other}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    let source = tools::repository().join("host/src");
    for entry in std::fs::read_dir(&source).expect("host/src is there") {
        let path = entry.expect("a directory can be listed").path();
        let name = path
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let known = ["lib", "main"].contains(&name.as_str())
            || ARROWS.iter().any(|(room, _)| *room == name);
        assert!(
            known,
            "{} is a room without arrows: add it to ARCHITECTURE.md and to this test",
            path.display()
        );
    }
}

#[test]
fn sockets_and_wasm_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, room) in sources() {
        for (number, line) in code_lines(&path) {
            for (library, rooms) in KEPT {
                let word = format!("{library}::");
                let names = line.match_indices(&word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|letter| {
                        letter.is_alphanumeric() || letter == '_' || letter == ':'
                    })
                });
                if names && !rooms.contains(&room.as_str()) {
                    wrong.push(format!(
                        "{}:{number}: {room} names {library}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Parts of the cache, each of which names only those before it.
const CACHE_LAYERS: &[&str] = &[
    "clock",
    "detail",
    "locks",
    "next",
    "object_name",
    "peers",
    "reply",
    "scripts",
    "host",
    "saves",
    "shared",
    "footprint",
    "ops",
    "calls",
    "flow",
    "admin",
    "wire",
    "lua",
    "worker",
];

#[test]
fn no_part_of_the_cache_names_one_above_it() {
    let cache = tools::repository().join("host/src/cache");
    let layer = |name: &str| CACHE_LAYERS.iter().position(|part| *part == name);
    let mut wrong = Vec::new();
    for path in files_below(&cache) {
        let below = path.strip_prefix(&cache).expect("found below it");
        let depth = below.components().count();
        let first = below.iter().next().expect("a file has a name");
        let part = Path::new(first).file_stem().expect("a name");
        let part = part.to_string_lossy().into_owned();
        // The cache itself wires its parts, and tests use it from outside.
        if part == "mod" || path.ends_with("tests.rs") {
            continue;
        }
        let own = layer(&part).unwrap_or_else(|| panic!("{part} is a part without a layer"));
        for (number, line) in code_lines(&path) {
            let siblings = if depth == 1 || below.ends_with("mod.rs") && depth == 2 {
                Some("super::")
            } else {
                None
            };
            let named = ["crate::cache::"]
                .into_iter()
                .chain(siblings)
                .filter_map(|prefix| {
                    let (_, rest) = line.split_once(prefix)?;
                    let end =
                        rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
                    layer(&rest[..end.unwrap_or(rest.len())])
                });
            for other in named.filter(|other| *other > own) {
                wrong.push(format!(
                    "{}:{number}: {part} names {}",
                    path.display(),
                    CACHE_LAYERS[other]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every source file of the host with its room: the crate, the first directory below `src`, or the file's name.
fn sources() -> Vec<(PathBuf, String)> {
    let host = tools::repository().join("host");
    let mut found = Vec::new();
    for room in CRATES {
        let files = files_below(&host.join(room).join("src"));
        found.extend(files.into_iter().map(|path| (path, (*room).to_owned())));
    }
    let source = host.join("src");
    for path in files_below(&source) {
        let below = path.strip_prefix(&source).expect("found below it");
        let first = below
            .iter()
            .next()
            .expect("a file has a name")
            .to_string_lossy();
        let room = if below.components().count() > 1 {
            first.into_owned()
        } else {
            first.replace("stats.rs", "stats")
        };
        found.push((path, room));
    }
    found
}

/// The Rust files in a directory and in those below it.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("a directory can be listed").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file's lines that aren't comments, numbered from 1.
fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).expect("a source file is UTF-8");
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.starts_with("//")).collect()
}
