//! What the original answered, and what its bugs were meant to answer.

use cacheismo_tests::{golden, tools};

#[test]
fn plain_commands_answer_as_the_original() {
    play("plain.jsonl");
}

#[test]
fn native_objects_answer_as_the_original() {
    play("objects.jsonl");
}

fn play(file: &str) {
    let records = golden::read(&tools::repository().join("tests/golden").join(file));
    let sessions: Vec<_> = records.chunk_by(|a, b| a.session == b.session).collect();
    // Sessions have their own servers and know nothing of each other: some wait for an expiry.
    let differences: Vec<String> = std::thread::scope(|scope| {
        let played: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| golden::differences(session)))
            .collect();
        played
            .into_iter()
            .flat_map(|thread| thread.join().expect("a session reports, it doesn't panic"))
            .collect()
    });
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
