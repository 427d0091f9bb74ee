//! Clients that are too many, send too much, or are too late.

use super::*;

#[test]
fn one_connection_too_many_is_told_so() {
    let server = Server::start("-c 2");
    let (mut a, mut b) = (server.connect(), server.connect());
    a.send("echo a\r\n").expect("a\r\n");
    b.send("echo b\r\n").expect("b\r\n");
    assert_eq!(
        server.connect().rest(),
        b"ERROR Too many open connections\r\n"
    );
    assert_eq!(
        server.surroundings.stats.counts.rejected_connections.get(),
        1
    );
    drop(a);
    until("a place is free", || {
        server.surroundings.stats.counts.curr_connections.get() == 1
    });
    server.connect().send("echo c\r\n").expect("c\r\n");
}

#[test]
fn without_maxconns_fast_clients_wait_for_a_place() {
    let server = Server::start("-c 1 -o no_maxconns_fast");
    let mut a = server.connect();
    a.send("echo a\r\n").expect("a\r\n");
    let mut b = server.connect();
    b.send("echo b\r\n");
    until("accepting stops", || !server.surroundings.stats.accepting());
    drop(a);
    b.expect("b\r\n");
    assert_eq!(
        server.surroundings.stats.counts.rejected_connections.get(),
        0
    );
    assert!(server.surroundings.stats.serving.listen_disabled_num.get() >= 1);
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::start("-o idle_timeout=1");
    let mut client = server.connect();
    client.send("echo a\r\n").expect("a\r\n");
    client.expect_end();
    assert_eq!(server.surroundings.stats.serving.idle_kicks.get(), 1);
}

#[test]
fn a_command_without_end_is_cut_off() {
    let server = Server::start("-m 64 -I 1m");
    let mut client = server.connect();
    let junk = vec![b'x'; 1 << 20];
    // The service asks for more and more; the session's own bound ends it.
    while client.stream.write_all(&junk).is_ok() {}
    server.connect().send("echo a\r\n").expect("a\r\n");
}

#[test]
fn a_pipelining_client_gives_way() {
    let server = Server::start("-t 1 -R 1");
    let mut greedy = server.connect();
    greedy.send("echo 0123456789\r\n".repeat(2000));
    let mut all = vec![0; 12 * 2000];
    greedy.stream.read_exact(&mut all).expect("all answers");
    until("yields are counted", || {
        server.surroundings.stats.traffic.totals().conn_yields > 0
    });
}

#[test]
fn a_thousand_idle_connections_are_open_and_seen() {
    let server = Server::start("-c 2000");
    let mut clients: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("echo a\r\n");
    }
    for client in &mut clients {
        client.expect("a\r\n");
    }
    assert_eq!(
        server.surroundings.stats.counts.curr_connections.get(),
        1000
    );
    assert_eq!(server.surroundings.stats.connections.list().len(), 1000);
    drop(clients);
    until("all are gone", || {
        server.surroundings.stats.connections.list().is_empty()
    });
}

#[test]
fn stopping_answers_what_came_and_ends_soon() {
    let mut server = Server::start("");
    let mut idle = server.connect();
    idle.send("echo a\r\n").expect("a\r\n");
    let mut busy = server.connect();
    busy.send("big 5000000\r\necho end\r\n");
    // Reading happens while the server stops.
    let reader = std::thread::spawn(move || busy.rest());
    until("the answer is under way", || {
        server.surroundings.stats.traffic.totals().bytes_written > 100_000
    });
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
    idle.expect_end();
    assert!(reader.join().expect("read").ends_with(b"xend\r\n"));
}

#[test]
fn stopping_does_not_wait_for_a_client_that_does_not_read() {
    let mut server = Server::start("");
    let mut slow = server.connect();
    slow.send("big 100000000\r\n");
    until("the server waits for the client", || {
        server
            .surroundings
            .stats
            .connections
            .list()
            .iter()
            .any(|entry| entry.state().name() == "conn_mwrite")
    });
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn bytes_and_connections_are_counted() {
    let server = Server::start("");
    server.connect().send("echo a\r\n").expect("a\r\n");
    until("the bytes are counted", || {
        let totals = server.surroundings.stats.traffic.totals();
        (totals.bytes_read, totals.bytes_written) == (8, 3)
    });
    let counts = server.surroundings.stats.counts.totals();
    assert_eq!(
        (counts.total_connections, counts.rejected_connections),
        (1, 0)
    );
    assert_eq!(counts.max_connections, 1024);
}
