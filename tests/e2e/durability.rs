//! Items that are kept over a restart: what comes back, what does not, and what happens when the disk fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, refusal, wait_until};
use cacheismo_tests::tools;
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that is not there yet.
fn directory(name: &str) -> PathBuf {
    tools::scratch(name).join("data")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the repository's path is UTF-8")
}

fn start(directory: &Path, options: &[&str]) -> Server {
    let common = ["-t", "2", "-m", "64", "--data-dir", text(directory)];
    Server::start(&[&common[..], options].concat())
}

fn persistence(client: &mut Client, name: &str) -> String {
    let all = client.ask("stats persistence\r\n");
    let line = all.lines().find_map(|line| {
        let (found, value) = line.strip_prefix("STAT ")?.split_once(' ')?;
        (found == name).then_some(value)
    });
    line.unwrap_or_else(|| panic!("{name} is not in {all}"))
        .to_owned()
}

/// Every way to change an item.
const CHANGES: &str = "set plain 7 0 5\r\nvalue\r\n\
    set appended 0 0 1\r\na\r\n\
    append appended 0 0 2\r\nbc\r\nprepend appended 0 0 1\r\n_\r\n\
    set counted 0 0 2\r\n99\r\nincr counted 5\r\n\
    set gone 0 0 1\r\nx\r\ndelete gone\r\n\
    set touched 0 0 1\r\nt\r\ntouch touched 1000\r\n\
    set past 0 0 1\r\nx\r\ntouch past -1\r\n\
    ms stale 1\r\ns\r\nmd stale I T300\r\n\
    ma made N0 J41\r\nma made\r\n\
    mg vivified N100\r\n\
    set empty 0 0 0\r\n\r\n\
    gat 500 plain\r\n";

/// What clients see of that.
const SEEN: &[(&str, &str)] = &[
    ("mg plain f v\r\n", "VA 5 f7\r\nvalue\r\n"),
    ("mg appended v t\r\n", "VA 4 t-1\r\n_abc\r\n"),
    ("get counted\r\n", "VALUE counted 0 3\r\n104\r\nEND\r\n"),
    ("get gone past\r\n", "END\r\n"),
    ("mg touched v\r\n", "VA 1\r\nt\r\n"),
    ("mg stale v k\r\n", "VA 1 kstale X W\r\ns\r\n"),
    ("get made\r\n", "VALUE made 0 2\r\n42\r\nEND\r\n"),
    ("mg vivified v\r\n", "VA 0 Z\r\n\r\n"),
    ("get empty\r\n", "VALUE empty 0 0\r\n\r\nEND\r\n"),
];

fn change(server: &Server) {
    let mut client = server.connect();
    client.send(CHANGES);
    client.send("mn\r\n");
    let answers = client.read_until(b"MN\r\n");
    let answers = String::from_utf8(answers).expect("text");
    assert!(!answers.contains("ERROR"), "{answers}");
    let mut client = server.connect();
    assert_eq!(client.call("set:new:fruit"), "CREATED");
    assert_eq!(client.call("set:put:fruit:apple"), "SUCCESS");
    assert_eq!(client.call("counter:new:hits:40"), "CREATED");
    assert_eq!(client.call("counter:add:hits:2"), "42");
    assert_eq!(client.call("map:new:large"), "CREATED");
    for i in 0..500 {
        let _ = client.call(&format!("map:put:large:field{i}:{i}"));
    }
    let _ = client.call("map:delete:large:field7");
    let value = "v".repeat(300_000);
    client.set("long", &value);
    assert_eq!(client.ask("set b 0 0 1 noreply\r\n1\r\nmn\r\n"), "MN\r\n");
}

fn check(server: &Server) {
    let mut client = server.connect();
    for (request, seen) in SEEN {
        assert_eq!(client.ask(request), *seen, "{request:?}");
        if request.contains("stale") {
            // Put back for the next check.
            assert_eq!(client.ask("md stale I T300\r\n"), "HD\r\n");
        }
    }
    for (key, seconds) in [("plain", 500), ("touched", 1000)] {
        let answer = client.ask(format!("mg {key} t\r\n"));
        let left = answer
            .trim_end()
            .strip_prefix("HD t")
            .map(str::parse::<u64>);
        let left = left.expect("a time to live").expect("a number");
        // The test may have taken some seconds.
        assert!((seconds - 100..=seconds).contains(&left), "{key}: {left}");
    }
    assert_eq!(client.call("set:getall:fruit"), "apple\r\n");
    assert_eq!(client.call("counter:get:hits"), "42");
    assert_eq!(client.call("map:count:large"), "499");
    assert_eq!(client.ask("mg long s\r\n"), "HD s300000\r\n");
    assert_eq!(client.ask("get b\r\n"), "VALUE b 0 1\r\n1\r\nEND\r\n");
}

