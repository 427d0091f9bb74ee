//! Keys that may name a function of an object: `type:function:object[:argument...]`.
//!
//! Parts are separated by `:`, which nothing escapes; arguments with a `:` in them come as the last
//! argument of a function that takes the rest as one, or in the data block of a storage command.
//! Empty parts in the middle count, an empty last part does not: `set:put:k:` has no argument.

/// A key with at least a type and a function. Whether they exist is the registry's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualKey<'a> {
    /// Object type, not empty.
    pub type_name: &'a [u8],
    /// Function of it, not empty.
    pub function: &'a [u8],
    /// Which object; empty when the key has no third part.
    pub object: &'a [u8],
    rest: &'a [u8],
}

impl<'a> VirtualKey<'a> {
    /// Splits a key; `None` when it names no type and function.
    #[inline]
    pub fn parse(key: &'a [u8]) -> Option<Self> {
        // Most keys end here, at one search for a colon.
        let (type_name, tail) = part(key)?;
        let (function, tail) = part(tail).unwrap_or((tail, b""));
        let (object, rest) = part(tail).unwrap_or((tail, b""));
        (!type_name.is_empty() && !function.is_empty()).then_some(VirtualKey {
            type_name,
            function,
            object,
            rest,
        })
    }

    /// Everything after the object and its `:`, colons included; empty when nothing follows.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The arguments after the object.
    pub fn args(&self) -> Args<'a> {
        Args {
            rest: (!self.rest.is_empty()).then_some(self.rest),
        }
    }
}

/// Arguments of a virtual key, split as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    /// `None` at the end.
    rest: Option<&'a [u8]>,
}

impl<'a> Args<'a> {
    /// What has not been walked over yet, as one argument: for functions that take the rest.
    pub fn rest(&self) -> Option<&'a [u8]> {
        self.rest
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (argument, tail) = match part(rest) {
            None => (rest, None),
            Some((argument, b"")) => (argument, None),
            Some((argument, tail)) => (argument, Some(tail)),
        };
        self.rest = tail;
        Some(argument)
    }
}

/// What stands before the first colon, and what behind it.
#[inline]
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', bytes)?;
    Some((&bytes[..colon], &bytes[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All parts by the rule as it is told: split, then drop an empty last part.
    fn naive(key: &[u8]) -> Vec<&[u8]> {
        let mut parts: Vec<&[u8]> = key.split(|&b| b == b':').collect();
        parts.pop_if(|last| last.is_empty());
        parts
    }

    fn parts<'a>(key: &'a str) -> Option<(&'a str, &'a str, &'a str, Vec<&'a str>)> {
        let text =
            |bytes: &'a [u8]| std::str::from_utf8(bytes).expect("keys in this test are text");
        let key = VirtualKey::parse(key.as_bytes())?;
        let args = key.args().map(text).collect();
        Some((
            text(key.type_name),
            text(key.function),
            text(key.object),
            args,
        ))
    }

    #[test]
    fn a_key_is_a_type_a_function_an_object_and_arguments() {
        assert_eq!(
            parts("set:put:k:a:b"),
            Some(("set", "put", "k", vec!["a", "b"]))
        );
        assert_eq!(parts("set:new:k"), Some(("set", "new", "k", vec![])));
        assert_eq!(parts("help:objects"), Some(("help", "objects", "", vec![])));
        assert_eq!(
            parts("set:put:k:a::b:"),
            Some(("set", "put", "k", vec!["a", "", "b"]))
        );
        assert_eq!(parts("set:put::x"), Some(("set", "put", "", vec!["x"])));
        assert_eq!(parts("set:put:k:"), Some(("set", "put", "k", vec![])));
        assert_eq!(parts("set:put:k::"), Some(("set", "put", "k", vec![""])));
    }

    #[test]
    fn other_keys_are_plain() {
        for key in ["", "plain", "set:", ":put:k", "set::k", ":", "::", "user$1"] {
            assert_eq!(parts(key), None, "{key}");
        }
    }

    #[test]
    fn the_rest_can_be_taken_as_one_at_any_argument() {
        let key = VirtualKey::parse(b"map:put:k:url:http://x/:8").expect("a virtual key");
        assert_eq!(key.rest(), b"url:http://x/:8");
        let mut args = key.args();
        assert_eq!(args.next(), Some(&b"url"[..]));
        assert_eq!(args.rest(), Some(&b"http://x/:8"[..]));
    }

    proptest! {
        #[test]
        fn parts_are_those_of_a_plain_split(key in "[:ab]{0,20}") {
            let naive = naive(key.as_bytes());
            match VirtualKey::parse(key.as_bytes()) {
                Some(key) => {
                    let mut ours = vec![key.type_name, key.function];
                    ours.extend(naive.get(2).map(|_| key.object));
                    ours.extend(key.args());
                    prop_assert_eq!(ours, naive);
                }
                None => prop_assert!(naive.len() < 2 || naive[0].is_empty() || naive[1].is_empty()),
            }
        }
    }
}
