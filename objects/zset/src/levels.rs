//! Members in order, and where in that order one is.
//!
//! The store finds a name in its order, but does not know how many names are before it. So some members are *posts*:
//! one in 32 stands on level 1 as well, one in 32 of those on level 2, and so on, and each post knows how many members
//! there are from itself to the next post of its level. A rank is then the sum of what few posts say, some of each level;
//! to add a member is to change one number on each level. A member's hash decides whether it is a post, so nothing ever
//! has to be balanced, and the hash begins with a random number of the object's own, so that nobody can choose
//! members that are all posts, or none.
//!
//! | where | what |
//! | --- | --- |
//! | opaque value | random number (u64), members (u32), highest level (u8, 255 when there is no order), little endian |
//! | field `m`, member | the score, compact |
//! | field `0`, score, member | nothing |
//! | field `1` to `6`, score, member | members from this post to the next (u32, little endian) |
//! | field `1` to `6` alone | members before the first post |
//!
//! A small zset has its `m` fields only, see `flat`. A zset always has a member: the object goes with the last one.

use std::ops::Range;

use cacheismo_sdk::{Object, Scan, Stop, random};

use crate::flat;
use crate::score::{Compact, SCORE_BYTES, Sortable};

/// The refusal when the state is not what this module writes.
pub(crate) const DAMAGED: &str = "the state of this zset is damaged; delete it";

pub(crate) const MEMBER: u8 = b'm';
/// Name of the level on which all members are.
const GROUND: u8 = b'0';
/// As many levels as four billion members need.
const LEVELS_MAX: u8 = 6;
/// One in two to this power stands a level higher.
const POST_BITS: u32 = 5;

/// A score and a member, as a name has them.
pub(crate) type Key = Vec<u8>;

pub(crate) fn key(score: Sortable, member: &[u8]) -> Key {
    [&score.to_bytes(), member].concat()
}

/// Score and member of a key.
pub(crate) fn split(key: &[u8]) -> Result<(Sortable, &[u8]), Stop> {
    let score = Sortable::from_bytes(key).ok_or(DAMAGED)?;
    Ok((score, &key[SCORE_BYTES..]))
}

fn name(level: u8, key: &[u8]) -> Vec<u8> {
    [&[GROUND + level], key].concat()
}

fn member_name(member: &[u8]) -> Vec<u8> {
    [&[MEMBER], member].concat()
}

/// A member's score.
pub(crate) fn score(o: &Object, member: &[u8]) -> Result<Option<Sortable>, Stop> {
    let mut bytes = [0; SCORE_BYTES];
    let Some(length) = o.get_into(&member_name(member), &mut bytes) else {
        return Ok(None);
    };
    let score = bytes.get(..length).and_then(Compact::read);
    Ok(Some(score.ok_or(DAMAGED)?))
}

/// What the opaque value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    seed: u64,
    pub(crate) members: u32,
    /// The highest level; `None` as long as the zset is so small that there is no order.
    top: Option<u8>,
}

/// The highest level as it is stored when there is none.
const FLAT: u8 = 0xff;

impl Head {
    const BYTES: usize = 13;

    /// Of a zset that is about to get its first member.
    pub(crate) fn new() -> Self {
        Self {
            seed: random(),
            members: 0,
            top: None,
        }
    }

