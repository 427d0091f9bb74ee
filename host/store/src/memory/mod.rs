//! Memory: one arena of words, cut into regions, in which extents and lines of the index are given out.
//!
//! - `os`: the mapping, and the only `unsafe` code. `arena`, `racy`, `word`: words and bytes in it.
//! - `alloc`, `bins`: extents. `nodes`: extents that are nodes of trees. `garbage`: extents freed bit by bit.
//! - `regions`, `uses`: what each region is used for. `growth`, `shrink`: how the index and the limit change that.
//! - `held`, `pins`: extents that must stay where they are.

pub(crate) mod alloc;
pub(crate) mod arena;
mod bins;
pub(crate) mod garbage;
mod growth;
mod held;
pub(crate) mod nodes;
pub(crate) mod os;
pub(crate) mod pins;
mod racy;
pub(crate) mod regions;
mod shrink;
mod uses;
pub(crate) mod word;
