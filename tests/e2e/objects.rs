//! Modules: a user's own beside the shipped ones, and those that must be refused.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cacheismo_tests::server::{Server, refusal, wait_until};
use cacheismo_tests::tools;

#[test]
fn an_object_of_ones_own_is_loaded_and_called() {
    let fixtures = tools::fixtures();
    let server = Server::start(&["--objects", text(&fixtures)]);
    let mut client = server.connect();
    assert_eq!(client.call("leaderboard:add:game:ann:10"), "10");
    assert_eq!(client.call("leaderboard:add:game:bob:20"), "20");
    assert_eq!(client.call("leaderboard:add:game:ann:15"), "25");
    assert_eq!(
        client.call("leaderboard:top:game:2"),
        "25 ann\r\n20 bob\r\n"
    );
    assert!(client.call("help:objects").contains("leaderboard"));
    assert!(client.call("help:leaderboard").contains("score"));
}

#[test]
fn shipped_objects_explain_themselves() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let types = client.call("help:objects");
    for (name, function) in [
        ("set", "new"),
        ("map", "new"),
        ("quota", "new"),
        ("counter", "new"),
        ("swcounter", "new"),
        ("consistent", "new"),
        ("list", "rpush"),
        ("dict", "gets"),
        ("zset", "rangebyscore"),
        ("queue", "ack"),
        ("lock", "acquire"),
        ("bucket", "limit"),
        ("hll", "merge"),
        ("bloom", "exist"),
        ("topk", "least"),
    ] {
        assert!(types.contains(name), "{name} isn't in {types}");
        let help = client.call(&format!("help:{name}"));
        assert!(help.contains(&format!("{name}:{function}:")), "{help}");
    }
    assert!(client.call("help:set").contains("intersection"));
}

#[test]
fn objects_can_be_left_out() {
    let server = Server::start(&["--no-objects"]);
    let mut client = server.connect();
    assert_eq!(client.call("set:new:x"), "END");
    client.set("set:new:x", "an ordinary key");
    assert_eq!(client.call("set:new:x"), "an ordinary key");
}

#[test]
fn state_of_objects_is_protected_and_still_an_item() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.call("set:new:k"), "CREATED");
    let forged = client.ask("set set$k 0 0 1\r\nx\r\n");
    assert!(
        forged.starts_with("SERVER_ERROR") || forged.starts_with("CLIENT_ERROR"),
        "{forged}"
    );
    assert_eq!(client.call("set:count:k"), "0");
    assert_eq!(client.ask("touch set$k 1000\r\n"), "TOUCHED\r\n");
    assert!(client.ask("mg set$k t\r\n").starts_with("HD t"));
    assert_eq!(client.ask("delete set$k\r\n"), "DELETED\r\n");
    assert_eq!(client.call("set:count:k"), "ERROR_CACHE_MISS");
}

#[test]
fn a_storage_command_on_a_virtual_key_passes_any_bytes() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let put = "set map:put:m:key 0 0 1\r\nx\r\n";
    assert_eq!(client.ask(put), "NOT_STORED\r\n", "there is no map yet");
    client.call("map:new:m");
    client.set("map:put:m:key", "a:b c\0\r\n");
    assert_eq!(client.call("map:get:m:key"), "key : a:b c\0\r\n");
}

#[test]
fn sets_of_many_members_answer_and_are_accounted() {
    const MEMBERS: usize = 100_000;
    let server = Server::start(&["-m", "256"]);
    let mut client = server.connect();
    client.call("set:new:big");
    let before: u64 = client.stat("bytes").parse().expect("a number");
    for first in (0..MEMBERS).step_by(100) {
        let keys: String = (first..first + 100)
            .map(|n| format!(" set:put:big:member{n:08}"))
            .collect();
        client.send(format!("get{keys}\r\n"));
        let replies = client.read_until(b"END\r\n");
        assert_eq!(
            replies
                .windows(7)
                .filter(|word| *word == b"SUCCESS")
                .count(),
            100
        );
    }
    assert_eq!(client.call("set:count:big"), MEMBERS.to_string());
    assert_eq!(client.call("set:exist:big:member00077777"), "EXISTS");
    let after: u64 = client.stat("bytes").parse().expect("a number");
    let least = (MEMBERS * "member00000000".len()) as u64 / 2;
    assert!(
        after - before > least,
        "{} bytes for {MEMBERS} members",
        after - before
    );
    assert_eq!(client.ask("delete set$big\r\n"), "DELETED\r\n");
    // The object's nodes are freed a few at a time.
    let freed = wait_until(Duration::from_secs(10), || {
        client.stat("bytes").parse::<u64>().expect("a number") <= before
    });
    assert!(freed, "{} bytes are left of {before}", client.stat("bytes"));
}

#[test]
fn statistics_of_calls_are_kept_by_type() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.call("set:new:x");
    client.call("set:put:x:y");
    let stats = client.ask("stats objects\r\n");
    assert!(
        stats
            .lines()
            .any(|line| line.contains("set") && line.contains("calls") && line.ends_with(" 2")),
        "{stats}"
    );
}

#[test]
fn modules_that_are_none_are_refused_by_name() {
    let directory = tools::scratch("bad-modules");
    std::fs::write(directory.join("nonsense.wasm"), b"this is no module")
        .expect("the directory is ours");
    let refused = refusal(&["-p", "0", "--objects", text(&directory)]);
    assert!(!refused.status.success());
    assert!(refused.log.contains("nonsense.wasm"), "{refused:?}");

    let server = Server::start(&["--objects", text(&directory), "--objects-lenient"]);
    assert!(server.log().contains("nonsense.wasm"), "{}", server.log());
    assert_eq!(server.connect().call("set:new:x"), "CREATED");
}

#[test]
fn a_second_module_of_the_same_type_is_refused() {
    let directory = tools::scratch("twice");
    let module = tools::fixtures().join("leaderboard.wasm");
    for name in ["one.wasm", "two.wasm"] {
        std::fs::copy(&module, directory.join(name)).expect("the directory is ours");
    }
    let refused = refusal(&["-p", "0", "--objects", text(&directory)]);
    assert!(!refused.status.success());
    assert!(
        refused.log.contains("leaderboard") && refused.log.contains("two.wasm"),
        "{refused:?}"
    );
}

#[test]
fn prebuilt_modules_belong_to_their_sources() {
    let _ = tools::run(Command::new(tools::repository().join("objects/build.sh")).arg("--verify"));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the repository's path is UTF-8")
}
