//! Asking other servers for items. The rooms above have the sockets; here is what is asked, and in which form.

use std::fmt::Debug;

use crate::protocol::{KEY_BYTES_MAX, key_end};

/// Servers one request may name.
const SERVERS_MAX: usize = 1024;

/// The function that is told of an item found: the number of its question, its key and its value.
pub type Hit<'h> = dyn FnMut(usize, &[u8], &[u8]) + 'h;

/// Asks other servers, on a thread that may wait.
pub trait Peers: Debug + Send + Sync {
    /// Asks every question, all servers at a time, and tells `hit` of each item found. A server that cannot be reached,
    /// answers nonsense or is late counts as one that has none of its keys.
    ///
    /// # Errors
    /// Why nobody was asked, in words for the client.
    fn get(&self, questions: &[Question<'_>], hit: &mut Hit<'_>) -> Result<(), String>;
}

/// What one server is asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// `host:port`.
    pub server: &'a str,
    /// Keys of items there, each a valid key of the protocol.
    pub keys: Vec<&'a [u8]>,
}

/// Peers of a server that has none: nothing is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn get(&self, _: &[Question<'_>], _: &mut Hit<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// The guest's request bytes do not have the form the ABI describes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a guest's request (see `peer_get` of the ABI).
pub(super) fn questions(mut requests: &[u8]) -> Result<Vec<Question<'_>>, Malformed> {
    let mut questions = Vec::new();
    while !requests.is_empty() {
        let question = question(&mut requests).ok_or(Malformed)?;
        if questions.len() == SERVERS_MAX {
            return Err(Malformed);
        }
        questions.push(question);
    }
    Ok(questions)
}

/// Appends a hit in the form the ABI describes.
pub(super) fn push_hit(out: &mut Vec<u8>, question: usize, key: &[u8], value: &[u8]) {
    out.extend_from_slice(&(question as u32).to_le_bytes());
    for bytes in [key, value] {
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
}

fn question<'a>(rest: &mut &'a [u8]) -> Option<Question<'a>> {
    let server = std::str::from_utf8(bytes(rest)?).ok()?;
    let count = number(rest)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = bytes(rest)?;
        let valid = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key_end(key) == key.len();
        if !valid {
            return None;
        }
        keys.push(key);
    }
    Some(Question { server, keys })
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head) as usize)
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(questions: &[(String, Vec<Vec<u8>>)]) -> Vec<u8> {
        let mut out = Vec::new();
        let length = |len: usize| (len as u32).to_le_bytes();
        for (server, keys) in questions {
            out.extend_from_slice(&length(server.len()));
            out.extend_from_slice(server.as_bytes());
            out.extend_from_slice(&length(keys.len()));
            for key in keys {
                out.extend_from_slice(&length(key.len()));
                out.extend_from_slice(key);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_request_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(questions) = questions(&bytes) {
                for question in questions {
                    prop_assert!(question.keys.iter().all(|key| !key.is_empty()));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_asked_is_read(
            asked in proptest::collection::vec(
                ("[a-z.:0-9]{1,20}", proptest::collection::vec("[!-~]{1,20}", 0..5)), 0..5),
        ) {
            let asked: Vec<(String, Vec<Vec<u8>>)> = asked
                .into_iter()
                .map(|(server, keys)| (server, keys.into_iter().map(String::into_bytes).collect()))
                .collect();
            let bytes = encoded(&asked);
            let read = questions(&bytes).expect("well formed");
            prop_assert_eq!(read.len(), asked.len());
            for (question, (server, keys)) in read.iter().zip(&asked) {
                prop_assert_eq!(question.server, server);
                prop_assert_eq!(&question.keys, keys);
            }
        }
    }
}
