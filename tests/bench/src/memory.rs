//! What data takes: the same items, sets and maps into each system, and how much its resident set grew.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::process::{Running, System};
use crate::record::Filled;

/// Commands sent before their replies are awaited.
const IN_FLIGHT: usize = 100;
/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(30);

const ITEMS: u32 = 1_000_000;
const MEMBERS: u32 = 1_000_000;
/// Members and fields put by one command.
const PER_COMMAND: u32 = 50;
const MAPS: u32 = 100_000;
const FIELDS: u32 = 10;

/// One kind of data, as one system is told of it.
struct Filling {
    what: &'static str,
    system: System,
    label: &'static str,
    /// Bytes of names and values in the data.
    payload: u64,
    commands: Box<dyn Iterator<Item = String>>,
    /// The end of each reply, which stands nowhere else in it.
    reply_end: &'static str,
}

/// Whether `--only TEXT` asks for this part.
pub(crate) fn is_wanted(only: Option<&str>) -> bool {
    only.is_none_or(|text| "memory".contains(text))
}

/// What each kind of data takes in each system.
///
/// # Errors
/// When a system does not start, or refuses something.
pub(crate) fn measure() -> anyhow::Result<Vec<Filled>> {
    let mut rows = Vec::new();
    for filling in fillings() {
        let (what, label, payload_bytes) = (filling.what, filling.label, filling.payload);
        eprintln!("memory: {what}, {label}");
        rows.push(Filled {
            what: what.to_owned(),
            system: label.to_owned(),
            grown_bytes: fill(filling).with_context(|| format!("{what}, {label}"))?,
            payload_bytes,
        });
    }
    Ok(rows)
}

/// How much the resident set of a fresh server grows.
fn fill(filling: Filling) -> anyhow::Result<u64> {
    let server = Running::start(filling.system)?;
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut commands = filling.commands;
    // The first command makes the server ready for the others: modules, buffers.
    let first = commands.next().into_iter().collect::<Vec<_>>();
    ask(&mut stream, &first, filling.reply_end)?;
    let before = server.resident_bytes()?;
    loop {
        let batch: Vec<String> = commands.by_ref().take(IN_FLIGHT).collect();
        if batch.is_empty() {
            break;
        }
        ask(&mut stream, &batch, filling.reply_end)?;
    }
    Ok(server.resident_bytes()?.saturating_sub(before))
}

/// Sends commands and waits until each was answered.
fn ask(stream: &mut TcpStream, commands: &[String], reply_end: &str) -> anyhow::Result<()> {
    stream.write_all(commands.concat().as_bytes())?;
    let mut replies = Vec::new();
    let mut part = [0; 1 << 16];
    loop {
        let text = String::from_utf8_lossy(&replies);
        ensure!(!text.contains("ERR"), "refused: {text}");
        if text.matches(reply_end).count() >= commands.len() {
            return Ok(());
        }
        let len = stream.read(&mut part)?;
        ensure!(len > 0, "the connection was closed");
        replies.extend_from_slice(&part[..len]);
    }
}

fn fillings() -> Vec<Filling> {
    let mut all = Vec::new();
    let items = "1,000,000 items of 10 + 100 bytes";
    for (system, label) in [
        (System::Memcached, "memcached"),
        (System::Cacheismo, "cacheismo"),
    ] {
        all.push(Filling {
            what: items,
            system,
            label,
            payload: u64::from(ITEMS) * 110,
            commands: Box::new((0..ITEMS).map(|i| format!("set {i:010} 0 0 100\r\n{i:0100}\r\n"))),
            reply_end: "STORED\r\n",
        });
    }
    all.push(Filling {
        what: items,
        system: System::Redis,
        label: "Redis",
        payload: u64::from(ITEMS) * 110,
        commands: Box::new((0..ITEMS).map(|i| format!("SET {i:010} {i:0100}\r\n"))),
        reply_end: "+OK\r\n",
    });
    all.extend(objects());
    all
}

fn objects() -> Vec<Filling> {
    let set = "a set of 1,000,000 ten-byte members";
    let maps = "100,000 maps of ten fields";
    let members = || (0..MEMBERS / PER_COMMAND).map(|i| i * PER_COMMAND..(i + 1) * PER_COMMAND);
    // The factor is prime to the number of members, so that each comes once, in no order.
    let member = |i: u32| format!("{:010}", u64::from(i) * 7919 % u64::from(MEMBERS));
    let field = |map: u32, field: u32| {
        (
            format!("field{field}"),
            format!("value-{:04}", map % 10_000),
        )
    };
    let fields_bytes = u64::from(MAPS) * (8 + u64::from(FIELDS) * 16);
    vec![
        Filling {
            what: set,
            system: System::Redis,
            label: "Redis `SADD`",
            payload: u64::from(MEMBERS) * 10,
            commands: Box::new(members().map(move |range| {
                let names: Vec<String> = range.map(member).collect();
                format!("SADD s {}\r\n", names.join(" "))
            })),
            reply_end: "\r\n",
        },
        Filling {
            what: set,
            system: System::Cacheismo,
            label: "cacheismo `set:put`",
            payload: u64::from(MEMBERS) * 10,
            commands: Box::new(std::iter::once("get set:new:s\r\n".to_owned()).chain(
                members().map(move |range| {
                    let calls: Vec<String> =
                        range.map(|i| format!("set:put:s:{}", member(i))).collect();
                    format!("get {}\r\n", calls.join(" "))
                }),
            )),
            reply_end: "END\r\n",
        },
        Filling {
            what: maps,
            system: System::Redis,
            label: "Redis `HSET`",
            payload: fields_bytes,
            commands: Box::new((0..MAPS).map(move |map| {
                let pairs: Vec<String> = (0..FIELDS)
                    .map(|i| field(map, i))
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                format!("HSET m{map:07} {}\r\n", pairs.join(" "))
            })),
            reply_end: "\r\n",
        },
        Filling {
            what: maps,
            system: System::Cacheismo,
            label: "cacheismo `map:put`",
            payload: fields_bytes,
            commands: Box::new((0..MAPS).map(move |map| {
                let calls: Vec<String> = (0..FIELDS)
                    .map(|i| field(map, i))
                    .map(|(name, value)| format!("map:put:m{map:07}:{name}:{value}"))
                    .collect();
                format!("get map:new:m{map:07} {}\r\n", calls.join(" "))
            })),
            reply_end: "END\r\n",
        },
    ]
}
