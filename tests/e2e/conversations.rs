//! Every file of `tests/conversations`, in every cut.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cacheismo_tests::conversation::{CUTS, Conversation};
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

/// Files played at a time. Most of a play is waiting.
const PLAYERS: usize = 4;

#[test]
fn conversations_go_as_written_however_they_are_cut() {
    let directory = tools::repository().join("tests/conversations");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("tests/conversations is there")
        .map(|entry| entry.expect("a directory can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(
        !paths.is_empty(),
        "no conversation in {}",
        directory.display()
    );
    let paths = Mutex::new(paths);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some(path) = { paths.lock().expect("no panic while held").pop() } {
                    let heard = play(&path);
                    failures.lock().expect("no panic while held").extend(heard);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic while held");
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Plays a file in every cut, each on a fresh server, and gives what went wrong.
fn play(path: &Path) -> Vec<String> {
    let conversation = Conversation::read(path).expect("conversations are well-formed");
    let options: Vec<&str> = conversation.options.iter().map(String::as_str).collect();
    let name = path
        .file_name()
        .expect("a file has a name")
        .to_string_lossy();
    let plays = CUTS.map(|cut| conversation.replay(&Server::start(&options), cut));
    plays
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{name}: {error:#}"))
        .collect()
}
