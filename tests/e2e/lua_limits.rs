//! What scripts may take, and what they cannot do to others.

use std::path::Path;
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, refusal, wait_until};

const TYPES: &str = "local object = require 'object'
worker = {}
function worker.fast(command, key) writeStringAsValue(command, key, 'fast') end
function worker.slow(command, key)
  local n = 0
  for i = 1, 1e5 do n = n + i end
  writeStringAsValue(command, key, 'slow')
end
function worker.loop() pcall(function() while true do end end) end
function worker.bomb() local t = {} while true do t[#t + 1] = ('x'):rep(65536) .. #t end end
function worker.print(command, key, name, count)
  for i = 1, tonumber(count) do print('line', i) end
  writeStringAsValue(command, key, 'printed')
end
function worker.write(command, key, name, type)
  command:setKey(type .. '$' .. name)
  command:setData('forged')
  getHashMap():put(command:newCacheItem())
end
function worker.zone(command, key)
  writeStringAsValue(command, key, os.date('%H:%M %Z', 0))
end
function worker.big(command, key, name, size)
  writeStringAsValue(command, key, ('x'):rep(tonumber(size)))
end
function worker.fails(command, key, name)
  getHashMap():delete(name)
  command:setKey(name)
  command:setData('half')
  getHashMap():put(command:newCacheItem())
  error('after writing')
end
local kept
object.type('counter', {
  add = function(self) kept = kept or object.open('counter', 'other') return self:incr('n') end,
  stale = function(self) return kept:get('n') end,
  peek = function(self) return self:incr('n') end,
}, { readonly = { 'peek' } })
";

fn start(options: &[&str]) -> (Server, Scripts) {
    let scripts = Scripts::new("worker.lua", TYPES);
    let server = Server::start(&[options, &["--lua-scripts", scripts.path()]].concat());
    (server, scripts)
}

/// A counter of the interpreter.
fn stat(client: &mut Client, name: &str) -> u64 {
    let stats = client.ask("stats objects\r\n");
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix(&format!("STAT lua:{name} ")));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no lua:{name} in {stats}"))
}

#[test]
fn a_slow_function_goes_to_the_lanes_alone() {
    let (server, _scripts) = start(&["-v", "-t", "1", "--deadline-ms", "5000"]);
    let mut client = server.connect();
    for _ in 0..30 {
        assert_eq!(client.call("worker:slow:x"), "slow");
        assert_eq!(client.call("worker:fast:x"), "fast");
    }
    server.wait_for_log("lua:worker:slow: is slow: its calls move to the lane");
    assert!(
        !server.log().contains("lua:worker:fast"),
        "{}",
        server.log()
    );
}

#[test]
fn a_function_that_keeps_looping_is_paused_alone() {
    let (server, _scripts) = start(&["--deadline-ms", "20"]);
    let mut client = server.connect();
    let paused = wait_until(Duration::from_secs(30), || {
        client.call("worker:loop:x").contains("paused for")
    });
    assert!(paused);
    assert_eq!(client.call("worker:fast:x"), "fast");
}

#[test]
fn memory_and_output_end_a_call_and_nothing_else() {
    let (server, _scripts) = start(&["--deadline-ms", "5000"]);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(
            client.call("worker:bomb:x"),
            "SERVER_ERROR lua worker:bomb: limit of 16777216 bytes of memory reached"
        );
        assert_eq!(client.call("worker:fast:x"), "fast");
    }
    let memory = stat(&mut client, "memory_bytes");
    assert!((1..8 << 20).contains(&memory), "{memory} bytes are kept");
    assert!(stat(&mut client, "limit_stops") >= 3);
}

#[test]
fn a_reply_may_be_as_long_as_a_value() {
    let (server, _scripts) = start(&["--deadline-ms", "5000"]);
    let mut client = server.connect();
    for bytes in [0, 1, 1024, 1025, 500_000, 1 << 20] {
        let value = client.call(&format!("worker:big:x:{bytes}"));
        assert_eq!(value.len(), bytes, "{:.200}", value);
    }
    let refused = client.call(&format!("worker:big:x:{}", 2 << 20));
    assert!(
        refused.starts_with("SERVER_ERROR lua worker:big: limit of "),
        "{refused:.200}"
    );
}

#[test]
fn nothing_of_a_failed_call_is_kept() {
    let (server, _scripts) = start(&[]);
    let mut client = server.connect();
    client.set("k", "whole");
    assert_eq!(
        client.call("worker:fails:k"),
        "SERVER_ERROR lua worker:fails: after writing (worker.lua:31)"
    );
    assert_eq!(client.call("k"), "whole");
}

#[test]
fn what_a_script_may_not_do_is_an_error_it_can_catch() {
    let (server, _scripts) = start(&[]);
    let mut client = server.connect();
    assert_eq!(client.call("set:new:s"), "CREATED");
    let state = "the key names the state of an object";
    for (function, arguments, message) in [
        ("worker:write", "s:set", state),
        ("worker:write", "s:counter", state),
        ("counter:peek", "c", "a read-only function cannot write"),
    ] {
        let answer = client.call(&format!("{function}:{arguments}"));
        assert!(
            answer.starts_with(&format!(
                "SERVER_ERROR lua {function}: {message} (worker.lua:"
            )),
            "{answer}"
        );
    }
    assert_eq!(client.call("counter:add:c"), "1");
    assert!(
        client
            .call("counter:stale:c")
            .contains("the object belongs to an earlier call (worker.lua:"),
    );
    assert_eq!(client.call("set:count:s"), "0");
    assert_eq!(stat(&mut client, "traps"), 0, "none of it cost an instance");
}