#[test]
fn everything_comes_back_after_a_kill_from_log_and_snapshot() {
    let directory = directory("durable");
    let mut server = start(&directory, &["--fsync", "always"]);
    change(&server);
    server.signal(Signal::KILL);
    server.wait();
    let mut server = start(&directory, &["--fsync", "always"]);
    check(&server);
    // A snapshot, and a log behind it.
    let mut client = server.connect();
    assert_eq!(client.ask("snapshot\r\n"), "OK\r\n");
    assert!(wait_until(PATIENCE, || persistence(
        &mut client,
        "snapshots"
    ) == "1"));
    client.set("after", "the snapshot");
    server.signal(Signal::KILL);
    server.wait();
    let mut server = start(&directory, &[]);
    check(&server);
    let mut client = server.connect();
    assert_eq!(client.ask("mg after v\r\n"), "VA 12\r\nthe snapshot\r\n");
    // A stop with everything saved leaves no log to read.
    server.signal(Signal::USR1);
    assert!(server.wait().0.success());
    let server = start(&directory, &[]);
    assert!(
        server.log().contains("0 records of the log"),
        "{}",
        server.log()
    );
    check(&server);
}

#[test]
fn a_flush_is_kept_and_so_are_tokens_in_order() {
    let directory = directory("flush");
    let mut server = start(&directory, &["--fsync", "always"]);
    let mut client = server.connect();
    client.set("a", "old");
    client.set("b", "old");
    let token = |client: &mut Client, key: &str| {
        let answer = client.ask(format!("mg {key} c\r\n"));
        let token = answer
            .trim_end()
            .strip_prefix("HD c")
            .map(str::parse::<u64>);
        token.expect("a token").expect("a number")
    };
    let before = token(&mut client, "a");
    assert_eq!(client.ask("flush_all\r\n"), "OK\r\n");
    client.set("b", "new");
    server.signal(Signal::KILL);
    server.wait();
    let server = start(&directory, &[]);
    let mut client = server.connect();
    assert_eq!(client.ask("get a b\r\n"), "VALUE b 0 3\r\nnew\r\nEND\r\n");
    client.set("a", "new");
    assert!(
        token(&mut client, "a") > before,
        "a token is never given twice"
    );
}

#[test]
fn the_order_of_use_survives_and_a_smaller_memory_takes_the_newest() {
    let directory = directory("order");
    let mut server = start(&directory, &[]);
    let mut client = server.connect();
    let value = "v".repeat(10_000);
    for i in 0..2000 {
        client.set(&format!("k{i}"), &value);
    }
    // The oldest is used again.
    let _ = client.ask("get k0\r\n");
    server.signal(Signal::USR1);
    assert!(server.wait().0.success());
    let small = ["-t", "2", "-m", "8", "--data-dir", text(&directory)];
    let server = Server::start(&small);
    let mut client = server.connect();
    for key in ["k0", "k1999", "k1500"] {
        assert_eq!(
            client.ask(format!("mg {key} s\r\n")),
            "HD s10000\r\n",
            "{key}"
        );
    }
    for key in ["k1", "k500"] {
        assert_eq!(client.ask(format!("mg {key} s\r\n")), "EN\r\n", "{key}");
    }
}

#[test]
fn writes_are_refused_while_the_disk_fails_and_taken_again_after() {
    let directory = directory("fails");
    let moved = directory.with_file_name("moved");
    // Short segments: a new one is wanted soon.
    let server = start(&directory, &["--fsync", "always", "--log-segment", "64k"]);
    let mut client = server.connect();
    client.set("k", "kept");
    std::fs::rename(&directory, &moved).expect("the directory is ours");
    std::fs::write(&directory, "no directory").expect("its place is ours");
    let value = "v".repeat(1000);
    let refused = wait_until(PATIENCE, || {
        let mut client = server.connect();
        client.ask(format!("set k 0 0 1000\r\n{value}\r\n")) != "STORED\r\n"
    });
    assert!(refused);
    let mut client = server.connect();
    let line = "SERVER_ERROR not saved: the disk fails\r\n";
    for request in [
        "set k 0 0 1\r\nx\r\n",
        "delete k\r\n",
        "incr k 1\r\n",
        "touch k 1\r\n",
        "flush_all\r\n",
    ] {
        assert_eq!(client.ask(request), line, "{request:?}");
    }
    let refused = client.ask("get counter:new:c:1\r\n");
    assert!(
        refused.starts_with("SERVER_ERROR") && refused.contains("not saved"),
        "{refused}"
    );
    assert!(
        client.ask("get k\r\n").starts_with("VALUE k 0 "),
        "reads go on"
    );
    assert_eq!(persistence(&mut client, "log_state"), "failed");
    std::fs::remove_file(&directory).expect("it is ours");
    std::fs::rename(&moved, &directory).expect("it is ours");
    assert!(wait_until(PATIENCE, || client
        .ask("set k 0 0 5\r\nagain\r\n")
        == "STORED\r\n"));
    assert_eq!(persistence(&mut client, "log_state"), "ok");
    drop(server);
    let server = start(&directory, &[]);
    let answer = server.connect().ask("get k\r\n");
    assert_eq!(answer, "VALUE k 0 5\r\nagain\r\nEND\r\n");
}

