//! The part of a key that decides where the key belongs.

/// The bytes of a key that a ring hashes: what stands in its first `{…}`, if anything stands there, else the whole key.
///
/// With a tag, keys that belong together are kept on one node: `{alice}cart` and `{alice}orders` are.
///
/// Rings of other clients hash whole keys, so who must agree with such clients does not ask this function.
pub fn placement_key(key: &[u8]) -> &[u8] {
    let tag = || {
        let start = key.iter().position(|byte| *byte == b'{')? + 1;
        let len = key[start..].iter().position(|byte| *byte == b'}')?;
        (len > 0).then(|| &key[start..start + len])
    };
    tag().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_that_is_not_empty_decides() {
        for (key, expected) in [
            ("key", "key"),
            ("{alice}cart", "alice"),
            ("set${alice}friends", "alice"),
            ("a{b}c{d}", "b"),
            ("a{{b}}", "{b"),
            ("a{}{b}", "a{}{b}"),
            ("a{b", "a{b"),
            ("a}b{", "a}b{"),
            ("", ""),
        ] {
            assert_eq!(placement_key(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }
}
