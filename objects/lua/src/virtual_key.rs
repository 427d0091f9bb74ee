//! The parts of a virtual key. Pure.

/// The parts of a virtual key, split at `:`. An empty last part does not count.
pub(crate) fn split_key(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let key = key.strip_suffix(b":").unwrap_or(key);
    let empty = key.is_empty();
    key.split(|b| *b == b':')
        .take(if empty { 0 } else { usize::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(key: &str) -> Vec<String> {
        split_key(key.as_bytes())
            .map(|p| String::from_utf8_lossy(p).into_owned())
            .collect()
    }

    #[test]
    fn an_empty_last_part_is_dropped_and_empty_middle_ones_are_kept() {
        assert_eq!(parts("set:new:k"), ["set", "new", "k"]);
        assert_eq!(parts("set:new:"), ["set", "new"]);
        assert_eq!(parts("set:new::x"), ["set", "new", "", "x"]);
        assert_eq!(parts(":a"), ["", "a"]);
        assert_eq!(parts(":::"), ["", "", ""]);
        assert!(parts("").is_empty());
    }
}
