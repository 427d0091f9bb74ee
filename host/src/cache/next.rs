//! What is to be done next: the one answer of the cache to the connection.

use std::fmt;

use bytes::Buf;

/// How far the commands of an input were executed, and what the connection has to do before it comes again.
#[derive(Debug)]
pub struct Step<Job> {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// What to do.
    pub next: Next<Job>,
}

/// What a connection has to do before it comes again with the rest of its input, even if the rest is empty.
pub enum Next<Job> {
    /// Write the output and read more: it makes sense to come again when the rest is at least `needed` bytes long.
    Read {
        /// Expected length of the next command, in bytes.
        needed: usize,
    },
    /// Write the output.
    Write,
    /// Write the output with a value put in, which nobody has copied.
    Send {
        /// Bytes of the output before the value.
        at: usize,
        /// The value.
        value: Box<dyn Buf>,
    },
    /// Have the job run on a thread that may wait, and come again at once. The job's outcome is handed in when it is
    /// there.
    Run(Job),
    /// Write the output and wait for an outcome: nothing can be executed before that.
    Wait,
    /// Write the output, then close.
    Close,
    /// The same, as nobody knows where the client's next command would begin, or the client may go no further.
    Refuse,
    /// Write the output; from now on the connection receives the log lines of these streams (`watch`), words separated
    /// by spaces.
    Watch(Vec<u8>),
}

impl<Job> Next<Job> {
    /// The step that has consumed so many bytes.
    #[inline]
    pub fn after(self, consumed: usize) -> Step<Job> {
        Step {
            consumed,
            next: self,
        }
    }
}

impl<Job> fmt::Debug for Next<Job> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Next::Read { .. } => "Read",
            Next::Write => "Write",
            Next::Send { .. } => "Send",
            Next::Run(_) => "Run",
            Next::Wait => "Wait",
            Next::Close => "Close",
            Next::Refuse => "Refuse",
            Next::Watch(_) => "Watch",
        })
    }
}
