//! One text command from the front of a buffer.
//!
//! This file finds the line and tells what it asks for; the files beside it read the arguments: `classic` for keys and
//! data blocks, `meta` for the two-letter commands, `admin` for the rest. `quick` reads the most frequent lines before
//! all of them.

mod admin;
mod classic;
mod line;
mod meta;
#[cfg(test)]
mod properties;
mod quick;
#[cfg(test)]
mod tests;

use super::{Command, Limits, Parsed, StoreVerb, Tokens, number};
use line::{BAD_FORMAT, ERROR, Line, Stop};

/// Reads one text command, classic or meta, from the front of `input`, which may end anywhere.
///
/// More input never changes an answer other than [`Parsed::Incomplete`]. Lines end in `\r\n` or a bare `\n`, data
/// blocks only in `\r\n`.
// Always inlined: the result is long, and would be waited for on its way through memory.
#[inline(always)]
pub fn parse_text<'a>(input: &'a [u8], limits: &Limits) -> Parsed<'a> {
    match quick::parse(input, limits) {
        Some(parsed) => parsed,
        None => parse_any(input, limits),
    }
}

/// Reads any command, without the short cut for frequent ones.
#[inline(never)]
fn parse_any<'a>(input: &'a [u8], limits: &Limits) -> Parsed<'a> {
    Line::find(input, limits)
        .and_then(|line| parse_line(&line, limits))
        .unwrap_or_else(Parsed::from)
}

/// The table of all text commands: the name of each, and how its arguments are read.
macro_rules! commands {
    (|$line:ident, $args:ident, $limits:ident| $($name:literal => $read:expr,)*) => {
        /// Names of all text commands.
        pub const COMMAND_NAMES: &[&str] = &[$(match std::str::from_utf8($name) {
            Ok(name) => name,
            Err(_) => panic!("names are ASCII"),
        }),*];

        /// Reads the command called `word`.
        #[inline]
        fn read<'a>(
            $line: &Line<'a>,
            word: &[u8],
            $args: &'a [u8],
            $limits: &Limits,
        ) -> Result<Parsed<'a>, Stop> {
            match word {
                $($name => $read,)*
                _ => Err(unknown($line, word, $args)),
            }
        }
    };
}

commands! { |line, args, limits|
    b"set" => classic::store(line, Some(StoreVerb::Set), args, limits),
    b"mg" => meta::simple(line, args, meta::Kind::Get),
    b"get" => classic::get(line, args, false),
    b"gets" => classic::get(line, args, true),
    b"gat" => classic::get_and_touch(line, args, false),
    b"gats" => classic::get_and_touch(line, args, true),
    b"add" => classic::store(line, Some(StoreVerb::Add), args, limits),
    b"replace" => classic::store(line, Some(StoreVerb::Replace), args, limits),
    b"append" => classic::store(line, Some(StoreVerb::Append), args, limits),
    b"prepend" => classic::store(line, Some(StoreVerb::Prepend), args, limits),
    b"cas" => classic::store(line, None, args, limits),
    b"delete" => classic::delete(line, args),
    b"incr" => classic::arith(line, args, false),
    b"decr" => classic::arith(line, args, true),
    b"touch" => classic::touch(line, args),
    b"md" => meta::simple(line, args, meta::Kind::Delete),
    b"ma" => meta::simple(line, args, meta::Kind::Arith),
    b"ms" => meta::set(line, args, limits),
    b"mn" => Ok(line.command(Command::MetaNoop)),
    b"me" => meta::debug(line, args),
    b"version" => Ok(line.command(Command::Version)),
    b"quit" => Ok(line.command(Command::Quit)),
    b"refresh_certs" => Ok(line.command(Command::RefreshCerts)),
    b"snapshot" => Ok(line.command(Command::Snapshot)),
    b"watch" => Ok(line.command(Command::Watch { args: Tokens::new(args) })),
    b"stats" => admin::read(line, args, admin::stats),
    b"flush_all" => admin::read(line, args, admin::flush_all),
    b"verbosity" => admin::read(line, args, admin::verbosity),
    b"cache_memlimit" => admin::read(line, args, admin::cache_memlimit),
    b"shutdown" => admin::read(line, args, admin::shutdown),
    b"lru" => admin::read(line, args, admin::lru),
    b"lru_crawler" => admin::read(line, args, admin::lru_crawler),
    b"slabs" => admin::read(line, args, admin::slabs),
}

#[inline]
fn parse_line<'a>(line: &Line<'a>, limits: &Limits) -> Result<Parsed<'a>, Stop> {
    // Long lists of keys go first.
    if let Some(keys) = line.text.strip_prefix(b"get ") {
        return classic::get(line, keys, false);
    }
    let word_end = line
        .text
        .iter()
        .position(|&b| b == b' ')
        .unwrap_or(line.text.len());
    let (word, args) = line.text.split_at(word_end);
    read(line, word, args, limits)
}

/// A browser, or a page that was talked into posting to this port, must not get a second line in:
/// the connection ends with its request line.
#[cold]
fn unknown(line: &Line<'_>, word: &[u8], args: &[u8]) -> Stop {
    const VERBS: [&[u8]; 9] = [
        b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE",
    ];
    // memcached counts the line end: nothing this short can be a command.
    if line.consumed < 4 {
        return line.refuse(BAD_FORMAT);
    }
    let mut words = Tokens::new(args);
    let target = words.next().unwrap_or_default();
    let last = words.last().unwrap_or(target);
    let http_line = VERBS.contains(&word) && target.starts_with(b"/");
    if last.starts_with(b"HTTP") || http_line {
        return line.close();
    }
    line.refuse(ERROR)
}
