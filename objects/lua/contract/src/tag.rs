//! The answer of a function: a tag, then a value or bytes of the protocol.

/// What the bytes behind the first one of an answer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// A value, which the host frames for the command that the client sent.
    Value = b'V',
    /// Bytes of the protocol, sent as they are. For a call, none at all is a miss.
    Raw = b'R',
    /// The scripts leave the command to the host. Answers of `main` only.
    Native = b'N',
    /// Bytes of the protocol, after which the connection ends. Answers of `main` only.
    Close = b'Q',
}

impl Tag {
    /// All tags.
    pub const ALL: [Tag; 4] = [Tag::Value, Tag::Raw, Tag::Native, Tag::Close];

    /// The byte in front of an answer.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Takes the tag off an answer; `None` when there is no tag that is known.
    pub fn split(answer: &[u8]) -> Option<(Tag, &[u8])> {
        let (byte, rest) = answer.split_first()?;
        let tag = Tag::ALL.into_iter().find(|tag| tag.byte() == *byte)?;
        Some((tag, rest))
    }
}
