//! The `consistent` object: a ring of servers by consistent hashing, bit for bit the ring of the
//! original, so that clients that hash with it agree.
//!
//! The ring is kept, not computed: each of a server's 160 points is a field, so that a lookup is
//! one search, and adding a server leaves the others alone. See `state` for the fields.
#![forbid(unsafe_code)]

mod state;

use cacheismo_ring::{is_name, names};
use cacheismo_sdk::{Object, Reply, Rest, Word};

/// The answer when the ring does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer to a server's name that cannot be one, and to what is neither 0 nor 1.
const BAD_ARGUMENT: Word = Word("ERROR_BAD_ARGUMENT");
/// The answer when there is no such server, or none that is available.
const NOT_FOUND: Word = Word("NOT_FOUND");

/// The type.
pub struct Consistent;

/// A ring of servers by consistent hashing. Every function but new answers ERROR_CACHE_MISS when
/// the ring does not exist. Names of servers have 1 to 27 bytes and no comma, space or tab; they
/// and keys may contain colons.
#[cacheismo_sdk::object(
    name = "consistent",
    example = "get consistent:new:ring:10.0.0.1:11211,10.0.0.2:11211 consistent:find:ring:user42"
)]
impl Consistent {
    /// Makes a ring of servers, separated by commas, spaces or tabs, replacing one that exists.
    /// CREATED, or NOT_CREATED when the list is empty or a name too long; one that exists then stays.
    fn new(o: &mut Object, servers: &[u8], more: Rest) -> Result<Word, Word> {
        let servers = joined(servers, more);
        if names(&servers).next().is_none() || !names(&servers).all(is_name) {
            return Err(Word("NOT_CREATED"));
        }
        o.delete();
        o.create();
        for name in names(&servers) {
            state::add(o, name);
        }
        Ok(Word("CREATED"))
    }

    /// The server for a key: the first available one from the key's place on the ring. NOT_FOUND when
    /// there is none.
    fn find(o: &Object, key: &[u8], more: Rest) -> Result<Vec<u8>, Word> {
        existing(o)?;
        state::find(o, &joined(key, more)).ok_or(NOT_FOUND)
    }

    /// Lists the servers in the order they were added, each followed by CRLF.
    fn servers(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        state::for_each_server(o, |name| out.line(name));
        Ok(())
    }

    /// Number of servers, whether available or not.
    fn count(o: &Object) -> Result<u64, Word> {
        existing(o)?;
        Ok(state::count(o))
    }

    /// 1 when the server is available, 0 when it is not or there is no such server.
    fn isavailable(o: &Object, server: &[u8], more: Rest) -> Result<bool, Word> {
        existing(o)?;
        Ok(state::is_available(o, &joined(server, more)))
    }

    /// Makes a server available, 1, or not, 0: its keys then go to the next ones. SUCCESS,
    /// NOT_FOUND, or ERROR_BAD_ARGUMENT when it is neither 0 nor 1.
    fn setavailable(
        o: &mut Object,
        server: &[u8],
        available: &[u8],
        more: Rest,
    ) -> Result<Word, Word> {
        existing(o)?;
        // A server with a port came as two arguments, so the last one is the word.
        let words = joined(server, [available].into_iter().chain(more));
        let (server, available) = match words.as_slice() {
            [server @ .., b':', b'0'] => (server, false),
            [server @ .., b':', b'1'] => (server, true),
            _ => return Err(BAD_ARGUMENT),
        };
        if state::set_available(o, server, available) {
            Ok(Word("SUCCESS"))
        } else {
            Err(NOT_FOUND)
        }
    }

    /// Adds a server. SUCCESS, EXISTS, or ERROR_BAD_ARGUMENT when it cannot be a name.
    fn add(o: &mut Object, server: &[u8], more: Rest) -> Result<Word, Word> {
        existing(o)?;
        let server = joined(server, more);
        if !is_name(&server) {
            return Err(BAD_ARGUMENT);
        }
        Ok(if state::add(o, &server) {
            Word("SUCCESS")
        } else {
            Word("EXISTS")
        })
    }

    /// Removes a server. SUCCESS or NOT_FOUND.
    fn remove(o: &mut Object, server: &[u8], more: Rest) -> Result<Word, Word> {
        existing(o)?;
        if state::remove(o, &joined(server, more)) {
            Ok(Word("SUCCESS"))
        } else {
            Err(NOT_FOUND)
        }
    }
}

fn existing(o: &Object) -> Result<(), Word> {
    if o.exists() { Ok(()) } else { Err(ABSENT) }
}

/// Puts together again what was split at colons.
fn joined<'c>(first: &[u8], more: impl Iterator<Item = &'c [u8]>) -> Vec<u8> {
    let mut joined = first.to_vec();
    for part in more {
        joined.push(b':');
        joined.extend_from_slice(part);
    }
    joined
}
