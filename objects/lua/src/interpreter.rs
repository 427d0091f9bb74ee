//! The interpreter of this instance: loading scripts, and running their functions.

use crate::api::{self, Slot, object};
use crate::context;
use crate::output;
use crate::rules::Rules;
use crate::script::{self, FIRST, Located, json_string};
use crate::sys::host;
use crate::sys::lua::{ALL, Failure, GLOBALS, Lua, Outcome, kind};
use crate::wire::{Args, split_key};
use std::cell::{Cell, RefCell};
use std::ffi::CString;

thread_local! {
    static LUA: Cell<Option<Lua>> = const { Cell::new(None) };
    static LOADING: RefCell<Loading> = const { RefCell::new(Loading::new()) };
    static HEAP_MARK: Cell<i32> = const { Cell::new(HEAP_KB) };
    static ARGS: Cell<Args<'static>> = const { Cell::new(Args::none()) };
}

/// Stack slots of the main state that stay: the natives run for a call.
const LOAD: i32 = 1;
const CALL: i32 = 2;
const MAIN: i32 = 3;

/// A heap above this is collected whole after the call that grew it: what one call needed is
/// not kept for the next. If that much is in use, twice as much is the next mark.
const HEAP_KB: i32 = 1024;

/// Scripts on their way in.
struct Loading {
    /// (path, text), in order.
    scripts: Vec<(String, &'static [u8])>,
    /// Which of them ran, or are running.
    started: Vec<bool>,
    /// Globals there were before them.
    baseline: Vec<Vec<u8>>,
    /// What was found.
    json: String,
}

impl Loading {
    const fn new() -> Self {
        Self {
            scripts: Vec::new(),
            started: Vec::new(),
            baseline: Vec::new(),
            json: String::new(),
        }
    }
}

/// How a call ended.
pub(crate) enum End {
    /// The answer is in the context's output.
    Answer,
    /// The host was told why it failed.
    Failed,
}

/// `fn:load`: (what the host says, then path and text of each script) to the JSON of HOST.md.
pub(crate) fn load(mut args: Args<'static>) -> String {
    if LUA.get().is_some() {
        return error_json("", 0, "the scripts of this instance are loaded already");
    }
    let Some(lua) = Lua::new() else {
        out_of_memory()
    };
    LUA.set(Some(lua));
    lua.push_native(run_load);
    lua.push_native(run_call);
    lua.push_native(run_main);
    let told = args.next().unwrap_or_default();
    context::with(|c| c.rules.replace(Rules::read(told)));
    let mut scripts = Vec::new();
    while let (Some(path), Some(text)) = (args.next(), args.next()) {
        scripts.push((String::from_utf8_lossy(path).into_owned(), text));
    }
    scripts.sort_by(|a, b| script::rank(&a.0).cmp(&script::rank(&b.0)));
    LOADING.with_borrow_mut(|loading| {
        loading.started = vec![false; scripts.len()];
        loading.scripts = scripts;
    });
    context::with(|c| c.begin(b""));
    let json = match protected(lua, LOAD) {
        Ok(()) => LOADING.with_borrow_mut(|loading| std::mem::take(&mut loading.json)),
        Err(text) => {
            let Located {
                script,
                line,
                message,
            } = script::locate(&text);
            error_json(script.unwrap_or_default(), line, message)
        }
    };
    LOADING.replace(Loading::new());
    lua.collect();
    json
}

fn error_json(script: &str, line: u32, message: &str) -> String {
    format!(
        r#"{{"error":{{"script":{},"line":{line},"message":{}}}}}"#,
        json_string(script),
        json_string(message)
    )
}

/// `fn:call`: (object key, type, function, virtual key, command, numbers, keys [, data]).
pub(crate) fn call(args: Args<'static>) -> End {
    run(args, CALL)
}

/// `fn:main`: ("", entry, command, numbers, keys [, data]).
pub(crate) fn main(args: Args<'static>) -> End {
    run(args, MAIN)
}

fn run(args: Args<'static>, native: i32) -> End {
    let Some(lua) = LUA.get() else {
        host::fail(b"no scripts are loaded");
        return End::Failed;
    };
    ARGS.set(args);
    let result = protected(lua, native);
    if lua.heap_kb() > HEAP_MARK.get() {
        lua.collect();
        HEAP_MARK.set(HEAP_KB.max(2 * lua.heap_kb()));
    }
    match result {
        Ok(()) => End::Answer,
        Err(text) => {
            host::fail(script::client_text(&text).as_bytes());
            End::Failed
        }
    }
}

/// Runs one of our natives on an empty stack; the text of an error.
fn protected(lua: Lua, native: i32) -> Result<(), String> {
    lua.set_top(MAIN);
    lua.push_value(native);
    let result = lua.protected_call(0, 0);
    if result == Err(Failure::Memory) {
        out_of_memory();
    }
    let text = result.map_err(|_| match lua.kind(-1) {
        kind::STRING | kind::NUMBER => String::from_utf8_lossy(lua.bytes(-1)).into_owned(),
        kind::NIL => "nil".to_owned(),
        _ => "(the error is not a string)".to_owned(),
    });
    lua.set_top(MAIN);
    text
}

/// Lua 5.1 does not recover from a full memory: the host makes a new instance.
fn out_of_memory() -> ! {
    host::fail(b"not enough memory");
    host::abandon()
}

/// Prepares the state, runs the scripts, finds their types.
fn run_load(lua: Lua) -> Outcome {
    api::install(lua);
    if lua
        .load(include_bytes!("../lua/prelude.lua"), c"=prelude.lua")
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
    lua.call(3, 0);
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
    let json = describe(lua);
    LOADING.with_borrow_mut(|loading| loading.json = json);
    Ok(0)
}

/// Runs our core.lua or config.lua.
fn run_embedded(lua: Lua, name: &str) {
    let loaded = match name {
        "core.lua" => lua.load(include_bytes!("../lua/core.lua"), c"=core.lua"),
        _ => lua.load(include_bytes!("../lua/config.lua"), c"=config.lua"),
    };
    if loaded.is_err() {
        lua.throw();
    }
    Slot::Legacy.push(lua);
    Slot::Objects.push(lua);
    lua.call(2, 0);
}

/// Marks a script as started; false when it was.
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
    let loaded = if text.starts_with(b"\x1b") {
        lua.push_bytes(
            format!(
                "{}:0: byte code is not accepted",
                name.to_string_lossy().trim_start_matches('@')
            )
            .as_bytes(),
        );
        Err(Failure::Error)
    } else {
        lua.load(text, &name)
    };
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

/// Can it be a part of a virtual key?
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

/// The JSON of everything registered.
fn describe(lua: Lua) -> String {
    let mut types = Vec::new();
    for (slot, style) in [(Slot::Legacy, "legacy"), (Slot::Objects, "object")] {
        slot.push(lua);
        let registry = lua.top();
        lua.push_nil();
        while lua.next(registry) {
            let name = String::from_utf8_lossy(lua.bytes(-2)).into_owned();
            context::with(|c| {
                let protected = style == "object";
                c.rules.borrow_mut().declare(name.as_bytes(), protected);
            });
            let functions: Vec<String> = functions(lua, lua.top())
                .iter()
                .map(|f| {
                    let writes = style == "legacy" || !is_read_only(lua, &name, f);
                    if !writes {
                        let names = (name.clone().into_bytes(), f.clone().into_bytes());
                        context::with(|c| c.read_only.borrow_mut().insert(names));
                    }
                    format!(r#"{{"name":{},"writes":{writes}}}"#, json_string(f))
                })
                .collect();
            types.push(format!(
                r#"{{"name":{},"style":"{style}","functions":[{}]}}"#,
                json_string(&name),
                functions.join(",")
            ));
            lua.pop(1);
        }
        lua.pop(1);
    }
    types.sort();
    format!(r#"{{"types":[{}]}}"#, types.join(","))
}

/// Does `object.type` list the function among those that do not write?
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

/// Takes the command from what is left of the arguments.
fn set_command(args: &mut Args<'static>) -> Option<&'static [u8]> {
    let name = args.next().unwrap_or_default();
    let numbers = args.next().unwrap_or_default();
    let keys = args.next().unwrap_or_default();
    let data = args.next();
    context::with(|c| c.command.borrow_mut().set(name, numbers, keys, data));
    data
}

/// Runs a function of a type.
fn run_call(lua: Lua) -> Outcome {
    let mut args = ARGS.get();
    args.next();
    let type_name = args.next().unwrap_or_default();
    let function = args.next().unwrap_or_default();
    let virtual_key = args.next().unwrap_or_default();
    context::with(|c| {
        c.begin(virtual_key);
        c.called.set((type_name, function));
    });
    let data = set_command(&mut args);

    Slot::Legacy.push(lua);
    lua.raw_field(-1, type_name);
    let legacy = lua.kind(-1) == kind::TABLE;
    if !legacy {
        Slot::Objects.push(lua);
        lua.raw_field(-1, type_name);
        if lua.kind(-1) != kind::TABLE {
            return Ok(0);
        }
    }
    lua.raw_field(-1, function);
    if lua.kind(-1) != kind::FUNCTION {
        return Ok(0);
    }
    let base = lua.top();
    if legacy {
        Slot::Command.push(lua);
        lua.push_bytes(virtual_key);
    } else {
        object::push_this(lua);
    }
    // What a new-style function is called on is not among its arguments.
    let skip = if legacy { 2 } else { 3 };
    for part in split_key(virtual_key).skip(skip).chain(data) {
        if !lua.reserve(4) {
            return Err("too many arguments".into());
        }
        lua.push_bytes(part);
    }
    lua.call(lua.top() - base, if legacy { 0 } else { 1 });
    if !legacy {
        answer(lua, virtual_key)?;
    }
    Ok(0)
}

/// Answers with the result of a new-style function; nil is a miss.
fn answer(lua: Lua, virtual_key: &[u8]) -> Result<(), crate::sys::lua::Raise> {
    match lua.kind(-1) {
        kind::NIL => (),
        kind::STRING | kind::NUMBER => context::with(|c| c.answer(virtual_key, lua.bytes(-1))),
        kind::BOOLEAN => {
            let text: &[u8] = if lua.boolean(-1) { b"true" } else { b"false" };
            context::with(|c| c.answer(virtual_key, text));
        }
        _ => return Err("the result must be a string, a number, a boolean or nil".into()),
    }
    Ok(())
}

/// What a handler returns to have the server execute the command.
const NATIVE: &[u8] = b"native";

/// Runs `mainVirtualKey` or `mainNormal`.
fn run_main(lua: Lua) -> Outcome {
    let mut args = ARGS.get();
    args.next();
    let entry = args.next().unwrap_or_default();
    context::with(|c| c.begin(b""));
    let name = args.clone().next().unwrap_or_default();
    set_command(&mut args);
    lua.raw_field(GLOBALS, entry);
    let mut tag = output::NATIVE;
    if lua.kind(-1) == kind::FUNCTION {
        Slot::Command.push(lua);
        lua.call(1, ALL);
        let closes = lua.top() > 0 && lua.kind(1) == kind::NUMBER && lua.number(1) < 0.0;
        let leaves = lua.top() > 0 && lua.kind(1) == kind::STRING && lua.bytes(1) == NATIVE;
        let silent = context::with(|c| c.output.borrow().is_empty());
        if leaves && !silent {
            return Err("a handler that has written cannot leave the command to the server".into());
        }
        lua.raw_field(GLOBALS, b"core");
        let handled = lua.kind(-1) == kind::TABLE && {
            lua.raw_field(-1, name);
            !lua.is_nil(-1)
        };
        tag = match closes {
            _ if leaves => output::NATIVE,
            true if silent && !handled => output::NATIVE,
            true => output::CLOSE,
            false => output::RAW,
        };
    }
    context::with(|c| c.output.borrow_mut().set_tag(tag));
    Ok(0)
}
