//! What the READMEs tell a reader to type does what they say.
//!
//! A block marked `memcache` is a session: the client's lines as they are, the server's after `< `. The
//! blocks marked `sh` of the SDK's README are run as one script, and its answer is the block after them.

use std::net::TcpListener;
use std::process::Command;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

/// The sessions of a document.
fn sessions(document: &str) -> Vec<Vec<String>> {
    blocks(document, "memcache")
}

/// The lines of each fenced block with this mark.
fn blocks(document: &str, mark: &str) -> Vec<Vec<String>> {
    let fence = format!("```{mark}");
    let mut blocks = Vec::new();
    let mut current: Option<Vec<String>> = None;
    for line in document.lines() {
        match (&mut current, line) {
            (None, line) if line == fence => current = Some(Vec::new()),
            (Some(_), "```") => blocks.extend(current.take()),
            (Some(lines), line) => lines.push(line.to_owned()),
            (None, _) => {}
        }
    }
    blocks
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
        "objects/counter/README.md",
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

#[test]
fn the_sdk_readme_leads_to_a_running_object() {
    let document = tools::repository().join("guest-sdk/README.md");
    let text = std::fs::read_to_string(&document).expect("the SDK has a README");
    // The port that the README names may be taken here.
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port is free");
    let script = blocks(&text, "sh")
        .concat()
        .join("\n")
        .replace("11311", &free.port().to_string());
    let answer = blocks(&text, "text")
        .first()
        .expect("the README shows the answer")
        .join("\n");
    let output = tools::run(
        Command::new("bash")
            .args(["-eu", "-o", "pipefail", "-c", &script])
            .current_dir(tools::repository())
            .env("SERVER", tools::cacheismo())
            // The README's crate is built as a reader's would be, not as a part of this workspace.
            .env_remove("CARGO_TARGET_DIR"),
    );
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(
        printed.contains(&answer),
        "printed:\n{printed}\nwanted:\n{answer}"
    );
}
