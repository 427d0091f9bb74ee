//! Recorded sessions of the original server, replayed on the module with our scripts.

use crate::host::{Client, Host, Store};
use std::collections::BTreeMap;

const SCRIPTS: [(&str, &str); 4] = [
    (
        "scripts/map.lua",
        include_str!("../../../../scripts-lua/map.lua"),
    ),
    (
        "scripts/quota.lua",
        include_str!("../../../../scripts-lua/quota.lua"),
    ),
    (
        "scripts/set.lua",
        include_str!("../../../../scripts-lua/set.lua"),
    ),
    (
        "scripts/swcounter.lua",
        include_str!("../../../../scripts-lua/swcounter.lua"),
    ),
];
/// The object the recordings look around with.
const PROBE: (&str, &str) = (
    "scripts-probe/api.lua",
    include_str!("scripts-probe/api.lua"),
);
const LEAKED: (&str, &str) = (
    "scripts-probe/leaked.lua",
    include_str!("scripts-probe/leaked.lua"),
);
const PEER: &str = "127.0.0.1:10001";
const MYSELF: &str = "127.0.0.1:10002";

#[derive(Debug)]
struct Record {
    session: String,
    step: u64,
    verdict: String,
    request: Vec<u8>,
    response: Vec<u8>,
}

/// The bytes of a recorded text, which has one character for each byte.
fn bytes(value: &serde_json::Value) -> Vec<u8> {
    value
        .as_str()
        .unwrap_or("")
        .chars()
        .map(|c| c as u8)
        .collect()
}

fn sessions() -> BTreeMap<String, Vec<Record>> {
    let mut sessions: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for line in include_str!("golden/sessions.jsonl").lines().skip(1) {
        let value: serde_json::Value = serde_json::from_str(line).expect("a record");
        let text = |name: &str| value[name].as_str().unwrap_or("").to_owned();
        let record = Record {
            session: text("session"),
            step: value["step"].as_u64().unwrap_or(0),
            verdict: text("verdict"),
            request: bytes(&value["request"]),
            response: bytes(&value["response"]),
        };
        sessions
            .entry(record.session.clone())
            .or_default()
            .push(record);
    }
    sessions
}

fn client() -> Client {
    let mut scripts = SCRIPTS.to_vec();
    scripts.extend([PROBE, LEAKED]);
    let mut world = Store::default();
    let mut peer = Client::new(&scripts[..4]).expect("the peer loads");
    world.peers.insert(
        PEER.to_owned(),
        Box::new(move |key| {
            let key = std::str::from_utf8(key).expect("text");
            match key {
                "rk" => return Some(b"rv".to_vec()),
                "k1" => return Some(b"v1".to_vec()),
                "none" => return None,
                _ => (),
            }
            if let Some(n) = key.strip_prefix("pk") {
                return Some(format!("pv{n}").into_bytes());
            }
            Some(peer.value(key).into_bytes())
        }),
    );
    let own = |key: &[u8]| match key {
        b"mine" => Some(b"yes".to_vec()),
        b"rk" => Some(b"local".to_vec()),
        _ => None,
    };
    world.peers.insert(MYSELF.to_owned(), Box::new(own));
    Client::of(Host::with_world(&scripts, world).expect("the scripts load")).expect("types")
}

#[test]
fn what_was_right_is_answered_byte_for_byte() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (session, records) in sessions() {
        let mut client = client();
        for record in records {
            if record.request.starts_with(b"quit") {
                continue;
            }
            let answer = client
                .request(&record.request)
                .expect("a request of the host");
            if matches!(record.verdict.as_str(), "keep" | "fix") {
                checked += 1;
                if answer != record.response {
                    wrong.push(format!(
                        "{session} {}: {:?}\n  is     {:?}\n  not    {:?}",
                        record.step,
                        String::from_utf8_lossy(&record.request),
                        String::from_utf8_lossy(&answer),
                        String::from_utf8_lossy(&record.response)
                    ));
                }
            }
        }
    }
    assert!(checked > 250, "only {checked} records");
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_was_silence_is_an_error_that_says_where() {
    for (session, records) in sessions() {
        let mut client = client();
        for record in records {
            if record.request.starts_with(b"quit") {
                continue;
            }
            let answer = client
                .request(&record.request)
                .expect("a request of the host");
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if record.verdict == "error" {
                let told = answer.contains("SERVER_ERROR ") && answer.contains(".lua:");
                assert!(told, "{session} {}: {answer}", record.step);
            }
        }
    }
}

#[test]
fn libraries_and_globals_cannot_be_called_by_a_key() {
    let mut client = client();
    for key in [
        "print:a:b",
        "split:a:b",
        "string:len:x",
        "os:clock:x",
        "core:version:x",
        "Command:writeString:hi",
        "core:flush_all:x",
        "HashMap:get:x",
        "package:loadlib:x",
        "_G:print:x",
        "object:open:x",
        "table:concat:x",
        "coroutine:yield:x",
    ] {
        let answer = client
            .request(format!("get {key}\r\n").as_bytes())
            .expect("answered");
        assert_eq!(answer, b"END\r\n", "{key}");
    }
}

#[test]
fn bugs_of_the_original_scripts_are_mended() {
    let mut client = client();
    for (key, expected) in [
        ("set:new:a", "CREATED"),
        ("set:put:a:x", "SUCCESS"),
        ("set:put:a:y", "SUCCESS"),
        ("set:count:a", "2"),
        ("set:new:b", "CREATED"),
        ("set:put:b:y", "SUCCESS"),
        ("set:put:b:z", "SUCCESS"),
        ("set:intersection:a:b", "y\r\n"),
        ("set:union:a:none", "ERROR_CACHE_MISS"),
        ("map:new:m", "CREATED"),
        ("map:put:m:k:v", "SUCCESS"),
        ("map:count:m", "1"),
        ("quota:new:q:many:day", "NOT_CREATED"),
        ("swcounter:new:c:0", "NOT_CREATED"),
        ("swcounter:new:c:2", "CREATED"),
        ("swcounter:add:c:-5", "SUCCESS"),
        ("swcounter:add:c:-7", "SUCCESS"),
        ("swcounter:getmax:c", "-5"),
    ] {
        assert_eq!(client.value(key), expected, "{key}");
    }
    let text = client.failure("swcounter:add:c:many");
    assert_eq!(text, "the value must be a number");
}

#[test]
fn stored_bytes_are_those_of_the_original() {
    for (session, records) in sessions() {
        let mut client = client();
        for record in records {
            if record.request.starts_with(b"quit") {
                continue;
            }
            let answer = client
                .request(&record.request)
                .expect("a request of the host");
            let raw = record.verdict == "decide" && record.request.contains(&b'$');
            if raw && record.request.starts_with(b"get ") {
                assert_eq!(
                    String::from_utf8_lossy(&answer),
                    String::from_utf8_lossy(&record.response),
                    "{session} {}",
                    record.step
                );
            }
        }
    }
}
