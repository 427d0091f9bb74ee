//! The Lua interpreter as it is committed: scripts run once, and every instance starts from what they left.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cacheismo_lua_contract::{Rules, load_arguments};

use super::PlainHost;
use super::api::{
    Budget, CallError, FunctionRef, Instances, NoLog, Registry, SETUP, Scripted, Source,
};

const SCRIPT: &str = "t = {}
    local seed = math.random()
    function t.seed(command, key) writeStringAsValue(command, key, seed) end
    function t.bomb() local all = {} while true do all[#all + 1] = ('x'):rep(65536) .. #all end end";

fn registry(script: &str) -> Registry {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../objects/prebuilt/lua.wasm");
    let mut rules = Vec::new();
    Rules::write(&mut rules, 1 << 20, std::iter::empty());
    let scripts = [(&b"t.lua"[..], script.as_bytes())];
    let arguments = load_arguments(&rules, scripts.into_iter()).map(<[u8]>::to_vec);
    let arguments: Vec<Vec<u8>> = arguments.collect();
    let scripted = ["t:seed", "t:bomb"].map(|name| Scripted {
        name: name.to_owned(),
        by: "call",
        writes: true,
    });
    let source = Source::file(&path).expect("the committed module");
    super::registry(&[], &[source.with_setup(arguments, scripted.into())])
}

fn function(registry: &Registry, name: &str) -> FunctionRef {
    let function = registry.types().interpreter(b"lua", name.as_bytes());
    function.expect("such a function")
}

fn call(
    registry: &Registry,
    instances: &mut Instances<PlainHost>,
    name: &str,
) -> Result<Vec<u8>, CallError> {
    let (type_name, short) = name.split_once(':').expect("type:function");
    let args = [
        b"x",
        type_name.as_bytes(),
        short.as_bytes(),
        b"t:f:x",
        b"get",
        b"",
        b"",
    ];
    let mut reply = Vec::new();
    let result = instances.call(
        function(registry, name),
        &args,
        &mut Some(Box::new(PlainHost::new())),
        Budget::Full,
        &mut reply,
    );
    result.map(|_| reply).map_err(|error| *error)
}

#[test]
fn every_instance_starts_from_what_the_scripts_left() {
    let registry = registry(SCRIPT);
    let mut instances: Vec<Instances<PlainHost>> = (0..2)
        .map(|_| Instances::new(&registry, Arc::new(NoLog)))
        .collect();
    // Had the scripts run again, they would have drawn another number.
    let first = call(&registry, &mut instances[0], "t:seed").expect("answered");
    assert_eq!(
        call(&registry, &mut instances[1], "t:seed"),
        Ok(first.clone())
    );
    assert!(matches!(
        call(&registry, &mut instances[0], "t:bomb"),
        Err(CallError::Limit(_))
    ));
    assert_eq!(call(&registry, &mut instances[0], "t:seed"), Ok(first));
}

#[test]
#[ignore = "a measurement"]
fn an_instance_is_made_faster_than_the_scripts_run() {
    let scripts = ["map", "quota", "set", "swcounter", "leaderboard", "bucket"];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts-lua");
    let texts = scripts.map(|name| {
        std::fs::read_to_string(directory.join(format!("{name}.lua"))).expect("our script")
    });
    let script = format!(
        "{SCRIPT}\n{}",
        texts.map(|text| format!("do {text} end")).join("\n")
    );
    let registry = registry(&script);
    let load = function(&registry, SETUP);
    for round in 0..5 {
        let start = Instant::now();
        let rounds = if round == 0 { 1 } else { 200 };
        for _ in 0..rounds {
            let mut instances = Instances::new(&registry, Arc::new(NoLog));
            let made = instances.prepare(load, &mut Some(Box::new(PlainHost::new())));
            made.expect("made");
        }
        println!("round {round}: {:?} each", start.elapsed() / rounds);
    }
}
