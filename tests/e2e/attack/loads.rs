//! The attacks: what each sends, on how many connections, and whether it reads what it is answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::target::Target;
use super::{SHORT_RUN_DIVISOR, asked};

const MIB: usize = 1 << 20;
/// Bytes of a value that is nearly as long as one may be.
const VALUE_BYTES: usize = MIB - 1000;
/// Rounds of a call that takes some 100 us, and of one that never ends.
const SLOW_ROUNDS: usize = 50_000;
const ENDLESS_ROUNDS: usize = 99_999_999_999_999;
/// Bytes that are read or written at a time.
const PIECE_BYTES: usize = 64 << 10;
/// An attacker that gets nowhere tries again after this time.
const PAUSE: Duration = Duration::from_millis(2);
/// A datagram that asks for a huge answer.
const HUGE_DATAGRAM: &[u8] = b"\0\x01\0\0\0\x01\0\0get big big big big big big big big\r\n";

/// One attack.
pub(super) struct Load {
    pub(super) name: &'static str,
    connections: usize,
    /// Whether the answers are read.
    reads: bool,
    /// Most bytes that a connection sends before the next has its turn.
    piece_bytes: usize,
    request: Request,
}

/// What an attack sends.
enum Request {
    /// The same bytes once on each connection, which is then held.
    Once(fn() -> Vec<u8>),
    /// Requests one after the other, by the numbers of connection and request.
    Repeated(fn(&Target, usize, usize) -> Vec<u8>),
    /// Datagrams.
    Datagrams,
}

const fn load(name: &'static str, connections: usize, reads: bool, request: Request) -> Load {
    Load {
        name,
        connections,
        reads,
        piece_bytes: PIECE_BYTES,
        request,
    }
}

/// All attacks on a server without passwords.
pub(super) const LOADS: &[Load] = &[
    load(
        "values in the making",
        1000,
        true,
        Request::Once(value_in_the_making),
    ),
    load(
        "lines without an end",
        500,
        true,
        Request::Once(|| [&b"get"[..], &b" a".repeat(MIB / 2 - 10)].concat()),
    ),
    load(
        "readers that do not read",
        500,
        false,
        Request::Repeated(|_, _, _| b"get map:get:m:name\r\n".repeat(10)),
    ),
    load(
        "plain answers nobody reads",
        500,
        false,
        Request::Repeated(|_, _, _| b"get big\r\n".repeat(10)),
    ),
    load(
        "peers that answer fast",
        16,
        true,
        Request::Repeated(|target, _, _| {
            format!("get ask:one:{}:k\r\n", target.peer.port()).into_bytes()
        }),
    ),
    load(
        "instances of many types",
        40,
        true,
        Request::Repeated(|target, connection, _| {
            let types = &target.types;
            format!(
                "get {}:hold:x{connection}:4000000\r\n",
                types[connection % types.len()]
            )
            .into_bytes()
        }),
    ),
    load(
        "endless loops on lanes",
        8,
        true,
        Request::Repeated(|_, connection, number| {
            // A success between them keeps the function from being paused.
            let object = format!("x{connection}-{}", number / 4);
            format!("get hostile:busy:{object}:1\r\nget hostile:busy:{object}:{ENDLESS_ROUNDS}\r\n")
                .into_bytes()
        }),
    ),
    load(
        "deep pipelines of slow calls",
        16,
        true,
        Request::Repeated(|_, connection, _| {
            format!("get hostile:busy:y{connection}:{SLOW_ROUNDS}\r\n")
                .repeat(1000)
                .into_bytes()
        }),
    ),
    Load {
        piece_bytes: 1,
        ..load(
            "connections that drip",
            1000,
            true,
            Request::Repeated(|_, _, _| b"get aaaaaaaaaaaaaaaaaaa\r\n".to_vec()),
        )
    },
    load(
        "huge multi-gets",
        4,
        true,
        Request::Repeated(|_, _, _| [&b"get"[..], &b" plain".repeat(MIB / 7), b"\r\n"].concat()),
    ),
    load(
        "calls in huge multi-gets",
        4,
        true,
        Request::Repeated(|_, _, _| {
            [&b"get"[..], &b" counter:get:c".repeat(MIB / 15), b"\r\n"].concat()
        }),
    ),
    load("datagrams with huge answers", 4, false, Request::Datagrams),
];

