//! What a call answers.

/// What a function answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'r> {
    /// A value, to be framed for the client's command.
    Value(&'r [u8]),
    /// A value by which the function says that it did not do what it was asked for.
    Refused(&'r [u8]),
    /// Bytes of the protocol that a script wrote; none is a miss.
    Raw(&'r [u8]),
}

/// The reply of a call, or the text of its error line.
pub(super) type CallResult<'r> = Result<Reply<'r>, String>;
