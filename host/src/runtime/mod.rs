//! Wasm modules, their instances and limits. The only room that uses wasmtime.
//!
//! - [`Engine`]: one wasmtime engine, its pool, its cache of compiled code, and the ticker of deadlines;
//! - [`Source`] and [`Registry`]: modules checked and compiled, types found by name, reloads;
//! - [`Instances`]: one thread's warm instances, and [calls](Instances::call) on them;
//! - [`ObjectHost`]: what a call may do beyond its own memory. The cache implements it;
//! - `lua`: the imports of a module that is itself an interpreter;
//! - [`Limits`]: what a call may take; [`lane`] and [`backoff`] decide about slow and broken functions;
//! - [`help`]: text from metadata.
//!
//! Everything a guest or its module chooses is distrusted in five places: `sections` and [`metadata`]
//! (the file), [`bounds`] (its size), `loader` (imports, exports), `guest_memory` (pointers), `state` (amounts).

pub mod backoff;
pub mod bounds;
mod code_cache;
mod deadline;
mod engine;
mod error;
mod guest_memory;
pub mod help;
mod imports;
mod instances;
pub mod lane;
mod limits;
mod loader;
mod lua;
pub mod metadata;
mod object_host;
mod object_type;
mod reach;
mod registry;
mod sections;
mod state;
mod tally;
mod ticker;

pub use deadline::Deadline;
pub use engine::{Engine, EngineOptions};
pub use error::{CallError, LoadError, Refusal, TEXT_BYTES_MAX, Trap, one_line};
pub use instances::{INSTANCES_MAX, Instances, ReplyKind, SETUP_MS_MAX};
pub use limits::{Budget, LINEAR_MEMORY_BYTES_CAP, Limits, LimitsTable, TABLE_ELEMENTS_CAP};
pub use loader::{MODULE_BYTES_MAX, SETUP, Scripted, Source};
pub use object_host::*;
pub use object_type::ObjectType;
pub use registry::{FunctionRef, Registry, TYPES_MAX, Types, TypesReader};
pub use sections::SectionError;
pub use state::{Log, NoLog};
pub use tally::{TIMED_EVERY, TIMED_FIRST, TypeStats};

#[cfg(test)]
pub(crate) mod tests;
