//! Recordings of the original cacheismo, distilled to what must still hold (`tests/golden/*.jsonl`).
//! The first record of each file explains the fields.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::client::{Client, show};
use crate::server::{Server, wait_until};

/// One request of a session and the bytes it must be answered with.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Name of the session; records of one session share a server.
    pub session: String,
    /// Position in the recorded session.
    pub step: u32,
    request: Option<String>,
    request_rle: Option<Vec<(String, usize)>>,
    response: Option<String>,
    response_rle: Option<Vec<(String, usize)>>,
    /// Whether the value is a listing, with its lines in any order.
    #[serde(default)]
    any_order: bool,
    /// For how many seconds to ask again, since the answer depends on time.
    #[serde(default)]
    patience_s: u64,
    #[serde(default)]
    verdict: Verdict,
}

/// What the recorded reply is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// The reply still holds.
    #[default]
    Keep,
    /// The reply is what an evident bug was meant to answer.
    Fix,
    /// The original said nothing; a script's error line is due.
    Error,
    /// A quirk: the reply may differ.
    Decide,
    /// The reply depends on the time.
    Run,
}

/// A word of a recording and what stands for it in this run.
pub type Substitute = (&'static str, String);

/// The records of a file, without the one that tells their origin.
///
/// # Panics
/// When a line isn't a record.
#[must_use]
pub fn read(path: &Path) -> Vec<Record> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let records = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    records.collect()
}

/// Plays one session on a fresh server and gives every difference found.
#[must_use]
pub fn differences(session: &[Record]) -> Vec<String> {
    differences_on(&Server::start(&[]), session, &[])
}

/// Plays one session on a server that was started for it, and gives every difference found.
#[must_use]
pub fn differences_on(
    server: &Server,
    session: &[Record],
    substitutes: &[Substitute],
) -> Vec<String> {
    let mut client = server.connect();
    session
        .iter()
        .filter_map(|record| record.difference(&mut client, substitutes))
        .collect()
}

impl Record {
    /// Whether the recording asks the server to close, after which there is nobody to ask.
    #[must_use]
    pub fn quits(&self) -> bool {
        self.request.as_deref() == Some("quit\r\n")
    }

    fn difference(&self, client: &mut Client, substitutes: &[Substitute]) -> Option<String> {
        let request = substitute(latin1(&self.request, &self.request_rle), substitutes);
        let wanted = substitute(latin1(&self.response, &self.response_rle), substitutes);
        let mut heard = Vec::new();
        let agreed = wait_until(Duration::from_secs(self.patience_s), || {
            // The fence tells the end of any reply, and that nothing but the reply came.
            client.send([&request[..], b"mn\r\n"].concat());
            heard = client.read_until(b"MN\r\n");
            heard.truncate(heard.len() - b"MN\r\n".len());
            match self.verdict {
                Verdict::Error => is_script_error(&heard),
                Verdict::Decide | Verdict::Run => true,
                _ if self.any_order => sorted_lines(&heard) == sorted_lines(&wanted),
                _ => heard == wanted,
            }
        });
        (!agreed).then(|| {
            let (session, step) = (&self.session, self.step);
            format!(
                "{session} step {step}: {}\n  want {}\n  got  {}",
                show(&request),
                show(&wanted),
                show(&heard)
            )
        })
    }
}

/// `SERVER_ERROR lua type:function: message (script.lua:line)` as the last line.
fn is_script_error(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let last = text.trim_end_matches("\r\n").rsplit("\r\n").next();
    last.and_then(|line| line.strip_prefix("SERVER_ERROR lua "))
        .and_then(|line| line.strip_suffix(')')?.rsplit_once(" ("))
        .and_then(|(_, place)| place.rsplit_once(".lua:"))
        .is_some_and(|(_, line)| line.parse::<u32>().is_ok())
}

/// `bytes` with every word in its place of this run.
fn substitute(bytes: Vec<u8>, substitutes: &[Substitute]) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(bytes.clone()) else {
        return bytes;
    };
    for (word, here) in substitutes {
        text = text.replace(word, here);
    }
    text.into_bytes()
}

fn sorted_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The bytes of a recorded text, which has one character for each byte.
fn latin1(text: &Option<String>, pieces: &Option<Vec<(String, usize)>>) -> Vec<u8> {
    let whole = match (text, pieces) {
        (Some(text), _) => text.clone(),
        (None, Some(pieces)) => pieces
            .iter()
            .map(|(text, times)| text.repeat(*times))
            .collect(),
        (None, None) => String::new(),
    };
    whole
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).expect("recordings are Latin-1"))
        .collect()
}
