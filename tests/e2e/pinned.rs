//! Big values are sent from where they lie, whatever becomes of their items meanwhile.

use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, wait_until};

const MIB: usize = 1 << 20;
/// What a server takes beside its items, in a development build.
const BASE_BYTES: u64 = 40 << 20;

/// A value that differs from others and from place to place.
fn value(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed + i * i / 7) as u8).collect()
}

fn set(client: &mut Client, key: &str, value: &[u8]) {
    client.send(format!("set {key} 0 0 {}\r\n", value.len()));
    client.send(value);
    client.send("\r\n");
    assert_eq!(client.read_line(), "STORED\r\n");
}

/// Reads the answer to a `get` of one key, of which the value's first `from` bytes were read.
fn expect_rest(client: &mut Client, value: &[u8], from: usize) {
    let got = client.read(value.len() - from);
    assert!(got == value[from..], "other bytes than were stored");
    assert_eq!(client.read(7), b"\r\nEND\r\n");
}

#[test]
fn a_slow_reader_gets_what_was_there_when_it_asked() {
    let server = Server::start(&["-m", "512", "-I", "128m", "-t", "2"]);
    let mut writer = server.connect();
    let old = value(1, 100 * MIB);
    set(&mut writer, "big", &old);
    let mut slow: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let begin = |client: &mut Client| {
        client.send("get big\r\n");
        assert_eq!(client.read_line(), format!("VALUE big 0 {}\r\n", 100 * MIB));
        assert!(client.read(1000) == old[..1000]);
    };
    begin(&mut slow[0]);
    begin(&mut slow[1]);
    assert_eq!(writer.ask("append big 0 0 3\r\nend\r\n"), "STORED\r\n");
    assert_eq!(writer.ask("delete big\r\n"), "DELETED\r\n");
    set(&mut writer, "big", &old);
    begin(&mut slow[2]);
    begin(&mut slow[3]);
    let new = value(2, 100 * MIB);
    set(&mut writer, "big", &new);
    // Others need all memory there is.
    for i in 0..400 {
        set(&mut writer, &format!("other{i}"), &new[i..i + MIB]);
    }
    assert_eq!(writer.ask("get big\r\n"), "END\r\n", "it was evicted");
    for client in &mut slow {
        expect_rest(client, &old, 1000);
    }
    // Their memory is there again.
    set(&mut writer, "big", &new);
    writer.send("get big\r\n");
    let _header = writer.read_line();
    expect_rest(&mut writer, &new, 0);
}

#[test]
fn a_get_takes_no_memory() {
    const LEN: usize = 256 * MIB;
    let server = Server::start(&["-m", "1024", "-I", "512m"]);
    let mut client = server.connect();
    let value = value(3, LEN);
    set(&mut client, "big", &value);
    let before = server.resident_bytes();
    server.forget_peak();
    client.send("get big\r\n");
    let _header = client.read_line();
    expect_rest(&mut client, &value, 0);
    let peak = server.peak_bytes();
    assert!(peak < before + LEN as u64 / 10, "{before}, then {peak}");
}

#[test]
fn clients_that_do_not_read_hold_only_what_they_asked_for() {
    const CLIENTS: usize = 300;
    let server = Server::start(&["-m", "64"]);
    let mut writer = server.connect();
    let values: Vec<_> = (0..20).map(|i| value(i, 1_000_000)).collect();
    for (i, value) in values.iter().enumerate() {
        set(&mut writer, &format!("key{i}"), value);
    }
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    // Each value is more than a socket holds.
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("get key{}\r\n", i % 20).repeat(16));
    }
    let mut writing = 0;
    let waiting = wait_until(Duration::from_secs(60), || {
        let list = writer.ask("stats conns\r\n");
        writing = list.matches("conn_mwrite").count();
        writing == CLIENTS
    });
    assert!(waiting, "{writing}");
    let resident = server.resident_bytes();
    assert!(resident < (64 << 20) + BASE_BYTES, "{resident}");
    // Gone from the cache, not from under them.
    assert_eq!(writer.ask("flush_all\r\n"), "OK\r\n");
    for (i, client) in clients.iter_mut().enumerate() {
        if i % 3 == 0 {
            let _header = client.read_line();
            expect_rest(client, &values[i % 20], 0);
        }
    }
    drop(clients);
    for i in 0..60 {
        set(&mut writer, &format!("new{i}"), &values[i % 20]);
    }
}

#[test]
fn keys_around_a_sent_value_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let (one, two) = (value(4, 70_000), value(5, 900_000));
    set(&mut client, "one", &one);
    set(&mut client, "two", &two);
    set(&mut client, "small", b"s");
    let block = |key: &str, value: &[u8]| {
        let mut block = format!("VALUE {key} 0 {}\r\n", value.len()).into_bytes();
        block.extend_from_slice(value);
        block.extend_from_slice(b"\r\n");
        block
    };
    let (one, two, small) = (block("one", &one), block("two", &two), block("small", b"s"));
    let end = b"END\r\n".to_vec();
    client.send(
        "get one small none two one small\r\nget two\r\nmg one v\r\nget none one\r\n\
         mg small v\r\nget two two\r\nget small\r\nmn\r\n",
    );
    let meta = [b"VA 70000\r\n", &one[b"VALUE one 0 70000\r\n".len()..]].concat();
    let whole = [
        &one, &small, &two, &one, &small, &end, &two, &end, &meta, &one, &end,
    ];
    let after = [
        b"VA 1\r\ns\r\n".to_vec(),
        [two.clone(), two.clone(), end.clone()].concat(),
        [small.clone(), end.clone()].concat(),
        b"MN\r\n".to_vec(),
    ]
    .concat();
    for part in whole {
        assert!(client.read(part.len()) == **part);
    }
    assert!(client.read(after.len()) == after);
}
