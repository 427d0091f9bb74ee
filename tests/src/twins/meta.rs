//! Meta commands.

use std::fmt::Write as _;

use super::operation::{Answer, Operation, Request, Verb, error_line};
use crate::client::show;

/// How the key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As it is.
    Plain,
    /// In base64, with the flag `b`.
    Base64,
}

/// The request as bytes; `None` when the dialect does not have it.
#[must_use]
pub fn encode(request: &Request<'_>, spelling: Spelling) -> Option<Vec<u8>> {
    let mut flags = String::new();
    if spelling == Spelling::Base64 {
        flags.push_str(" b");
    }
    if request.quiet {
        flags.push_str(" q");
    }
    if !request.meta_flags.is_empty() {
        let _ = write!(flags, " {}", request.meta_flags);
    }
    let key = match spelling {
        Spelling::Plain => request.key.to_owned(),
        Spelling::Base64 => base64(request.key.as_bytes()),
    };
    let token = |cas: &Option<super::operation::Token>| match cas {
        Some(token) => format!(" C{}", token.number(request.present)),
        None => String::new(),
    };
    let line = match request.operation {
        Operation::Get { touch, cas } => {
            let touch = touch.map_or(String::new(), |seconds| format!(" T{seconds}"));
            let shown = if *cas { " c" } else { "" };
            format!("mg {key} v f{touch}{shown}{flags}\r\n")
        }
        Operation::Store {
            verb,
            flags: client_flags,
            exptime,
            value,
            cas,
        } => {
            let (len, mode, token) = (value.len(), mode(*verb), token(cas));
            let line = format!("ms {key} {len} F{client_flags} T{exptime}{mode}{token}{flags}\r\n");
            return Some([line.as_bytes(), value, b"\r\n"].concat());
        }
        Operation::Delete { cas } => format!("md {key}{}{flags}\r\n", token(cas)),
        Operation::Arith {
            down,
            delta,
            create,
            cas,
        } => {
            let mode = if *down { " MD" } else { "" };
            let create = create.map_or(String::new(), |(first, seconds)| {
                format!(" J{first} N{seconds}")
            });
            format!("ma {key} v D{delta}{mode}{create}{}{flags}\r\n", token(cas))
        }
        // `mg` with T is the twin of `gat`.
        Operation::Touch(_) | Operation::Flush => return None,
    };
    Some(line.into_bytes())
}

fn mode(verb: Verb) -> &'static str {
    match verb {
        Verb::Set => "",
        Verb::Add => " ME",
        Verb::Replace => " MR",
        Verb::Append => " MA",
        Verb::Prepend => " MP",
    }
}

/// What the bytes of a reply say.
#[must_use]
pub fn decode(request: &Request<'_>, reply: &[u8]) -> Answer {
    if reply.is_empty() {
        return Answer::Silence;
    }
    if reply.starts_with(b"VA ") {
        return value(request, reply).unwrap_or_else(|| Answer::Other(show(reply)));
    }
    let text = String::from_utf8_lossy(reply);
    let Some((line, "")) = text.split_once("\r\n") else {
        return Answer::Other(show(reply));
    };
    match line.trim_end() {
        "HD" => Answer::Done,
        "EN" => Answer::Miss,
        "NS" => Answer::NotStored,
        "EX" => Answer::Exists,
        "NF" => Answer::NotFound,
        line => error_line(line),
    }
}

/// `VA bytes flags*` and the data.
fn value(request: &Request<'_>, reply: &[u8]) -> Option<Answer> {
    let end = reply.iter().position(|byte| *byte == b'\r')?;
    let line = std::str::from_utf8(&reply[..end]).ok()?;
    let mut words = line.split(' ').skip(1);
    let len: usize = words.next()?.parse().ok()?;
    let (bytes, after) = reply[end + 2..].split_at_checked(len)?;
    if after != b"\r\n" {
        return None;
    }
    if matches!(request.operation, Operation::Arith { .. }) {
        let number = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        return Some(Answer::Number(number));
    }
    let (mut flags, mut cas) = (0, None);
    for word in words {
        match word.split_at(1) {
            ("f", number) => flags = number.parse().ok()?,
            ("c", number) => cas = Some(number.parse().ok()?),
            ("W", "") => {}
            _ => return None,
        }
    }
    Some(Answer::Value {
        bytes: bytes.to_vec(),
        flags,
        cas,
    })
}

/// The standard alphabet, padded.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = three
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0, |group, &byte| group << 8 | usize::from(byte));
        for at in 0..4 {
            text.push(match at <= three.len() {
                true => char::from(ALPHABET[group >> (18 - 6 * at) & 63]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_spelled_in_base64() {
        for (key, text) in [
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("???", "Pz8/"),
        ] {
            assert_eq!(super::base64(key.as_bytes()), text);
        }
    }
}
