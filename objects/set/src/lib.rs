//! The `set` object: byte strings without duplicates, one field each, so that a member is found,
//! added and removed in O(log n) however large the set is. Listings are in byte order.
#![forbid(unsafe_code)]

use cacheismo_sdk::{Object, ObjectRef, Reply, Rest, Scan, Word};

/// The answer when the set does not exist.
const ABSENT: Word = Word("ERROR_CACHE_MISS");

/// The type.
pub struct Set;

/// A set of byte strings. Every function but new answers ERROR_CACHE_MISS when the set does not
/// exist. Listings are in byte order, each member followed by CRLF.
#[cacheismo_sdk::object(
    name = "set",
    example = "get set:new:fruit set:put:fruit:apple set:getall:fruit"
)]
impl Set {
    /// Makes an empty set, replacing one that exists. CREATED.
    fn new(o: &mut Object) -> Word {
        o.delete();
        o.create();
        Word("CREATED")
    }

    /// Adds a member. SUCCESS, also when it was there.
    fn put(o: &mut Object, member: &[u8]) -> Result<Word, Word> {
        o.update(member, b"").ok_or(ABSENT)?;
        Ok(Word("SUCCESS"))
    }

    /// Looks for a member. EXISTS or NOT_FOUND.
    fn exist(o: &Object, member: &[u8]) -> Result<Word, Word> {
        if o.has(member) {
            return Ok(Word("EXISTS"));
        }
        existing(o)?;
        Ok(Word("NOT_FOUND"))
    }

    /// Removes a member. SUCCESS, also when it was not there.
    fn delete(o: &mut Object, member: &[u8]) -> Result<Word, Word> {
        if !o.remove(member) {
            existing(o)?;
        }
        Ok(Word("SUCCESS"))
    }

    /// Number of members.
    fn count(o: &Object) -> Result<u64, Word> {
        existing(o)?;
        Ok(o.count())
    }

    /// Lists the members.
    fn getall(o: &Object, out: &mut Reply) -> Result<(), Word> {
        existing(o)?;
        let mut members = o.scan();
        while let Some(member) = members.next_key() {
            out.line(member);
        }
        Ok(())
    }

    /// Lists what is in this set or in any of the others.
    fn union(o: &Object, other: &[u8], others: Rest, out: &mut Reply) -> Result<(), Word> {
        let others = open(o, other, others)?;
        let sets = others.iter().map(|set| &**set).chain([o]);
        let mut sets: Vec<Members> = sets.filter_map(Members::new).collect();
        while let Some(least) = sets.iter().map(|set| &set.front).min().cloned() {
            out.line(&least);
            sets.retain_mut(|set| set.front != least || set.step());
        }
        Ok(())
    }

    /// Lists what is in this set and in all of the others.
    fn intersection(o: &Object, other: &[u8], others: Rest, out: &mut Reply) -> Result<(), Word> {
        let others = open(o, other, others)?;
        // Walking the smallest set and asking the others costs what the smallest one costs.
        let smallest = others
            .iter()
            .map(|set| &**set)
            .chain([o])
            .min_by_key(|set| set.count())
            .unwrap_or(o);
        let mut members = smallest.scan();
        while let Some(member) = members.next_key() {
            if o.has(member) && others.iter().all(|set| set.has(member)) {
                out.line(member);
            }
        }
        Ok(())
    }

    /// Lists what is in this set and in none of the others.
    fn difference(o: &Object, other: &[u8], others: Rest, out: &mut Reply) -> Result<(), Word> {
        let others = open(o, other, others)?;
        let mut members = o.scan();
        while let Some(member) = members.next_key() {
            if !others.iter().any(|set| set.has(member)) {
                out.line(member);
            }
        }
        Ok(())
    }
}

fn existing(o: &Object) -> Result<(), Word> {
    if o.exists() { Ok(()) } else { Err(ABSENT) }
}

/// Opens the other sets; all of them and the first must exist.
fn open<'k>(o: &Object, other: &'k [u8], others: Rest<'k>) -> Result<Vec<ObjectRef<'k>>, Word> {
    existing(o)?;
    let sets: Vec<_> = [other]
        .into_iter()
        .chain(others)
        .map(|key| o.open("set", key))
        .collect();
    sets.iter().try_for_each(|set| existing(set))?;
    Ok(sets)
}

/// A set on its way through a merge.
struct Members<'o> {
    scan: Scan<'o>,
    front: Vec<u8>,
}

impl<'o> Members<'o> {
    /// The set at its first member; `None` when it is empty.
    fn new(set: &'o Object) -> Option<Self> {
        let mut members = Self {
            scan: set.scan(),
            front: Vec::new(),
        };
        members.step().then_some(members)
    }

    /// Goes to the next member; false at the end.
    fn step(&mut self) -> bool {
        let next = self.scan.next_key();
        if let Some(member) = next {
            self.front.clear();
            self.front.extend_from_slice(member);
        }
        next.is_some()
    }
}
