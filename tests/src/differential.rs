//! Random command sequences, told to two servers, and the differences between what they answer.
//!
//! Values of CAS counters differ between servers by design, so each side's are remembered as it told
//! them and replaced by a word before replies are compared. Remaining lifetimes may be a second apart.

mod commands;
mod explained;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::client::{Client, show};

pub use commands::{CAS, Rng, Step};
pub use explained::{Answers, EXPLAINED, Explained};

/// The end of whatever a command answers: its own reply never contains this.
const FENCE: &[u8] = b"MN\r\n";

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Commands compared.
    pub commands: usize,
    /// How often each explained difference occurred, by its reason.
    pub explained: HashMap<&'static str, usize>,
    /// Differences nobody has explained, as text.
    pub unexplained: Vec<String>,
}

/// Tells both servers `count` random commands drawn from `seed`. Stops at the first unexplained
/// difference: what follows one is noise.
#[must_use]
pub fn compare(ours: SocketAddr, reference: SocketAddr, seed: u64, count: usize) -> Outcome {
    let mut rng = Rng::new(seed);
    let mut ours = Side::new(ours);
    let mut reference = Side::new(reference);
    let mut outcome = Outcome::default();
    let mut history = Vec::new();
    while outcome.commands < count && outcome.unexplained.is_empty() {
        let step = Step::random(&mut rng);
        let (got, wanted) = (ours.ask(&step), reference.ask(&step));
        history.push((step.request.clone(), wanted.clone()));
        outcome.commands += 1;
        if got == wanted {
            continue;
        }
        match EXPLAINED
            .iter()
            .find(|explained| explained.covers(&step, &got, &wanted))
        {
            Some(explained) => {
                *outcome.explained.entry(explained.reason).or_default() += 1;
                if explained.ends {
                    break;
                }
            }
            None => outcome.unexplained.push(format!(
                "seed {seed}, command {}\n{}  memcached {}\n  ours      {}",
                outcome.commands,
                about(&step, &history),
                show(&wanted),
                show(&got)
            )),
        }
    }
    outcome
}

/// The commands so far that name the step's key, with memcached's answers, the last few.
fn about(step: &Step, history: &[(Vec<u8>, Vec<u8>)]) -> String {
    const SHOWN: usize = 12;
    let names = |request: &[u8]| {
        request
            .windows(step.key.len())
            .any(|window| window == step.key)
    };
    let lines: Vec<String> = history
        .iter()
        .filter(|(request, _)| names(request) || request.starts_with(b"flush"))
        .map(|(request, reply)| format!("    {} -> {}\n", show(request), show(reply)))
        .collect();
    lines[lines.len().saturating_sub(SHOWN)..].concat()
}

/// One server and what is peculiar to it.
struct Side {
    client: Client,
    address: SocketAddr,
    cas: HashMap<Vec<u8>, Vec<u8>>,
}

impl Side {
    fn new(address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        // The token 1, which some commands name as one that does not fit, must be taken.
        client.set("taken", "");
        let _ = client.ask("gets taken\r\n");
        assert_eq!(client.ask("flush_all\r\n"), "OK\r\n");
        Self {
            client,
            address,
            cas: HashMap::new(),
        }
    }

    /// The reply to a step with this server's own numbers replaced.
    fn ask(&mut self, step: &Step) -> Vec<u8> {
        let mut request = self.request(step);
        request.extend_from_slice(b"mn\r\n");
        self.client.send(&request);
        let reply = match self.client.try_read_until(FENCE) {
            Some(mut reply) => {
                reply.truncate(reply.len() - FENCE.len());
                reply
            }
            None => {
                let mut rest = self.client.read_to_close();
                rest.extend_from_slice(b"<closed>");
                self.client = Client::connect(self.address);
                rest
            }
        };
        self.normalise(step, &reply)
    }

    fn request(&self, step: &Step) -> Vec<u8> {
        let known = self.cas.get(&step.key).map_or(&b"1"[..], Vec::as_slice);
        replace(&step.request, CAS, known)
    }

    fn normalise(&mut self, step: &Step, reply: &[u8]) -> Vec<u8> {
        let mut normal = Vec::with_capacity(reply.len());
        let mut rest = reply;
        while !rest.is_empty() {
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            let words: Vec<&[u8]> = line.trim_ascii_end().split(|byte| *byte == b' ').collect();
            let mut data = 0;
            match words[..] {
                [b"VALUE", key, _, length, cas] => {
                    self.cas.insert(key.to_vec(), cas.to_vec());
                    data = number(length) + 2;
                    normal.extend_from_slice(&line[..line.len() - cas.len() - 2]);
                    normal.extend_from_slice(b"<cas>\r\n");
                }
                [b"VALUE", _, _, length] => {
                    data = number(length) + 2;
                    normal.extend_from_slice(line);
                }
                [b"VA", length, ..] => {
                    data = number(length) + 2;
                    self.meta_line(step, &words, &mut normal);
                }
                [b"HD" | b"NS" | b"EX" | b"NF" | b"EN", ..] => {
                    self.meta_line(step, &words, &mut normal)
                }
                _ => normal.extend_from_slice(line),
            }
            let (block, after) = after.split_at(data.min(after.len()));
            normal.extend_from_slice(block);
            rest = after;
        }
        normal
    }

    /// Return flags: `c` is the CAS, `t` a lifetime, `l` a time since the last access.
    fn meta_line(&mut self, step: &Step, words: &[&[u8]], normal: &mut Vec<u8>) {
        for word in words {
            match word {
                [b'c', digits @ ..] if is_number(digits) && digits != b"0" => {
                    self.cas.insert(step.key.clone(), digits.to_vec());
                    normal.extend_from_slice(b"c<cas>");
                }
                [b't', digits @ ..] if is_number(digits) => normal.extend_from_slice(b"t<seconds>"),
                [b'l', digits @ ..] if is_number(digits) => normal.extend_from_slice(b"l<seconds>"),
                word => normal.extend_from_slice(word),
            }
            normal.push(b' ');
        }
        normal.extend_from_slice(b"\r\n");
    }
}

fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

fn number(word: &[u8]) -> usize {
    std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
