//! Cost of reading one request and of writing one reply header, without sockets and store.
//!
//! Run with `cargo bench -p cacheismo-protocol --bench parser`.

use cacheismo_protocol::{Command, Limits, Parsed, VirtualKey, binary, parse_text, reply};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// Requests as clients send them, one kind each.
const REQUESTS: [(&str, &str); 10] = [
    ("get 3 byte key", "get key\r\n"),
    ("get 24 byte key", "get user:1234567890:session:\r\n"),
    ("gets 2 keys", "gets user:1234567890 user:1234567891\r\n"),
    (
        "set 32 bytes",
        "set user:1234567890 0 3600 32\r\n01234567890123456789012345678901\r\n",
    ),
    (
        "set noreply",
        "set user:1234567890 0 3600 8 noreply\r\n01234567\r\n",
    ),
    ("incr", "incr counter:17 1\r\n"),
    ("delete", "delete user:1234567890\r\n"),
    ("mg v", "mg user:1234567890 v\r\n"),
    ("mg lease", "mg user:1234567890 v c t f N30 R30 O1234\r\n"),
    ("virtual get", "get set:put:colours:blue\r\n"),
];

#[divan::bench(args = REQUESTS.map(|(name, _)| name))]
fn text(bencher: Bencher<'_, '_>, name: &str) {
    let request = REQUESTS
        .iter()
        .find(|(n, _)| *n == name)
        .expect("the names come from the list")
        .1;
    let limits = Limits::default();
    bencher.bench_local(
        || match parse_text(black_box(request.as_bytes()), &limits) {
            Parsed::Command { consumed, .. } => consumed,
            other => panic!("{name}: {other:?}"),
        },
    );
}

/// A full read of pipelined gets, the keys looked at: time per whole buffer of 64.
#[divan::bench]
fn pipeline_of_64_gets(bencher: Bencher<'_, '_>) {
    let input: String = (0..64)
        .map(|i| format!("get user:{}\r\n", 1_234_567_890 + i))
        .collect();
    let limits = Limits::default();
    bencher.counter(64usize).bench_local(|| {
        let mut rest = black_box(input.as_bytes());
        let mut bytes = 0;
        while let Parsed::Command { command, consumed } = parse_text(rest, &limits) {
            if let Command::Get(get) = command {
                bytes += get.keys.map(<[u8]>::len).sum::<usize>();
            }
            rest = &rest[consumed..];
        }
        bytes
    });
}

/// One get of a hundred keys, each looked at.
#[divan::bench]
fn get_of_100_keys(bencher: Bencher<'_, '_>) {
    let keys: String = (0..100)
        .map(|i| format!(" user:{}", 1_234_567_890 + i))
        .collect();
    let input = format!("get{keys}\r\n");
    let limits = Limits::default();
    bencher.counter(100usize).bench_local(|| {
        match parse_text(black_box(input.as_bytes()), &limits) {
            Parsed::Command {
                command: Command::Get(get),
                ..
            } => get.keys.map(<[u8]>::len).sum::<usize>(),
            other => panic!("{other:?}"),
        }
    });
}

#[divan::bench]
fn binary_get(bencher: Bencher<'_, '_>) {
    let mut request = vec![0x80, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 15];
    request.extend_from_slice(&[0; 12]);
    request.extend_from_slice(b"user:1234567890");
    let limits = Limits::default();
    bencher.bench_local(|| match binary::parse(black_box(&request), &limits) {
        binary::Parsed::Request { consumed, .. } => consumed,
        other => panic!("{other:?}"),
    });
}

#[divan::bench]
fn value_header(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        reply::value_header(
            &mut out,
            black_box(b"user:1234567890"),
            black_box(0),
            black_box(100),
            None,
        );
        out.len()
    });
}

#[divan::bench(args = ["user:1234567890", "session-1234567890", "map:put:colours:sky:blue"])]
fn virtual_key(key: &str) -> Option<VirtualKey<'_>> {
    VirtualKey::parse(black_box(key.as_bytes()))
}
