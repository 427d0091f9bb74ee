//! Hostile Lua: made and mutated scripts run in the real interpreter under its limits. Whatever they do, the call ends in
//! time, the scripts beside them answer what they answered before, and memory is given back.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cacheismo_lua_contract::{Rules, load_arguments};
use fastrand::Rng;

use super::PlainHost;
use super::api::{
    Budget, CallError, Engine, EngineOptions, Instances, LimitsTable, NoLog, Registry, SETUP,
    Scripted, Source,
};

mod made;

/// Scripts tried, unless `CACHEISMO_LUA_SCRIPTS` says otherwise.
const SCRIPTS: u64 = 48;
/// Of so many scripts one is loaded as a file, in an interpreter of its own; the others run in that of all.
const LOADED_EVERY: u64 = 24;
/// Time that a hostile script may take. It runs as on a worker, so that the scripts beside it may have longer.
const HOSTILE: Budget = Budget::Inline { ms: 20 };
const HOSTILE_TIME: Duration = Duration::from_millis(20);
/// On a busy machine honest scripts take long, too.
const DEADLINE_OF_OTHERS: &str = "deadline_ms=20000";
/// A call may end so late on a busy machine. Those that are stopped too late take for ever.
const LATE_MAX: Duration = Duration::from_secs(3);
/// An instance with more linear memory than this is dropped after the call (`memory_keep_bytes`).
const KEPT_BYTES_MAX: u64 = 4 << 20;
/// Runs the script in its data block.
const ATTACK: &str = "attack = {}
    function attack.run(command, key, name, source)
        local chunk, problem = loadstring(source)
        if not chunk then error(problem) end
        chunk(command, key, name)
    end";
