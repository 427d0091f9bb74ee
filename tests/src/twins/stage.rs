//! A server on which cases are played: a neutral channel prepares and looks at what is left, a watcher listens, and the
//! counters are read before and after.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::case::{Case, Item, Kind};
use super::compare::{Counters, difference, is_left, show_item};
use super::dialect::{Dialect, Link};
use super::operation::{Answer, Request};
use crate::client::{Client, show};
use crate::server::Server;

/// Counters of `stats` that tell of commands, by how their names begin.
const COUNTERS: [&str; 10] = [
    "cmd_", "get_", "delete_", "incr_", "decr_", "cas_", "touch_", "store_", "object_", "auth_",
];

/// How commands reach the server's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over a connection.
    Tcp,
    /// In datagrams.
    Udp,
    /// Through the main function of scripts, which leaves all to the server.
    Scripts,
    /// To memcached, which has no objects.
    Reference,
}

/// A server that cases are played on.
#[derive(Debug)]
pub struct Stage {
    way: Way,
    address: SocketAddr,
    /// The link of text and meta commands.
    lines: Link,
    /// The link of the binary protocol, as a connection speaks one protocol only.
    messages: Link,
    neutral: Client,
    /// The watcher; there is none where the reference's lines differ anyway.
    watcher: Option<Client>,
    /// What a fence and reading the counters count by themselves.
    idle: Counters,
}

impl Stage {
    /// A stage on a server of ours.
    #[must_use]
    pub fn new(server: &Server, way: Way) -> Self {
        let mut neutral = server.connect();
        let mut watcher = server.connect();
        let watched = watcher.ask("watch fetchers mutations deletions\r\n");
        assert_eq!(watched, "OK\r\n");
        let address = match way {
            Way::Udp => udp_address(server, &mut neutral),
            _ => server.address(),
        };
        Self::over(way, address, neutral, Some(watcher))
    }

    /// A stage on memcached.
    #[must_use]
    pub fn reference(address: SocketAddr) -> Self {
        let neutral = Client::connect(address);
        Self::over(Way::Reference, address, neutral, None)
    }

    fn over(way: Way, address: SocketAddr, mut neutral: Client, watcher: Option<Client>) -> Self {
        assert_eq!(neutral.ask("stats detail on\r\n"), "OK\r\n");
        let mut stage = Self {
            way,
            address,
            lines: new_link(way, address),
            messages: new_link(way, address),
            neutral,
            watcher,
            idle: Counters::new(),
        };
        let before = stage.counters();
        // The fence of a request passes through scripts, too.
        let fence = stage.lines.exchange(b"", false);
        assert_eq!(fence.as_deref(), Ok(&b""[..]));
        stage.idle = difference(&before, &stage.counters(), &Counters::new());
        stage
    }

    /// Plays a case in a dialect: loudly, then quietly. A line for each thing that is not as expected.
    pub fn play(&mut self, case: &Case, dialect: Dialect) -> Vec<String> {
        let mut differences = Vec::new();
        for quiet in [false, true] {
            for difference in self.play_once(case, dialect, quiet) {
                let manner = if quiet { ", quiet" } else { "" };
                differences.push(format!(
                    "{} on {} ({:?}), {dialect:?} by {:?}{manner}: {difference}",
                    case.name, case.key, case.kind, self.way
                ));
            }
        }
        differences
    }

    fn play_once(&mut self, case: &Case, dialect: Dialect, quiet: bool) -> Vec<String> {
        let present = self.prepare(case);
        let request = Request {
            operation: &case.operation,
            key: case.key,
            meta_flags: case.meta_flags,
            quiet,
            present,
        };
        let Some(bytes) = dialect.encode(&request) else {
            return Vec::new();
        };
        let _ = self.told();
        let before = self.counters();
        let binary = dialect.is_binary();
        let link = if binary {
            &mut self.messages
        } else {
            &mut self.lines
        };
        let answer = match link.exchange(&bytes, binary) {
            Ok(reply) => dialect.decode(&request, &reply),
            Err(came) => {
                *link = new_link(self.way, self.address);
                Answer::Other(format!("closed or out of step after {}", show(&came)))
            }
        };
        let after = self.counters();
        let counted = difference(&before, &after, &self.idle);
        let lines = self.told();
        let left = self.item(case.probe);
        let mut differences = Vec::new();
        let mut compare = |what: &str, same: bool, wanted: String, got: String| {
            if !same {
                differences.push(format!("{what}\n    wanted {wanted}\n    got    {got}"));
            }
        };
        let wanted = wanted_answer(case, dialect, quiet, present);
        let (is, show_wanted) = (wanted.is(&answer), format!("{wanted:?}"));
        compare("answer", is, show_wanted, format!("{answer:?}"));
        let wanted = self.wanted_counters(case, dialect);
        let (is, show_wanted) = (wanted == counted, format!("{wanted:?}"));
        compare("counters", is, show_wanted, format!("{counted:?}"));
        if self.watcher.is_some() {
            let (is, show_wanted) = (case.lines == lines, format!("{:?}", case.lines));
            compare("lines", is, show_wanted, format!("{lines:?}"));
        }
        let is = is_left(&case.left, &left);
        compare("state", is, show_item(&case.left), show_item(&left));
        differences
    }

