//! Signals at bad moments, and a log that nobody reads.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cacheismo_tests::client::Client;
use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, wait_until};
use cacheismo_tests::tools;
use rustix::process::{Pid, Signal, kill_process};

/// The promise of the README: a stop takes no longer.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Patience with the start.
const READY: Duration = Duration::from_secs(90);

#[test]
fn an_endless_script_holds_up_neither_clients_nor_the_end() {
    let scripts = Scripts::new("a.lua", "a = {}\nfunction a.f() end\n");
    let mut server = Server::start(&["--lua-scripts", scripts.path()]);
    scripts.write("a.lua", "while true do end\n");
    server.signal(Signal::HUP);
    server.signal(Signal::HUP);
    for _ in 0..10 {
        let start = Instant::now();
        assert!(server.connect().ask("version\r\n").starts_with("VERSION"));
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
    }
    let (status, took) = server.stop();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < STOP_MAX, "{took:?}");
}

/// Starts a server and waits until it holds its signals back, which it does before anything else.
fn starting(stderr: Stdio) -> Child {
    let child = Server::command(&[])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the server starts");
    let status = format!("/proc/{}/status", child.id());
    let blocks = wait_until(READY, || {
        let status = std::fs::read_to_string(&status).expect("the server runs");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 == 1)
    });
    assert!(blocks, "no signal is blocked");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the server runs");
}

#[test]
fn a_reload_asked_for_during_the_start_does_not_end_the_server() {
    let mut child = starting(Stdio::piped());
    signal(&child, Signal::HUP);
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let ready = lines
        .map_while(Result::ok)
        .any(|line| line.contains(" ready on "));
    assert!(ready, "the server ended: {:?}", child.wait());
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_stop_asked_for_during_the_start_ends_the_server_well() {
    let mut child = starting(Stdio::null());
    signal(&child, Signal::TERM);
    let ended = wait_until(READY, || child.try_wait().expect("it is ours").is_some());
    assert!(ended);
    assert_eq!(child.wait().expect("it has ended").code(), Some(0));
}

/// A stream that takes nothing more, and its other end, which nobody reads.
fn full_stream() -> (UnixStream, UnixStream) {
    let (mut full, other) = UnixStream::pair().expect("a pair");
    full.set_nonblocking(true).expect("it can be");
    let mut piece = 4096;
    while piece > 0 {
        match full.write(&vec![b'x'; piece]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => piece /= 2,
            Err(error) => panic!("{error}"),
        }
    }
    full.set_nonblocking(false).expect("it can be");
    (full, other)
}

#[test]
fn a_standard_error_that_nobody_reads_stops_nobody() {
    let ports = tools::scratch("unread").join("ports");
    let (full, _unread) = full_stream();
    let mut child = Command::new(tools::cacheismo())
        .args(["-p", "-1", "-l", "127.0.0.1", "-t", "1"])
        .env("MEMCACHED_PORT_FILENAME", &ports)
        .stdin(Stdio::null())
        .stderr(OwnedFd::from(full))
        .spawn()
        .expect("the server starts");
    assert!(wait_until(READY, || ports.exists()), "no port");
    let text = std::fs::read_to_string(&ports).expect("it appears whole");
    let port = text.trim().rsplit(' ').next().expect("TCP INET: port");
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let mut client = Client::connect(address);
    assert_eq!(client.ask("verbosity 3\r\n"), "OK\r\n");
    // Each connection is a line.
    for _ in 0..300 {
        assert!(
            Client::connect(address)
                .ask("version\r\n")
                .starts_with("VERSION")
        );
    }
    let start = Instant::now();
    signal(&child, Signal::TERM);
    let ended = wait_until(STOP_MAX, || child.try_wait().expect("it is ours").is_some());
    assert!(ended, "it waits for its log");
    assert_eq!(child.wait().expect("it has ended").code(), Some(0));
    assert!(start.elapsed() < STOP_MAX, "{:?}", start.elapsed());
}

#[test]
fn a_client_that_raises_the_verbosity_does_not_fill_the_log() {
    let server = Server::start(&[]);
    assert_eq!(server.connect().ask("verbosity 9\r\n"), "OK\r\n");
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(server.connect().ask("version\r\n").starts_with("VERSION"));
    }
    let (lines, lines_max) = (
        server.log().lines().count(),
        130 + 20 * (1 + start.elapsed().as_secs() as usize),
    );
    assert!((20..=lines_max).contains(&lines), "{lines} lines");
}
