//! Every file of `tests/conversations`, in every cut.

use cacheismo_tests::conversation::{CUTS, Conversation};
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

#[test]
fn conversations_go_as_written_however_they_are_cut() {
    let directory = tools::repository().join("tests/conversations");
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
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
    let mut failures = Vec::new();
    for path in &paths {
        let conversation = Conversation::read(path).expect("conversations are well-formed");
        for cut in CUTS {
            let server = Server::start(&[]);
            if let Err(error) = conversation.replay(&server, cut) {
                failures.push(format!("{}: {error:#}", path.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
