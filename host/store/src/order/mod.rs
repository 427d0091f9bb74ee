//! Order: which items were used when, and which leave.
//!
//! - `turn`: the ticks that accesses take. `clock`: when a tick was.
//! - `list`: the lists of a shard, ordered by tick. `tails`: the oldest of each list, and the oldest of all.
//! - `evict`: which items leave when memory is needed. `size_idle`: the policy that looks at sizes.

pub(crate) mod clock;
pub(crate) mod evict;
pub(crate) mod list;
pub(crate) mod size_idle;
pub(crate) mod tails;
pub(crate) mod turn;
