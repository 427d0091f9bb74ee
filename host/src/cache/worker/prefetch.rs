//! What connections are going to ask for, so that its memory is fetched for all of them together.
//!
//! A client that waits for each answer sends one command at a time, and the item of that command brings cache misses
//! one after the other. Where many clients have sent one, their keys are known before the first is executed.

use arrayvec::ArrayVec;

use super::{Connection, Worker};
use crate::protocol::key_end;

/// Most keys gathered before they are fetched; further ones are not waited for.
const KEYS_MAX: usize = 32;
/// Longest name of a command that has a key, and the space after it.
const WORD_BYTES_MAX: usize = 8;

/// Hashes of keys that are going to be asked for.
pub(super) type Prefetch = ArrayVec<u64, KEYS_MAX>;

impl Worker {
    /// Looks at input that is executed a little later, after [`Worker::fetch_ahead`]. False when waiting would not
    /// help: the input has no key, or so little is stored that it is near the processor anyway.
    pub fn look_ahead(&mut self, connection: &Connection, input: &[u8]) -> bool {
        if !self.ops.shared.store.is_large() || connection.binary != Some(false) {
            return false;
        }
        let Some(key) = first_key(input) else {
            return false;
        };
        let hash = self.calls.target(key).hash();
        self.prefetch.try_push(hash).is_ok()
    }

    /// Has the memory fetched that the input looked at will need.
    pub fn fetch_ahead(&mut self) {
        self.ops.shared.store.prefetch(&self.prefetch);
        self.prefetch.clear();
    }
}

/// The second word of a line, without a look at what the first is: at worst memory is fetched that nobody needs.
fn first_key(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().take(WORD_BYTES_MAX).position(|&b| b == b' ')?;
    let key = &line[space + 1..];
    Some(&key[..key_end(key)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{Command, Limits, Parsed, parse_text};

    proptest! {
        #[test]
        fn the_key_of_a_get_is_its_first_key(key in "[!-9;-~]{1,250}", more in "( [a-z]{1,5})?") {
            let line = format!("gets {key}{more}\r\n");
            prop_assert_eq!(first_key(line.as_bytes()), Some(key.as_bytes()));
            match parse_text(line.as_bytes(), &Limits::default()) {
                Parsed::Command { command: Command::Get(get), .. } => {
                    let mut keys = get.keys;
                    prop_assert_eq!(keys.next(), Some(key.as_bytes()));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn any_input_may_be_looked_at(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let key = first_key(&input).unwrap_or_default();
            prop_assert!(key.iter().all(|&b| b > b' '));
        }
    }
}
