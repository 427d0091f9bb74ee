//! What the READMEs tell a reader to type does what they say.
//!
//! A fenced block marked `console` holds lines a reader types after `$ ` and what they see; the marks
//! `sh` and `text` are for reading only. Blocks of one file run in order, in one shell each, on one server.

use std::process::Command;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

/// The sessions of a document: what is typed into `nc`, and the answers.
///
/// A block marked `memcache` has the client's lines as they are and the server's after `< `.
fn sessions(document: &str) -> Vec<Vec<String>> {
    let mut sessions = Vec::new();
    let mut current: Option<Vec<String>> = None;
    for line in document.lines() {
        match (&mut current, line) {
            (None, "```memcache") => current = Some(Vec::new()),
            (Some(_), "```") => sessions.extend(current.take()),
            (Some(lines), line) => lines.push(line.to_owned()),
            (None, _) => {}
        }
    }
    sessions
}

fn play(client: &mut Client, session: &[String]) {
    for line in session {
        match line.strip_prefix("< ").or_else(|| line.strip_prefix('<')) {
            Some(answer) => assert_eq!(
                client.read_line(),
                format!("{answer}\r\n"),
                "in {session:#?}"
            ),
            None => client.send(format!("{line}\r\n")),
        }
    }
}

#[test]
fn sessions_of_the_documents_go_as_printed() {
    let server = Server::start(&[]);
    let mut played = 0;
    for document in [
        "README.md",
        "objects/set/README.md",
        "objects/map/README.md",
        "objects/quota/README.md",
        "objects/swcounter/README.md",
        "objects/consistent/README.md",
    ] {
        let path = tools::repository().join(document);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        let mut client = server.connect();
        assert_eq!(client.ask("flush_all\r\n"), "OK\r\n");
        for session in sessions(&text) {
            play(&mut client, &session);
            played += 1;
        }
    }
    assert!(played > 0, "the README has no session to paste");
}

#[test]
fn make_help_lists_what_the_readme_names() {
    let help = tools::run(
        Command::new("make")
            .arg("help")
            .current_dir(tools::repository()),
    );
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let readme =
        std::fs::read_to_string(tools::repository().join("README.md")).expect("there is a README");
    let named = readme
        .match_indices("`make ")
        .map(|(at, _)| &readme[at + 6..]);
    for words in named {
        let target: String = words
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
            .collect();
        let listed = help
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&target));
        assert!(listed, "`make {target}` isn't in `make help`");
    }
}
