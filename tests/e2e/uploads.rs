//! Large values on their way in: they go to where they will stay, and nobody sees them before they are whole.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use cacheismo_tests::client::{Client, show};
use cacheismo_tests::server::{Server, wait_until};
use cacheismo_tests::tools;

const SOON: Duration = Duration::from_secs(20);

/// Bytes that show where they belong.
fn value(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed + i * 31 + i / 256) as u8).collect()
}

fn set(line: &str, value: &[u8]) -> Vec<u8> {
    [line.as_bytes(), b"\r\n", value, b"\r\n"].concat()
}

/// Requests and their replies, all about large values.
fn dialogue() -> Vec<(Vec<u8>, Vec<u8>)> {
    let (big, other) = (value(1, 300_000), value(2, 100_000));
    let text =
        |request: &str, reply: &str| (request.as_bytes().to_vec(), reply.as_bytes().to_vec());
    let hit = |line: &str, value: &[u8]| [line.as_bytes(), b"\r\n", value, b"\r\n"].concat();
    let got = |line: &str, value: &[u8]| [&hit(line, value)[..], b"END\r\n"].concat();
    let mut short = set("set k 0 0 200000", &value(3, 200_000));
    // One byte too many, so that it does not end in CRLF and the rest is a line nobody knows.
    short.insert(5000, b'x');
    vec![
        (set("set k 7 0 300000", &big), b"STORED\r\n".to_vec()),
        (b"get k\r\n".to_vec(), got("VALUE k 7 300000", &big)),
        (set("set k 0 100 100000 noreply", &other), Vec::new()),
        text("mg k s f\r\n", "HD s100000 f0\r\n"),
        (b"get k\r\n".to_vec(), got("VALUE k 0 100000", &other)),
        (
            short,
            b"CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\n".to_vec(),
        ),
        (b"get k\r\n".to_vec(), got("VALUE k 0 100000", &other)),
        (
            set("ms m 300000 F9 T0 k Oabc s", &big),
            b"HD km Oabc s300000\r\n".to_vec(),
        ),
        (set("ms m 300000 q", &big), Vec::new()),
        (b"mg m v f\r\n".to_vec(), hit("VA 300000 f0", &big)),
        // These wait for all of their value.
        (set("add m 0 0 100000", &other), b"NOT_STORED\r\n".to_vec()),
        (set("append m 0 0 100000", &other), b"STORED\r\n".to_vec()),
        (b"mg m s\r\n".to_vec(), b"HD s400000\r\n".to_vec()),
        (set("ms m 100000 C1", &other), b"EX\r\n".to_vec()),
        (set("ms bQ== 100000 b", &other), b"HD\r\n".to_vec()),
        (b"mg m s\r\n".to_vec(), b"HD s100000\r\n".to_vec()),
        (
            set("set big 0 0 1500000", &value(4, 1_500_000)),
            b"SERVER_ERROR object too large for cache\r\n".to_vec(),
        ),
        (set("set set$x 0 0 100000", &other), {
            let refusal =
                "CLIENT_ERROR the state of an object is written by its functions only\r\n";
            refusal.into()
        }),
        text("delete k\r\n", "DELETED\r\n"),
        text("mn\r\n", "MN\r\n"),
    ]
}

/// Sends all of `requests` in parts of `part` bytes and compares what comes back.
fn play(mut stream: impl Read + Write + Send + CloneStream, part: usize) {
    let (requests, replies): (Vec<_>, Vec<_>) = dialogue().into_iter().unzip();
    let (requests, replies) = (requests.concat(), replies.concat());
    let mut writer = stream.clone_stream();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for part in requests.chunks(part) {
                writer.write_all(part).expect("the server reads");
            }
        });
        let mut came = vec![0; replies.len()];
        stream.read_exact(&mut came).expect("all replies come");
        let differ = came.iter().zip(&replies).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{}", show(&came[differ.unwrap_or(0)..]));
    });
}

trait CloneStream {
    fn clone_stream(&self) -> Self;
}

impl CloneStream for std::net::TcpStream {
    fn clone_stream(&self) -> Self {
        self.try_clone().expect("a socket can be cloned")
    }
}

impl CloneStream for UnixStream {
    fn clone_stream(&self) -> Self {
        self.try_clone().expect("a socket can be cloned")
    }
}

#[test]
fn large_values_are_stored_however_they_are_cut() {
    let server = Server::start(&["-m", "64"]);
    for part in [usize::MAX, 1 << 20, 65_536, 10_007, 1000] {
        let client = server.connect();
        play(client.stream().clone_stream(), part);
    }
}

#[test]
fn large_values_come_over_a_unix_socket() {
    let socket = tools::scratch("uploads").join("socket");
    let path = socket.to_str().expect("the repository's path is UTF-8");
    let _server = Server::spawn(Command::new(tools::cacheismo()).args([
        "-p",
        "-1",
        "-l",
        "127.0.0.1",
        "-s",
        path,
    ]));
    for part in [usize::MAX, 10_007] {
        play(UnixStream::connect(&socket).expect("it listens"), part);
    }
}

