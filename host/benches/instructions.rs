//! The hot paths, for counting their instructions: `make instructions` runs each under callgrind.
//!
//! `instructions PATH` warms up, then calls [`counted`], the only function that is counted. Counts don't depend on
//! who else uses the machine, so a change of some per cent is one of the code.

use std::sync::Arc;
use std::time::Duration;

use cacheismo::cache::{Cache, Config, Connection, Next, Standalone, Worker};
use cacheismo::runtime::{Budget, Engine, EngineOptions, LimitsTable, NoLog, Registry, Source};
use cacheismo::store::{self, Eviction};

/// Requests of one turn, as a pipelining client sends them.
const TURN: usize = 64;
/// Turns counted.
const TURNS: usize = 50;
const ITEMS: usize = 10_000;
/// Rounds of warming up after which the bench stops waiting for calls to come back from the lanes.
const WARM_UPS_MAX: usize = 100;

/// A path: what fills the cache, and the requests of one turn.
struct Path {
    name: &'static str,
    prepare: fn(usize) -> String,
    request: fn(usize) -> String,
}

const VALUE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

const PATHS: [Path; 8] = [
    Path {
        name: "get",
        prepare: |n| format!("set key{n} 0 0 100\r\n{VALUE}\r\n"),
        request: |n| format!("get key{n}\r\n"),
    },
    Path {
        name: "mg",
        prepare: |n| format!("set key{n} 0 0 100\r\n{VALUE}\r\n"),
        request: |n| format!("mg key{n} v\r\n"),
    },
    Path {
        name: "set",
        prepare: |n| format!("set key{n} 0 0 100\r\n{VALUE}\r\n"),
        request: |n| format!("set key{n} 0 0 100\r\n{VALUE}\r\n"),
    },
    Path {
        name: "incr",
        prepare: |n| format!("set key{n} 0 0 4\r\n1000\r\n"),
        request: |n| format!("incr key{n} 1\r\n"),
    },
    Path {
        name: "quota:addandcheck",
        prepare: |n| format!("get quota:new:q{n}:1000000000:month\r\n"),
        request: |n| format!("get quota:addandcheck:q{n}:1\r\n"),
    },
    Path {
        name: "counter:add",
        prepare: |n| format!("get counter:new:c{n}:1000\r\n"),
        request: |n| format!("get counter:add:c{n}:1\r\n"),
    },
    Path {
        name: "set:put",
        prepare: |n| format!("get set:new:s{n}\r\n"),
        request: |n| format!("get set:put:s{n}:member{}\r\n", n % 7),
    },
    Path {
        name: "map:get",
        prepare: |n| format!("get map:new:m{n} map:put:m{n}:field:value\r\n"),
        request: |n| format!("get map:get:m{n}:field\r\n"),
    },
];

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some(path) = PATHS.iter().find(|path| path.name == wanted) else {
        // `cargo bench`, too, comes here: it gets the names, for whoever counts.
        PATHS.iter().for_each(|path| println!("{}", path.name));
        return;
    };
    let mut worker = cache().worker();
    let mut connection = Connection::default();
    let mut out = Vec::with_capacity(1 << 20);
    for n in 0..ITEMS {
        let request = (path.prepare)(n);
        execute(&mut worker, &mut connection, request.as_bytes(), &mut out);
    }
    let turns: Vec<String> = (0..TURNS)
        .map(|turn| {
            let requests = (0..TURN).map(|n| (path.request)((turn * TURN + n) * 7919 % ITEMS));
            requests.collect()
        })
        .collect();
    // Everything is warm before the count starts, and calls are back from the lanes: under valgrind a first call is
    // slow.
    let warm = (0..WARM_UPS_MAX).any(|_| run(&mut worker, &mut connection, &turns, &mut out));
    assert!(warm, "calls stay on lanes");
    println!("{}", TURN * TURNS);
    counted(&mut worker, &mut connection, &turns, &mut out);
}

/// The function whose instructions are counted.
#[inline(never)]
fn counted(worker: &mut Worker, connection: &mut Connection, turns: &[String], out: &mut Vec<u8>) {
    assert!(run(worker, connection, turns, out), "calls went to lanes");
}

/// Executes the turns; false when calls had to run on lanes.
fn run(
    worker: &mut Worker,
    connection: &mut Connection,
    turns: &[String],
    out: &mut Vec<u8>,
) -> bool {
    let mut inline = true;
    for turn in turns {
        inline &= execute(worker, connection, turn.as_bytes(), out);
    }
    inline
}

fn execute(
    worker: &mut Worker,
    connection: &mut Connection,
    input: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let (mut at, mut inline) = (0, true);
    loop {
        let step = worker.execute(connection, &input[at..], out);
        at += step.consumed;
        match step.next {
            Next::Read { .. } if at == input.len() => return inline,
            Next::Run(job) => {
                inline = false;
                Worker::resume(connection, job.run());
            }
            other => panic!("{other:?}"),
        }
    }
}

fn cache() -> Cache {
    let options = EngineOptions {
        // A pool so small fits into the addresses that valgrind leaves.
        instances_max: 8,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("this processor is supported");
    // Under valgrind a call takes fifty times as long, and making an instance would be counted with the call that needs
    // it.
    let mut limits = LimitsTable::default();
    for limit in ["deadline_ms=10000", "instance_calls=1000000000"] {
        limits.set(limit).expect("such a limit");
    }
    let registry = Registry::new(engine, limits);
    let prebuilt =
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../objects/prebuilt"));
    let modules = ["quota", "counter", "set", "map"].map(|name| {
        Source::file(&prebuilt.join(format!("{name}.wasm"))).expect("a prebuilt module")
    });
    assert!(registry.load(&modules).is_empty());
    let config = Config {
        store: store::Config {
            memory_bytes_max: 64 << 20,
            item_bytes_max: 1 << 20,
            shards: 4,
            eviction: Eviction::Lru,
            hash_seed: 1,
        },
        inline_budget: Budget::Full,
        turn: Duration::MAX,
        detail: (false, b':'),
        dump: false,
        lua_main: false,
    };
    Cache::new(
        &config,
        Arc::new(registry),
        Arc::new(Standalone),
        Arc::new(NoLog),
    )
}