    /// Reads it; `None` when there is no zset.
    pub(crate) fn load(o: &Object) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; Self::BYTES];
        let Some(length) = o.value_read(0, &mut bytes) else {
            return Ok(None);
        };
        let head = Self {
            seed: u64::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            members: u32::from_le_bytes(std::array::from_fn(|i| bytes[8 + i])),
            top: Some(bytes[12]).filter(|top| *top != FLAT),
        };
        let levels = head.top.is_none_or(|top| top <= LEVELS_MAX);
        let sound = length == Self::BYTES && head.members > 0 && levels;
        sound.then_some(Some(head)).ok_or(DAMAGED.into())
    }

    /// Stores it; ends the zset when there are no members.
    pub(crate) fn store(self, o: &mut Object) {
        if self.members == 0 {
            o.delete();
            return;
        }
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.members.to_le_bytes());
        bytes[12] = self.top.unwrap_or(FLAT);
        o.set_value(&bytes);
    }

    /// The highest level on which a member stands.
    fn level(self, member: &[u8]) -> u8 {
        let level = hash(self.seed, member).trailing_zeros() / POST_BITS;
        level.min(u32::from(LEVELS_MAX)) as u8
    }

    /// Gives a member a score, whether it is there or not. The head is to be stored.
    #[inline(never)]
    pub(crate) fn put(
        &mut self,
        o: &mut Object,
        member: &[u8],
        old: Option<Sortable>,
        new: Sortable,
    ) -> Result<(), Stop> {
        if old == Some(new) {
            return Ok(());
        }
        let fits = member.len() <= flat::MEMBER_BYTES_MAX
            && (old.is_some() || self.members < flat::MEMBERS_MAX);
        if self.top.is_none() && !fits {
            self.order(o)?;
        }
        if let Some(old) = old {
            self.take_out(o, &key(old, member))?;
        }
        o.put(&member_name(member), Compact::of(new).bytes());
        self.put_in(o, &key(new, member))
    }

    /// Gives a zset that becomes large its order.
    fn order(&mut self, o: &mut Object) -> Result<(), Stop> {
        let keys = flat::keys(o)?;
        let mut stands = Vec::new();
        for key in &keys {
            o.put(&name(0, key), b"");
            stands.push(self.level(split(key)?.1));
        }
        let top = stands.iter().copied().max().unwrap_or(0);
        for level in 1..=top {
            let (mut post, mut count) = (&b""[..], 0);
            for (key, stands) in keys.iter().zip(&stands) {
                if *stands >= level {
                    store(o, level, post, count);
                    (post, count) = (key, 0);
                }
                count += 1;
            }
            store(o, level, post, count);
        }
        self.top = Some(top);
        Ok(())
    }

    /// Removes a member. The head is to be stored.
    pub(crate) fn remove(&mut self, o: &mut Object, key: &[u8]) -> Result<(), Stop> {
        let (_, member) = split(key)?;
        if !o.remove(&member_name(member)) {
            return Err(DAMAGED.into());
        }
        self.take_out(o, key)
    }

    fn put_in(&mut self, o: &mut Object, key: &[u8]) -> Result<(), Stop> {
        let before = self.members;
        self.members = before
            .checked_add(1)
            .ok_or("a zset of that many members does not fit")?;
        let Some(top) = self.top else {
            return Ok(());
        };
        let (_, member) = split(key)?;
        let stands = self.level(member);
        for level in top + 1..=stands {
            store(o, level, b"", before);
        }
        let top = top.max(stands);
        self.top = Some(top);
        o.put(&name(0, key), b"");
        for level in 1..=top {
            let (post, count) = post(o, level, key)?;
            let count = count.checked_add(1).ok_or(DAMAGED)?;
            if level <= stands {
                let before = between(o, level - 1, &post, key)?;
                store(o, level, &post, before);
                store(o, level, key, count.checked_sub(before).ok_or(DAMAGED)?);
            } else {
                store(o, level, &post, count);
            }
        }
        Ok(())
    }

    fn take_out(&mut self, o: &mut Object, key: &[u8]) -> Result<(), Stop> {
        self.members = self.members.checked_sub(1).ok_or(DAMAGED)?;
        let Some(top) = self.top else {
            return Ok(());
        };
        let (_, member) = split(key)?;
        let stands = self.level(member);
        if !o.remove(&name(0, key)) {
            return Err(DAMAGED.into());
        }
        for level in 1..=top {
            let own = if level <= stands {
                leave(o, level, key)?
            } else {
                0
            };
            let (post, count) = post(o, level, key)?;
            let count = u64::from(count) + u64::from(own);
            let count = count
                .checked_sub(1)
                .and_then(|count| u32::try_from(count).ok());
            store(o, level, &post, count.ok_or(DAMAGED)?);
        }
        Ok(())
    }

    /// How many members are before a key, which need not be there.
    #[inline(never)]
    pub(crate) fn rank(self, o: &Object, key: &[u8]) -> Result<u64, Stop> {
        let Some(top) = self.top else {
            return flat::rank(o, key);
        };
        let (mut rank, mut low) = (0, Key::new());
        for level in (1..=top).rev() {
            let mut posts = posts(o, level, &low).until(&name(level, key));
            let mut last = 0;
            while let Some((post, count)) = posts.next_entry() {
                rank += last;
                last = u64::from(number(count)?);
                low.clear();
                low.extend_from_slice(&post[1..]);
            }
        }
        Ok(rank + u64::from(between(o, 0, &low, key)?))
    }

    /// The key of the member that has so many before it.
    #[inline(never)]
    fn select(self, o: &Object, rank: u64) -> Result<Key, Stop> {
        let (mut left, mut low) = (rank, Key::new());
        for level in (1..=self.top.unwrap_or(0)).rev() {
            let mut posts = posts(o, level, &low);
            loop {
                let (post, count) = posts.next_entry().ok_or(DAMAGED)?;
                let count = u64::from(number(count)?);
                if left < count {
                    low.clear();
                    low.extend_from_slice(&post[1..]);
                    break;
                }
                left -= count;
            }
        }
        let mut members = posts(o, 0, &low);
        for _ in 0..left {
            members.next_key().ok_or(DAMAGED)?;
        }
        Ok(members.next_key().ok_or(DAMAGED)?[1..].to_vec())
    }
}

