//! Bytes arrive, whole and in order, however they travel.

use std::net::{Shutdown, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn lines_are_answered() {
    let server = Server::start("");
    server
        .connect()
        .send("echo a\r\n")
        .expect("a\r\n")
        .send("echo b\r\necho c\r\n")
        .expect("b\r\nc\r\n");
}

#[test]
fn one_byte_at_a_time_makes_no_difference() {
    let server = Server::start("");
    let mut client = server.connect();
    client.stream.set_nodelay(true).expect("nodelay");
    for byte in b"echo hello\r\ndata 3\r\nabcecho x\r\nlane y\r\n" {
        client.send([*byte]);
    }
    client.expect("hello\r\n294\r\nx\r\nlane y\r\n");
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    let server = Server::start("");
    let mut client = server.connect();
    let mut sender = Client::over(client.stream.try_clone().expect("a clone"));
    let requests = std::thread::spawn(move || {
        for n in 0..20_000 {
            sender.send(match n % 1000 {
                0 => format!("lane {n}\r\n"),
                1 => format!("data 5\r\n{n:05}\r\n"),
                _ => format!("echo {n}\r\n"),
            });
        }
    });
    for n in 0..20_000_u64 {
        match n % 1000 {
            0 => client.expect(&format!("lane {n}\r\n")),
            1 => {
                let sum: u64 = format!("{n:05}").bytes().map(u64::from).sum();
                client.expect(&format!("{sum}\r\nERROR\r\n"))
            }
            _ => client.expect(&format!("{n}\r\n")),
        };
    }
    requests.join().expect("all sent");
}

#[test]
fn a_crowd_of_clients_is_answered_each_its_own() {
    let server = Server::start("-t 1");
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for round in 0..100 {
        // Some send whole lines, some several, some the beginning of one, and some much.
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(match n % 4 {
                0 => format!("echo {n}\r\n"),
                1 => format!("echo {n}\r\nlane {round}\r\necho {n}\r\n"),
                2 => "ec".to_owned(),
                _ => format!("data 300\r\n{:300}echo {n}\r\n", ""),
            });
        }
        for (n, client) in clients.iter_mut().enumerate() {
            match n % 4 {
                0 => client.expect(&format!("{n}\r\n")),
                1 => client.expect(&format!("{n}\r\nlane {round}\r\n{n}\r\n")),
                2 => client.send("ho\r\n").expect("\r\n"),
                _ => client.expect(&format!("9600\r\n{n}\r\n")),
            };
        }
    }
}

#[test]
fn a_big_value_arrives_whole() {
    let server = Server::start("-m 256 -I 64m");
    let mut client = server.connect();
    for len in [100_000, 1 << 20, 20 << 20] {
        client
            .send(format!("data {len}\r\n"))
            .send(vec![1_u8; len])
            .send("echo next\r\n");
        client.expect(&format!("{len}\r\nnext\r\n"));
    }
}