/// Uses what the hostile scripts try to break, and answers the same each time.
const WITNESS: &str = "witness = {}
    local calls = 0
    function witness.check(command, key, name)
        local all = {}
        for word, n in pairs { a = 1, b = 2.5, c = 1e15 } do
            all[#all + 1] = string.format('%s=%.14g %q', word, n, tostring(n))
        end
        table.sort(all)
        calls = calls + 1
        local ok, problem = pcall(error, 'caught')
        local found = ('key=value'):gsub('(%w+)=(%w+)', '%2:%1')
        local kept = table.unmarshal(table.marshal({ 1, { x = 'y' } }))
        writeStringAsValue(command, key, table.concat(all, ';') .. found .. problem .. tostring(ok)
            .. kept[2].x .. math.floor(7 / 2) .. os.date('!%Y', 0) .. type(calls) .. select('#', 1, nil) .. #_VERSION)
    end";
const SHIPPED: &[&str] = &["map", "set", "quota", "swcounter", "leaderboard", "bucket"];
/// What a function of a shipped script is asked on an object that the test has made.
const ASKED: &[&str] = &[
    "map:new:m",
    "map:put:m:k:v",
    "map:get:m:k",
    "set:new:s",
    "set:put:s:e",
    "set:count:s",
];

fn shipped(name: &str) -> String {
    let path = format!("{}/../scripts-lua/{name}.lua", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compiled code is kept, as each script that is loaded as a file makes a registry.
fn engine() -> Engine {
    static ENGINE: std::sync::LazyLock<(tempfile::TempDir, Engine)> =
        std::sync::LazyLock::new(|| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let options = EngineOptions {
                instances_max: 20,
                cache_directory: Some(directory.path().to_owned()),
                ..EngineOptions::default()
            };
            (
                directory,
                Engine::new(&options).expect("this processor is supported"),
            )
        });
    ENGINE.1.clone()
}

/// What the interpreter is given to load: our scripts and one more.
fn arguments(more: &str) -> Vec<Vec<u8>> {
    let mut rules = Vec::new();
    Rules::write(&mut rules, 1 << 20, std::iter::empty());
    let shipped = SHIPPED
        .iter()
        .map(|name| (format!("{name}.lua"), shipped(name)));
    let ours = [
        ("attack.lua", ATTACK),
        ("witness.lua", WITNESS),
        ("zzz.lua", more),
    ];
    let ours = ours.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let scripts: Vec<(String, String)> = ours.into_iter().chain(shipped).collect();
    let scripts = scripts
        .iter()
        .map(|(name, text)| (name.as_bytes(), text.as_bytes()));
    load_arguments(&rules, scripts)
        .map(<[u8]>::to_vec)
        .collect()
}

/// An interpreter that starts with what those scripts leave. Without arguments it takes scripts by a call.
fn interpreter(arguments: Vec<Vec<u8>>) -> Registry {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../objects/prebuilt/lua.wasm");
    let functions = ["attack:run", "witness:check"].into_iter();
    let scripted: Vec<_> = functions
        .chain(ASKED.iter().map(|key| of(key)))
        .map(|name| Scripted {
            name: name.to_owned(),
            by: "call",
            writes: true,
        })
        .collect();
    let mut limits = LimitsTable::default();
    limits.set(DEADLINE_OF_OTHERS).expect("a limit");
    let registry = Registry::new(engine(), limits);
    let source = Source::file(&path).expect("the committed module");
    let source = source.with_setup(arguments, scripted);
    let refused = registry.load(&[source]);
    assert!(refused.is_empty(), "{refused:?}");
    registry
}

/// The function of a virtual key, `type:function`.
fn of(key: &str) -> &str {
    let end = key
        .match_indices(':')
        .nth(1)
        .map_or(key.len(), |(at, _)| at);
    &key[..end]
}

/// One thread of the interpreter.
struct Thread {
    registry: Registry,
    instances: Instances<PlainHost>,
    host: PlainHost,
}

impl Thread {
    fn new(registry: Registry) -> Thread {
        let instances = Instances::new(&registry, Arc::new(NoLog));
        Thread {
            registry,
            instances,
            host: PlainHost::new(),
        }
    }

    /// Calls a function by its virtual key, with a data block.
    fn call(
        &mut self,
        key: &str,
        data: Option<&[u8]>,
        budget: Budget,
    ) -> Result<Vec<u8>, CallError> {
        let (type_name, function) = of(key).split_once(':').expect("type:function");
        let found = self
            .registry
            .types()
            .interpreter(b"lua", of(key).as_bytes())
            .expect("such a function");
        let object = key.split(':').nth(2).unwrap_or_default();
        let mut args = vec![
            object.as_bytes(),
            type_name.as_bytes(),
            function.as_bytes(),
            key.as_bytes(),
            b"get",
            b"",
            b"",
        ];
        args.extend(data);
        let mut host = Some(Box::new(self.host.clone()));
        let mut reply = Vec::new();
        let called = self
            .instances
            .call(found, &args, &mut host, budget, &mut reply);
        called.map_err(|error| *error)?;
        self.host = PlainHost {
            handles: vec!["self".to_owned()],
            ..*host.expect("it came back")
        };
        Ok(reply)
    }

    /// What the scripts beside the hostile one answer.
    fn answers(&mut self) -> Vec<Vec<u8>> {
        self.host = PlainHost::new();
        let keys = ["witness:check:w"].iter().chain(ASKED);
        keys.map(|key| {
            self.call(key, None, Budget::Full)
                .unwrap_or_else(|error| panic!("{key}: {error}"))
        })
        .collect()
    }

    fn memory_bytes(&self) -> u64 {
        let types = self.registry.types();
        let function = types
            .interpreter(b"lua", b"attack:run")
            .expect("such a function");
        types.of(function).stats().memory_bytes
    }
}

/// What became of the scripts, for the report.
#[derive(Debug, Default)]
struct Tally {
    answered: u64,
    failed: u64,
    stopped: u64,
    loaded: u64,
    refused: u64,
    /// How long after their deadline calls ended, in microseconds.
    late_us: Vec<u128>,
}

#[test]
fn hostile_scripts_end_in_time_and_break_no_other() {
    let scripts = std::env::var("CACHEISMO_LUA_SCRIPTS");
    let scripts = scripts.map_or(SCRIPTS, |number| {
        number.parse().expect("a number of scripts")
    });
    let seeds: Vec<String> = SHIPPED.iter().map(|name| shipped(name)).collect();
    let mut thread = Thread::new(interpreter(arguments("")));
    let right = thread.answers();
    assert!(
        right.iter().all(|answer| answer.starts_with(b"V")),
        "{right:?}"
    );
    let tally = RefCell::new(Tally::default());
    for number in 0..scripts {
        let mut random = Rng::with_seed(number);
        if number % LOADED_EVERY == LOADED_EVERY - 1 {
            let script = made::mutated(&seeds, &mut random);
            load(
                &String::from_utf8_lossy(&script),
                &right,
                &mut tally.borrow_mut(),
            );
            continue;
        }
        let script = match random.u8(0..4) {
            0 => made::mutated(&seeds, &mut random),
            _ => made::script(&mut random).into_bytes(),
        };
        run(&mut thread, number, &script, &mut tally.borrow_mut());
        let answers = thread.answers();
        assert_eq!(
            answers,
            right,
            "after script {number}: {}",
            String::from_utf8_lossy(&script)
        );
        let memory = thread.memory_bytes();
        assert!(
            memory <= KEPT_BYTES_MAX,
            "script {number} leaves {memory} bytes"
        );
    }
    let mut tally = tally.into_inner();
    tally.late_us.sort_unstable();
    let at = |part: usize| {
        tally
            .late_us
            .get(tally.late_us.len().saturating_sub(1) * part / 100)
            .copied()
    };
    println!(
        "Lua: {} scripts answered, {} failed, {} were stopped (after their deadline: median {:?} us, 99 % {:?}, most {:?}); \
         {} loaded as files, {} refused",
        tally.answered,
        tally.failed,
        tally.stopped,
        at(50),
        at(99),
        at(100),
        tally.loaded,
        tally.refused
    );
    assert!(tally.answered > scripts / 20, "{tally:?}");
}

/// Runs a script in the thread's interpreter.
fn run(thread: &mut Thread, number: u64, script: &[u8], tally: &mut Tally) {
    // Calls on one object that keep being stopped are paused.
    thread.host.object_hash = number + 1;
    let begun = Instant::now();
    let ended = thread.call("attack:run:x", Some(script), HOSTILE);
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(script);
    assert!(
        took < HOSTILE_TIME + LATE_MAX,
        "script {number} took {took:?}: {text}"
    );
    match ended {
        Ok(_) => tally.answered += 1,
        Err(CallError::Paused { .. }) => panic!("script {number} did not run: {text}"),
        Err(CallError::Slow) => {
            tally.stopped += 1;
            tally
                .late_us
                .push(took.saturating_sub(HOSTILE_TIME).as_micros());
        }
        Err(error) => {
            assert!(
                !error.to_string().contains(['\r', '\n']),
                "{error:?}: {text}"
            );
            tally.failed += 1;
        }
    }
    // A function that is stopped on many objects in a row is paused as a whole.
    let returns = thread.call("attack:run:x", Some(b"return"), Budget::Full);
    assert!(
        returns.is_ok(),
        "after script {number}, {returns:?}: {text}"
    );
}

/// Loads a script as a file beside the others.
fn load(script: &str, right: &[Vec<u8>], tally: &mut Tally) {
    let arguments = arguments(script);
    let mut tried = Thread::new(interpreter(Vec::new()));
    let load = tried.registry.types().interpreter(b"lua", SETUP.as_bytes());
    let args: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    let mut host = Some(Box::new(PlainHost::new()));
    let load = load.expect("the interpreter takes scripts");
    let loaded = tried
        .instances
        .call(load, &args, &mut host, Budget::Full, &mut reply);
    if loaded.is_err() || reply.starts_with(b"{\"error\"") {
        tally.refused += 1;
        return;
    }
    tally.loaded += 1;
    let mut thread = Thread::new(interpreter(arguments));
    let answer = thread.call("witness:check:w", None, Budget::Full);
    assert_eq!(answer.as_ref(), Ok(&right[0]), "{script}");
}
