//! Words of a line, found as they are asked for.

/// The words of a line that are left, separated by spaces. Cheap to copy, walks lazily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Words of `line`, which has no line end.
    pub fn new(line: &'a [u8]) -> Self {
        Tokens { rest: line }
    }

    /// What has not been walked over yet, spaces included.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&b| b != b' ')?;
        let word = &self.rest[start..];
        let end = word.iter().position(|&b| b == b' ').unwrap_or(word.len());
        self.rest = &word[end..];
        Some(&word[..end])
    }
}
