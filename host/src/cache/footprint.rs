//! What a command touches, so that no other overtakes it where their order makes a difference.

use super::shared::Shared;
use crate::store::Key;

/// What a command touches, as far as others must not overtake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footprint {
    /// One item or object, by its hash.
    One(u64),
    /// One plain item, by its hash.
    Item(u64),
    /// Any objects, but no plain item.
    Objects,
    /// Anything.
    All,
    /// Nothing that commands change.
    Nothing,
}

impl Footprint {
    /// The footprint of a command on the item or object of that name.
    pub(super) fn of_key(shared: &Shared, key: Key<'_>) -> Footprint {
        match shared.is_object_name(key.bytes) {
            true => Footprint::One(key.hash),
            false => Footprint::Item(key.hash),
        }
    }

    /// Whether the order of two commands with these footprints makes a difference.
    pub(super) fn meets(self, other: Footprint) -> bool {
        use Footprint::{All, Item, Nothing, Objects, One};
        match (self, other) {
            (Nothing, _) | (_, Nothing) => false,
            (All, _) | (_, All) => true,
            (Item(_), Objects) | (Objects, Item(_)) => false,
            (Objects, _) | (_, Objects) => true,
            (One(a) | Item(a), One(b) | Item(b)) => a == b,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Footprint::{All, Item, Nothing, Objects, One};

    #[test]
    fn footprints_meet_where_order_matters() {
        for (a, b, meet) in [
            (All, Item(1), true),
            (All, All, true),
            (Item(1), Item(1), true),
            (Item(1), Item(2), false),
            (Item(1), Objects, false),
            (One(1), Objects, true),
            (Objects, Objects, true),
            (One(1), One(2), false),
            (One(1), Item(1), true),
            (Nothing, All, false),
        ] {
            assert_eq!(a.meets(b), meet, "{a:?} and {b:?}");
            assert_eq!(b.meets(a), meet, "{b:?} and {a:?}");
        }
    }
}
