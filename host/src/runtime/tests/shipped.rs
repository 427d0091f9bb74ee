//! The shipped modules, as they are committed: accepted, and of one mind in warm and fresh instances.

use std::path::Path;
use std::sync::Arc;

use super::api::{Budget, CallError, Instances, NoLog, Registry, Source, help};
use super::{PlainHost, registry};

struct Shipped {
    registry: Registry,
    instances: Instances<PlainHost>,
    host: PlainHost,
}

impl Shipped {
    fn new(limits: &[&str]) -> Shipped {
        let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../objects/prebuilt");
        let names = ["set", "map", "quota", "counter", "swcounter", "consistent"];
        let sources =
            names.map(|name| Source::file(&prebuilt.join(format!("{name}.wasm"))).unwrap());
        let registry = registry(limits, &sources);
        let instances = Instances::new(&registry, Arc::new(NoLog));
        Shipped {
            registry,
            instances,
            host: PlainHost::new(),
        }
    }

    /// Calls `type:function:object:argument...` and commits.
    fn call(&mut self, key: &str) -> Result<String, CallError> {
        let words: Vec<&[u8]> = key.split(':').map(str::as_bytes).collect();
        let named = words[..2].join(&b':');
        let function = self.registry.types().find(&named).expect("such a function");
        let mut reply = Vec::new();
        let mut host = Box::new(self.host.clone());
        host.handles = vec![format!(
            "{}${}",
            key.split(':').next().unwrap(),
            key.split(':').nth(2).unwrap()
        )];
        let mut host = Some(host);
        self.instances
            .call(function, &words[2..], &mut host, Budget::Full, &mut reply)
            .map_err(|error| *error)?;
        self.host = *host.expect("it came back");
        Ok(String::from_utf8(reply).unwrap())
    }
}

const CONVERSATION: &[(&str, &str)] = &[
    ("set:put:s:a", "ERROR_CACHE_MISS"),
    ("set:new:s", "CREATED"),
    ("set:put:s:b", "SUCCESS"),
    ("set:put:s:a", "SUCCESS"),
    ("set:exist:s:a", "EXISTS"),
    ("set:exist:s:z", "NOT_FOUND"),
    ("set:count:s", "2"),
    ("set:getall:s", "a\r\nb\r\n"),
    ("set:new:t", "CREATED"),
    ("set:put:t:b", "SUCCESS"),
    ("set:intersection:s:t", "b\r\n"),
    ("set:union:t:s", "a\r\nb\r\n"),
    ("set:difference:s:t", "a\r\n"),
    ("set:delete:s:a", "SUCCESS"),
    ("set:getall:s", "b\r\n"),
];

#[test]
fn a_conversation_goes_the_same_way_in_warm_and_fresh_instances() {
    for limits in [&[][..], &["instance_calls=1"]] {
        let mut shipped = Shipped::new(limits);
        for (key, reply) in CONVERSATION {
            assert_eq!(shipped.call(key).as_deref(), Ok(*reply), "{key}");
        }
        let made = shipped
            .registry
            .types()
            .named(b"set")
            .unwrap()
            .stats()
            .instances_made;
        let expected = if limits.is_empty() {
            1
        } else {
            CONVERSATION.len() as u64
        };
        assert_eq!(made, expected);
    }
}

#[test]
fn a_set_of_many_members_is_listed_in_one_call() {
    let mut shipped = Shipped::new(&["reply_bytes=16000000"]);
    shipped.call("set:new:s").unwrap();
    let fields = &mut shipped.host.objects.get_mut("set$s").unwrap().fields;
    let expected: String = (0..100_000).map(|n| format!("member{n:06}\r\n")).collect();
    fields.extend(
        expected
            .split_terminator("\r\n")
            .map(|m| (m.as_bytes().to_vec(), Vec::new())),
    );
    assert_eq!(shipped.call("set:getall:s").unwrap(), expected);
    assert_eq!(shipped.call("set:count:s").unwrap(), "100000");
}

#[test]
fn usage_and_help_come_from_the_metadata() {
    let mut shipped = Shipped::new(&[]);
    let Err(CallError::Usage(usage)) = shipped.call("set:put:s") else {
        panic!("it was called")
    };
    assert_eq!(usage, "set:put:<set>:<member>");
    let types = shipped.registry.types();
    let help = help::object(types.named(b"set").unwrap().metadata());
    assert!(
        help.contains("set:put:<set>:<member>\n    Adds a member."),
        "{help}"
    );
    assert_eq!(help::objects(&types, |_| false).lines().count(), 7);
}
