//! Walks the sections of a wasm binary without compiling it.
//!
//! A module is refused for its metadata, its size or a start function before Cranelift sees a
//! byte of it, so the few bytes of framing are read here. What is inside the sections is left
//! to wasmtime's validator.

/// First bytes of every core module: magic number and version 1.
const HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";
/// Id of a custom section; its payload starts with a name.
const CUSTOM: u8 = 0;
/// Id of the section that names a start function.
const START: u8 = 8;

/// Why a binary is not a walkable core module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// Magic number or version differ (a component has another version).
    #[error("not a core wasm module")]
    NotAModule,
    /// A section's length, or a name's, runs past the end of the file.
    #[error("section at byte {offset} is cut short")]
    CutShort {
        /// Where the section starts.
        offset: usize,
    },
    /// Two custom sections of the same name: which of them holds would be a guess.
    #[error("more than one custom section {0:?}")]
    Repeated(&'static str),
}

/// What is to be known of a module before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    /// Payload of the custom section that was asked for.
    pub(super) custom: Option<&'a [u8]>,
    /// Whether the module runs code when it is instantiated.
    pub(super) has_start: bool,
}

/// Reads the framing of `wasm` and finds the custom section `name`.
///
/// # Errors
/// When the framing is broken, or the section is there twice.
pub(super) fn outline<'a>(wasm: &'a [u8], name: &'static str) -> Result<Outline<'a>, SectionError> {
    let mut rest = wasm.strip_prefix(HEADER).ok_or(SectionError::NotAModule)?;
    let mut outline = Outline {
        custom: None,
        has_start: false,
    };
    while !rest.is_empty() {
        let cut_short = SectionError::CutShort {
            offset: wasm.len() - rest.len(),
        };
        let (id, payload, after) = section(rest).ok_or(cut_short)?;
        rest = after;
        match id {
            START => outline.has_start = true,
            CUSTOM => {
                let (section_name, content) = counted(payload).ok_or(cut_short)?;
                if section_name == name.as_bytes() && outline.custom.replace(content).is_some() {
                    return Err(SectionError::Repeated(name));
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// Splits off one section: its id, its payload, and what follows it.
fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&id, rest) = bytes.split_first()?;
    let (payload, rest) = counted(rest)?;
    Some((id, payload, rest))
}

/// Splits off a length and that many bytes.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = leb_u32(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

/// Splits off an unsigned LEB128 number of at most 32 bits, in at most five bytes.
fn leb_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        let bits = u32::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if shift == 28 && bits > 0xf {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leb(mut value: usize) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let byte = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                out.push(byte);
                return out;
            }
            out.push(byte | 0x80);
        }
    }

    fn put_section(out: &mut Vec<u8>, id: u8, payload: &[u8]) {
        out.push(id);
        out.extend(leb(payload.len()));
        out.extend(payload);
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        [leb(name.len()).as_slice(), name.as_bytes(), content].concat()
    }

    #[test]
    fn the_section_asked_for_is_found_among_others() {
        let mut wasm = HEADER.to_vec();
        put_section(&mut wasm, 1, &[0]);
        put_section(&mut wasm, CUSTOM, &custom("name", b"x"));
        put_section(&mut wasm, CUSTOM, &custom("mine", b"content"));
        put_section(&mut wasm, START, &[0]);
        let found = outline(&wasm, "mine").unwrap();
        assert_eq!(
            found,
            Outline {
                custom: Some(b"content"),
                has_start: true
            }
        );
    }

    #[test]
    fn a_repeated_section_is_refused() {
        let mut wasm = HEADER.to_vec();
        put_section(&mut wasm, CUSTOM, &custom("mine", b"a"));
        put_section(&mut wasm, CUSTOM, &custom("mine", b"b"));
        assert_eq!(outline(&wasm, "mine"), Err(SectionError::Repeated("mine")));
    }

    #[test]
    fn a_component_is_not_a_core_module() {
        assert_eq!(
            outline(b"\0asm\x0d\0\x01\0", "m"),
            Err(SectionError::NotAModule)
        );
        assert_eq!(outline(b"", "m"), Err(SectionError::NotAModule));
    }

    #[test]
    fn a_length_of_more_than_32_bits_is_refused() {
        assert_eq!(
            leb_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            Some((u32::MAX, &[][..]))
        );
        assert_eq!(leb_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(leb_u32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            sections in prop::collection::vec((1u8..13, prop::collection::vec(any::<u8>(), 0..300)), 0..6),
            content in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut wasm = HEADER.to_vec();
            let mut ends = vec![wasm.len()];
            for (id, payload) in &sections {
                put_section(&mut wasm, *id, payload);
                ends.push(wasm.len());
            }
            put_section(&mut wasm, CUSTOM, &custom("mine", &content));
            let found = outline(&wasm, "mine").unwrap();
            prop_assert_eq!(found.custom, Some(&content[..]));
            prop_assert_eq!(found.has_start, sections.iter().any(|(id, _)| *id == START));

            // A module that is cut anywhere but between sections is refused.
            let cut = cut.index(wasm.len());
            prop_assert_eq!(outline(&wasm[..cut], "mine").is_ok(), ends.contains(&cut));
        }

        #[test]
        fn no_input_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..400), headed in any::<bool>()) {
            if headed {
                bytes.splice(0..0, HEADER.iter().copied());
            }
            let _ = outline(&bytes, "mine");
        }
    }
}
