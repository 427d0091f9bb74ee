//! The memory limit, from the least to much: what it holds, what it refuses, and what the process has of the machine's.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, wait_until};

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(60);

/// Bytes that show where they belong.
fn value(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed + i * 31 + i / 256) as u8).collect()
}

fn set(client: &mut Client, key: &str, value: &[u8]) -> String {
    client.send(format!("set {key} 0 0 {}\r\n", value.len()));
    client.send(value);
    client.ask("\r\n")
}

fn stat(client: &mut Client, name: &str) -> u64 {
    client.stat(name).parse().expect("a number")
}

#[test]
fn a_mebibyte_is_enough_for_everything_but_large_values() {
    let server = Server::start(&["-m", "1", "-t", "2"]);
    let mut client = server.connect();
    assert_eq!(client.call("set:new:s"), "CREATED");
    assert_eq!(client.call("set:put:s:member"), "SUCCESS");
    assert_eq!(client.call("map:new:m"), "CREATED");
    assert_eq!(client.call("map:put:m:name:value"), "SUCCESS");
    assert_eq!(client.call("quota:new:q:3:month"), "CREATED");
    let before = server.resident_bytes();
    for i in 0..40_000 {
        client.send(format!("set key{i} 0 0 100 noreply\r\n{i:0100}\r\n"));
        if i % 100 == 0 {
            // The objects are asked for, so they stay.
            assert_eq!(client.call("set:count:s"), "1");
            assert_eq!(client.call("map:get:m:name"), "name : value");
            assert_ne!(client.call("quota:addandcheck:q:1"), "ERROR_CACHE_MISS");
        }
    }
    assert_eq!(
        client.ask("get key39999\r\n"),
        format!("VALUE key39999 0 100\r\n{:0100}\r\nEND\r\n", 39_999)
    );
    assert_eq!(client.ask("get key0\r\n"), "END\r\n");
    assert!(stat(&mut client, "evictions") > 30_000);
    assert!(stat(&mut client, "curr_items") > 5_000);
    // What is larger than the memory is refused, and nobody leaves for it.
    let kept = stat(&mut client, "curr_items");
    let refused = set(&mut client, "big", &value(1, MIB - 100));
    assert_eq!(refused, "SERVER_ERROR object too large for cache\r\n");
    assert_eq!(stat(&mut client, "curr_items"), kept);
    let half = value(2, 400_000);
    assert_eq!(set(&mut client, "half", &half), "STORED\r\n");
    assert_eq!(client.ask("mg half s\r\n"), "HD s400000\r\n");
    let grown = server.resident_bytes() - before;
    assert!(grown < 3 * MIB as u64, "{grown} bytes more");
}

#[test]
fn values_of_any_length_take_turns() {
    let server = Server::start(&["-m", "260", "-I", "128m", "-t", "2"]);
    let mut client = server.connect();
    let mut other = server.connect();
    for round in 0..2 {
        for len in [0, 1, 1000, 16 << 10, 65_535, MIB, 30 * MIB, 128 * MIB] {
            let whole = value(round, len);
            let key = format!("k{len}");
            assert_eq!(set(&mut client, &key, &whole), "STORED\r\n", "{len} bytes");
            client.send(format!("get {key}\r\n"));
            assert_eq!(client.read_line(), format!("VALUE {key} 0 {len}\r\n"));
            assert!(client.read(len) == whole, "{len} bytes");
            assert_eq!(client.read(7), b"\r\nEND\r\n");
            other.set("small", "stays");
            assert_eq!(other.ask("mg small v\r\n"), "VA 5\r\nstays\r\n");
        }
    }
    let beyond = format!("set k 0 0 {}\r\n", 128 * MIB + 1);
    client.send(beyond);
    for _ in 0..128 {
        client.send(vec![0; MIB]);
    }
    let refused = client.ask("x\r\n");
    assert_eq!(refused, "SERVER_ERROR object too large for cache\r\n");
}

#[test]
fn a_limit_goes_down_and_up_while_others_read_and_write() {
    const LIMITS: [usize; 2] = [256, 32];
    let server = Server::start(&["-m", "256", "-t", "2"]);
    let mut client = server.connect();
    let base = server.resident_bytes();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut client = server.connect();
                for i in 0.. {
                    if done.load(Relaxed) {
                        return;
                    }
                    use_some(&mut client, i * 2 + thread);
                }
            });
        }
        for _ in 0..2 {
            // The store fills before it shrinks.
            assert!(wait_until(SOON, || stat(&mut client, "bytes") > 150 * MIB as u64));
            for limit in LIMITS.into_iter().rev() {
                assert_eq!(client.ask(format!("cache_memlimit {limit}\r\n")), "OK\r\n");
                let most = base + ((limit + 8) * MIB) as u64;
                let followed = wait_until(SOON, || server.resident_bytes() < most);
                assert!(
                    followed,
                    "{limit} MiB: {} resident",
                    server.resident_bytes()
                );
            }
        }
        done.store(true, Relaxed);
    });
}

/// A row of sets, and gets of some of them: they are there or not, and nothing else.
fn use_some(client: &mut Client, row: usize) {
    let len = [100, 3000, 50_000, 900_000][row % 4];
    let whole = value(row, len);
    for i in 0..8 {
        let key = format!("k{}", (row * 8 + i) % 20_000);
        assert_eq!(set(client, &key, &whole), "STORED\r\n");
        client.send(format!("mg {key} s\r\n"));
        let found = client.read_line();
        assert!(found == "EN\r\n" || found.starts_with("HD s"), "{found}");
    }
}
