//! Scripts that mean harm, or do it by mistake: every call ends, and the next one works.

use crate::host::{Answer, Client, MEMORY_BYTES_MAX};

const SCRIPT: &str = r#"
t = {}
function t.ok(c, k) writeStringAsValue(c, k, "ok") end
function t.loop() while true do end end
function t.pcall() while true do pcall(function() while true do end end) end end
function t.pattern() return (("a"):rep(40000)):find(("a-"):rep(30) .. "b") end
function t.deepPattern() return (("a"):rep(200000)):find(("a?"):rep(200000) .. "b") end
function t.rep() local s = "x" for i = 1, 40 do s = s:rep(10) end end
function t.table() local t = {} for i = 1, 1e9 do t[i] = { i } end end
function t.recursion() local function f() return 1 + f() end return f() end
function t.index() local m = {} m.__index = function(t, k) return t[k .. k] end return setmetatable({}, m).x end
function t.meta() local m = {} m.__add = function(a, b) return a + b end local x = setmetatable({}, m) return x + x end
function t.tostring() local m = {} m.__tostring = function(x) return tostring(x) end return tostring(setmetatable({}, m)) end
function t.coroutines()
  local function nest() local co = coroutine.wrap(nest) return co() end
  return nest()
end
function t.manyCoroutines() local all = {} while true do all[#all + 1] = coroutine.create(function() coroutine.yield() end) coroutine.resume(all[#all]) end end
function t.gsub() return (("x"):rep(1000)):gsub("x", function() return t.gsub() end) end
function t.sort() local a = {} for i = 1, 1000 do a[i] = i end table.sort(a, function() return true end) end
function t.error() return error(setmetatable({}, { __tostring = function() error("again") end })) end
function t.load() return loadstring(("("):rep(100000)) end
function t.concat() local s = "" while true do s = s .. ("x"):rep(100000) end end
function t.catchMemory() pcall(t.table) t.ok() end
function t.xpcall() return xpcall(function() error("x") end, function() error("y") end) end
function t.output(c) while true do c:writeString(("x"):rep(65536)) end end
function t.scratch(c) while true do table.marshal({ ("x"):rep(1e6) }) end end
function t.gc() local p = newproxy(true) getmetatable(p).__gc = function() while true do end end p = nil collectgarbage() end
function t.dump() return loadstring(string.dump(t.loop))() end
function t.command() Command.writeString = nil Command.getKey = nil end
function t.globals() for k in pairs(_G) do if k ~= "_G" then _G[k] = nil end end end
"#;

/// How a function ends: by an error of the script with this in its text, or by a trap.
enum End {
    Error(&'static str),
    Trap(&'static str),
    Either,
}

#[test]
fn every_call_ends_and_the_next_works() {
    use End::{Either, Error, Trap};
    let mut client = Client::new(&[("t.lua", SCRIPT)]).expect("loads");
    for (function, end) in [
        ("loop", Trap("Interrupt")),
        ("pcall", Trap("Interrupt")),
        ("pattern", Trap("Interrupt")),
        ("deepPattern", Either),
        ("rep", Either),
        ("table", Trap("not enough memory")),
        ("recursion", Error("stack overflow")),
        ("index", Either),
        ("meta", Error("C stack overflow")),
        ("tostring", Error("C stack overflow")),
        ("coroutines", Error("t.lua:15")),
        ("manyCoroutines", Either),
        ("gsub", Error("C stack overflow")),
        ("sort", Error("invalid order function")),
        ("error", Error("not a string")),
        ("load", Either),
        ("concat", Either),
        ("catchMemory", Either),
        ("xpcall", Either),
        ("output", Either),
        ("scratch", Trap("Interrupt")),
        ("gc", Trap("Interrupt")),
        (
            "dump",
            Error("string.dump is not available in cacheismo (t.lua:29)"),
        ),
    ] {
        let key = format!("t:{function}:x");
        let started = std::time::Instant::now();
        let answer = client
            .call(&key, &[&key], None)
            .expect("a function of the type");
        let wrong = match (&end, &answer) {
            (Error(text), Answer::Failed(is)) | (Trap(text), Answer::Trapped(is)) => {
                !is.contains(text)
            }
            (Either, _) => false,
            _ => true,
        };
        assert!(!wrong, "{function}: {answer:?}");
        assert!(
            started.elapsed().as_secs() < 60,
            "{function} took {:?}",
            started.elapsed()
        );
        assert!(client.host.memory_bytes() <= MEMORY_BYTES_MAX);
        assert_eq!(client.value("t:ok:x"), "ok", "after {function}");
    }
}

/// A type of somebody else, which uses what scripts share.
const VICTIM: &str = r#"
victim = { greeting = "hello", words = { "a" } }
setmetatable(victim.words, { __index = { more = "b" } })
function victim.f(c, k, o)
  for _, name in ipairs { "string", "table", "math", "os" } do assert(package.loaded[name] == _G[name]) end
  assert(accidental == nil and rawget(_G, "accidental") == nil and getmetatable(_G) == nil)
  assert(getfenv(0) == _G and getfenv(victim.g) == _G and getfenv(1) == _G)
  local text = ("%s %d"):format(victim.greeting, math.floor(#table.concat(victim.words)))
  assert(tostring(5) == "5" and next(victim.words) == 1 and ("x"):rep(2) == "xx" and type(os.time()) == "number")
  writeStringAsValue(c, k, victim.g(text .. victim.words.more .. o))
end
function victim.g(text) return tostring(text) end
require("object").type("o", { f = function(self) return "o " .. victim.greeting end })
"#;

/// The attacker runs Lua that comes with the call, within a `pcall` as it would.
const ATTACKER: &str = r#"
attacker = {}
local pcall, assert, loadstring, tostring, write = pcall, assert, loadstring, tostring, writeStringAsValue
function attacker.run(c, k, o, code)
  local ok, message = pcall(assert(loadstring(code, "=code")))
  write(c, k, tostring(ok) .. " " .. tostring(message))
end
"#;

fn attack(client: &mut Client, code: &str) -> String {
    let key = "attacker:run:x";
    match client.call(key, &[key], Some(code.as_bytes())) {
        Some(Answer::Reply(reply)) => String::from_utf8_lossy(&reply).into_owned(),
        other => panic!("{code}: {other:?}"),
    }
}

#[test]
fn what_a_call_changes_of_what_scripts_share_ends_with_it() {
    let scripts = [("attacker.lua", ATTACKER), ("victim.lua", VICTIM)];
    let mut client = Client::new(&scripts).expect("loads");
    for code in [
        "accidental = 1",
        "tostring = nil",
        "string = { rep = string.rep }",
        "for name in pairs(_G) do if name ~= '_G' then _G[name] = nil end end",
        "rawset(_G, 'table', 5) rawset(_G, 'writeStringAsValue', print)",
        "victim.f = nil victim.g = nil victim.greeting = 'bye' victim = nil",
        "table.insert(victim.words, 'more') table.insert(victim.words, 1, 'more')",
        "table.remove(victim.words) table.sort(victim, function() return false end)",
        "setmetatable(victim.words, nil) setmetatable(_G, { __index = function() return 5 end })",
        "getmetatable(victim.words).__index.more = 'c' getmetatable(victim.words).__index = nil",
        "setfenv(victim.g, {}) setfenv(victim.f, { writeStringAsValue = print })",
        "setfenv(0, {})",
        "coroutine.wrap(function() setfenv(0, {}) victim.greeting = 'bye' tostring = nil end)()",
        "package.loaded.string = {} package.loaded.object = nil package.preload = nil package = nil",
        "for i = 1, 1000 do accidental = { i } _G['name' .. i] = i victim.words[i] = i end",
        "core.get, core.set, mainVirtualKey, handleGET = nil",
        "accidental = 1 error('after that')",
        "local p = newproxy(true) getmetatable(p).__gc = function() victim.greeting = 'bye' end p = nil collectgarbage()",
    ] {
        attack(&mut client, code);
        assert_eq!(client.value("victim:f:x"), "hello 1bx", "after {code}");
        assert_eq!(client.value("o:f:x"), "o hello", "after {code}");
    }
    assert_eq!(attack(&mut client, "collectgarbage('stop')"), "Vtrue nil");
    for _ in 0..2000 {
        let garbage = "local t = {} for i = 1, 1000 do t[i] = { i } end";
        assert_eq!(attack(&mut client, garbage), "Vtrue nil");
    }
    assert!(client.host.memory_bytes() < 8 << 20);
}

#[test]
fn the_library_is_read_only() {
    let scripts = [("attacker.lua", ATTACKER), ("victim.lua", VICTIM)];
    let mut client = Client::new(&scripts).expect("loads");
    for (code, name) in [
        ("string.format = nil", "string.format"),
        ("string.mine = 5", "string.mine"),
        ("function table.concat() end", "table.concat"),
        ("math[1] = 5", "math"),
        ("rawset(os, 'time', print)", "os.time"),
        ("table.insert(coroutine, 5)", "coroutine"),
        ("setmetatable(debug, {})", "debug"),
        ("Command.writeString = nil", "Command.writeString"),
        ("CacheItem.__index = nil", "CacheItem.__index"),
        (
            "getmetatable('').__index = nil",
            "the metatable of strings.__index",
        ),
        ("getmetatable(getHashMap()).get = nil", "HashMap.get"),
        ("require('object').open = nil", "object.open"),
        (
            "setmetatable(victim, { __newindex = string }) victim.new = 5",
            "string.new",
        ),
    ] {
        let text = format!("Vfalse code:1: attempt to change '{name}', which is read-only");
        let from_c = text.replace("code:1: ", "");
        let answer = attack(&mut client, code);
        assert!(answer == text || answer == from_c, "{code}: {answer}");
        assert_eq!(client.value("victim:f:x"), "hello 1bx", "after {code}");
    }
    for (code, text) in [
        (
            "setfenv(require, {})",
            "cannot change environment of given object",
        ),
        (
            "require('object').type('o', {})",
            "object.type: a type is declared once, and while scripts are loaded",
        ),
        (
            "require('object').type('late', {})",
            "object.type: a type is declared once, and while scripts are loaded",
        ),
    ] {
        let answer = attack(&mut client, code);
        assert!(
            answer.starts_with("Vfalse ") && answer.ends_with(text),
            "{code}: {answer}"
        );
    }
    // What changes nothing is no change.
    assert_eq!(
        attack(&mut client, "string.format = string.format"),
        "Vtrue nil"
    );
}

#[test]
fn while_scripts_are_loaded_the_library_grows_but_nothing_of_it_is_replaced() {
    let load = |text: &str| Client::new(&[("a.lua", text), ("victim.lua", VICTIM)]);
    for text in [
        "function string.trim(s) return s end function Command:say(s) self:writeString(s) end",
        "unpack = unpack or table.unpack table.unpack = table.unpack or unpack",
        "package.path = './?.lua' package.loaded.mine = {}",
        "function writeStringAsValue(c, k, v) c:writeString('VALUE ' .. k .. ' 0 ' .. #v .. '\\r\\n' .. v .. '\\r\\n') end",
        "setmetatable(_G, { __index = function(_, name) if name ~= 'accidental' then error(name) end end }) setmetatable(_G, nil)",
        "module('mine', package.seeall) function f() return 5 end",
    ] {
        let mut client = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(client.value("victim:f:x"), "hello 1bx", "with {text}");
    }
    for (text, message) in [
        (
            "string.format = print",
            "attempt to change 'string.format', which is read-only",
        ),
        (
            "string.__index = print",
            "attempt to change 'string.__index', which is read-only",
        ),
        (
            "tostring = print",
            "attempt to change 'tostring', which is read-only",
        ),
        (
            "function print() end",
            "attempt to change 'print', which is read-only",
        ),
        (
            "rawset(_G, 'string', {})",
            "attempt to change 'string', which is read-only",
        ),
        (
            "setmetatable(string, {})",
            "attempt to change 'string', which is read-only",
        ),
        ("setfenv(0, {})", "the table of globals cannot be replaced"),
        (
            "local o = require 'object' o.type('t', {}) o.type('t', {})",
            "object.type: a type is declared once, and while scripts are loaded",
        ),
    ] {
        let Err(error) = load(text) else {
            panic!("{text} is loaded");
        };
        let error = error.to_string();
        let named = error.contains(r#""script":"a.lua","line":1,"#);
        assert!(named && error.contains(message), "{text}: {error}");
    }
}

#[test]
fn byte_code_is_never_run() {
    let mut client = Client::new(&[("attacker.lua", ATTACKER)]).expect("loads");
    for (code, name) in [
        ("return select(2, loadstring('\\27LuaQ'))", "binary string"),
        ("return select(2, loadstring('\\27', '=mine'))", "mine"),
        (
            "return select(2, load(function() return '\\27' end))",
            "(load)",
        ),
    ] {
        let text = format!("Vtrue {name}:0: byte code is not accepted");
        assert_eq!(attack(&mut client, code), text);
    }
}

#[test]
fn memory_stays_flat_over_many_calls() {
    calls(20_000);
}

#[test]
#[ignore = "takes a minute; run before a release"]
fn memory_stays_flat_over_a_million_calls() {
    calls(1_000_000);
}

fn calls(count: u32) {
    let script = include_str!("../../../../scripts-lua/map.lua");
    let mut client = Client::new(&[("map.lua", script)]).expect("loads");
    client.value("map:new:m");
    let mut after_warming = 0;
    for i in 0..count {
        client.value(&format!(
            "map:put:m:k{}:{}",
            i % 10,
            "v".repeat(i as usize % 50)
        ));
        if i % 100 == 0 {
            client.call("map:put:m:", &["map:put:m:"], None);
        }
        if i == count / 10 {
            after_warming = client.host.memory_bytes();
        }
    }
    assert_eq!(client.host.memory_bytes(), after_warming);
    assert!(after_warming < 4 << 20, "{after_warming}");
}
