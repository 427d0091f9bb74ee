//! What differs between what was wanted and what was found.

use std::collections::BTreeMap;

use super::case::Item;
use crate::client::show;

/// Seconds that a test may take between two looks at a lifetime.
const SLOWNESS_S: u32 = 60;

/// Counters by name, or by how much they changed.
pub type Counters = BTreeMap<String, i64>;

/// How the counters have changed, without what `idle` changes by itself.
#[must_use]
pub fn difference(before: &Counters, after: &Counters, idle: &Counters) -> Counters {
    let of = |counters: &Counters, name: &str| counters.get(name).copied().unwrap_or(0);
    let changes = after
        .iter()
        .map(|(name, now)| (name.clone(), now - of(before, name) - of(idle, name)));
    changes.filter(|(_, by)| *by != 0).collect()
}

/// Whether what is left is what was wanted, but for seconds that have passed.
#[must_use]
pub fn is_left(wanted: &Option<Item>, got: &Option<Item>) -> bool {
    match (wanted, got) {
        (Some(wanted), Some(got)) => {
            let seconds = match (wanted.seconds, got.seconds) {
                (Some(wanted), Some(got)) => got <= wanted && got + SLOWNESS_S >= wanted,
                (wanted, got) => wanted == got,
            };
            seconds && wanted.bytes == got.bytes && wanted.flags == got.flags
        }
        (wanted, got) => wanted == got,
    }
}

/// An item for a message.
#[must_use]
pub fn show_item(item: &Option<Item>) -> String {
    match item {
        Some(item) => {
            let (bytes, flags) = (show(&item.bytes), item.flags);
            format!("{bytes}, flags {flags}, seconds {:?}", item.seconds)
        }
        None => "nothing".to_owned(),
    }
}
