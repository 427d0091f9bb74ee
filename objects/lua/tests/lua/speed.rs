//! How fast it is, beside native Lua. Run with `--ignored --nocapture` on a quiet machine.

use crate::host::Client;
use std::process::Command;

const FIB: &str =
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end";

/// CPU time of this thread in seconds: other load on the machine does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let ns: f64 = text
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    ns / 1e9
}

/// Microseconds of CPU for each of `n` calls, the best of ten rounds. The clock is that of
/// the scheduler's ticks, so a round has to last some of them.
fn each(n: u32, mut call: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..10 {
        let start = cpu_seconds();
        for _ in 0..n {
            call();
        }
        best = best.min((cpu_seconds() - start) * 1e6 / f64::from(n));
    }
    best
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
        (20_000, "t:nothing:x"),
        (20_000, "o:incr:x"),
        (20_000, "map:put:m:key3:value"),
        (20_000, "quota:addandcheck:q:1"),
        (10, "t:fib:x"),
    ] {
        println!("{key}: {:.2} us", each(n, || drop(client.value(key))));
    }
    println!(
        "new instance with its scripts: {:.0} us",
        each(100, || client.host.rebuild().expect("made"))
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
