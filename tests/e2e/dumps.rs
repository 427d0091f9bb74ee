//! Lists of all keys and sizes: complete, in pieces, while others go on.

use std::collections::HashSet;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::Server;

/// Enough that a list is many times longer than a piece.
const KEYS: usize = 60_000;

fn fill(client: &mut Client, keys: std::ops::Range<usize>) {
    for start in keys.clone().step_by(1000) {
        let end = (start + 1000).min(keys.end);
        let sets: String = (start..end)
            .map(|i| format!("set key/{i:08} 7 0 2 noreply\r\nvv\r\n"))
            .collect();
        client.send(sets);
    }
    assert_eq!(client.ask("mn\r\n"), "MN\r\n");
}

#[test]
fn every_key_is_listed_while_others_come_and_go() {
    let server = Server::start(&["-t", "1", "-m", "64"]);
    let mut writer = server.connect();
    fill(&mut writer, 0..KEYS);
    let before = server.resident_bytes();
    let mut reader = server.connect();
    reader.send("lru_crawler metadump all\r\nmn\r\n");
    // The list is far longer than the buffers between us: it goes on only as it is read.
    fill(&mut writer, KEYS..2 * KEYS);
    for i in (0..KEYS).step_by(2) {
        writer.send(format!("delete key/{i:08} noreply\r\n"));
    }
    assert_eq!(writer.ask("mn\r\n"), "MN\r\n");
    let list = String::from_utf8(reader.read_until(b"END\r\nMN\r\n")).expect("text");
    let listed: HashSet<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("key=key%2F")?.split(' ').next())
        .collect();
    for i in (1..KEYS).step_by(2) {
        assert!(listed.contains(format!("{i:08}").as_str()), "{i}");
    }
    // What was stored meanwhile is about 5 MB; an answer of 120,000 lines would be 12 MB.
    assert!(
        server.resident_bytes() < before + (10 << 20),
        "{} bytes more",
        server.resident_bytes() - before
    );
}

#[test]
fn a_list_is_no_hindrance_to_others_of_its_thread() {
    let server = Server::start(&["-t", "1"]);
    let mut client = server.connect();
    fill(&mut client, 0..KEYS);
    let mut lists: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for list in &mut lists {
        list.send("lru_crawler mgdump all\r\n");
    }
    assert!(client.ask("get key/00000001\r\n").starts_with("VALUE"));
    for mut list in lists {
        let text = list.read_until(b"\r\nEN\r\n");
        // `OK`, the keys, `EN` and nothing behind it.
        assert_eq!(text.split(|byte| *byte == b'\n').count(), KEYS + 3);
    }
}

#[test]
fn the_lines_are_memcacheds() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut list = |classes: &str| {
        assert_eq!(
            client.ask(format!("lru_crawler metadump {classes}\r\n")),
            "OK\r\n"
        );
        client.reply()
    };
    assert_eq!(list("all"), "END\r\n");
    server.connect().set("a", "xyz");
    let line = list("1,5");
    let accessed = line
        .strip_prefix("key=a exp=-1 la=")
        .and_then(|rest| rest.split(' ').next())
        .expect("the access is told");
    assert_eq!(
        line,
        format!("key=a exp=-1 la={accessed} cas=0 fetch=no cls=1 size=4 flags=0\nEND\r\n")
    );
    assert_eq!(list("2"), "END\r\n");
    assert_eq!(
        client.ask("lru_crawler metadump x\r\n"),
        "BADCLASS invalid class id\r\n"
    );
    assert_eq!(
        client.ask("stats cachedump 1 0\r\n"),
        "ITEM a [3 b; 0 s]\r\nEND\r\n"
    );
    assert_eq!(client.ask("stats cachedump 2 0\r\n"), "END\r\n");
    client.set("b", "x");
    let one = client.ask("stats cachedump 1 1\r\n");
    assert_eq!(one.matches("ITEM ").count(), 1, "{one}");
    client.set("c", "x".repeat(100));
    assert_eq!(
        client.ask("stats sizes\r\n"),
        "STAT 32 2\r\nSTAT 128 1\r\nEND\r\n"
    );
    // The others are gone with a flush, not listed.
    assert_eq!(client.ask("flush_all\r\n"), "OK\r\n");
    assert_eq!(client.ask("lru_crawler mgdump all\r\n"), "OK\r\n");
    assert_eq!(client.reply(), "EN\r\n");
}
