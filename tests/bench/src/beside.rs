//! What a server costs beside the load: its start, its idle connections, its sleep, and what a full one holds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::process::{Running, System};
use crate::record::Beside;

/// Starts of which the fastest counts: the first one compiles the objects, and others share the machine.
const STARTS: usize = 5;
const IDLE_CONNECTIONS: u32 = 10_000;
/// More connections than are made; the limit of files goes with it.
const CONNECTIONS_MAX: &str = "20000";
/// How long an idle server is watched.
const WATCHED: Duration = Duration::from_secs(3);
/// How long a server that was busy may need to become idle.
const SETTLE: Duration = Duration::from_secs(2);
/// Memory of the server that is filled, in MiB, and items it is given: twice as much.
const FULL_MB: u32 = 64;
const FULL_ITEMS: u32 = 180_000;
const VALUE_BYTES: std::ops::Range<usize> = 20..1500;
/// Requests in flight meanwhile.
const BATCH: u32 = 100;

/// Whether `--only TEXT` asks for this part.
pub(crate) fn is_wanted(only: Option<&str>) -> bool {
    only.is_none_or(|text| "beside".contains(text))
}

/// What each system costs.
///
/// # Errors
/// When a system does not start, or answers wrong.
pub(crate) fn measure() -> anyhow::Result<Vec<Beside>> {
    let mut rows = Vec::new();
    for (what, measure) in ROWS {
        eprintln!("beside: {what}");
        let of = |system| measure(system).with_context(|| format!("{what}, {system:?}"));
        rows.push(Beside {
            what: what.to_owned(),
            memcached: of(System::Memcached)?,
            cacheismo: of(System::Cacheismo)?,
            redis: of(System::Redis)?,
        });
    }
    Ok(rows)
}

type Measure = fn(System) -> anyhow::Result<String>;

const ROWS: [(&str, Measure); 4] = [
    ("start to the first answer", start),
    ("memory per idle connection", idle_connection),
    ("wake-ups per second when idle", wake_ups),
    ("keys and values in a full `-m 64`; resident", full),
];

/// A connection that knows how long the answers are.
struct Client(TcpStream);

impl Client {
    fn connect(server: &Running) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(server.address())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client(stream))
    }

    fn ask(&mut self, requests: &str, reply_bytes: usize) -> anyhow::Result<String> {
        self.0.write_all(requests.as_bytes())?;
        let mut reply = vec![0; reply_bytes];
        self.0.read_exact(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }

    fn expect(&mut self, requests: &str, reply: &str) -> anyhow::Result<()> {
        let answered = self.ask(requests, reply.len())?;
        ensure!(answered == reply, "{requests:.100}: {answered:.100}");
        Ok(())
    }
}

/// The first question to a new server, and its answer. Ours is a call of an object.
fn first_question(system: System) -> (&'static str, &'static str) {
    match system {
        System::Redis | System::RedisLog(_) => ("PING\r\n", "+PONG\r\n"),
        System::Memcached => ("get a\r\n", "END\r\n"),
        System::Cacheismo | System::CacheismoLua | System::CacheismoLog(_) => (
            "get set:new:s\r\n",
            "VALUE set:new:s 0 7\r\nCREATED\r\nEND\r\n",
        ),
    }
}

fn start(system: System) -> anyhow::Result<String> {
    let (question, answer) = first_question(system);
    let mut fastest = Duration::MAX;
    for _ in 0..STARTS {
        let start = Instant::now();
        let server = Running::start(system)?;
        Client::connect(&server)?.expect(question, answer)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(format!("{} ms", fastest.as_millis()))
}

fn idle_connection(system: System) -> anyhow::Result<String> {
    let server = Running::start_for(system, CONNECTIONS_MAX)?;
    let (question, answer) = first_question(system);
    let open = |count: u32| -> anyhow::Result<Vec<Client>> {
        let clients = (0..count).map(|_| {
            let mut client = Client::connect(&server)?;
            client.expect(question, answer)?;
            Ok(client)
        });
        clients.collect()
    };
    let first = open(IDLE_CONNECTIONS / 100)?;
    let before = server.resident_bytes()?;
    let more = open(IDLE_CONNECTIONS)?;
    let grown = server.resident_bytes()?.saturating_sub(before);
    drop((first, more));
    let bytes = grown as f64 / f64::from(IDLE_CONNECTIONS);
    Ok(format!("{:.1} KiB", bytes / 1024.0))
}

fn wake_ups(system: System) -> anyhow::Result<String> {
    let server = Running::start(system)?;
    let (question, answer) = first_question(system);
    Client::connect(&server)?.expect(question, answer)?;
    std::thread::sleep(SETTLE);
    let before = server.switches()?;
    std::thread::sleep(WATCHED);
    let count = server.switches()? - before;
    Ok(format!("{:.0}", count as f64 / WATCHED.as_secs_f64()))
}

/// Values of all lengths in no order, twice as many as there is room for; then each key is asked for.
fn full(system: System) -> anyhow::Result<String> {
    let server = Running::start_with_memory(system, FULL_MB)?;
    let mut client = Client::connect(&server)?;
    let redis = system == System::Redis;
    let value = "v".repeat(VALUE_BYTES.end);
    let batches = || (0..FULL_ITEMS / BATCH).map(|batch| batch * BATCH..(batch + 1) * BATCH);
    for batch in batches() {
        let sets = batch.map(|n| {
            let (length, value) = (length(n), &value[..length(n)]);
            match redis {
                true => format!("*3\r\n$3\r\nSET\r\n$10\r\n{n:010}\r\n${length}\r\n{value}\r\n"),
                false => format!("set {n:010} 0 0 {length}\r\n{value}\r\n"),
            }
        });
        let stored = if redis { "+OK\r\n" } else { "STORED\r\n" };
        client.expect(&sets.collect::<String>(), &stored.repeat(BATCH as usize))?;
    }
    let (command, found) = if redis {
        ("EXISTS", ":1\r\n")
    } else {
        ("mg", "HD\r\n")
    };
    let mut bytes = 0;
    for batch in batches() {
        let asked: String = batch
            .clone()
            .map(|n| format!("{command} {n:010}\r\n"))
            .collect();
        let answers = client.ask(&asked, found.len() * BATCH as usize)?;
        for (n, answer) in batch.zip(answers.split_inclusive('\n')) {
            bytes += if answer == found { 10 + length(n) } else { 0 };
        }
    }
    let share = bytes as f64 / f64::from(FULL_MB << 20);
    let resident = server.resident_bytes()? as f64 / f64::from(1 << 20);
    Ok(format!("{share:.3}; {resident:.0} MiB"))
}

fn length(n: u32) -> usize {
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    VALUE_BYTES.start + mixed as usize % VALUE_BYTES.len()
}
