//! Each message is read as it was written, and any bytes are refused or read.

use cacheismo_lua_contract::packed::{is_list, list, put_counted};
use cacheismo_lua_contract::{
    Call, Command, KEYS_BYTES_MAX, Keys, Load, Main, Numbers, Rules, Tag, load_arguments,
    write_first_keys, write_keys,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn slices(owned: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    owned.iter().map(Vec::as_slice)
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let zero = Just((0, false, 0, 0));
    let some = (any::<u32>(), any::<bool>(), any::<i64>(), any::<u64>());
    prop_oneof![zero, some].prop_map(|(flags, noreply, exptime, delta)| Numbers {
        flags,
        noreply,
        exptime,
        delta,
    })
}

proptest! {
    #[test]
    fn numbers_come_back(numbers in numbers()) {
        let mut packed = Vec::new();
        numbers.write(&mut packed);
        prop_assert_eq!(packed.is_empty(), numbers == Numbers::default());
        prop_assert_eq!(Numbers::read(&packed), Some(numbers));
        for cut in 1..packed.len() {
            prop_assert_eq!(Numbers::read(&packed[..cut]), None);
        }
    }

    #[test]
    fn keys_come_back(keys in vec(bytes(), 0..20)) {
        let mut packed = Vec::new();
        write_keys(&mut packed, slices(&keys));
        let mut first = Vec::new();
        write_first_keys(&mut first, slices(&keys));
        prop_assert_eq!(&packed, &first, "few keys are told whole");
        let read = Keys::new(&packed);
        prop_assert!(read.eq(slices(&keys)) && !read.lacks_some());
        prop_assert_eq!(read.only(), (keys.len() == 1).then(|| keys[0].as_slice()));
    }

    #[test]
    fn of_many_keys_the_first_are_told(keys in vec(vec(any::<u8>(), 0..6000), 1..30)) {
        let mut told = vec![7; 3];
        write_first_keys(&mut told, slices(&keys));
        let list = &told[3..];
        let read: Vec<_> = Keys::new(list).collect();
        prop_assert!(slices(&keys).take(read.len()).eq(read.iter().copied()) && !read.is_empty());
        prop_assert!(read.len() == 1 || list.len() <= KEYS_BYTES_MAX + 4, "{} bytes", list.len());
        prop_assert_eq!(Keys::new(list).lacks_some(), read.len() < keys.len());
        prop_assert_eq!(Keys::new(list).only().is_some(), keys.len() == 1);
    }

    #[test]
    fn calls_come_back(parts in vec(bytes(), 7), data in proptest::option::of(bytes())) {
        let [object, type_name, function, virtual_key, name, numbers, keys] = &parts[..] else {
            unreachable!("seven parts");
        };
        let command = Command { name, numbers, keys, data: data.as_deref() };
        let call = Call { object, type_name, function, virtual_key, command };
        prop_assert_eq!(Call::read(call.arguments()), Some(call));
        prop_assert_eq!(call.arguments().count(), 7 + usize::from(data.is_some()));
        let main = Main { command };
        prop_assert_eq!(Main::read(main.arguments()), Some(main));
        for missing in 1..=3 {
            let few = call.arguments().count() - missing - usize::from(data.is_some());
            prop_assert_eq!(Call::read(call.arguments().take(few)), None);
        }
        let many = call.arguments().chain([&b""[..], b""]);
        prop_assert_eq!(Call::read(many), None);
    }

    #[test]
    fn rules_and_scripts_come_back(
        longest in any::<u32>(), types in vec(bytes(), 0..5), scripts in vec((bytes(), bytes()), 0..5)
    ) {
        let mut packed = Vec::new();
        Rules::write(&mut packed, longest, slices(&types));
        let pairs = || scripts.iter().map(|(path, text)| (path.as_slice(), text.as_slice()));
        let load = Load::read(load_arguments(&packed, pairs())).expect("whole");
        prop_assert_eq!(load.rules.value_bytes_max, longest);
        prop_assert!(load.rules.types().eq(slices(&types)));
        prop_assert!(load.scripts.into_iter().eq(pairs()));
        let odd = load_arguments(&packed, pairs()).chain([&b"path"[..]]);
        prop_assert_eq!(Load::read(odd), None);
        prop_assert_eq!(Rules::read(&packed[..packed.len() - 1]), None);
    }

    #[test]
    fn any_bytes_are_refused_or_read(hostile in vec(any::<u8>(), 0..200), arguments in vec(bytes(), 0..10)) {
        if let Some(numbers) = Numbers::read(&hostile) {
            let mut again = Vec::new();
            numbers.write(&mut again);
            prop_assert!(again == hostile || (again.is_empty() && hostile == [0; 24]));
        }
        let keys = Keys::new(&hostile);
        let size: usize = keys.map(|key| key.len() + 4).sum();
        prop_assert!(size <= hostile.len());
        prop_assert!(!(keys.lacks_some() && keys.only().is_some()));
        if let Some(rules) = Rules::read(&hostile) {
            let mut again = Vec::new();
            Rules::write(&mut again, rules.value_bytes_max, rules.types());
            prop_assert_eq!(&again, &hostile);
        }
        prop_assert_eq!(list(&hostile).map(|e| e.len() + 4).sum::<usize>() == hostile.len(), is_list(&hostile));
        if let Some((tag, rest)) = Tag::split(&hostile) {
            prop_assert_eq!([&[tag.byte()], rest].concat(), hostile);
        }
        if let Some(call) = Call::read(slices(&arguments)) {
            prop_assert!(call.arguments().eq(slices(&arguments)));
        }
        if let Some(main) = Main::read(slices(&arguments)) {
            prop_assert!(main.arguments().eq(slices(&arguments)));
        }
        Load::read(slices(&arguments));
    }
}

#[test]
fn the_layouts_are_these() {
    let mut packed = Vec::new();
    let numbers = Numbers {
        flags: 1,
        noreply: true,
        exptime: -2,
        delta: 3,
    };
    numbers.write(&mut packed);
    let bytes = [
        1, 0, 0, 0, 1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0, 0,
        0, 0,
    ];
    assert_eq!(packed, bytes);
    packed.clear();
    Rules::write(&mut packed, 10, [&b"set"[..]].into_iter());
    assert_eq!(packed, b"\x0a\0\0\0\x03\0\0\0set");
    packed.clear();
    put_counted(&mut packed, b"k");
    assert_eq!(packed, b"\x01\0\0\0k");
    assert_eq!(Tag::ALL.map(Tag::byte), *b"VRNQ");
    assert_eq!(Tag::split(b"Vx"), Some((Tag::Value, &b"x"[..])));
    assert_eq!((Tag::split(b""), Tag::split(b"x")), (None, None));
}
