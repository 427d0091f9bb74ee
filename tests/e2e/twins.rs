//! The same operation in every dialect: equal answers, counters, lines of watchers, and state.

use std::process::Command;

use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Memcached, Server};
use cacheismo_tests::tools;
use cacheismo_tests::twins::case::{Case, GET, value};
use cacheismo_tests::twins::dialect::{DIALECTS, Dialect, Link};
use cacheismo_tests::twins::operation::Request;
use cacheismo_tests::twins::stage::{Stage, Way};
use cacheismo_tests::twins::{calls, names, plain};

/// Longest item in bytes: so short that a datagram holds a longer value.
const ITEM_BYTES: usize = 1024;
/// The longest item, as an option takes it.
const ITEM_BYTES_MAX: &str = "1k";

/// The longest item that memcached takes by default, in bytes.
const MEMCACHED_ITEM_BYTES: usize = 1 << 20;

/// Options beside: TCP stays on with UDP, and calls that loop end soon.
const OPTIONS: [&str; 12] = [
    "-p",
    "-1",
    "-l",
    "127.0.0.1",
    "-U",
    "-1",
    "-I",
    ITEM_BYTES_MAX,
    "-t",
    "2",
    "--deadline-ms",
    "400",
];

/// A script that hands every command to the server.
const MAIN: &str = "function mainNormal() return 'native' end\nmainVirtualKey = mainNormal\n";

/// A server with the scripts of the calls. `main` is another script.
fn start(options: &[&str], main: &str) -> (Server, Scripts) {
    let scripts = Scripts::new("worker.lua", calls::SCRIPTS);
    scripts.write("main.lua", main);
    let mut command = Command::new(tools::cacheismo());
    command.args(OPTIONS).args(options);
    command.args(["--lua-scripts", scripts.path()]);
    (Server::spawn(&mut command), scripts)
}

/// Plays all cases in all dialects on one way.
fn play(server: &Server, way: Way, dialects: &[Dialect], cases: &[Case]) {
    let mut stage = Stage::new(server, way);
    let mut differences = Vec::new();
    for case in cases {
        for dialect in dialects {
            differences.extend(stage.play(case, *dialect));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn play_both_ways(cases: &[Case]) {
    let (server, _scripts) = start(&[], "");
    play(&server, Way::Tcp, &DIALECTS, cases);
    play(&server, Way::Udp, &DIALECTS, cases);
}

#[test]
fn plain_keys_have_no_dialect() {
    play_both_ways(&plain::cases(ITEM_BYTES));
}

#[test]
fn virtual_keys_have_no_dialect() {
    play_both_ways(&calls::cases());
}

#[test]
fn names_of_objects_have_no_dialect() {
    play_both_ways(&names::cases());
}

#[test]
fn commands_that_scripts_pass_on_are_those_of_clients() {
    let (server, _scripts) = start(&["--lua-main"], MAIN);
    let cases = [plain::cases(ITEM_BYTES), calls::cases(), names::cases()].concat();
    let dialects = [Dialect::Text, Dialect::Meta, Dialect::MetaBase64];
    play(&server, Way::Scripts, &dialects, &cases);
}

#[test]
fn a_lack_of_memory_has_no_dialect() {
    const BYTES: usize = 40_000;
    let server = Server::start(&["-m", "1", "-M"]);
    let mut client = server.connect();
    let value = "x".repeat(BYTES);
    let mut fills = (0..).map(|i| client.ask(format!("set fill{i} 0 0 {BYTES}\r\n{value}\r\n")));
    let refused = fills.find(|answer| answer != "STORED\r\n");
    assert_eq!(
        refused.as_deref(),
        Some("SERVER_ERROR out of memory storing object\r\n")
    );
    play(&server, Way::Tcp, &DIALECTS, &[plain::without_room(BYTES)]);
}

#[test]
fn the_text_of_an_object_has_one_length_and_one_end() {
    let (server, _scripts) = start(&[], "");
    let mut client = server.connect();
    for (object, member_bytes) in [("small", 4), ("large", 40)] {
        assert_eq!(client.call(&format!("set:new:{object}")), "CREATED");
        for i in 0..12 {
            // Each of these bytes is shown as four letters: the object is within the limit, its text may not be.
            client.set(&format!("set:put:{object}"), vec![0x80 + i; member_bytes]);
        }
        let name = format!("set${object}");
        let text = client.call(&name);
        let cut = text.ends_with("\r\n...\r\n");
        assert_eq!(cut, object == "large", "{text}");
        let len = text.len();
        assert!(len <= ITEM_BYTES, "{len} bytes");
        assert_eq!(
            client.ask(format!("mg {name} s\r\n")),
            format!("HD s{len}\r\n")
        );
        let whole = format!("VA {len} s{len}\r\n{text}\r\n");
        assert_eq!(client.ask(format!("mg {name} s v\r\n")), whole);
        let request = Request {
            operation: &GET,
            key: &name,
            meta_flags: "",
            quiet: false,
            present: 0,
        };
        let mut link = Link::tcp(server.address());
        for dialect in DIALECTS {
            let bytes = dialect.encode(&request).expect("all have a get");
            let reply = link.exchange(&bytes, dialect.is_binary()).expect("in step");
            assert_eq!(
                dialect.decode(&request, &reply),
                value(&text, 0),
                "{dialect:?}"
            );
            link = Link::tcp(server.address());
        }
    }
}

/// Where dialects of memcached itself differ from its text commands: case, dialect, and what differs.
const DIFFERS: &[(&str, &str, &str)] = &[
    ("gat of a missing key", "Meta", "counts a get_miss"),
    ("touch", "Binary", "counts a hit of the prefix"),
    (
        "touch of a missing key",
        "Binary",
        "counts a get of the prefix",
    ),
    ("delete over another CAS", "Meta", "counts a delete_miss"),
    (
        "incr that makes a number",
        "Meta",
        "answers although it is quiet",
    ),
    (
        "decr that makes a number",
        "Meta",
        "answers although it is quiet",
    ),
    ("set of too much", "Binary", "does not count it"),
    ("add of too much", "Binary", "does not count it"),
    ("add of too much", "Meta", "deletes what was there"),
];

#[test]
fn what_is_expected_of_plain_keys_is_what_memcached_does() {
    let memcached = Memcached::start(&["-o", "no_lru_maintainer,no_lru_crawler"]);
    let mut stage = Stage::reference(memcached.address());
    let mut differences = Vec::new();
    let mut explained = Vec::new();
    for case in plain::cases(MEMCACHED_ITEM_BYTES) {
        for dialect in [Dialect::Text, Dialect::Meta, Dialect::Binary] {
            let found = stage.play(&case, dialect);
            let known = DIFFERS
                .iter()
                .find(|(name, which, _)| *name == case.name && *which == format!("{dialect:?}"));
            match known {
                Some(known) if !found.is_empty() => explained.push(known),
                _ => differences.extend(found),
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let gone: Vec<_> = DIFFERS
        .iter()
        .filter(|known| !explained.contains(known))
        .collect();
    assert!(
        gone.is_empty(),
        "memcached does these as expected: {gone:?}"
    );
}
