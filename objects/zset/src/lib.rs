//! The `zset` object: members in order of their scores, members of one score in byte order.
//!
//! A member is found by itself, by its score and by its rank, each in O(log n): `levels` tells how, and `flat` why a small
//! zset needs none of it. `score` has the numbers.
#![forbid(unsafe_code)]

mod flat;
mod levels;
mod score;

use std::io::Write;
use std::ops::Range;

use cacheismo_sdk::{Error, Object, Reply, Rest, Stop, Word};
use levels::{DAMAGED, Head, split};
use score::{Side, Sortable, bound};

/// The answer when the zset does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");
/// The answer when there is no such member.
const NOT_FOUND: Word = Word("NOT_FOUND");
/// Longest member: it is part of names, and those are kept whole.
const MEMBER_BYTES_MAX: usize = 64 * 1024;
/// So many members are read before they are removed: what is read does not change meanwhile.
const REMOVED_AT_ONCE: u64 = 256;

/// The type.
pub struct Zset;

/// Members in order of their scores; members of one score in byte order. add and incrby make the zset, and
/// it ends with its last member; every other function answers ERROR_CACHE_MISS when there is none. Ranks count from 0 at
/// the lowest score, or from -1 at the highest. A listing has CRLF behind each member, which withscores begins with its
/// score and a space. A bound is a number, one behind ( that is itself outside, -inf or +inf.
#[cacheismo_sdk::object(
    name = "zset",
    example = "get zset:add:game:10:ann:7.5:bob zset:revrange:game:0:9:withscores zset:rank:game:ann",
    value = true
)]
impl Zset {
    /// Gives members scores, each score before its member. How many of them are new.
    fn add(o: &mut Object, score: &[u8], member: &[u8], more: Rest) -> Result<u64, Stop> {
        let mut head = Head::load(o)?.unwrap_or_else(Head::new);
        let (mut new, mut more, mut next) = (0, more, Some((score, member)));
        while let Some((score, member)) = next {
            let score = Sortable::of(score::parse(score)?);
            let old = levels::score(o, checked(member)?)?;
            new += u64::from(old.is_none());
            head.put(o, member, old, score)?;
            next = match (more.next(), more.next()) {
                (Some(score), Some(member)) => Some((score, member)),
                (Some(_), None) => return Err("a score without a member".into()),
                _ => None,
            };
        }
        head.store(o);
        Ok(new)
    }

    /// Adds to a member's score, which is 0 for a new one. The new score.
    fn incrby(o: &mut Object, amount: f64, member: &[u8]) -> Result<f64, Stop> {
        let mut head = Head::load(o)?.unwrap_or_else(Head::new);
        let old = levels::score(o, checked(member)?)?;
        let sum = old.map_or(0.0, Sortable::score) + amount;
        if !sum.is_finite() {
            return Err("the score would not be finite".into());
        }
        let new = Sortable::of(sum);
        head.put(o, member, old, new)?;
        head.store(o);
        Ok(new.score())
    }

    /// A member's score, or NOT_FOUND.
    fn score(o: &Object, member: &[u8]) -> Result<f64, Stop> {
        existing(o)?;
        Ok(levels::score(o, member)?.ok_or(NOT_FOUND)?.score())
    }

    /// How many members come before a member, or NOT_FOUND.
    fn rank(o: &Object, member: &[u8]) -> Result<u64, Stop> {
        let head = existing(o)?;
        rank(o, head, member)
    }

    /// How many members come behind a member, or NOT_FOUND.
    fn revrank(o: &Object, member: &[u8]) -> Result<u64, Stop> {
        let head = existing(o)?;
        let before = rank(o, head, member)?;
        Ok(u64::from(head.members)
            .checked_sub(before + 1)
            .ok_or(DAMAGED)?)
    }

    /// Number of members.
    fn card(o: &Object) -> Result<u32, Stop> {
        Ok(existing(o)?.members)
    }

    /// Number of members whose score is between two bounds.
    fn count(o: &Object, min: &[u8], max: &[u8]) -> Result<u64, Stop> {
        let head = existing(o)?;
        let ranks = by_score(o, head, min, max)?;
        Ok(ranks.end - ranks.start)
    }

    /// Lists the members from one rank to another, both included.
    fn range(
        o: &Object,
        from: i64,
        to: i64,
        withscores: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let head = existing(o)?;
        list(
            o,
            head,
            by_rank(head, from, to),
            false,
            scored(withscores)?,
            out,
        )
    }

    /// Lists the members from one rank to another in descending order: 0 is the highest score.
    fn revrange(
        o: &Object,
        from: i64,
        to: i64,
        withscores: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let head = existing(o)?;
        let ranks = by_rank(head, from, to);
        let members = u64::from(head.members);
        let ranks = members - ranks.end..members - ranks.start;
        list(o, head, ranks, true, scored(withscores)?, out)
    }

    /// Lists the members whose score is between two bounds. With offset and count, leaves out so many of them and lists at
    /// most so many; a count of -1 means all.
    fn rangebyscore(
        o: &Object,
        min: &[u8],
        max: &[u8],
        offset: Option<u64>,
        count: Option<i64>,
        withscores: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let head = existing(o)?;
        let mut ranks = by_score(o, head, min, max)?;
        ranks.start = ranks
            .end
            .min(ranks.start.saturating_add(offset.unwrap_or(0)));
        ranks.end = ranks.end.min(ranks.start.saturating_add(limit(count)));
        list(o, head, ranks, false, scored(withscores)?, out)
    }