#[test]
fn everysec_serves_on_without_its_disk_and_saves_all_after() {
    let directory = directory("risk");
    let moved = directory.with_file_name("moved");
    let server = start(&directory, &["--log-segment", "64k"]);
    let mut client = server.connect();
    std::fs::rename(&directory, &moved).expect("the directory is ours");
    std::fs::write(&directory, "no directory").expect("its place is ours");
    let value = "v".repeat(1000);
    let mut writes = 0;
    assert!(wait_until(PATIENCE, || {
        writes += 1;
        client.set(&format!("k{writes}"), &value);
        persistence(&mut client, "log_state") == "failed"
    }));
    assert_ne!(persistence(&mut client, "at_risk_bytes"), "0");
    std::fs::remove_file(&directory).expect("it is ours");
    std::fs::rename(&moved, &directory).expect("it is ours");
    assert!(wait_until(PATIENCE, || persistence(
        &mut client,
        "log_state"
    ) == "ok"));
    drop(server);
    let server = start(&directory, &[]);
    let mut client = server.connect();
    for i in 1..=writes {
        assert_eq!(client.ask(format!("mg k{i} s\r\n")), "HD s1000\r\n");
    }
}

#[test]
fn damage_stops_the_start_and_names_the_place() {
    let directory = directory("damage");
    let mut server = start(&directory, &["--fsync", "always", "--log-segment", "64k"]);
    let mut client = server.connect();
    let value = "v".repeat(1000);
    for i in 0..200 {
        client.set(&format!("k{i}"), &value);
    }
    server.signal(Signal::KILL);
    server.wait();
    let mut segments: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("it is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() > 2, "{segments:?}");
    let mut bytes = std::fs::read(&segments[0]).expect("it can be read");
    bytes[30_000] ^= 1;
    std::fs::write(&segments[0], bytes).expect("it can be written");
    let refused = refusal(&[
        "-p",
        "-1",
        "-l",
        "127.0.0.1",
        "--data-dir",
        text(&directory),
    ]);
    let name = segments[0]
        .file_name()
        .expect("a file")
        .to_str()
        .expect("UTF-8");
    assert!(refused.log.contains(name), "{refused:?}");
}

#[test]
fn one_server_has_a_directory_and_nobody_else_may_look_into_it() {
    use std::os::unix::fs::MetadataExt;
    let directory = directory("lock");
    let server = start(&directory, &[]);
    let refused = refusal(&[
        "-p",
        "-1",
        "-l",
        "127.0.0.1",
        "--data-dir",
        text(&directory),
    ]);
    let holder = format!("in use by process {}", server.pid());
    assert!(refused.log.contains(&holder), "{refused:?}");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in std::fs::read_dir(&directory).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn memcacheds_option_keeps_items_over_a_planned_restart() {
    let directory = directory("planned");
    let options = ["-m", "64", "-e", text(&directory)];
    let mut server = Server::start(&options);
    change(&server);
    server.signal(Signal::USR1);
    assert!(server.wait().0.success());
    check(&Server::start(&options));
}

/// Runs `cacheismo` on a directory and gives its standard output.
fn tool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(tools::cacheismo())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that reads nothing may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.success(), text)
}

#[test]
fn a_directory_is_looked_at_carried_elsewhere_and_repaired() {
    let directory = directory("tool");
    let mut server = start(&directory, &["--fsync", "always"]);
    change(&server);
    server.signal(Signal::KILL);
    server.wait();
    let from = text(&directory);
    let (good, report) = tool(&["log", "verify", from], "");
    assert!(
        good && report.contains("A start recovers no snapshot"),
        "{report}"
    );
    // What happened to a key, in order.
    let (_, shown) = tool(&["log", "show", from, "--key", "counted", "--json"], "");
    let values: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_once("\"value\":\"")?.1.split('"').next())
        .collect();
    assert_eq!(values, ["99", "104"], "{shown}");
    // Another directory, by lines that any machine reads.
    let other = directory.with_file_name("other");
    let (good, lines) = tool(&["export", from], "");
    assert!(good && tool(&["import", text(&other)], &lines).0);
    check(&start(&other, &[]));
    // The moment before the first number was counted.
    let tick = shown.lines().next().and_then(|line| {
        let digits = line.strip_prefix("{\"tick\":")?.split(',').next()?;
        digits.parse::<u64>().ok()
    });
    let until = tick.expect("a line has a tick").to_string();
    let (good, then) = tool(&["log", "replay", from, "--until", &until], "");
    assert!(
        good && then.contains("\"value\":\"99\"") && !then.contains("104"),
        "{then}"
    );
    // Damage in the middle: what was before it comes back.
    let segment = directory.join("log-00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).expect("it can be read");
    bytes[400] ^= 1;
    std::fs::write(&segment, bytes).expect("it can be written");
    let (good, report) = tool(&["log", "verify", from], "");
    assert!(!good && report.contains("DAMAGED"), "{report}");
    let (good, done) = tool(&["log", "repair", from], "");
    assert!(good, "{done}");
    let server = start(&directory, &[]);
    assert_eq!(
        server.connect().ask("mg plain f v\r\n"),
        "VA 5 f7\r\nvalue\r\n"
    );
}
