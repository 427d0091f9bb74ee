//! Running the scripts of a new state, and finding the types they define.

use crate::api::{self, Slot, object};
use crate::context;
use crate::script::{self, FIRST};
use crate::sys::lua::{GLOBALS, Lua, Outcome, kind};
use cacheismo_lua_contract::{Loaded, LoadedFunction, LoadedType, Style};
use std::cell::RefCell;
use std::ffi::CString;

thread_local! {
    pub(super) static LOADING: RefCell<Loading> = const { RefCell::new(Loading::new()) };
}

/// The scripts that are being loaded.
pub(super) struct Loading {
    /// Path and text of each script, in order.
    pub(super) scripts: Vec<(String, &'static [u8])>,
    /// Whether each script ran, or is running.
    pub(super) started: Vec<bool>,
    /// Names of the globals there were before the scripts.
    baseline: Vec<Vec<u8>>,
    /// The types that were found.
    types: Vec<LoadedType>,
}

impl Loading {
    pub(super) const fn new() -> Self {
        Self {
            scripts: Vec::new(),
            started: Vec::new(),
            baseline: Vec::new(),
            types: Vec::new(),
        }
    }

    /// The types that were found, for the host.
    pub(super) fn types(&mut self) -> Loaded {
        Loaded::Types(std::mem::take(&mut self.types))
    }
}

/// Prepares the state, runs the scripts, finds their types.
pub(super) fn run_load(lua: Lua) -> Outcome {
    api::install(lua);
    if lua
        .load(include_bytes!("../../lua/prelude.lua"), c"=prelude.lua")
        .is_err()
    {
        lua.throw();
    }
    object::push_module(lua);
    lua.push_table(0, 2);
    for (name, slot) in [("objects", Slot::Objects), ("options", Slot::Options)] {
        lua.push_bytes(name.as_bytes());
        slot.push(lua);
        lua.raw_set(-3);
    }
    lua.push_native(pending);
    lua.call(3, 2);
    lua.guard_load();
    note_baseline(lua);
    for name in FIRST {
        if !LOADING.with_borrow(|l| l.scripts.iter().any(|(p, _)| script::file_name(p) == name)) {
            run_embedded(lua, name);
        }
    }
    let count = LOADING.with_borrow(|l| l.scripts.len());
    for index in 0..count {
        if start(index) {
            push_script(lua, index);
            lua.call(0, 0);
        }
    }
    find_legacy(lua);
    let types = describe(lua);
    lua.guard_calls();
    LOADING.with_borrow_mut(|loading| loading.types = types);
    Ok(0)
}

/// Runs our core.lua or config.lua.
fn run_embedded(lua: Lua, name: &str) {
    let loaded = match name {
        "core.lua" => lua.load(include_bytes!("../../lua/core.lua"), c"=core.lua"),
        _ => lua.load(include_bytes!("../../lua/config.lua"), c"=config.lua"),
    };
    if loaded.is_err() {
        lua.throw();
    }
    Slot::Legacy.push(lua);
    Slot::Objects.push(lua);
    lua.call(2, 0);
}

/// Marks a script as started; false when it was marked already.
fn start(index: usize) -> bool {
    LOADING.with_borrow_mut(|l| !std::mem::replace(&mut l.started[index], true))
}

/// Pushes the function of a script. *Raises* its syntax error.
fn push_script(lua: Lua, index: usize) {
    let (name, text) = LOADING.with_borrow(|l| {
        let (path, text) = &l.scripts[index];
        (CString::new(format!("@{path}")).unwrap_or_default(), *text)
    });
    // A first line for a shell is not Lua; its line end stays, for the count of lines.
    let shell = text.starts_with(b"#");
    let skip = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let text = if shell { &text[skip..] } else { text };
    let loaded = lua.load(text, &name);
    drop(name);
    if loaded.is_err() {
        lua.throw();
    }
}

/// `pending(name)`: the function of a script of the directory, for `require`; nil if none.
fn pending(lua: Lua) -> Outcome {
    let index = {
        let name = lua.check_bytes(1);
        LOADING.with_borrow(|l| {
            l.scripts.iter().position(|(path, _)| {
                script::file_name(path)
                    .strip_suffix(".lua")
                    .is_some_and(|n| n.as_bytes() == name)
            })
        })
    };
    match index {
        Some(index) if start(index) => push_script(lua, index),
        Some(_) => lua.push_native(|lua: Lua| {
            lua.push_boolean(true);
            Ok(1)
        }),
        None => lua.push_nil(),
    }
    Ok(1)
}

/// Remembers which globals there are.
fn note_baseline(lua: Lua) {
    let mut names = vec![b"core".to_vec(), b"package".to_vec()];
    lua.push_nil();
    while lua.next(GLOBALS) {
        if lua.kind(-2) == kind::STRING {
            names.push(lua.bytes(-2).to_vec());
        }
        lua.pop(1);
    }
    names.sort();
    LOADING.with_borrow_mut(|loading| loading.baseline = names);
}

/// Longest name of a type or function.
const NAME_BYTES_MAX: usize = 200;

/// Whether the name can be a part of a virtual key.
fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX && name.iter().all(|b| *b > b' ' && *b != 0x7f && *b != b':')
}

