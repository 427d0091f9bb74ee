//! JSON: is a text an array or an object? And texts and bytes written as JSON.

use cacheismo_sdk::Reply;

/// Arrays and objects inside each other.
const DEPTH_MAX: usize = 64;

/// The array or object without the white space around it; `None` when the text is something else, or has more levels than
/// [`DEPTH_MAX`].
pub(crate) fn nested(text: &str) -> Option<&str> {
    let text = text.trim_matches(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'));
    let mut reader = Reader {
        bytes: text.as_bytes(),
    };
    if !matches!(reader.bytes.first()?, b'[' | b'{') {
        return None;
    }
    reader.value(0)?;
    reader.bytes.is_empty().then_some(text)
}

/// What is left to read. Every method takes something off the front; `None` is a mistake.
struct Reader<'t> {
    bytes: &'t [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.bytes {
            self.bytes = rest;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes = self.bytes.strip_prefix(word)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    /// A value without the white space around it.
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.bytes.first()? {
            b'[' | b'{' if depth == DEPTH_MAX => None,
            b'[' => self.members(b']', |reader| reader.value(depth + 1)),
            b'{' => self.members(b'}', |reader| {
                reader.string()?;
                reader.space();
                reader.word(b":")?;
                reader.space();
                reader.value(depth + 1)
            }),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Members between commas, from the opening bracket to the closing one.
    fn members(&mut self, end: u8, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.byte()?;
        self.space();
        if *self.bytes.first()? == end {
            self.byte()?;
            return Some(());
        }
        loop {
            member(self)?;
            self.space();
            match self.byte()? {
                b',' => self.space(),
                byte if byte == end => return Some(()),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.word(b"\"")?;
        loop {
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    /// What follows a backslash. Half of a pair of surrogates is a mistake: it is no text in most languages.
    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hexadecimal()? {
                0xd800..0xdc00 => {
                    self.word(b"\\u")?;
                    (0xdc00..0xe000)
                        .contains(&self.hexadecimal()?)
                        .then_some(())
                }
                0xdc00..0xe000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| {
            let digit = char::from(self.byte()?).to_digit(16)?;
            Some(number * 16 + digit)
        })
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.word(b"-");
        if self.word(b"0").is_none() {
            self.digits()?;
        }
        if self.word(b".").is_some() {
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.bytes {
            self.bytes = rest;
            if let [b'+' | b'-', rest @ ..] = self.bytes {
                self.bytes = rest;
            }
            self.digits()?;
        }
        Some(())
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let count = self
            .bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.bytes = &self.bytes[count..];
        (count > 0).then_some(())
    }
}

/// Writes a text in quotes.
pub(crate) fn write_string(text: &str, out: &mut Reply) {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    out.write(b"\"");
    let mut plain = text.as_bytes();
    while let Some(at) = plain
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
    {
        out.write(&plain[..at]);
        match plain[at] {
            byte @ (b'"' | b'\\') => out.write(&[b'\\', byte]),
            byte => {
                let digits = [byte >> 4, byte & 15].map(|digit| HEXADECIMAL[usize::from(digit)]);
                out.write(b"\\u00");
                out.write(&digits);
            }
        }
        plain = &plain[at + 1..];
    }
    out.write(plain);
    out.write(b"\"");
}

/// Writes bytes in base64 in quotes.
pub(crate) fn write_base64(bytes: &[u8], out: &mut Reply) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.write(b"\"");
    for three in bytes.chunks(3) {
        let mut whole = [0; 4];
        whole[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(whole);
        let mut four = [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize]);
        four[three.len() + 1..].fill(b'=');
        out.write(&four);
    }
    out.write(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The oracle.
    fn is_nested(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value.is_array() || value.is_object())
    }

    #[test]
    fn levels_have_a_bound() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(nested(&deep(DEPTH_MAX)).is_some());
        assert!(nested(&deep(DEPTH_MAX + 1)).is_none());
        assert!(nested(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn what_is_around_is_cut_and_what_is_behind_is_a_mistake() {
        assert_eq!(
            nested(" \r\n[1 , {\"a\" : null}]\t"),
            Some("[1 , {\"a\" : null}]")
        );
        for text in [
            "",
            "1",
            "\"a\"",
            "[1]2",
            "[1,]",
            "{\"a\":1,}",
            "{1:2}",
            "[01]",
            "[1.]",
            "[.5]",
            "[+1]",
            "[\"\\ud800\"]",
            "[\"\\udc00\"]",
        ] {
            assert_eq!(nested(text), None, "{text}");
            assert!(!is_nested(text), "{text}");
        }
        assert!(nested("[\"\\ud83d\\ude00\"]").is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_text_is_judged_as_by_a_parser_of_others(
            text in r#"[\[{]([ \[\]{},:."\\abeEfu+-]|[0-9]|"a"|"b":|true|null|-?[0-9]{1,3}|\\ud83d|\\ude00){0,14}[\]}]"#,
        ) {
            prop_assert_eq!(nested(&text).is_some(), is_nested(&text));
        }

        #[test]
        fn sound_text_is_taken(value in value()) {
            let text = value.to_string();
            prop_assert_eq!(nested(&text), is_nested(&text).then_some(&*text));
            // And a byte less, or another byte, is judged alike.
            for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
                prop_assert_eq!(nested(&text[..at]).is_some(), is_nested(&text[..at]));
            }
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            (-1e9..1e9).prop_map(serde_json::Value::from),
            "\\PC{0,6}|[\u{0}-\u{20}\"\\\\]{0,4}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::hash_map("[a-c\"]{0,3}", inner, 0..4)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }
}
