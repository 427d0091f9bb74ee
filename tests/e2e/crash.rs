//! Kills: a server under a checked load ends by SIGKILL at random moments, and is started again on what it left.
//!
//! Each client has keys of its own and writes numbers that rise, so what may be there after a start is known: everything
//! that was acknowledged, at most what was sent, and nothing in between that was never written. One key has its whole
//! value set, one is appended to, one counts, one is a field of an object, one is a counter among objects.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cacheismo_tests::client::Client;
use cacheismo_tests::differential::Rng;
use cacheismo_tests::server::Server;
use cacheismo_tests::tools;
use rustix::process::Signal;

/// Kills in `make test`; `CACHEISMO_KILLS` asks for more.
const KILLS: usize = 24;
/// Clients that write at the same time.
const CLIENTS: usize = 4;
/// Keys of each kind that a client has.
const KEYS: usize = 5;
/// Longest time that `--fsync everysec` may lose.
const LOSS_MAX: Duration = Duration::from_secs(1);

fn kills() -> usize {
    let asked = std::env::var("CACHEISMO_KILLS").ok();
    asked.map_or(KILLS, |asked| {
        asked.parse().expect("CACHEISMO_KILLS is a number")
    })
}

#[test]
fn always_loses_nothing_that_was_acknowledged() {
    let mut story = Story::new("crash-always", "always", Duration::ZERO);
    for _ in 0..kills() {
        story.live_and_die(60);
    }
    story.recover();
}

#[test]
fn everysec_loses_no_more_than_a_second() {
    let mut story = Story::new("crash-everysec", "everysec", LOSS_MAX);
    for _ in 0..kills().div_ceil(8) {
        story.live_and_die(1500);
    }
    story.recover();
}

/// Many lives of one server.
struct Story {
    directory: PathBuf,
    fsync: &'static str,
    loss_max: Duration,
    writers: Vec<Writer>,
    random: Rng,
}

impl Story {
    fn new(name: &str, fsync: &'static str, loss_max: Duration) -> Story {
        let seed = std::env::var("CACHEISMO_SEED").map_or_else(
            |_| u64::from(std::process::id()),
            |seed| seed.parse().expect("CACHEISMO_SEED is a number"),
        );
        eprintln!("CACHEISMO_SEED={seed}");
        Story {
            directory: tools::scratch(name).join("data"),
            fsync,
            loss_max,
            writers: (0..CLIENTS)
                .map(|number| Writer::new(number, seed))
                .collect(),
            random: Rng::new(seed),
        }
    }

    /// Starts the server and checks what it has.
    fn recover(&mut self) -> Server {
        // Short segments, so that many kills meet the end of one.
        let server = start(&self.directory, self.fsync);
        for writer in &mut self.writers {
            writer.check(&mut server.connect());
        }
        server
    }

    /// Has the server live for a random time of at most so many milliseconds, half of the times with a snapshot.
    fn live_and_die(&mut self, time_ms_max: u64) {
        let mut server = self.recover();
        let time = Duration::from_millis(self.random.below(time_ms_max));
        let snapshot_after = (self.random.below(2) == 0)
            .then(|| Duration::from_millis(self.random.below(time.as_millis() as u64 + 1)));
        let clients: Vec<Client> = self.writers.iter().map(|_| server.connect()).collect();
        let began = Instant::now();
        std::thread::scope(|scope| {
            for (writer, mut client) in self.writers.iter_mut().zip(clients) {
                scope.spawn(move || writer.write(&mut client));
            }
            if let Some(after) = snapshot_after {
                std::thread::sleep(after);
                server.signal(Signal::USR2);
            }
            std::thread::sleep(time.saturating_sub(began.elapsed()));
            server.signal(Signal::KILL);
        });
        let killed = Instant::now();
        server.wait();
        for writer in &mut self.writers {
            writer.settle(killed, self.loss_max);
        }
    }
}

fn start(directory: &Path, fsync: &str) -> Server {
    let directory = directory.to_str().expect("the repository's path is UTF-8");
    Server::start(&[
        "-t",
        "2",
        "-m",
        "64",
        "--data-dir",
        directory,
        "--fsync",
        fsync,
        "--log-segment",
        "256k",
    ])
}

/// How a key's number is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Set,
    Append,
    Incr,
    Field,
    Counter,
}

const KINDS: [Kind; 5] = [
    Kind::Set,
    Kind::Append,
    Kind::Incr,
    Kind::Field,
    Kind::Counter,
];

/// What is known of a key.
struct Known {
    kind: Kind,
    key: String,
    /// The last number that was sent.
    sent: u64,
    /// Numbers that were acknowledged in this life, and when.
    acknowledged: Vec<(Instant, u64)>,
    /// What must be there, at least.
    least: u64,
}

struct Writer {
    known: Vec<Known>,
    random: Rng,
}

impl Writer {
    fn new(number: usize, seed: u64) -> Writer {
        let keys = (0..KEYS).flat_map(|key| KINDS.map(|kind| (kind, key)));
        Writer {
            known: keys
                .map(|(kind, key)| Known {
                    kind,
                    key: format!("{kind:?}-{number}-{key}"),
                    sent: 0,
                    acknowledged: Vec::new(),
                    least: 0,
                })
                .collect(),
            random: Rng::new(seed.wrapping_add(number as u64 + 1)),
        }
    }

