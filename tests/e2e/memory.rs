//! Memory that clients cause beside items: what many of them together can take, whom it is refused, and that it comes back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, wait_until};

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(60);
/// What the server may have of the machine's: items, clients, and 16 MiB.
const RESIDENT_BYTES_MAX: u64 = (64 + 64 + 16) * MIB as u64;
/// Value of a large command.
const VALUE_BYTES: usize = MIB - 1000;

fn server() -> Server {
    let options = ["-m", "64", "-t", "2", "-c", "2000", "--client-memory", "64"];
    Server::start(&options)
}

/// A connection that never waits for long.
fn attacker(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server listens");
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout can be set");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout can be set");
    stream
}

/// Sends what the server takes, which may be nothing.
fn push(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

fn stat(client: &mut Client, name: &str) -> usize {
    client.stat(name).parse().expect("a number")
}

/// Whoever does nothing bad is served all the while.
fn is_served(server: &Server) {
    let mut client = server.connect();
    client.set("small", "value");
    assert_eq!(
        client.ask("get small\r\n"),
        "VALUE small 0 5\r\nvalue\r\nEND\r\n"
    );
    assert_eq!(
        client
            .call("counter:add:healthy")
            .parse::<u64>()
            .map(|n| n > 0),
        Ok(true)
    );
}

/// The bound while an attack goes on, and what is left of it when the attackers have gone.
fn is_bounded(server: &Server, attackers: Vec<TcpStream>, held: &str) {
    is_served(server);
    let mut client = server.connect();
    let attacked = wait_until(SOON, || stat(&mut client, held) > 4 * MIB);
    assert!(attacked, "the attack is none");
    let peak = server.peak_bytes();
    assert!(peak <= RESIDENT_BYTES_MAX, "{} MiB resident", peak >> 20);
    drop(attackers);
    assert!(wait_until(SOON, || stat(&mut client, held) == 0));
    let gave_back = wait_until(SOON, || server.resident_bytes() < (64 + 40) * MIB as u64);
    assert!(gave_back, "{} MiB stay", server.resident_bytes() >> 20);
}

#[test]
fn values_in_the_making_share_a_budget() {
    let server = server();
    let part = vec![b'x'; VALUE_BYTES - 1];
    let attackers: Vec<_> = (0..1000)
        .map(|number| {
            let stream = attacker(&server);
            push(
                &stream,
                format!("add k{number} 0 0 {VALUE_BYTES}\r\n").as_bytes(),
            );
            push(&stream, &part);
            stream
        })
        .collect();
    let mut client = server.connect();
    assert!(stat(&mut client, "client_memory_refused") > 100);
    is_bounded(&server, attackers, "client_memory_input");
}

#[test]
fn a_value_without_memory_is_refused_and_skipped() {
    let server = server();
    let holders: Vec<_> = (0..200)
        .map(|number| {
            let stream = attacker(&server);
            stream
                .set_write_timeout(None)
                .expect("a timeout can be taken off");
            push(
                &stream,
                format!("add k{number} 0 0 {VALUE_BYTES}\r\n").as_bytes(),
            );
            push(&stream, &vec![b'x'; VALUE_BYTES - 1]);
            stream
        })
        .collect();
    let mut answers = Vec::new();
    for mut stream in holders {
        push(&stream, b"x\r\nmn\r\n");
        let mut answer = Vec::new();
        let mut some = [0; 256];
        while !answer.ends_with(b"MN\r\n") {
            match stream.read(&mut some) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&some[..read]),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
            }
        }
        answers.push(String::from_utf8(answer).expect("answers are ASCII"));
    }
    let refused = "SERVER_ERROR out of memory storing object\r\nMN\r\n";
    let count = |wanted: &str| answers.iter().filter(|answer| *answer == wanted).count();
    assert!(count(refused) > 50, "{answers:?}");
    assert_eq!(
        count(refused) + count("STORED\r\nMN\r\n"),
        answers.len(),
        "{answers:?}"
    );
    is_served(&server);
}

#[test]
fn lines_without_an_end_share_a_budget() {
    let server = server();
    let mut line = b"get".to_vec();
    while line.len() < MIB - 10 {
        line.extend_from_slice(b" a");
    }
    let attackers: Vec<_> = (0..1000)
        .map(|_| {
            let stream = attacker(&server);
            push(&stream, &line);
            stream
        })
        .collect();
    is_bounded(&server, attackers, "client_memory_input");
}

#[test]
fn answers_nobody_reads_share_a_budget() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.call("map:new:m"), "CREATED");
    client.send("set map:put:m:name 0 0 900000\r\n".to_owned() + &"v".repeat(900_000) + "\r\n");
    assert_eq!(client.read_line(), "STORED\r\n");
    let attackers: Vec<_> = (0..500)
        .map(|_| {
            let stream = attacker(&server);
            for _ in 0..10 {
                push(&stream, b"get map:get:m:name\r\n");
            }
            stream
        })
        .collect();
    is_bounded(&server, attackers, "client_memory_answers");
}

#[test]
fn a_reader_that_was_slow_is_cut_only_when_others_need_its_memory() {
    let server = server();
    let mut client = server.connect();
    let value = "v".repeat(900_000);
    assert_eq!(client.call("map:new:m"), "CREATED");
    client.send(format!("set map:put:m:name 0 0 900000\r\n{value}\r\n"));
    assert_eq!(client.read_line(), "STORED\r\n");
    let mut slow = server.connect();
    let asked = 8;
    slow.send("get map:get:m:name\r\n".repeat(asked));
    let mut other = server.connect();
    let waits = wait_until(SOON, || stat(&mut other, "client_memory_answers") > 0);
    assert!(waits, "the client is slow");
    for _ in 0..asked {
        assert!(slow.reply().len() > value.len());
    }
    assert_eq!(stat(&mut other, "client_memory_kicks"), 0);
    assert_eq!(stat(&mut other, "client_memory_answers"), 0);
}