/// Registers every new global table that holds a function.
fn find_legacy(lua: Lua) {
    Slot::Legacy.push(lua);
    let registry = lua.top();
    lua.push_nil();
    while lua.next(GLOBALS) {
        let known = |name: &[u8]| {
            LOADING.with_borrow(|l| {
                l.baseline
                    .binary_search_by(|n| n.as_slice().cmp(name))
                    .is_ok()
            })
        };
        let named = lua.kind(-2) == kind::STRING && is_name(lua.bytes(-2)) && !known(lua.bytes(-2));
        if named && lua.kind(-1) == kind::TABLE && !functions(lua, lua.top()).is_empty() {
            lua.push_value(-2);
            lua.push_value(-2);
            lua.raw_set(registry);
        }
        lua.pop(1);
    }
    lua.pop(1);
}

/// Names of the functions in the table at `index`, sorted.
fn functions(lua: Lua, index: i32) -> Vec<String> {
    let mut names = Vec::new();
    lua.push_nil();
    while lua.next(index) {
        if lua.kind(-1) == kind::FUNCTION
            && lua.kind(-2) == kind::STRING
            && is_name(lua.bytes(-2))
            && let Ok(name) = std::str::from_utf8(lua.bytes(-2))
        {
            names.push(name.to_owned());
        }
        lua.pop(1);
    }
    names.sort();
    names
}

/// Everything registered, by name.
fn describe(lua: Lua) -> Vec<LoadedType> {
    let mut types = Vec::new();
    for (slot, style) in [
        (Slot::Legacy, Style::Legacy),
        (Slot::Objects, Style::Object),
    ] {
        slot.push(lua);
        let registry = lua.top();
        lua.push_nil();
        while lua.next(registry) {
            let name = String::from_utf8_lossy(lua.bytes(-2)).into_owned();
            context::with(|c| {
                let protected = style == Style::Object;
                c.rules.borrow_mut().declare(name.as_bytes(), protected);
            });
            let functions = functions(lua, lua.top())
                .into_iter()
                .map(|function| describe_function(lua, &name, style, function))
                .collect();
            // In order as they come: a sort of these would be another 10 KB of the module.
            let at = types.partition_point(|of: &LoadedType| of.name <= name);
            let found = LoadedType {
                name,
                style,
                functions,
            };
            types.insert(at, found);
            lua.pop(1);
        }
        lua.pop(1);
    }
    types
}

/// A function of a type, which is remembered if it does not write.
fn describe_function(lua: Lua, type_name: &str, style: Style, name: String) -> LoadedFunction {
    let writes = style == Style::Legacy || !is_read_only(lua, type_name, &name);
    if !writes {
        let names = (type_name.as_bytes().to_vec(), name.clone().into_bytes());
        context::with(|c| c.read_only.borrow_mut().insert(names));
    }
    LoadedFunction { name, writes }
}

/// Whether `object.type` lists the function among those that do not write.
fn is_read_only(lua: Lua, type_name: &str, function: &str) -> bool {
    let top = lua.top();
    Slot::Options.push(lua);
    lua.raw_field(-1, type_name.as_bytes());
    let mut found = false;
    if lua.kind(-1) == kind::TABLE {
        lua.raw_field(-1, b"readonly");
        for n in 1.. {
            if lua.kind(top + 3) != kind::TABLE {
                break;
            }
            lua.raw_get_index(top + 3, n);
            if lua.is_nil(-1) {
                break;
            }
            found |= lua.kind(-1) == kind::STRING && lua.bytes(-1) == function.as_bytes();
            lua.pop(1);
        }
    }
    lua.set_top(top);
    found
}
