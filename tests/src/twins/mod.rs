//! The twin test's parts: one operation, played in every dialect that has it, must answer, count, tell watchers and
//! leave the same.
//!
//! - [`operation`]: operations and answers in no dialect's words.
//! - [`text`], [`meta`], [`binary`]: an operation as bytes, and bytes as an answer.
//! - [`dialect`]: the dialects, and the ways that requests travel.
//! - [`case`]: an operation with what it must come to.
//! - [`plain`], [`calls`], [`names`]: the cases on plain keys, virtual keys and names of objects.
//! - [`compare`]: what differs from what was wanted.
//! - [`stage`]: a server with a neutral channel and a watcher, on which a case is played.

pub mod binary;
pub mod calls;
pub mod case;
pub mod compare;
pub mod dialect;
pub mod meta;
pub mod names;
pub mod operation;
pub mod plain;
pub mod stage;
pub mod text;
