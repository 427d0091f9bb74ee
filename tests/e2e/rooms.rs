//! Calls between the rooms of the host go one way, and some crates stay in one room.
//! ARCHITECTURE.md has the table this enforces.

use std::path::{Path, PathBuf};

use cacheismo_tests::tools;

/// Room, and the rooms it may name. `main` may name any.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "server",
        &["cache", "runtime", "store", "protocol", "stats"],
    ),
    ("cache", &["runtime", "store", "protocol", "stats"]),
    ("runtime", &["stats"]),
    ("store", &["stats"]),
    ("protocol", &[]),
    ("stats", &[]),
];

/// Crate, and the only rooms that may name it.
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
            for (other, _) in ARROWS {
                let named = line.contains(&format!("crate::{other}::"))
                    || line.contains(&format!("crate::{other};"));
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

/// Every source file of the host with its room: the first directory below `src`, or the file's name.
fn sources() -> Vec<(PathBuf, String)> {
    let source = tools::repository().join("host/src");
    let mut found = Vec::new();
    let mut directories = vec![source.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("host/src is there") {
            let path = entry.expect("a directory can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
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
