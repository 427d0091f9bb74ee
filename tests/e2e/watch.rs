//! `watch`: what watchers read of the commands of others, in memcached's words.

use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, wait_until};

/// A watcher of `streams`.
fn watcher(server: &Server, streams: &str) -> Client {
    let mut watcher = server.connect();
    watcher.send(format!("watch {streams}\r\n"));
    assert_eq!(watcher.read_line(), "OK\r\n");
    watcher
}

fn raw_line(watcher: &mut Client) -> String {
    String::from_utf8(watcher.read_until(b"\n")).expect("lines are text")
}

/// The next line without the time, the line's number and the connection's, which are checked for being there.
fn line(watcher: &mut Client) -> String {
    let line = raw_line(watcher);
    let mut words = Vec::new();
    for (at, word) in line.trim_end().split(' ').enumerate() {
        match (at, word.split_once('=').expect("words are name=value")) {
            (0, ("ts", time)) => assert!(time.parse::<f64>().expect("seconds") > 1e9, "{line}"),
            (1, ("gid", number)) => assert!(number.parse::<u64>().is_ok(), "{line}"),
            (2.., ("cfd", number)) => assert!(number.parse::<u64>().is_ok(), "{line}"),
            (2.., ("rport", port)) => assert!(port.parse::<u16>().is_ok(), "{line}"),
            (2.., _) => words.push(word),
            _ => panic!("{line}"),
        }
    }
    words.join(" ")
}

fn assert_lines(watcher: &mut Client, expected: &[&str]) {
    for expected in expected {
        assert_eq!(line(watcher), *expected);
    }
}

#[test]
fn fetchers_tell_of_every_look_up() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.set("a/b", "four");
    // Without a name, `watch` means this stream.
    let mut lines = watcher(&server, "");
    let _ = client.ask("get a/b nosuch\r\n");
    let _ = client.ask("mg a/b\r\n");
    let _ = client.ask("incr a/b 1\r\n");
    let _ = client.ask("touch nosuch 1\r\n");
    let _ = client.ask("delete a/b\r\n");
    let hit = "type=item_get key=a%2Fb status=found clsid=1 size=4";
    let miss = "type=item_get key=nosuch status=not_found clsid=0 size=0";
    assert_lines(&mut lines, &[hit, miss, hit, hit, miss, hit]);
}

#[test]
fn mutations_tell_how_each_write_ended() {
    let server = Server::start(&["-I", "1k"]);
    let mut client = server.connect();
    let mut lines = watcher(&server, "mutations");
    let _ = client.ask("set a 0 100 3\r\nabc\r\n");
    let _ = client.ask("add a 0 0 1\r\nx\r\n");
    let _ = client.ask("cas a 0 0 1 999999\r\nx\r\n");
    let _ = client.ask("cas nosuch 0 0 1 1\r\nx\r\n");
    let _ = client.ask("append nosuch 0 0 2\r\nxx\r\n");
    let _ = client.ask("ma n N0 J15\r\n");
    let _ = client.ask("ms m 2 MR\r\nxx\r\n");
    let _ = client.ask(format!("set a 0 0 2000\r\n{}\r\n", "x".repeat(2000)));
    assert_lines(
        &mut lines,
        &[
            "type=item_store key=a status=stored cmd=set ttl=100 clsid=1 size=3",
            "type=item_store key=a status=not_stored cmd=add ttl=0 clsid=1 size=1",
            "type=item_store key=a status=exists cmd=cas ttl=0 clsid=1 size=1",
            "type=item_store key=nosuch status=not_found cmd=cas ttl=0 clsid=1 size=1",
            "type=item_store key=nosuch status=not_stored cmd=append ttl=0 clsid=1 size=2",
            "type=item_store key=n status=stored cmd=add ttl=0 clsid=1 size=2",
            "type=item_store key=m status=not_stored cmd=replace ttl=0 clsid=1 size=2",
            "type=item_store key=a status=too_large cmd=set ttl=0 clsid=1 size=0",
        ],
    );
}