    /// Writes until the server is gone.
    fn write(&mut self, client: &mut Client) {
        loop {
            let count = 1 + self.random.below(8) as usize;
            let mut places: Vec<usize> = Vec::new();
            let mut request = String::new();
            for _ in 0..count {
                let place = self.random.below(self.known.len() as u64) as usize;
                let known = &mut self.known[place];
                known.sent += 1;
                request += &known.request(self.random.below(300) as usize);
                places.push(place);
            }
            if !client.try_send(&request) {
                return;
            }
            let mut sent: Vec<u64> = self.known.iter().map(|known| known.sent).collect();
            for place in places.iter().rev() {
                sent[*place] -= 1;
            }
            for place in places {
                let known = &mut self.known[place];
                let Some(answer) = client.try_read_until(known.end()) else {
                    return;
                };
                let answer = String::from_utf8_lossy(&answer).into_owned();
                assert!(!answer.contains("ERROR"), "{}: {answer}", known.key);
                sent[place] += 1;
                known.acknowledged.push((Instant::now(), sent[place]));
            }
        }
    }

    /// The server was killed: what it has acknowledged, `loss_max` before that at the latest, must be there.
    fn settle(&mut self, killed: Instant, loss_max: Duration) {
        for known in &mut self.known {
            let told = known.acknowledged.drain(..);
            let mut safe = told.filter(|(at, _)| *at + loss_max <= killed || loss_max.is_zero());
            known.least = safe.next_back().map_or(known.least, |(_, number)| number);
        }
    }

    /// Looks at what is there. That is where this writer goes on.
    fn check(&mut self, client: &mut Client) {
        for known in &mut self.known {
            let found = known.read(client);
            assert!(
                (known.least..=known.sent).contains(&found),
                "{}: {found} is there, {} was acknowledged, {} was sent",
                known.key,
                known.least,
                known.sent
            );
            (known.sent, known.least) = (found, found);
        }
    }
}

impl Known {
    /// What writes the number `sent`, with so many bytes beside where a value may have any.
    fn request(&self, more: usize) -> String {
        let Known { key, sent, .. } = self;
        match self.kind {
            Kind::Set => {
                let value = format!("{sent} {}", "x".repeat(more));
                format!("set {key} 0 0 {}\r\n{value}\r\n", value.len())
            }
            Kind::Append if *sent == 1 => format!("set {key} 0 0 2\r\n1,\r\n"),
            Kind::Append => {
                let value = format!("{sent},");
                format!("append {key} 0 0 {}\r\n{value}\r\n", value.len())
            }
            Kind::Incr if *sent == 1 => format!("set {key} 0 0 1\r\n1\r\n"),
            Kind::Incr => format!("incr {key} 1\r\n"),
            Kind::Field if *sent == 1 => format!("get map:new:{key}\r\n"),
            Kind::Field => format!("get map:put:{key}:field{}:{sent}\r\n", sent % 40),
            Kind::Counter if *sent == 1 => format!("get counter:new:{key}:1\r\n"),
            Kind::Counter => format!("get counter:add:{key}:1\r\n"),
        }
    }

    /// What ends the answer.
    fn end(&self) -> &'static [u8] {
        match self.kind {
            Kind::Set | Kind::Append | Kind::Incr => b"\r\n",
            Kind::Field | Kind::Counter => b"END\r\n",
        }
    }

    /// The number that is there, 0 for none.
    fn read(&self, client: &mut Client) -> u64 {
        let key = &self.key;
        match self.kind {
            Kind::Set => number(value(&client.ask(format!("get {key}\r\n")))),
            Kind::Incr => number(value(&client.ask(format!("get {key}\r\n")))),
            Kind::Append => {
                let answer = client.ask(format!("get {key}\r\n"));
                let numbers = value(&answer).unwrap_or("").split_terminator(',');
                let numbers: Vec<u64> = numbers.map(|n| n.parse().expect("a number")).collect();
                let all: Vec<u64> = (1..=numbers.len() as u64).collect();
                assert_eq!(numbers, all, "{key}: each number once, in order");
                numbers.len() as u64
            }
            Kind::Field => {
                // Each write went to one of 40 fields: the highest number is the last write, and the 39 before it are there.
                let exists = client.ask(format!("get map:count:{key}\r\n"));
                let Some(count) = value(&exists).and_then(|count| count.trim().parse::<u64>().ok())
                else {
                    return 0;
                };
                let mut numbers: Vec<u64> = (0..40)
                    .filter_map(|field| {
                        let answer = client.ask(format!("get map:get:{key}:field{field}\r\n"));
                        let text = value(&answer)?;
                        text.trim().rsplit(' ').next()?.parse().ok()
                    })
                    .collect();
                numbers.sort_unstable();
                assert_eq!(numbers.len() as u64, count, "{key}");
                let last = numbers.last().copied().unwrap_or(1);
                let first = last.saturating_sub(39).max(2);
                let all: Vec<u64> = (first..=last).filter(|n| *n >= 2).collect();
                assert_eq!(numbers, all, "{key}: no write between others is missing");
                last
            }
            Kind::Counter => number(value(&client.ask(format!("get counter:get:{key}\r\n")))),
        }
    }
}

/// The value in the answer to a `get` of one key.
fn value(answer: &str) -> Option<&str> {
    let (_, rest) = answer.strip_prefix("VALUE ")?.split_once("\r\n")?;
    rest.strip_suffix("\r\nEND\r\n")
}

/// The number that a value begins with; 0 if there is none.
fn number(value: Option<&str>) -> u64 {
    let digits = value.and_then(|value| value.split(' ').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