/// What stands on a level, from a key on.
fn posts<'o>(o: &'o Object, level: u8, from: &[u8]) -> Scan<'o> {
    o.scan().prefix(&[GROUND + level]).at(&name(level, from))
}

/// Lends the keys of some ranks, in order or from the last one down.
#[inline(never)]
pub(crate) fn each(
    o: &Object,
    head: Head,
    ranks: &Range<u64>,
    down: bool,
    look: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if head.top.is_some() {
        let mut members = members(o, head, ranks, down)?;
        for _ in ranks.clone() {
            look(&members.next_key().ok_or(DAMAGED)?[1..])?;
        }
        return Ok(());
    }
    let keys = flat::keys(o)?;
    let range = ranks.start as usize..ranks.end as usize;
    let mut keys = keys.get(range).ok_or(DAMAGED)?.iter();
    while let Some(key) = if down { keys.next_back() } else { keys.next() } {
        look(key)?;
    }
    Ok(())
}

/// The members of some ranks, as fields of the ground level, and perhaps more behind them. The ends of a zset are found
/// without counting.
fn members<'o>(
    o: &'o Object,
    head: Head,
    ranks: &Range<u64>,
    down: bool,
) -> Result<Scan<'o>, Stop> {
    if !down {
        let from = match ranks.start {
            0 => Key::new(),
            start => head.select(o, start)?,
        };
        return Ok(posts(o, 0, &from).limit(ranks.end - ranks.start));
    }
    let all = o.scan().reverse().prefix(&[GROUND]);
    let all = all.limit(ranks.end - ranks.start);
    if ranks.end == u64::from(head.members) {
        return Ok(all);
    }
    Ok(all.at(&name(0, &head.select(o, ranks.end - 1)?)))
}

/// The last post of a level that is not behind the key, and how many members it counts.
fn post(o: &Object, level: u8, key: &[u8]) -> Result<(Key, u32), Stop> {
    let mut posts = o
        .scan()
        .reverse()
        .prefix(&[GROUND + level])
        .at(&name(level, key))
        .limit(1);
    let (post, count) = posts.next_entry().ok_or(DAMAGED)?;
    Ok((post[1..].to_vec(), number(count)?))
}

/// How many members there are from one key up to another, counted on a level.
fn between(o: &Object, level: u8, from: &[u8], to: &[u8]) -> Result<u32, Stop> {
    let mut posts = posts(o, level, from).until(&name(level, to));
    let mut sum: u32 = 0;
    if level == 0 {
        while posts.next_key().is_some() {
            sum = sum.saturating_add(1);
        }
    } else {
        while let Some((_, count)) = posts.next_entry() {
            sum = sum.saturating_add(number(count)?);
        }
    }
    Ok(sum)
}

fn store(o: &mut Object, level: u8, post: &[u8], count: u32) {
    o.put(&name(level, post), &count.to_le_bytes());
}

/// Removes a post, and answers how many members it counted.
fn leave(o: &mut Object, level: u8, key: &[u8]) -> Result<u32, Stop> {
    let name = name(level, key);
    let mut bytes = [0; 4];
    if o.get_into(&name, &mut bytes) != Some(bytes.len()) {
        return Err(DAMAGED.into());
    }
    o.remove(&name);
    Ok(u32::from_le_bytes(bytes))
}

fn number(bytes: &[u8]) -> Result<u32, Stop> {
    let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| DAMAGED)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Multiplies and folds word by word, and mixes the end well: its low bits decide.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(ODD);
        product ^ (product >> 29)
    };
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let hash = words.fold(mix(seed, bytes.len() as u64), mix);
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}
