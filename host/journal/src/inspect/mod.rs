//! What `cacheismo log` and `cacheismo export` ask of a directory that no server uses: looking, checking, repairing, and
//! lines of JSON that any machine can read. No command line here, and nothing is printed.

mod check;
mod export;
pub mod json;
mod repair;
mod show;
#[cfg(test)]
mod tests;

pub use check::{FileReport, Health, Report, verify};
pub use export::{Exported, ImportError, Imported, export, import};
pub use repair::{RepairError, repair};
pub use show::{Replayed, Seen, Until, replay, show};
