//! Statistics beside memcached's: what `stats reset` begins anew, and the binary protocol's Stat.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Memcached, Server};

/// Little memory, so that it is soon full; few connections, of which those over the limit are refused. memcached's
/// threads move and remove items when they like, which would count after a reset.
const OPTIONS: &[&str] = &["-m", "8", "-c", "64", "-o", "maxconns_fast"];
const CONNECTIONS_MAX: usize = 64;
const QUIET: &[&str] = &["-o", "no_lru_maintainer,no_lru_crawler"];

/// Figures that need not be zero on both servers or on neither, and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("uptime", "seconds since the start"),
    ("rusage_user", "the machine's"),
    ("rusage_system", "the machine's"),
    ("age", "seconds, of whichever item is the oldest"),
    ("hash_power_level", "memcached's table has a least size"),
    ("free_chunks", "ours are bytes"),
    ("used_chunks", "ours are bytes"),
];

/// A client that speaks one of the protocols.
trait Dialect {
    /// The name and value of every statistic of a group.
    fn stats(&mut self, group: &str) -> Vec<(String, String)>;
    /// `stats reset`.
    fn reset(&mut self);
}

struct Text(Client);

impl Dialect for Text {
    fn stats(&mut self, group: &str) -> Vec<(String, String)> {
        let command = format!("stats {group}");
        let reply = self.0.ask(format!("{}\r\n", command.trim_end()));
        let lines = reply.lines().filter_map(|line| line.strip_prefix("STAT "));
        lines
            .map(|line| line.split_once(' ').expect("a name and a value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn reset(&mut self) {
        assert_eq!(self.0.ask("stats reset\r\n"), "RESET\r\n");
    }
}

struct Binary(Client);

/// Bytes of a header.
const HEADER: usize = 24;

impl Binary {
    /// Every answer to a Stat, as status, name and value; the empty one that ends a list included.
    fn ask(&mut self, key: &str) -> Vec<(u16, String, String)> {
        let mut request = [0; HEADER];
        request[..2].copy_from_slice(&[0x80, 0x10]);
        request[2..4]
            .copy_from_slice(&u16::try_from(key.len()).expect("a short key").to_be_bytes());
        request[8..12]
            .copy_from_slice(&u32::try_from(key.len()).expect("a short key").to_be_bytes());
        self.0.send([&request[..], key.as_bytes()].concat());
        let mut answers = Vec::new();
        loop {
            let head = self.0.read(HEADER);
            let key = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let status = u16::from_be_bytes([head[6], head[7]]);
            let body = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
            let body = String::from_utf8(self.0.read(body as usize)).expect("text");
            let (name, value) = body.split_at(key);
            answers.push((status, name.to_owned(), value.to_owned()));
            if name.is_empty() {
                return answers;
            }
        }
    }
}

impl Dialect for Binary {
    fn stats(&mut self, group: &str) -> Vec<(String, String)> {
        let mut answers = self.ask(group);
        assert_eq!(answers.pop(), Some((0, String::new(), String::new())));
        answers
            .into_iter()
            .map(|(_, name, value)| (name, value))
            .collect()
    }

    fn reset(&mut self) {
        assert_eq!(self.ask("reset"), [(0, String::new(), String::new())]);
    }
}

/// Every figure of `stats`, `stats items` and `stats slabs`, summed over the classes, by its name in `group name` form.
fn figures(client: &mut impl Dialect) -> BTreeMap<(&'static str, String), f64> {
    let mut figures = BTreeMap::new();
    for group in ["", "items", "slabs"] {
        for (name, value) in client.stats(group) {
            let figure = name.rsplit(':').next().expect("at least one part");
            if let Ok(number) = value.parse::<f64>() {
                *figures.entry((group, figure.to_owned())).or_default() += number;
            }
        }
    }
    figures
}

/// Does something of everything that is counted.
fn use_all(address: SocketAddr) {
    let mut client = Client::connect(address);
    let value = "x".repeat(100_000);
    let mut requests = String::from(
        "set a 0 0 1\r\nx\r\nget a b\r\ngat 0 a b\r\nset e 0 -1 1\r\nx\r\nget e\r\n\
         incr b 1\r\ndecr b 1\r\ndelete b\r\ntouch a 0\r\ntouch b 0\r\n\
         set n 0 0 1\r\n1\r\nincr n 1\r\ndecr n 1\r\ndelete n\r\n\
         cas b 0 0 1 1\r\nx\r\ncas a 0 0 1 1\r\nx\r\nflush_all\r\nset a 0 0 1\r\nx\r\nmg a v\r\nmg b v\r\n",
    );
    for number in 0..300 {
        requests.push_str(&format!(
            "set big{number} 0 1000 {}\r\n{value}\r\n",
            value.len()
        ));
    }
    client.send(requests + "mn\r\n");
    client.read_until(b"MN\r\n");
    // The first connections over the limit are those that are answered by an error.
    let mut open: Vec<Client> = (0..CONNECTIONS_MAX)
        .map(|_| Client::connect(address))
        .collect();
    let refused = open.iter_mut().filter_map(|other| {
        other.try_send("version\r\n");
        other.try_read_until(b"\r\n")
    });
    let refused = refused.filter(|line| line.starts_with(b"ERROR"));
    assert!(refused.count() > 0, "{address} refuses nobody");
}

/// Plays the same to both servers, resets both, and compares which figures are zero.
fn compare_resets<D: Dialect>(dialect: impl Fn(Client) -> D) {
    /// What must have counted before, or its zero afterwards proves nothing.
    const COUNTED: &[(&str, &str)] = &[
        ("", "total_connections"),
        ("", "rejected_connections"),
        ("", "cmd_get"),
        ("", "cmd_touch"),
        ("", "cmd_flush"),
        ("", "cas_misses"),
        ("", "total_items"),
        ("", "evictions"),
        ("", "evicted_unfetched"),
        ("items", "evicted_nonzero"),
        ("items", "evicted_unfetched"),
        ("slabs", "cmd_set"),
        ("slabs", "get_hits"),
    ];
    let ours = Server::start(OPTIONS);
    let theirs = Memcached::start(&[OPTIONS, QUIET].concat());
    let after = [ours.address(), theirs.address()].map(|address| {
        let mut client = dialect(Client::connect(address));
        use_all(address);
        let before = figures(&mut client);
        for (group, name) in COUNTED {
            let figure = before.get(&(*group, (*name).to_owned()));
            assert!(
                figure.is_some_and(|value| *value > 0.0),
                "{address}: {name} is {figure:?}"
            );
        }
        client.reset();
        figures(&mut client)
    });
    let [ours, theirs] = after;
    let mut compared = 0;
    for (name, ours) in &ours {
        let explained = EXPLAINED.iter().any(|(figure, _)| *figure == name.1);
        if let Some(theirs) = theirs.get(name).filter(|_| !explained) {
            assert_eq!(
                *ours == 0.0,
                *theirs == 0.0,
                "{name:?}: ours {ours}, memcached's {theirs}"
            );
            compared += 1;
        }
    }
    assert!(compared > 70, "only {compared} figures have the same name");
}

#[test]
fn a_reset_begins_anew_what_memcacheds_does() {
    compare_resets(Text);
}

#[test]
fn a_reset_in_binary_begins_anew_what_memcacheds_does() {
    compare_resets(Binary);
}

#[test]
fn binary_clients_switch_and_read_detail_as_with_memcached() {
    let (ours, theirs) = (Server::start(&[]), Memcached::start(&[]));
    let answers = [ours.address(), theirs.address()].map(|address| {
        let mut text = Client::connect(address);
        let mut binary = Binary(Client::connect(address));
        let mut answers = vec![binary.ask("detail dump"), binary.ask("detail on")];
        text.set("user:1", "x");
        text.call("user:1");
        text.call("page:1");
        text.ask("delete user:1\r\n");
        answers.extend(["detail dump", "detail off"].map(|key| binary.ask(key)));
        text.call("page:1");
        // Not `detail` alone, behind which memcached reads what an earlier key left.
        let rest = ["detail dump", "detail maybe", "reset", "detail dump"];
        answers.extend(rest.map(|key| binary.ask(key)));
        // memcached lists prefixes in the order of their hashes.
        for (_, _, value) in answers.iter_mut().flatten() {
            let mut lines: Vec<&str> = value.lines().collect();
            lines.sort_unstable();
            *value = lines.join("\n");
        }
        answers
    });
    let [ours, theirs] = answers;
    assert_eq!(ours, theirs);
    let (_, name, list) = &ours[2][0];
    assert_eq!(name, "detailed");
    assert!(
        list.contains("PREFIX user get 1 hit 1 set 1 del 1"),
        "{list}"
    );
}

#[test]
fn binary_clients_learn_no_prefix_where_keys_may_not_be_listed() {
    let server = Server::start(&["-X", "-D", ":"]);
    server.connect().set("secret:1", "x");
    for key in ["detail dump", "detail on", "detail off"] {
        let answers = Binary(server.connect()).ask(key);
        assert_eq!(answers[0].0, 0x20, "{key}: {answers:?}");
    }
}

#[test]
fn meta_gets_and_sets_leave_the_gets_alone() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let gets = |client: &mut Client| client.stat("cmd_get").parse::<u64>().expect("a number");
    for _ in 0..10 {
        client.ask("mg a v\r\n");
    }
    client.call("a");
    let before = gets(&mut client);
    for _ in 0..20 {
        client.set("a", "x");
    }
    client.ask("ms a 1\r\nx\r\n");
    assert_eq!(gets(&mut client), before, "a set is no get");
}
