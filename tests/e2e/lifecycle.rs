//! Starting and stopping.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cacheismo_tests::server::{Server, wait_until};
use rustix::process::Signal;

/// The promise of the README: a stop takes no longer.
const STOP_MAX: Duration = Duration::from_secs(5);

#[test]
fn sigterm_ends_an_idle_server_with_status_0() {
    let mut server = Server::start(&[]);
    let _idle = server.connect();
    let (status, took) = server.stop();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < STOP_MAX, "{took:?}");
}

#[test]
fn sigint_ends_the_server_like_sigterm() {
    let mut server = Server::start(&[]);
    server.signal(Signal::INT);
    let (status, took) = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < STOP_MAX, "{took:?}");
}

#[test]
fn sigterm_under_load_answers_what_was_begun() {
    const CLIENTS: usize = 8;
    let mut server = Server::start(&[]);
    let stopping = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    let (status, took) = std::thread::scope(|scope| {
        for client in &mut clients {
            let (stopping, answered) = (&stopping, &answered);
            scope.spawn(move || {
                let request = "set key 0 0 5\r\nvalue\r\nget key\r\n".repeat(50);
                let whole = "STORED\r\nVALUE key 0 5\r\nvalue\r\nEND\r\n".repeat(50);
                // Until the server goes away every reply is whole; then the connection ends, it doesn't hang.
                while client.try_send(&request) {
                    let mut reply = Vec::new();
                    while reply.len() < whole.len() {
                        match client.try_read_until(b"END\r\n") {
                            Some(part) => reply.extend(part),
                            None => break,
                        }
                    }
                    assert!(whole.as_bytes().starts_with(&reply), "a broken reply");
                    if reply.len() < whole.len() {
                        break;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                assert!(
                    stopping.load(Ordering::SeqCst),
                    "the server closed a connection before it was told to stop"
                );
            });
        }
        let busy = wait_until(Duration::from_secs(30), || {
            answered.load(Ordering::Relaxed) > 20
        });
        assert!(busy, "the server doesn't answer under load");
        stopping.store(true, Ordering::SeqCst);
        server.stop()
    });
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < STOP_MAX, "{took:?}");
}

#[test]
fn the_ready_line_is_the_only_one_of_its_kind() {
    let server = Server::start(&[]);
    server.wait_for_log(" ready on ");
    let log = server.log();
    let ready: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" ready on "))
        .collect();
    assert_eq!(ready.len(), 1, "{log}");
    let name = format!(
        "cacheismo {} ready on {}",
        env!("CARGO_PKG_VERSION"),
        server.address()
    );
    assert!(
        ready[0].contains(&name),
        "{ready:?} doesn't contain {name:?}"
    );
}

#[test]
fn every_listen_address_is_served_and_named() {
    let server = Server::start(&["-l", "127.0.0.1", "-l", "127.0.0.2"]);
    assert!(server.addresses().len() >= 2, "{}", server.log());
    for address in server.addresses() {
        let mut client = cacheismo_tests::client::Client::connect(*address);
        assert!(client.ask("version\r\n").starts_with("VERSION "));
    }
}
