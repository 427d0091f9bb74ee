//! The interpreter of this instance: loading scripts, and running their functions.

use crate::context;
use crate::rules::Rules;
use crate::script::{self, Located};
use crate::sys::host;
use crate::sys::lua::{Failure, Lua, kind};
use cacheismo_lua_contract::{Call, Load, Loaded, LoadedError, Main};
use cacheismo_sdk::sys::Args;
use calls::{run_call, run_main};
use loading::{LOADING, Loading, run_load};
use std::cell::Cell;

mod calls;
mod loading;

thread_local! {
    static LUA: Cell<Option<Lua>> = const { Cell::new(None) };
    static HEAP_MARK: Cell<i32> = const { Cell::new(HEAP_KB) };
    /// The call that [`run_call`] is to run.
    static CALLED: Cell<Option<Call<'static>>> = const { Cell::new(None) };
    /// The command that [`run_main`] is to run.
    static COMMAND: Cell<Option<Main<'static>>> = const { Cell::new(None) };
}

/// Stack slots of the main state that stay: the natives run for a call.
const LOAD: i32 = 1;
const CALL: i32 = 2;
const MAIN: i32 = 3;

/// A heap above this is collected whole after the call that grew it: what one call needed is
/// not kept for the next. If that much is in use, twice as much is the next mark.
const HEAP_KB: i32 = 1024;

/// How a call ended.
pub(crate) enum End {
    /// The answer is in the context's output.
    Answer,
    /// The host was told why it failed.
    Failed,
}

/// `fn:load`: runs the scripts, once; the JSON of what they define.
pub(crate) fn load(args: Args<'static>) -> String {
    if LUA.get().is_some() {
        return refused("", 0, "the scripts of this instance are loaded already");
    }
    let Some(told) = Load::read(args) else {
        return refused("", 0, NOT_OF_THE_CONTRACT);
    };
    let Some(lua) = Lua::new() else {
        out_of_memory()
    };
    LUA.set(Some(lua));
    lua.push_native(run_load);
    lua.push_native(run_call);
    lua.push_native(run_main);
    context::with(|c| c.rules.replace(Rules::told(&told.rules)));
    let path = |path| String::from_utf8_lossy(path).into_owned();
    let mut scripts: Vec<_> = told
        .scripts
        .into_iter()
        .map(|(name, text)| (path(name), text))
        .collect();
    scripts.sort_by(|a, b| script::rank(&a.0).cmp(&script::rank(&b.0)));
    LOADING.with_borrow_mut(|loading| {
        loading.started = vec![false; scripts.len()];
        loading.scripts = scripts;
    });
    context::with(|c| c.begin(b""));
    let json = match protected(lua, LOAD) {
        Ok(()) => LOADING.with_borrow_mut(|loading| loading.types().to_json()),
        Err(text) => {
            let Located {
                script,
                line,
                message,
            } = script::locate(&text);
            refused(script.unwrap_or_default(), line, message)
        }
    };
    LOADING.replace(Loading::new());
    lua.collect();
    json
}

/// Why arguments are refused. Only a host of another version sends such.
const NOT_OF_THE_CONTRACT: &str = "the arguments are not those of the contract";

fn refused(script: &str, line: u32, message: &str) -> String {
    let error = LoadedError {
        script: script.to_owned(),
        line,
        message: message.to_owned(),
    };
    Loaded::Error(error).to_json()
}

/// `fn:call`: runs a function of a type.
pub(crate) fn call(args: Args<'static>) -> End {
    let call = Call::read(args);
    CALLED.set(call);
    run(call.is_some(), CALL)
}

/// `fn:main`: runs the scripts' handler of commands.
pub(crate) fn main(args: Args<'static>) -> End {
    let command = Main::read(args);
    COMMAND.set(command);
    run(command.is_some(), MAIN)
}

/// Runs one of our natives for a call, whose arguments are `understood`.
fn run(understood: bool, native: i32) -> End {
    let Some(lua) = LUA.get() else {
        host::fail(b"no scripts are loaded");
        return End::Failed;
    };
    if !understood {
        host::fail(NOT_OF_THE_CONTRACT.as_bytes());
        return End::Failed;
    }
    let result = protected(lua, native);
    if lua.heap_kb() > HEAP_MARK.get() {
        lua.collect();
        HEAP_MARK.set(HEAP_KB.max(2 * lua.heap_kb()));
    }
    // This comes after the collection, which may run finalizers of scripts.
    lua.guard_end();
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