fn value_in_the_making() -> Vec<u8> {
    let mut bytes = format!("add made 0 0 {VALUE_BYTES}\r\n").into_bytes();
    bytes.resize(bytes.len() + VALUE_BYTES - 1, b'x');
    bytes
}

/// The attack on a server that asks for a password.
pub(super) fn strangers() -> Load {
    load(
        "values before login",
        500,
        true,
        Request::Once(value_in_the_making),
    )
}

impl Load {
    /// Attacks until it is told to stop. All connections are closed then.
    pub(super) fn carry_out(&self, target: &Target, stop: &AtomicBool) {
        let address = target.server.address();
        match self.request {
            Request::Once(_) => self.carry_out_on(address, stop),
            Request::Repeated(request) => {
                self.push(address, stop, |connection, number| {
                    Some(request(target, connection, number).into())
                });
            }
            Request::Datagrams => send_datagrams(target.udp, self.connections(), stop),
        }
    }

    /// The same for an attack that needs nothing but an address.
    pub(super) fn carry_out_on(&self, address: SocketAddr, stop: &AtomicBool) {
        let Request::Once(request) = self.request else {
            panic!("{} needs more than an address", self.name);
        };
        let request: Arc<[u8]> = request().into();
        self.push(address, stop, |_, number| {
            (number == 0).then(|| Arc::clone(&request))
        });
    }

    fn connections(&self) -> usize {
        match asked() {
            Some(_) => self.connections,
            None => self.connections.div_ceil(SHORT_RUN_DIVISOR),
        }
    }

    fn push(
        &self,
        address: SocketAddr,
        stop: &AtomicBool,
        request: impl Fn(usize, usize) -> Option<Arc<[u8]>>,
    ) {
        let mut attackers: Vec<Option<Attacker>> = (0..self.connections()).map(|_| None).collect();
        while !stop.load(Ordering::Relaxed) {
            let mut moved = false;
            for (connection, attacker) in attackers.iter_mut().enumerate() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if attacker.is_none() {
                    *attacker = Attacker::connect(address);
                }
                let next = |number| request(connection, number);
                match attacker.as_mut().map(|attacker| attacker.go_on(self, next)) {
                    Some(Ok(some)) => moved |= some,
                    // Whoever is thrown out comes again.
                    _ => *attacker = None,
                }
            }
            if !moved || self.piece_bytes == 1 {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// One connection of an attack.
struct Attacker {
    stream: TcpStream,
    request: Arc<[u8]>,
    sent: usize,
    /// Requests that were begun.
    number: usize,
}

impl Attacker {
    fn connect(address: SocketAddr) -> Option<Attacker> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Attacker {
            stream,
            request: Arc::new([]),
            sent: 0,
            number: 0,
        })
    }

    /// Reads and sends what can be. Whether something could; an error when the server has closed the connection.
    fn go_on(
        &mut self,
        load: &Load,
        next: impl Fn(usize) -> Option<Arc<[u8]>>,
    ) -> std::io::Result<bool> {
        let mut moved = false;
        if load.reads {
            let mut answer = [0; PIECE_BYTES];
            let read = passed(self.stream.read(&mut answer))?;
            if read == Some(0) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            moved = read.is_some();
        }
        if self.sent == self.request.len()
            && let Some(request) = next(self.number)
        {
            (self.request, self.sent) = (request, 0);
            self.number += 1;
        }
        let end = (self.sent + load.piece_bytes).min(self.request.len());
        if end > self.sent
            && let Some(wrote) = passed(self.stream.write(&self.request[self.sent..end]))?
        {
            self.sent += wrote;
            moved = true;
        }
        Ok(moved)
    }
}

/// The result of a read or write, or none when it would have to wait.
fn passed(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks for huge answers by datagrams and reads none.
fn send_datagrams(server: SocketAddr, sockets: usize, stop: &AtomicBool) {
    let sockets: Vec<UdpSocket> = (0..sockets)
        .map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    while !stop.load(Ordering::Relaxed) {
        for socket in &sockets {
            // A datagram that finds no room is lost, as datagrams are.
            let _ = socket.send_to(HUGE_DATAGRAM, server);
        }
        std::thread::sleep(PAUSE);
    }
}