    /// Makes what the case wants to be there, and gives its CAS, 0 when it has none.
    fn prepare(&mut self, case: &Case) -> u64 {
        let _ = self.neutral.ask(format!("delete {}\r\n", case.key));
        for request in &case.before {
            let _ = self.neutral.ask(request);
        }
        // A client that never asks for a CAS leaves the item without one.
        if case.kind == Kind::Call || case.kind == Kind::ScriptCall || !case.operation.names_cas() {
            return 0;
        }
        let shown = self.neutral.ask(format!("mg {} c\r\n", case.key));
        let cas = shown.trim_end().strip_prefix("HD c");
        cas.and_then(|cas| cas.parse().ok()).unwrap_or(0)
    }

    /// The counters of commands, and those of prefixes.
    fn counters(&mut self) -> Counters {
        let mut counters = Counters::new();
        for line in self.neutral.ask("stats\r\n").lines() {
            let Some((name, value)) = line.strip_prefix("STAT ").and_then(|l| l.split_once(' '))
            else {
                continue;
            };
            if COUNTERS.iter().any(|counter| name.starts_with(counter)) {
                counters.insert(
                    name.to_owned(),
                    value.parse().expect("a counter is a number"),
                );
            }
        }
        self.neutral.send("stats detail dump\r\n");
        let dump = self.neutral.read_until(b"END\r\n");
        for line in String::from_utf8_lossy(&dump).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            for pair in words.get(2..).unwrap_or_default().chunks_exact(2) {
                let name = format!("detail {}", pair[0]);
                let count: i64 = pair[1].parse().expect("a count is a number");
                *counters.entry(name).or_default() += count;
            }
        }
        counters
    }

    fn wanted_counters(&self, case: &Case, dialect: Dialect) -> Counters {
        let mut wanted: Counters = case
            .counters
            .iter()
            .map(|(name, by)| ((*name).to_owned(), *by))
            .collect();
        let mut counted = Vec::new();
        match self.way {
            // 1.6.18 counts `me` alone as a meta command, and no prefixes of meta commands.
            Way::Reference if dialect.is_meta() => {
                wanted.retain(|name, _| !name.starts_with("detail "));
            }
            Way::Reference => {}
            _ if dialect.is_meta() => counted.push("cmd_meta"),
            _ => {}
        }
        // The main function is a call.
        if self.way == Way::Scripts && case.passes_scripts() {
            counted.push("object_calls");
        }
        for name in counted {
            *wanted.entry(name.to_owned()).or_default() += 1;
        }
        wanted
    }

    /// What watchers were told since the last time, without time, numbers of lines and connections.
    fn told(&mut self) -> Vec<String> {
        const FENCE: &str = "type=item_get key=fence ";
        let Some(watcher) = &mut self.watcher else {
            return Vec::new();
        };
        let _ = self.neutral.ask("get fence\r\n");
        let mut lines = Vec::new();
        loop {
            let line = watcher.read_until(b"\n");
            let line = String::from_utf8_lossy(&line);
            let said = |word: &&str| {
                !["ts=", "gid=", "cfd="]
                    .iter()
                    .any(|no| word.starts_with(no))
            };
            let words: Vec<&str> = line.trim_end().split(' ').filter(said).collect();
            let line = words.join(" ");
            if line.starts_with(FENCE) {
                return lines;
            }
            // The one word of a line that names the dialect.
            let mut line = line.replace(" cmd=md ", " cmd=delete ");
            // How long the state of an object is, is its own business.
            if line.contains("%24") && line.contains(" clsid=1 ") {
                line.truncate(line.find("size=").unwrap_or(line.len()));
                let _ = line.write_str("size=");
            }
            lines.push(line);
        }
    }

    /// What the neutral channel finds.
    fn item(&mut self, key: &str) -> Option<Item> {
        let reply = self.neutral.ask(format!("mg {key} v f t\r\n"));
        let (line, rest) = reply.strip_prefix("VA ")?.split_once("\r\n")?;
        let number = |flag: char| line.split(' ').find_map(|word| word.strip_prefix(flag));
        Some(Item {
            bytes: rest.strip_suffix("\r\n")?.into(),
            flags: number('f')?.parse().ok()?,
            seconds: number('t')?.parse().ok(),
        })
    }
}

fn new_link(way: Way, address: SocketAddr) -> Link {
    match way {
        Way::Udp => Link::udp(address),
        _ => Link::tcp(address),
    }
}

fn udp_address(server: &Server, client: &mut Client) -> SocketAddr {
    let settings = client.ask("stats settings\r\n");
    let mut lines = settings.lines();
    let port = lines.find_map(|line| line.strip_prefix("STAT udpport "));
    let port = port.and_then(|port| port.parse().ok()).expect("a port");
    (server.address().ip(), port).into()
}

fn wanted_answer(case: &Case, dialect: Dialect, quiet: bool, present: u64) -> Answer {
    let mut wanted = case.answer.clone();
    if let (Answer::Value { cas, .. }, true) = (&mut wanted, case.operation.names_cas()) {
        *cas = Some(present);
    }
    match quiet {
        true => wanted.hushed(&case.operation, dialect == Dialect::Text),
        false => wanted,
    }
}