#[test]
fn values_that_are_sent_stand_in_their_places() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let server = Server::start(&format!("-t 1 -s {}", path.display()));
    let mut tcp = server.connect().stream;
    let mut unix = UnixStream::connect(&path).expect("listens");
    for len in [0, 1, 100, 3_000_000, 20_000_000] {
        let requests = format!("echo a\r\nsend {len}\r\nsend 5\r\necho b\r\n");
        let whole = [b"a\r\n".to_vec(), sent(len), sent(5), b"b\r\n".to_vec()].concat();
        for stream in [&mut tcp as &mut dyn ReadWrite, &mut unix] {
            stream.write_all(requests.as_bytes()).expect("sent");
            let mut answer = vec![0; whole.len()];
            stream.read_exact(&mut answer).expect("all of it");
            assert!(answer == whole, "{len}");
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn a_client_that_does_not_read_gets_everything_later_and_holds_nobody_up() {
    let server = Server::start("-t 1");
    let mut slow = server.connect();
    slow.send("big 30000000\r\necho end\r\n");
    // The same worker serves others while the slow client's buffers are full.
    server.connect().send("echo a\r\n").expect("a\r\n");
    until("the server waits for the client", || {
        server
            .surroundings
            .stats
            .connections
            .list()
            .iter()
            .any(|entry| entry.state().name() == "conn_mwrite")
    });
    let mut all = vec![0; 30_000_000];
    slow.stream.read_exact(&mut all).expect("all of it");
    assert!(all.iter().all(|byte| *byte == b'x'));
    slow.expect("end\r\n");
}

#[test]
fn a_half_closed_connection_is_answered() {
    let server = Server::start("");
    let mut client = server.connect();
    client.send("echo a\r\nlane b\r\necho c\r\nech");
    client
        .stream
        .shutdown(Shutdown::Write)
        .expect("half closed");
    assert_eq!(client.rest(), b"a\r\nlane b\r\nc\r\n");
}

#[test]
fn quit_closes_and_what_was_answered_arrives() {
    let server = Server::start("");
    let mut client = server.connect();
    client.send("big 300000\r\nquit\r\necho never\r\n");
    assert_eq!(client.rest().len(), 300_000);
}

#[test]
fn a_panic_costs_one_connection_only() {
    let server = Server::start("-t 1");
    let mut other = server.connect();
    other.send("echo a\r\n").expect("a\r\n");
    server.connect().send("panic\r\n").expect_end();
    server.connect().send("lane panic\r\n").expect_end();
    other.send("echo b\r\nlane c\r\n").expect("b\r\nlane c\r\n");
    until("the broken ones are struck out", || {
        server.surroundings.stats.counts.curr_connections.get() == 1
    });
}

#[test]
fn unix_sockets_have_their_permissions_and_leave_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    // The file of a crashed server is in the way and is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
    let mut server = Server::start(&format!("-s {} -a 0750", path.display()));
    let mode = std::fs::metadata(&path)
        .expect("it exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o750);
    let mut client = UnixStream::connect(&path).expect("connects");
    client.set_read_timeout(Some(SOON)).expect("a timeout");
    client.write_all(b"echo a\r\n").expect("sent");
    let mut answer = [0; 3];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"a\r\n");
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let line = format!("cacheismo -s {}", file.path().display());
    let Ok(Request::Serve(config)) = parse(line.split_whitespace()) else {
        panic!("good options")
    };
    let error = Listeners::bind(&config.server).expect_err("the file is in the way");
    assert!(
        error.to_string().starts_with("cannot listen on /"),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let server = Server::start("");
    let address = server.address.expect("TCP is on");
    let line = format!("cacheismo -l {address}");
    let Ok(Request::Serve(config)) = parse(line.split_whitespace()) else {
        panic!("good options")
    };
    let error = Listeners::bind(&config.server).expect_err("the port is taken");
    let error = format!("{:#}", anyhow::Error::from(error));
    assert!(
        error.starts_with(&format!("cannot listen on {address}: ")) && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn every_address_of_a_list_is_served() {
    let line = "cacheismo -t 1 -p 0 -l 127.0.0.1,localhost -l 127.0.0.1";
    let Ok(Request::Serve(config)) = parse(line.split_whitespace()) else {
        panic!("good options")
    };
    let listeners = Listeners::bind(&config.server).expect("free ports");
    let addresses = listeners.tcp_addresses();
    assert!(addresses.len() >= 3 && addresses.iter().all(|address| address.port() != 0));
}

#[test]
fn datagrams_are_answered_in_frames() {
    let server = Server::start("-U -1");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client
        .connect(server.udp.expect("UDP is on"))
        .expect("connected");
    client.set_read_timeout(Some(SOON)).expect("a timeout");
    let ask = |request: &[u8]| {
        client
            .send(&[b"\x12\x34\0\0\0\x01\0\0", request].concat())
            .expect("sent");
        let mut datagram = [0; 2000];
        let len = client.recv(&mut datagram).expect("an answer");
        datagram[..len].to_vec()
    };
    assert_eq!(
        ask(b"echo a\r\nlane b\r\n"),
        b"\x12\x34\0\0\0\x01\0\0a\r\nlane b\r\n"
    );
    let first = ask(b"big 2000\r\n");
    assert_eq!(
        (first.len(), &first[..8]),
        (1400, &b"\x12\x34\0\0\0\x02\0\0"[..])
    );
    let mut datagram = [0; 2000];
    assert_eq!(
        client.recv(&mut datagram).expect("the second part"),
        8 + 2000 - 1392
    );
    assert_eq!(datagram[..8], *b"\x12\x34\0\x01\0\x02\0\0");
}

#[test]
fn watchers_get_lines_until_they_leave() {
    let server = Server::start("");
    let hub = &server.surroundings.hub;
    let mut watcher = server.connect();
    watcher
        .send("echo a\r\nwatch junk\r\nwatch evictions\r\n")
        .expect("a\r\nERROR\r\nOK\r\n");
    hub.publish(
        crate::stats::Stream::Evictions,
        format_args!("type=eviction key=a"),
    );
    let mut line = [0; 100];
    let len = watcher.stream.read(&mut line).expect("a line");
    assert!(line[..len].ends_with(b" type=eviction key=a\n"), "{line:?}");
    drop(watcher);
    until("the watcher is forgotten", || {
        !hub.wants(crate::stats::Stream::Evictions)
    });
}

#[test]
fn a_datagram_of_a_protocol_that_is_not_spoken_is_passed_over() {
    let server = Server::start("-p 0 -U -1 -B ascii");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client
        .connect(server.udp.expect("UDP is on"))
        .expect("a peer");
    client.set_read_timeout(Some(SOON)).expect("a timeout");
    let frame = |id: u8, request: &[u8]| [&[0, id, 0, 0, 0, 1, 0, 0], request].concat();
    for (id, request) in [(1, &b"\x80echo a\r\n"[..]), (2, b"echo b\r\n")] {
        client.send(&frame(id, request)).expect("sent");
    }
    let mut answer = [0; 100];
    let len = client.recv(&mut answer).expect("an answer");
    assert_eq!(answer[..len], frame(2, b"b\r\n"));
}
