//! How fast the module is, beside native Lua. Run with `--ignored --nocapture` on a quiet machine.

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
}

/// How often a loop calls: long enough for a clock, short enough for the deadline.
const LOOPS: u32 = 500;

/// A script that runs old-style functions unchanged, with config.lua, on stand-ins of the host written
/// in Lua: the script part of a call, the same program for this module and for native Lua.
fn script_part() -> String {
    let quote = |text: &str| format!("[==[\n{text}]==]");
    format!(
        "local texts = {{ {}, {}, {} }} {}",
        quote(include_str!("../../lua/config.lua")),
        quote(include_str!("../../../../scripts-lua/map.lua")),
        quote(include_str!("../../../../scripts-lua/quota.lua")),
        include_str!("speed/stand_ins.lua"),
    )
}

#[test]
#[ignore = "a measurement"]
fn the_script_part_takes_at_most_two_and_a_half_times_native() {
    let script = script_part();
    let mut client = Client::new(&[("bench.lua", script.as_str())]).expect("loads");
    for name in ["map_put", "quota_add"] {
        let ours = each(20, || {
            assert_eq!(client.value(&format!("bench:{name}:{LOOPS}")), "done");
        }) / f64::from(LOOPS);
        let program = format!(
            "function writeStringAsValue() end {script}
             local best = 1e9
             for i = 1, 200 do
               local t = os.clock()
               bench.{name}(nil, nil, {LOOPS})
               best = math.min(best, os.clock() - t)
             end
             print(best * 1e6 / {LOOPS})"
        );
        let output = Command::new("lua5.1").args(["-e", &program]).output();
        let output = output.expect("lua5.1 is installed");
        let native: f64 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let ratio = ours / native;
        println!("{name}: {ours:.2} us, native {native:.2} us, ratio {ratio:.2}");
        assert!(ratio <= 2.5, "{name}: {ratio}");
    }
}