#[test]
fn a_binary_set_of_a_large_value_is_one() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let big = value(5, 500_000);
    let message = |opcode: u8, extras: &[u8], value: &[u8]| {
        let mut bytes = vec![0x80, opcode, 0, 3, extras.len() as u8, 0, 0, 0];
        bytes.extend_from_slice(&((extras.len() + 3 + value.len()) as u32).to_be_bytes());
        bytes.extend_from_slice(&[0; 12]);
        [&bytes, extras, b"bin", value].concat()
    };
    // set, setq, then a get of what the second one left.
    client.send(message(0x01, &[0, 0, 0, 7, 0, 0, 0, 0], &big[..400_000]));
    let header = client.read(24);
    assert_eq!(
        (header[1], header[7], &header[8..12]),
        (0x01, 0, &[0; 4][..])
    );
    assert_ne!(header[16..], [0; 8], "it shows a CAS");
    for part in message(0x11, &[0, 0, 0, 9, 0, 0, 0, 0], &big).chunks(50_000) {
        client.send(part);
    }
    client.send(message(0x00, b"", b""));
    let header = client.read(24);
    assert_eq!((header[1], header[7]), (0x00, 0));
    assert_eq!(client.read(4), [0, 0, 0, 9]);
    assert_eq!(client.read(big.len()), big);
}

#[test]
fn what_is_not_finished_costs_nothing_and_changes_nothing() {
    let server = Server::start(&["-m", "64"]);
    let mut client = server.connect();
    let old = value(1, 200_000);
    client.set("k", &old);
    let bytes = client.stat("bytes");
    let begun = server.connect();
    begun
        .stream()
        .clone_stream()
        .write_all(b"set k 0 0 900000\r\n")
        .expect("it reads");
    begun
        .stream()
        .clone_stream()
        .write_all(&value(2, 700_000))
        .expect("it reads");
    let grown = |client: &mut Client| {
        let now: u64 = client.stat("bytes").parse().expect("a number");
        now - bytes.parse::<u64>().expect("a number")
    };
    let placed = wait_until(SOON, || grown(&mut client) >= 700_000);
    assert!(placed, "{} bytes came", grown(&mut client));
    assert!(grown(&mut client) < 1 << 20);
    assert!(
        client
            .ask("get k\r\n")
            .as_bytes()
            .starts_with(b"VALUE k 0 200000")
    );
    drop(begun);
    let freed = wait_until(SOON, || client.stat("bytes") == bytes);
    assert!(freed, "{} bytes stayed", grown(&mut client));
    client.send("get k\r\n");
    let reply = client.read_until(b"END\r\n");
    assert!(reply == [b"VALUE k 0 200000\r\n", &old[..], b"\r\nEND\r\n"].concat());
}

#[test]
fn many_clients_that_announce_much_cost_little() {
    let server = Server::start(&["-m", "2100", "-I", "1g", "-c", "200"]);
    let mut client = server.connect();
    client.set("key", "value");
    let before = server.resident_bytes();
    let mut slow: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send("set big 0 0 1073741824\r\n");
        client.send([b'x'; 10_000]);
    }
    for client in &mut slow {
        client.send([b'x'; 40_000]);
    }
    assert_eq!(client.call("key"), "value");
    let grown = server.resident_bytes() - before;
    assert!(grown < 32 << 20, "{} MiB", grown >> 20);
}

#[test]
fn a_quarter_gigabyte_needs_hardly_more_than_its_bytes() {
    const BYTES: usize = 256 << 20;
    let server = Server::start(&["-m", "600", "-I", "300m"]);
    let mut client = server.connect();
    client.set("key", "value");
    let before = server.resident_bytes();
    server.forget_peak();
    client.send(format!("set big 0 0 {BYTES}\r\n"));
    let part = value(1, 1 << 20);
    for _ in 0..BYTES / part.len() {
        client.send(&part);
    }
    assert_eq!(client.ask("\r\n"), "STORED\r\n");
    let grown = server.peak_bytes() - before;
    assert!(grown < BYTES as u64 / 10 * 11, "{} MiB", grown >> 20);
    assert_eq!(client.ask("mg big s\r\n"), format!("HD s{BYTES}\r\n"));
}

#[test]
fn without_room_a_value_is_refused_and_the_stream_stays_in_step() {
    // No eviction.
    let server = Server::start(&["-m", "4", "-I", "2m", "-M"]);
    let mut client = server.connect();
    client.set("old", value(1, 1 << 20));
    client.set("other", value(1, 2 << 20));
    let full = "SERVER_ERROR out of memory storing object\r\n";
    let big = value(2, 2_000_000);
    assert_eq!(client.ask(set("set old 0 0 2000000", &big)), full);
    assert_eq!(client.ask("get old\r\n"), "END\r\n", "it would be stale");
    // With eviction, large values push out each other.
    let server = Server::start(&["-m", "8", "-I", "4m"]);
    let mut client = server.connect();
    let big = value(3, 4 << 20);
    for i in 0..10 {
        client.set(&format!("k{i}"), &big);
        assert_eq!(client.ask(format!("mg k{i} s\r\n")), "HD s4194304\r\n");
    }
}

#[test]
fn watchers_and_counters_see_an_upload_as_any_set() {
    let server = Server::start(&[]);
    let mut watcher = server.connect();
    watcher.send("watch mutations\r\n");
    assert_eq!(watcher.read_line(), "OK\r\n");
    let mut client = server.connect();
    let stored = client.stat("total_items");
    client.send("set k 0 100 500000\r\n");
    client.send(value(1, 500_000));
    assert_eq!(client.ask("\r\n"), "STORED\r\n");
    let line = String::from_utf8_lossy(&watcher.read_until(b"\n")).into_owned();
    assert!(
        line.contains("type=item_store key=k status=stored cmd=set ttl=100 clsid=1"),
        "{line}"
    );
    assert!(line.trim_end().ends_with("size=500000"), "{line}");
    assert_eq!(
        (stored.as_str(), client.stat("total_items").as_str()),
        ("0", "1")
    );
    assert_eq!(
        (client.stat("cmd_set"), client.stat("curr_items")),
        ("1".into(), "1".into())
    );
}
