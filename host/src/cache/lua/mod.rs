//! Scripts: how they are loaded, and how they handle the commands of clients under `--lua-main`.

mod handlers;
mod load;

pub(super) use handlers::{by_scripts, get_by_scripts};
pub use load::{Script, ScriptError};
