//! Commands about the server rather than an item. Names are exact: memcached takes any prefix of
//! some of them, so that there `f` empties the cache.

use super::line::{BAD_FORMAT, ERROR, Line, Stop};
use super::number;
use crate::{Classes, Command, LruCrawler, Parsed, Slabs, Tokens};

const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument\r\n";
const MEMLIMIT_TOO_SMALL: &str = "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n";
const MEMLIMIT_IN_BYTES: &str = "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n";
const BAD_SHUTDOWN: &str = "CLIENT_ERROR invalid shutdown mode\r\n";
const SLEEP_TOO_LONG: &str = "CLIENT_ERROR sleep must be one second or less\r\n";
const BAD_CLASS: &str = "BADCLASS invalid class id\r\n";
const BAD_CACHEDUMP: &str = "CLIENT_ERROR bad command line\r\n";
const ILLEGAL_CLASS: &str = "CLIENT_ERROR Illegal slab id\r\n";
const TUNE_PERCENT: &str = "ERROR hot and warm pcts must not exceed 80\r\n";
const TUNE_FACTOR: &str = "ERROR hot/warm age factors must be greater than 0\r\n";

/// The smallest and the largest memory limit in MiB that can be meant.
const MEMLIMIT_MEGABYTES: std::ops::RangeInclusive<u32> = 8..=1_000_000_000;

pub(super) type Answer<'a> = Result<Command<'a>, &'static str>;

/// Reads a command whose last word may be `noreply`.
pub(super) fn read<'a>(
    line: &Line<'a>,
    args: &'a [u8],
    command: impl FnOnce(Tokens<'a>, bool) -> Answer<'a>,
) -> Result<Parsed<'a>, Stop> {
    let words = Tokens::new(args);
    let noreply = words.last() == Some(b"noreply");
    match command(words, noreply) {
        Ok(command) => Ok(line.command(command)),
        Err(reply) => Err(line.refuse_unless(noreply, reply)),
    }
}

