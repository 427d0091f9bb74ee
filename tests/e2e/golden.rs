//! What the original answered, and what its bugs were meant to answer.

use cacheismo_tests::golden::{self, Record};
use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

/// Directory of the script with which the recordings look around, as error messages name it.
const LUA_TESTS: &str = "objects/lua/tests/lua";
/// Recordings made with that script.
const LUA_SESSIONS: &str = "objects/lua/tests/lua/golden/sessions.jsonl";

#[test]
fn plain_commands_answer_as_the_original() {
    play("tests/golden/plain.jsonl", golden::differences);
}

#[test]
fn native_objects_answer_as_the_original() {
    play("tests/golden/objects.jsonl", golden::differences);
}

#[test]
fn lua_objects_answer_as_the_original() {
    play(LUA_SESSIONS, |session| lua_differences(session, &[]));
}

#[test]
fn lua_objects_answer_as_the_original_when_scripts_handle_every_command() {
    play(LUA_SESSIONS, |session| {
        lua_differences(session, &["--lua-main"])
    });
}

#[test]
fn plain_commands_handled_by_scripts_answer_as_the_original() {
    play("tests/golden/plain.jsonl", |session| {
        lua_differences(session, &["--lua-main"])
    });
}

/// Plays a session with the scripts, and with peers for the sessions that ask some.
fn lua_differences(session: &[Record], options: &[&str]) -> Vec<String> {
    let scripts = Scripts::copy("scripts-lua", &["map", "quota", "set", "swcounter"]);
    let start = || {
        let mut command = Server::command(options);
        command
            .current_dir(tools::repository().join(LUA_TESTS))
            .args(["--lua-scripts", scripts.path(), "--peer", "127.0.0.1"])
            .args(["--lua-scripts", "scripts-probe"]);
        Server::spawn(&mut command)
    };
    let mut server = start();
    let mut substitutes = Vec::new();
    let mut peer;
    if session[0].session.starts_with("c-") {
        peer = start();
        // The recordings list servers by name, the peer first.
        if peer.address() > server.address() {
            std::mem::swap(&mut peer, &mut server);
        }
        let mut client = peer.connect();
        client.set("rk", "rv");
        client.set("k1", "v1");
        let port = |server: &Server| server.address().port().to_string();
        substitutes = vec![("10001", port(&peer)), ("10002", port(&server))];
        assert!(
            substitutes.iter().all(|(_, port)| port.len() == 5),
            "the recorded lengths are those of five digits"
        );
    }
    let until_quit = session.iter().position(Record::quits);
    let session = &session[..until_quit.unwrap_or(session.len())];
    golden::differences_on(&server, session, &substitutes)
}

fn play(file: &str, differences: impl Fn(&[Record]) -> Vec<String> + Sync) {
    let records = golden::read(&tools::repository().join(file));
    let sessions: Vec<_> = records.chunk_by(|a, b| a.session == b.session).collect();
    // Sessions have their own servers and know nothing of each other: some wait for an expiry.
    let found: Vec<String> = std::thread::scope(|scope| {
        let played: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| differences(session)))
            .collect();
        played
            .into_iter()
            .flat_map(|thread| thread.join().expect("a session reports, it doesn't panic"))
            .collect()
    });
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}
