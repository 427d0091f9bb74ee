//! Classic text commands.

use super::operation::{Answer, Operation, Request, Verb, error_line};
use crate::client::show;

/// The request as bytes; `None` when the dialect does not have it.
#[must_use]
pub fn encode(request: &Request<'_>) -> Option<Vec<u8>> {
    if !request.meta_flags.is_empty() {
        return None;
    }
    let (key, noreply) = (request.key, if request.quiet { " noreply" } else { "" });
    let line = match request.operation {
        Operation::Get { .. } if request.quiet => return None,
        Operation::Get { touch, cas } => {
            let s = if *cas { "s" } else { "" };
            match touch {
                None => format!("get{s} {key}"),
                Some(seconds) => format!("gat{s} {seconds} {key}"),
            }
        }
        Operation::Store {
            verb,
            flags,
            exptime,
            value,
            cas,
        } => {
            let (name, token) = match (verb, cas) {
                (verb, None) => (name(*verb), String::new()),
                (Verb::Set, Some(token)) => ("cas", format!(" {}", token.number(request.present))),
                (_, Some(_)) => return None,
            };
            let len = value.len();
            let line = format!("{name} {key} {flags} {exptime} {len}{token}{noreply}\r\n");
            return Some([line.as_bytes(), value, b"\r\n"].concat());
        }
        Operation::Delete { cas: None } => format!("delete {key}{noreply}"),
        Operation::Arith {
            down,
            delta,
            create: None,
            cas: None,
        } => format!(
            "{} {key} {delta}{noreply}",
            if *down { "decr" } else { "incr" }
        ),
        Operation::Delete { .. } | Operation::Arith { .. } => return None,
        Operation::Touch(seconds) => format!("touch {key} {seconds}{noreply}"),
        Operation::Flush => format!("flush_all{noreply}"),
    };
    Some(format!("{line}\r\n").into_bytes())
}

/// The command's name.
#[must_use]
pub fn name(verb: Verb) -> &'static str {
    match verb {
        Verb::Set => "set",
        Verb::Add => "add",
        Verb::Replace => "replace",
        Verb::Append => "append",
        Verb::Prepend => "prepend",
    }
}

/// What the bytes of a reply say.
#[must_use]
pub fn decode(request: &Request<'_>, reply: &[u8]) -> Answer {
    if reply.is_empty() {
        return Answer::Silence;
    }
    if reply.starts_with(b"VALUE ") {
        return hit(request.key, reply).unwrap_or_else(|| Answer::Other(show(reply)));
    }
    let text = String::from_utf8_lossy(reply);
    let Some((line, "")) = text.split_once("\r\n") else {
        return Answer::Other(show(reply));
    };
    match line {
        "END" => Answer::Miss,
        "STORED" | "DELETED" | "TOUCHED" | "OK" => Answer::Done,
        "NOT_STORED" => Answer::NotStored,
        "EXISTS" => Answer::Exists,
        "NOT_FOUND" => Answer::NotFound,
        line => match line.parse() {
            Ok(number) => Answer::Number(number),
            Err(_) => error_line(line),
        },
    }
}

/// `VALUE key flags bytes [cas]`, the data, `END`.
fn hit(key: &str, reply: &[u8]) -> Option<Answer> {
    let end = reply.iter().position(|byte| *byte == b'\r')?;
    let line = std::str::from_utf8(&reply[..end]).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let (&["VALUE", named, flags, len, ref rest @ ..], true) = (&words[..], words.len() <= 5)
    else {
        return None;
    };
    let len: usize = len.parse().ok()?;
    let (bytes, after) = reply[end + 2..].split_at_checked(len)?;
    let cas = match rest.first() {
        Some(token) => Some(token.parse().ok()?),
        None => None,
    };
    (named == key && after == b"\r\nEND\r\n").then(|| {
        Some(Answer::Value {
            bytes: bytes.to_vec(),
            flags: flags.parse().ok()?,
            cas,
        })
    })?
}
