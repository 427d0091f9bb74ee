//! Keys that may name a function of an object: `type:function:object[:argument...]`.
//!
//! Parts are separated by `:`, which nothing escapes; arguments with a `:` in them come as the last
//! argument of a function that takes the rest as one, or in the data block of a storage command.
//! Empty parts in the middle count, an empty last part does not: `set:put:k:` has no argument.

use super::find_byte;

/// A key with at least a type and a function. Whether they exist is the registry's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualKey<'a> {
    key: &'a [u8],
    /// Where the first colon stands.
    type_end: u16,
    /// Where the function ends: at a colon, or with the key.
    function_end: u16,
    /// Where the object ends.
    object_end: u16,
}

impl<'a> VirtualKey<'a> {
    /// Splits a key; `None` when it names no type and function, or is longer than any key can be.
    // Always inlined: the result is written in other pieces than it is read in, and a read would wait for the writes.
    #[inline(always)]
    pub fn parse(key: &'a [u8]) -> Option<Self> {
        u16::try_from(key.len()).ok()?;
        // Most keys end here, at one search for a colon.
        let type_end = colon(key, 0)?;
        let function_end = colon(key, type_end + 1).unwrap_or(key.len());
        let object_end = colon(key, function_end + 1).unwrap_or(key.len());
        let names_both = type_end > 0 && function_end > type_end + 1;
        names_both.then_some(VirtualKey {
            key,
            type_end: type_end as u16,
            function_end: function_end as u16,
            object_end: object_end as u16,
        })
    }

    /// The whole key.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// `type:function`, by which the registry knows the function.
    #[inline]
    pub fn call(&self) -> &'a [u8] {
        &self.key[..usize::from(self.function_end)]
    }

    /// Object type, not empty.
    #[inline]
    pub fn type_name(&self) -> &'a [u8] {
        &self.key[..usize::from(self.type_end)]
    }

    /// Function of the type, not empty.
    #[inline]
    pub fn function(&self) -> &'a [u8] {
        &self.key[usize::from(self.type_end) + 1..usize::from(self.function_end)]
    }

    /// Name of the object; empty when the key has no third part.
    #[inline]
    pub fn object(&self) -> &'a [u8] {
        let start = usize::from(self.function_end) + 1;
        self.key
            .get(start..usize::from(self.object_end))
            .unwrap_or_default()
    }

    /// Everything after the object and its `:`, colons included; empty when nothing follows.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.key
            .get(usize::from(self.object_end) + 1..)
            .unwrap_or_default()
    }

    /// The arguments after the object.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        let rest = self.rest();
        Args {
            rest: (!rest.is_empty()).then_some(rest),
        }
    }
}

/// Arguments of a virtual key, split as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    /// The arguments not walked over yet; `None` at the end.
    rest: Option<&'a [u8]>,
}

impl<'a> Args<'a> {
    /// The part of the key that was not walked over yet, as one argument: for functions that take the rest.
    pub fn rest(&self) -> Option<&'a [u8]> {
        self.rest
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = colon(rest, 0).unwrap_or(rest.len());
        // Behind a last colon there is no further argument.
        self.rest = rest.get(end + 1..).filter(|tail| !tail.is_empty());
        Some(&rest[..end])
    }
}

/// Index of the first colon at or behind `from`.
#[inline]
fn colon(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let at = find_byte(rest, b':');
    (at < rest.len()).then_some(from + at)
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
            text(key.type_name()),
            text(key.function()),
            text(key.object()),
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
                    prop_assert_eq!(key.call(), [key.type_name(), key.function()].join(&b':'));
                    let mut ours = vec![key.type_name(), key.function()];
                    ours.extend(naive.get(2).map(|_| key.object()));
                    ours.extend(key.args());
                    prop_assert_eq!(ours, naive);
                }
                None => prop_assert!(naive.len() < 2 || naive[0].is_empty() || naive[1].is_empty()),
            }
        }
    }
}
