//! How fast it is, beside native Lua. Run with `--ignored --nocapture` on a quiet machine.

use crate::host::Client;
use std::process::Command;
use std::time::Instant;

const FIB: &str =
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end";

/// Microseconds for each of `n` calls, the best of many short rounds: between two of them the
/// machine may do something else.
fn each(n: u32, mut call: impl FnMut()) -> f64 {
    let round = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..n {
            call();
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(n)
    };
    (0..200).map(|_| round(&mut call)).fold(f64::MAX, f64::min)
}

#[test]
#[ignore = "a measurement"]
fn calls_take_microseconds() {
    let script = format!(
        "t = {{}} {FIB} function t.fib(c, k) writeStringAsValue(c, k, fib(24)) end \
         function t.nothing(c, k) writeStringAsValue(c, k, 'x') end \
         require('object').type('o', {{ incr = function(self) return self:incr('n') end }})"
    );
    let map = include_str!("../../../../scripts-lua/map.lua");
    let quota = include_str!("../../../../scripts-lua/quota.lua");
    let scripts = [
        ("t.lua", script.as_str()),
        ("map.lua", map),
        ("quota.lua", quota),
    ];
    let mut client = Client::new(&scripts).expect("loads");
    client.value("map:new:m");
    for i in 0..10 {
        client.value(&format!("map:put:m:key{i}:value{i}"));
    }
    client.value("quota:new:q:1e9:day");
    for (n, key) in [
        (100, "t:nothing:x"),
        (100, "o:incr:x"),
        (100, "map:put:m:key3:value"),
        (100, "quota:addandcheck:q:1"),
        (1, "t:fib:x"),
    ] {
        println!("{key}: {:.2} us", each(n, || drop(client.value(key))));
    }
    println!(
        "new instance with its scripts: {:.0} us",
        each(1, || client.host.rebuild().expect("made"))
    );
    let program = format!(
        "{FIB} local best = 1e9 for i = 1, 50 do local t = os.clock() fib(24) best = math.min(best, os.clock() - t) end print(best * 1e6)"
    );
    if let Ok(output) = Command::new("lua5.1").args(["-e", &program]).output() {
        println!(
            "native fib: {} us",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
}