#[test]
fn printing_reaches_the_log_and_is_limited() {
    let (server, _scripts) = start(&["-v"]);
    let mut client = server.connect();
    assert_eq!(client.call("worker:print:x:3"), "printed");
    server.wait_for_log("lua: line 3\n");
    assert_eq!(client.call("worker:print:x:1000"), "printed");
    server.wait_for_log("further lines of this call are left out");
    assert!(!server.log().contains("line 21"), "{}", server.log());
}

#[test]
fn a_script_breaks_no_other_of_its_thread() {
    let scripts = Scripts::new("worker.lua", TYPES);
    scripts.write(
        "vandal.lua",
        "vandal = {}
         function vandal.globals() for name in pairs(_G) do if name ~= '_G' then _G[name] = nil end end end
         function vandal.others() worker.fast = nil setmetatable(_G, { __index = error }) end
         function vandal.library() string.format = nil end
         function vandal.code() loadstring(string.dump(vandal.others))() end",
    );
    let server = Server::start(&["-t", "1", "--lua-scripts", scripts.path()]);
    let mut client = server.connect();
    for (function, answer) in [
        ("globals", "END"),
        ("others", "END"),
        (
            "library",
            "SERVER_ERROR lua vandal:library: attempt to change 'string.format', which is read-only (vandal.lua:4)",
        ),
        (
            "code",
            "SERVER_ERROR lua vandal:code: string.dump is not available in cacheismo (vandal.lua:5)",
        ),
    ] {
        let reply = client.ask(format!("get vandal:{function}:x\r\n"));
        assert_eq!(reply, format!("{answer}\r\n"));
        assert_eq!(client.call("worker:fast:x"), "fast", "after {function}");
    }
    scripts.write("vandal.lua", "string.format = nil");
    let refused = refusal(&["--lua-scripts", scripts.path()]);
    let told = "vandal.lua:1: attempt to change 'string.format', which is read-only";
    assert!(refused.log.contains(told), "{refused:?}");
}

#[test]
fn local_time_is_that_of_tz() {
    let scripts = Scripts::new("worker.lua", TYPES);
    let zone = |name: &str| {
        let mut command = Server::command(&["--lua-scripts", scripts.path()]);
        let server = Server::spawn(command.env("TZ", name));
        server.connect().call("worker:zone:x")
    };
    assert_eq!(zone("IST-5:30"), "05:30 IST");
    // Names of zones need the system's database of them.
    if Path::new("/usr/share/zoneinfo/Asia/Kolkata").exists() {
        assert_eq!(zone("Asia/Kolkata"), "05:30 IST");
    }
}

#[test]
fn state_of_old_is_bytes_that_clients_may_take_elsewhere() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts-lua");
    let options = ["--lua-scripts", directory.to_str().expect("text")];
    let (one, two) = (Server::start(&options), Server::start(&options));
    assert!(
        one.log()
            .contains("the script's type map takes the place of the embedded one"),
        "{}",
        one.log()
    );
    let mut client = one.connect();
    client.call("map:new:m");
    client.call("map:put:m:colour:red");
    client.send("get map$m\r\n");
    let reply = client.read_until(b"\r\nEND\r\n");
    let data = reply
        .splitn(2, |byte| *byte == b'\n')
        .nth(1)
        .expect("a block");
    let data = &data[..data.len() - b"\r\nEND\r\n".len()];
    assert_eq!(data[0], 0x8e, "marshal format");
    let mut other = two.connect();
    other.set("map$copy", data);
    assert_eq!(other.call("map:getall:copy"), "colour : red\r\n");
    // Garbage is the script's error, and a client may put it right.
    other.set("map$copy", "garbage");
    assert!(
        other
            .call("map:getall:copy")
            .starts_with("SERVER_ERROR lua map:getall: bad magic (")
    );
    assert_eq!(other.ask("delete map$copy\r\n"), "DELETED\r\n");
    assert_eq!(other.call("map:getall:copy"), "ERROR_CACHE_MISS");
}

#[test]
#[ignore = "long: `make soak` runs it"]
fn a_million_calls_of_scripts_leave_memory_as_it_was() {
    const CALLS: usize = 1_000_000;
    const AT_ONCE: usize = 100;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts-lua");
    let scripts = directory.to_str().expect("text");
    let server = Server::start(&["--lua-scripts", scripts, "-t", "1"]);
    let mut client = server.connect();
    assert_eq!(client.call("map:new:m"), "CREATED");
    assert_eq!(client.call("quota:new:q:1e9:day"), "CREATED");
    let mut run = |calls: usize| {
        for round in 0..calls / AT_ONCE {
            let mut requests = String::new();
            for n in 0..AT_ONCE / 4 {
                let value = "v".repeat((round + n) % 50);
                requests += &format!(
                    "get map:put:m:k{}:{value}\r\nget quota:addandcheck:q:1\r\n\
                     get leaderboard:add:game:player{}:1\r\nget map:getall:m\r\n",
                    n % 10,
                    round % 100,
                );
            }
            client.send(&requests);
            for _ in 0..AT_ONCE {
                let reply = client.reply();
                assert!(reply.ends_with("END\r\n"), "{reply}");
            }
        }
        (stat(&mut client, "memory_bytes"), server.resident_bytes())
    };
    let (interpreter, resident) = run(CALLS / 10);
    let (interpreter_after, resident_after) = run(CALLS);
    assert_eq!(interpreter, interpreter_after);
    let grown = resident_after.saturating_sub(resident);
    assert!(grown < 1 << 20, "{grown} bytes more after a million calls");
}