pub(super) fn flush_all(mut words: Tokens<'_>, noreply: bool) -> Answer<'_> {
    let delay = match words.next() {
        None => None,
        Some(b"noreply") if noreply => None,
        Some(delay) => Some(number::signed(delay).ok_or(BAD_EXPTIME)?),
    };
    Ok(Command::FlushAll { delay, noreply })
}

pub(super) fn verbosity(mut words: Tokens<'_>, noreply: bool) -> Answer<'_> {
    let level = words
        .next()
        .and_then(number::unsigned_32)
        .ok_or(BAD_FORMAT)?;
    Ok(Command::Verbosity { level, noreply })
}

pub(super) fn cache_memlimit(mut words: Tokens<'_>, noreply: bool) -> Answer<'_> {
    let megabytes = words.next().and_then(number::unsigned_32).ok_or(ERROR)?;
    if megabytes < *MEMLIMIT_MEGABYTES.start() {
        return Err(MEMLIMIT_TOO_SMALL);
    }
    if megabytes > *MEMLIMIT_MEGABYTES.end() {
        return Err(MEMLIMIT_IN_BYTES);
    }
    Ok(Command::CacheMemlimit { megabytes, noreply })
}

pub(super) fn shutdown(mut words: Tokens<'_>, _: bool) -> Answer<'_> {
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Shutdown { graceful: false }),
        (Some(b"graceful"), None) => Ok(Command::Shutdown { graceful: true }),
        _ => Err(BAD_SHUTDOWN),
    }
}

/// Reads `lru`. Values are checked as memcached does, so that a wrong one is noticed although none has an effect.
pub(super) fn lru(args: Tokens<'_>, _: bool) -> Answer<'_> {
    let mut words = args;
    let mut next = || words.next().unwrap_or_default();
    match next() {
        b"tune" => {
            let percent = (number::unsigned_32(next()), number::unsigned_32(next()));
            let (hot, warm) = (decimal(next()).ok_or(ERROR)?, decimal(next()).ok_or(ERROR)?);
            let (Some(hot_percent), Some(warm_percent)) = percent else {
                return Err(ERROR);
            };
            if u64::from(hot_percent) + u64::from(warm_percent) > 80 {
                return Err(TUNE_PERCENT);
            }
            if hot <= 0.0 || warm <= 0.0 {
                return Err(TUNE_FACTOR);
            }
        }
        b"mode" if matches!(next(), b"flat" | b"segmented") => {}
        b"temp_ttl" if number::signed(next()).is_some() => {}
        _ => return Err(ERROR),
    }
    Ok(Command::Lru { args })
}

pub(super) fn lru_crawler(mut words: Tokens<'_>, _: bool) -> Answer<'_> {
    let (name, argument, junk) = (words.next().unwrap_or_default(), words.next(), words.next());
    if junk.is_some() {
        return Err(ERROR);
    }
    let argument_number = || number::unsigned_32(argument.unwrap_or_default()).ok_or(BAD_FORMAT);
    Ok(Command::LruCrawler(match (name, argument) {
        (b"enable", None) => LruCrawler::Enable,
        (b"disable", None) => LruCrawler::Disable,
        (b"tocrawl", Some(_)) => LruCrawler::ToCrawl(argument_number()?),
        (b"sleep", Some(_)) => match argument_number()? {
            microseconds @ 0..=1_000_000 => LruCrawler::Sleep(microseconds),
            _ => return Err(SLEEP_TOO_LONG),
        },
        (b"crawl", Some(what)) => LruCrawler::Crawl(classes(what)?),
        (b"metadump", Some(what)) => LruCrawler::Metadump(classes(what)?),
        (b"mgdump", Some(what)) => LruCrawler::Mgdump(classes(what)?),
        _ => return Err(ERROR),
    }))
}

/// Reads `all`, `hash`, or numbers separated by commas.
fn classes(text: &[u8]) -> Result<Classes, &'static str> {
    if matches!(text, b"all" | b"hash") {
        return Ok(Classes(!0));
    }
    let mut set = 0;
    for number in text.split(|byte| *byte == b',') {
        match number::unsigned_32(number) {
            Some(class @ 1..Classes::END) => set |= 1 << class,
            _ => return Err(BAD_CLASS),
        }
    }
    Ok(Classes(set))
}

pub(super) fn stats(words: Tokens<'_>, _: bool) -> Answer<'_> {
    let mut args = words;
    if args.next() != Some(b"cachedump") {
        return Ok(Command::Stats { args: words });
    }
    let (Some(class), Some(keys_max)) = (args.next(), args.next()) else {
        return Err(BAD_CACHEDUMP);
    };
    match (number::unsigned_32(class), number::unsigned_32(keys_max)) {
        (Some(Classes::END..), Some(_)) => Err(ILLEGAL_CLASS),
        (Some(class), Some(keys_max)) => Ok(Command::Cachedump { class, keys_max }),
        _ => Err(BAD_FORMAT),
    }
}

pub(super) fn slabs(mut words: Tokens<'_>, _: bool) -> Answer<'_> {
    let (name, first, second, junk) = (words.next(), words.next(), words.next(), words.next());
    match (name, first, second) {
        (Some(b"reassign"), Some(source), Some(target)) if junk.is_none() => {
            let class = |word| {
                number::signed(word)
                    .and_then(|n| i32::try_from(n).ok())
                    .ok_or(BAD_FORMAT)
            };
            Ok(Command::Slabs(Slabs::Reassign {
                source: class(source)?,
                target: class(target)?,
            }))
        }
        (Some(b"automove"), Some(b"ratio" | b"freeratio"), ratio) => {
            decimal(ratio.unwrap_or_default()).ok_or(ERROR)?;
            Ok(Command::Slabs(Slabs::AutomoveTuning))
        }
        (Some(b"automove"), Some(b"window"), window) => {
            window.and_then(number::unsigned_32).ok_or(BAD_FORMAT)?;
            Ok(Command::Slabs(Slabs::AutomoveTuning))
        }
        (Some(b"automove"), Some(level), _) => {
            match number::unsigned_32(level).ok_or(BAD_FORMAT)? {
                level @ 0..=2 => Ok(Command::Slabs(Slabs::Automove(level))),
                _ => Err(ERROR),
            }
        }
        _ => Err(ERROR),
    }
}

fn decimal(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
