//! Virtual keys: the parts are those of a plain split at the colons, an empty last one dropped.

#![no_main]

use cacheismo_protocol::VirtualKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|key: &[u8]| {
    let mut expected: Vec<&[u8]> = key.split(|&byte| byte == b':').collect();
    expected.pop_if(|last| last.is_empty());
    let Some(virtual_key) = VirtualKey::parse(key) else {
        assert!(expected.len() < 2 || expected[0].is_empty() || expected[1].is_empty());
        return;
    };
    let mut parts = vec![virtual_key.type_name(), virtual_key.function()];
    parts.extend(expected.get(2).map(|_| virtual_key.object()));
    parts.extend(virtual_key.args());
    assert_eq!(parts, expected);
    assert!(key.ends_with(virtual_key.rest()));
});