#[test]
fn deletions_tell_of_what_was_there() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut lines = watcher(&server, "deletions proxyreqs proxyevents");
    for key in ["vfoo", "vbar", "vbaz"] {
        client.set(key, "vbar");
    }
    let _ = client.ask("delete nosuch\r\n");
    let _ = client.ask("delete vfoo\r\n");
    let _ = client.ask("md vbar I\r\n");
    let _ = client.ask("md vbaz q\r\nmn\r\n");
    assert_lines(
        &mut lines,
        &[
            "type=deleted key=vfoo cmd=delete clsid=1 size=4",
            "type=deleted key=vbaz cmd=md clsid=1 size=4",
        ],
    );
}

#[test]
fn evictions_tell_who_had_to_leave() {
    let server = Server::start(&["-m", "2", "-t", "1"]);
    let mut client = server.connect();
    let value = "x".repeat(100_000);
    client.set("oldest", &value);
    let _ = client.ask("get oldest\r\n");
    let _ = client.ask(format!("set second 0 1000 100000\r\n{value}\r\n"));
    let mut lines = watcher(&server, "evictions");
    for i in 0..40 {
        client.set(&format!("k{i}"), &value);
    }
    let first = line(&mut lines);
    assert!(
        first.starts_with("type=eviction key=oldest fetch=yes ttl=-1 la="),
        "{first}"
    );
    assert!(first.ends_with(" clsid=1 size=100000"), "{first}");
    let second = line(&mut lines);
    let ttl = second
        .strip_prefix("type=eviction key=second fetch=no ttl=")
        .and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    assert!(
        ttl.is_some_and(|ttl| (900..=1000).contains(&ttl)),
        "{second}"
    );
    assert!(line(&mut lines).starts_with("type=eviction key=k0 "));
}

#[test]
fn connection_events_tell_who_comes_and_why_they_go() {
    let server = Server::start(&[]);
    let mut lines = watcher(&server, "connevents");
    let come_and_go = |request: &str| {
        let mut client = server.connect();
        client.send(request);
        drop(client.read_to_close());
    };
    // Who sends what is no command is closed by an error.
    for (request, reason) in [
        ("quit\r\n", "normal"),
        ("GET / HTTP/1.1\r\n\r\n", "error"),
        (&"x".repeat(5000), "error"),
    ] {
        come_and_go(request);
        let closed = format!("type=conn_close rip=127.0.0.1 transport=tcp reason={reason}");
        assert_lines(
            &mut lines,
            &["type=conn_new rip=127.0.0.1 transport=tcp", &closed],
        );
    }
}

#[test]
fn a_watcher_that_does_not_read_loses_lines_and_is_told() {
    let server = Server::start(&["-o", "watcher_logbuf_size=8"]);
    let mut client = server.connect();
    let mut lines = watcher(&server, "fetchers");
    let many = format!("get{}\r\n", format!(" {}", "k".repeat(240)).repeat(200));
    let skipped = || server.connect().stat("log_watcher_skipped") != "0";
    let before = server.resident_bytes();
    // The socket's buffers take some megabytes before the watcher's own is full.
    assert!(wait_until(Duration::from_secs(30), || {
        let _ = client.ask(&many);
        skipped()
    }));
    assert!(server.resident_bytes() < before + (4 << 20));
    let told = std::iter::from_fn(|| Some(raw_line(&mut lines))).find_map(|line| {
        line.strip_prefix("skipped=")?
            .trim_end()
            .parse::<u64>()
            .ok()
    });
    assert!(told.is_some_and(|lines| lines > 0));
    assert_eq!(server.connect().stat("log_watchers"), "1");
}

#[test]
fn unknown_streams_and_too_many_watchers_are_refused() {
    let server = Server::start(&[]);
    assert_eq!(server.connect().ask("watch junk\r\n"), "ERROR\r\n");
    let watchers: Vec<Client> = (0..20).map(|_| watcher(&server, "mutations")).collect();
    assert_eq!(
        server.connect().ask("watch\r\n"),
        "WATCHER_TOO_MANY log watcher limit reached\r\n"
    );
    drop(watchers);
    assert!(wait_until(Duration::from_secs(10), || {
        server.connect().stat("log_watchers") == "0"
    }));
    let deaf = Server::start(&["-W"]);
    assert_eq!(
        deaf.connect().ask("watch mutations\r\n"),
        "CLIENT_ERROR watch commands not allowed\r\n"
    );
}
