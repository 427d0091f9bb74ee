//! Connections that are many, or slow, or don't read.

use std::net::Shutdown;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::Server;

#[test]
fn a_thousand_idle_connections_disturb_nobody() {
    let server = Server::start(&["-c", "1100"]);
    let mut idle: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
    let mut busy = server.connect();
    busy.set("key", "value");
    for _ in 0..1000 {
        assert_eq!(busy.call("key"), "value");
    }
    // Answered after all that, so none of them was dropped.
    for client in &mut idle {
        assert_eq!(
            client.ask("get key\r\n"),
            "VALUE key 0 5\r\nvalue\r\nEND\r\n"
        );
    }
    assert_eq!(
        busy.stat("curr_connections")
            .parse::<usize>()
            .expect("a count")
            / 1000,
        1
    );
}

#[test]
fn a_client_that_stops_in_the_middle_of_a_request_holds_up_nobody() {
    let server = Server::start(&[]);
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send("set half 0 0 100000\r\nthe beginning");
    }
    let mut other = server.connect();
    other.set("key", "value");
    assert_eq!(other.call("key"), "value");
    assert_eq!(other.ask("get half\r\n"), "END\r\n");
}

#[test]
fn requests_before_a_half_close_are_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send("set a 0 0 1\r\n1\r\n".repeat(1000) + "get a\r\n");
    client
        .stream()
        .shutdown(Shutdown::Write)
        .expect("the connection is open");
    let replies = "STORED\r\n".repeat(1000) + "VALUE a 0 1\r\n1\r\nEND\r\n";
    assert_eq!(client.read_to_close(), replies.as_bytes());
}

#[test]
fn a_client_that_never_reads_costs_the_server_little() {
    let server = Server::start(&["-m", "64"]);
    let mut client = server.connect();
    client.set("big", vec![b'x'; 1_000_000]);
    // A gigabyte of replies is asked for; what the kernel doesn't take must stay unmade.
    let mut deaf = server.connect();
    deaf.stream()
        .set_nonblocking(true)
        .expect("sockets can be non-blocking");
    for _ in 0..1000 {
        if !deaf.try_send("get big\r\n") {
            break;
        }
    }
    for _ in 0..100 {
        assert_eq!(client.ask("get nosuch\r\n"), "END\r\n");
    }
    let memory = server.resident_bytes();
    assert!(memory < 400 << 20, "{} MiB resident", memory >> 20);
}
