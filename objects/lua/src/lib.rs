//! The Lua object: a Lua 5.1 interpreter that runs scripts as cache objects.
//!
//! Lua itself is PUC-Rio's 5.1.5, compiled unchanged from C (build.rs, csrc). Around it, from
//! the bottom up: `sys` the doors to Lua and to the host, `api` what scripts see,
//! `interpreter` loading and calling, and here the exports the host calls. `calendar`, `ring`,
//! `virtual_key`, `output`, `command`, `number`, `rules` and `script` are plain Rust and are tested natively; a native
//! build contains nothing else, so that it needs no wasm toolchain. HOST.md is the contract.
#![cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "used by the wasm build")
)]

mod calendar;
mod command;
mod number;
mod output;
mod ring;
mod rules;
mod script;
mod virtual_key;

#[cfg(target_arch = "wasm32")]
mod api;
#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod interpreter;
#[cfg(target_arch = "wasm32")]
mod sys;

#[cfg(test)]
mod tests {
    use cacheismo_lua_contract::{CALL, INTERPRETER, LOAD, MAIN};

    #[test]
    fn the_metadata_has_the_names_of_the_contract() {
        let meta: serde_json::Value =
            serde_json::from_str(include_str!("meta.json")).expect("metadata is JSON");
        assert_eq!(meta["type"], INTERPRETER);
        let functions = meta["functions"].as_array().expect("an array");
        let names: Vec<_> = functions.iter().map(|function| &function["name"]).collect();
        assert_eq!(names, [LOAD, CALL, MAIN]);
    }
}
