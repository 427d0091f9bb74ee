//! A small zset has no order of its own: its members are put in order when somebody asks. That takes half of the memory, and
//! to add a member is to set one field.

use cacheismo_sdk::{Object, Scan, Stop};

use crate::levels::{DAMAGED, Key, MEMBER, key};
use crate::score::{Compact, SCORE_BYTES, Sortable};

/// A zset of more members is kept in order.
pub(crate) const MEMBERS_MAX: u32 = 128;
/// A zset with a longer member is kept in order, too: all members are read for each question.
pub(crate) const MEMBER_BYTES_MAX: usize = 64;

fn members<'o>(o: &'o Object) -> Scan<'o> {
    o.scan().prefix(&[MEMBER]).limit(u64::from(MEMBERS_MAX))
}

/// Score and member of a field.
fn read<'f>(name: &'f [u8], score: &[u8]) -> Result<(Sortable, &'f [u8]), Stop> {
    let score = Compact::read(score).ok_or(DAMAGED)?;
    Ok((score, name.get(1..).ok_or(DAMAGED)?))
}

/// All members in order.
pub(crate) fn keys(o: &Object) -> Result<Vec<Key>, Stop> {
    let mut keys = Vec::new();
    let mut members = members(o);
    while let Some((name, score)) = members.next_entry() {
        let (score, member) = read(name, score)?;
        keys.push(key(score, member));
    }
    keys.sort_unstable();
    Ok(keys)
}

/// How many members are before a key.
pub(crate) fn rank(o: &Object, key: &[u8]) -> Result<u64, Stop> {
    let (wanted, wanted_member) = key.split_at_checked(SCORE_BYTES).ok_or(DAMAGED)?;
    let mut before = 0;
    let mut members = members(o);
    while let Some((name, score)) = members.next_entry() {
        let (score, member) = read(name, score)?;
        before += u64::from((&score.to_bytes()[..], member) < (wanted, wanted_member));
    }
    Ok(before)
}