    /// The same in descending order; the upper bound comes first.
    fn revrangebyscore(
        o: &Object,
        max: &[u8],
        min: &[u8],
        offset: Option<u64>,
        count: Option<i64>,
        withscores: Option<&[u8]>,
        out: &mut Reply,
    ) -> Result<(), Stop> {
        let head = existing(o)?;
        let mut ranks = by_score(o, head, min, max)?;
        ranks.end = ranks
            .start
            .max(ranks.end.saturating_sub(offset.unwrap_or(0)));
        ranks.start = ranks.start.max(ranks.end.saturating_sub(limit(count)));
        list(o, head, ranks, true, scored(withscores)?, out)
    }

    /// Takes the member of the lowest score, or up to so many, and lists them with their scores.
    fn popmin(o: &mut Object, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        let head = existing(o)?;
        let count = count.unwrap_or(1).min(head.members.into());
        list(o, head, 0..count, false, true, out)?;
        remove(o, head, 0..count)
    }

    /// Takes the member of the highest score, or up to so many, and lists them with their scores.
    fn popmax(o: &mut Object, count: Option<u64>, out: &mut Reply) -> Result<(), Stop> {
        let head = existing(o)?;
        let members = u64::from(head.members);
        let ranks = members.saturating_sub(count.unwrap_or(1))..members;
        list(o, head, ranks.clone(), true, true, out)?;
        remove(o, head, ranks)
    }

    /// Removes members. How many of them were there.
    fn rem(o: &mut Object, member: &[u8], more: Rest) -> Result<u64, Stop> {
        let mut head = existing(o)?;
        let mut removed = 0;
        for member in [member].into_iter().chain(more) {
            let Some(score) = levels::score(o, member)? else {
                continue;
            };
            head.remove(o, &levels::key(score, member))?;
            removed += 1;
        }
        head.store(o);
        Ok(removed)
    }

    /// Removes the members from one rank to another, both included. How many there were.
    fn remrangebyrank(o: &mut Object, from: i64, to: i64) -> Result<u64, Stop> {
        let head = existing(o)?;
        let ranks = by_rank(head, from, to);
        remove(o, head, ranks.clone())?;
        Ok(ranks.end - ranks.start)
    }

    /// Removes the members whose score is between two bounds. How many there were.
    fn remrangebyscore(o: &mut Object, min: &[u8], max: &[u8]) -> Result<u64, Stop> {
        let head = existing(o)?;
        let ranks = by_score(o, head, min, max)?;
        remove(o, head, ranks.clone())?;
        Ok(ranks.end - ranks.start)
    }
}

fn existing(o: &Object) -> Result<Head, Stop> {
    Ok(Head::load(o)?.ok_or(ABSENT)?)
}

fn checked(member: &[u8]) -> Result<&[u8], Error> {
    if member.len() <= MEMBER_BYTES_MAX {
        Ok(member)
    } else {
        Err("member is longer than 65536 bytes".into())
    }
}

fn scored(withscores: Option<&[u8]>) -> Result<bool, Error> {
    match withscores {
        None => Ok(false),
        Some(b"withscores") => Ok(true),
        Some(_) => Err("the last argument is not withscores".into()),
    }
}

/// Most members of a listing: a negative count means all.
fn limit(count: Option<i64>) -> u64 {
    count.map_or(u64::MAX, |count| u64::try_from(count).unwrap_or(u64::MAX))
}

fn rank(o: &Object, head: Head, member: &[u8]) -> Result<u64, Stop> {
    let score = levels::score(o, member)?.ok_or(NOT_FOUND)?;
    head.rank(o, &levels::key(score, member))
}

/// The ranks from one to another, both included, as far as they are there.
fn by_rank(head: Head, from: i64, to: i64) -> Range<u64> {
    let members = i64::from(head.members);
    let from_start = |rank: i64| {
        if rank < 0 {
            members.saturating_add(rank)
        } else {
            rank
        }
    };
    let start = from_start(from).clamp(0, members);
    let end = from_start(to).saturating_add(1).clamp(start, members);
    start.unsigned_abs()..end.unsigned_abs()
}

/// The ranks of the scores between two bounds.
#[inline(never)]
fn by_score(o: &Object, head: Head, min: &[u8], max: &[u8]) -> Result<Range<u64>, Stop> {
    let (min, max) = (bound(min, Side::Min)?, bound(max, Side::Max)?);
    let start = head.rank(o, &min.to_bytes())?;
    let end = if max <= min {
        start
    } else {
        head.rank(o, &max.to_bytes())?
    };
    Ok(start..end.max(start))
}

/// Lists the members of some ranks.
#[inline(never)]
fn list(
    o: &Object,
    head: Head,
    ranks: Range<u64>,
    down: bool,
    scored: bool,
    out: &mut Reply,
) -> Result<(), Stop> {
    if ranks.is_empty() {
        return Ok(());
    }
    levels::each(o, head, &ranks, down, &mut |key| {
        let (score, member) = split(key)?;
        if scored {
            write!(out, "{} ", score.score()).expect("a reply takes everything");
        }
        out.line(member);
        Ok(())
    })
}

/// Removes the members of some ranks.
#[inline(never)]
fn remove(o: &mut Object, mut head: Head, mut ranks: Range<u64>) -> Result<(), Stop> {
    let down = ranks.end == u64::from(head.members);
    while !ranks.is_empty() {
        let some = (ranks.end - ranks.start).min(REMOVED_AT_ONCE);
        let piece = match down {
            true => ranks.end - some..ranks.end,
            false => ranks.start..ranks.start + some,
        };
        let mut keys = Vec::new();
        levels::each(o, head, &piece, down, &mut |key| {
            keys.push(key.to_vec());
            Ok(())
        })?;
        for key in &keys {
            head.remove(o, key)?;
        }
        ranks.end -= some;
    }
    head.store(o);
    Ok(())
}
