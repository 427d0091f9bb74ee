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
        ("dump", Trap("Interrupt")),
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

#[test]
fn a_script_can_only_hurt_itself() {
    let mut client = Client::new(&[("t.lua", SCRIPT)]).expect("loads");
    for function in ["command", "globals"] {
        let key = format!("t:{function}:x");
        client.call(&key, &[&key], None);
    }
    assert!(matches!(
        client.call("t:ok:x", &["t:ok:x"], None),
        Some(Answer::Failed(_))
    ));
    client.host.rebuild().expect("a new instance");
    assert_eq!(client.value("t:ok:x"), "ok");
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
