//! Sets of large values, which go into the store as they come instead of being gathered first.
//!
//! The request up to its value is kept, and read once more when the value is there: then the command is executed as
//! any other, but for its value, which the store has already. Commands that need their value as a whole, and calls, wait for it.

use std::io;
use std::os::fd::BorrowedFd;

use super::calls::Target;
use super::clock::expiry;
use super::connection::{Connection, Progress};
use super::worker::Worker;
use crate::protocol::{Command, Limits, Meta, Mode, Parsed, StoreVerb, binary, parse_text, reply};
use crate::store::{self, Announced, Key, NoRoom, NoUpload, SetOutcome, Taken, Write};

/// Values of so many bytes are taken as they come, if they do not come at once.
pub(super) const UPLOAD_BYTES_MIN: usize = 32 << 10;
/// What ends a data block of the text protocol.
pub(super) const BLOCK_END: &[u8] = b"\r\n";
/// Flags of `ms` that make it depend on what is there, or choose its CAS.
const CONDITIONS: &[u8] = b"bCEI";

/// A set whose value is on its way.
#[derive(Debug)]
pub(super) struct Upload {
    /// The request up to its value.
    front: Box<[u8]>,
    /// What ends the value.
    end: &'static [u8],
    len: usize,
    /// Without room: how many bytes are still to come, to be skipped.
    value: Result<store::Upload, usize>,
}

impl Upload {
    /// Bytes still to come.
    fn left(&self) -> usize {
        match &self.value {
            Ok(value) => value.left(),
            Err(left) => *left,
        }
    }

    /// Has the store take some bytes. `None`: there is no room, and what was taken is free again.
    fn fill<R>(&mut self, take: impl FnOnce(&mut store::Upload) -> Result<R, NoRoom>) -> Option<R> {
        let value = self.value.as_mut().ok()?;
        let left = value.left();
        let taken = take(value);
        if taken.is_err() {
            self.value = Err(left);
        }
        taken.ok()
    }
}

impl Connection {
    /// True while bytes of a value are to come that may be read straight to where they will stay.
    #[inline]
    pub fn is_filling(&self) -> bool {
        let value = self.upload.as_ref().map(|upload| &upload.value);
        value.is_some_and(|value| value.as_ref().is_ok_and(|value| value.left() > 0))
    }

    /// Reads bytes of that value from a file, and what comes after it into `after`. `None`: there is no room for them;
    /// they are to be read as other input.
    ///
    /// # Errors
    /// Those of the file, also that there is nothing to read now.
    pub fn fill_from(
        &mut self,
        file: BorrowedFd<'_>,
        after: &mut [u8],
    ) -> io::Result<Option<Taken>> {
        let upload = self.upload.as_mut();
        let read = upload.and_then(|upload| upload.fill(|value| value.read_from(file, after)));
        read.transpose()
    }
}

/// What came of an upload: the value of the command that is executed.
#[derive(Debug)]
pub(super) enum Uploaded {
    Whole(store::Upload),
    /// There was no room for so many bytes.
    Failed(usize),
}

impl Worker {
    /// Begins to take the data block of a text command; false when it must be read as a whole.
    pub(super) fn begin_text(
        &mut self,
        connection: &mut Connection,
        command: &Command<'_>,
        front: &[u8],
        len: usize,
    ) -> bool {
        let (key, flags, exptime, want_cas) = match command {
            Command::Store(store) if store.verb == StoreVerb::Set => {
                (store.key, store.flags, store.exptime, false)
            }
            Command::MetaSet { meta, .. } if is_plain(meta) => {
                let flags = &meta.flags;
                let exptime = flags.ttl().unwrap_or(0);
                let shown = flags.has(b'c');
                (meta.key.token, flags.client_flags(), exptime, shown)
            }
            _ => return false,
        };
        let announced = Announced {
            flags,
            expiry: expiry(exptime, self.now),
            len,
            want_cas,
        };
        self.begin(connection, key, announced, (front, BLOCK_END))
    }

    /// As `begin_text` for the value of a binary request.
    pub(super) fn begin_binary(
        &mut self,
        connection: &mut Connection,
        request: &binary::Request<'_>,
        front: &[u8],
        len: usize,
    ) -> bool {
        let binary::Command::Store(store) = &request.command else {
            return false;
        };
        let plain = store.verb == binary::StoreVerb::Set && request.cas == 0;
        if !plain || !self.allowed(connection, &request.command) {
            return false;
        }
        let announced = Announced {
            flags: store.flags,
            expiry: expiry(store.exptime, self.now),
            len,
            want_cas: !request.quiet,
        };
        self.begin(connection, store.key, announced, (front, b""))
    }

    fn begin(
        &mut self,
        connection: &mut Connection,
        key: &[u8],
        announced: Announced,
        (front, end): (&[u8], &'static [u8]),
    ) -> bool {
        let Target::Item(key) = self.target(key) else {
            return false;
        };
        let value = match self.shared.store.upload(key, announced) {
            Ok(value) => Ok(value),
            Err(NoUpload::TooLarge) => Err(announced.len),
            Err(NoUpload::Crowded) => return false,
        };
        connection.upload = Some(Box::new(Upload {
            front: front.into(),
            end,
            len: announced.len,
            value,
        }));
        true
    }

    /// Has the connection's upload take what it can of the input from `at` on, and executes its command when the value
    /// is complete. Returns where the input goes on; `Err`: nowhere yet.
    pub(super) fn go_on(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        mut at: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Progress> {
        let Some(mut upload) = connection.upload.take() else {
            return Ok(at);
        };
        let left = upload.left();
        let here = left.min(input.len() - at);
        if upload
            .fill(|value| value.write(&input[at..at + here]))
            .is_none()
        {
            return Ok(self.give_up(connection, *upload, (input, at), out));
        }
        at += here;
        let end_len = upload.end.len();
        match input.get(at..at + end_len) {
            Some(end) if here == left => {
                if end == upload.end {
                    self.finish_upload(connection, *upload, out);
                } else {
                    refuse_block(&upload.front, &self.shared.protocol_limits, out);
                }
                Ok(at + end_len)
            }
            _ => {
                connection.upload = Some(upload);
                let needed = if here == left { end_len } else { 1 };
                Err(Progress::Read {
                    consumed: at,
                    needed,
                })
            }
        }
    }

    /// Answers that there is no room, and skips what is left of the value.
    fn give_up(
        &mut self,
        connection: &mut Connection,
        upload: Upload,
        (input, at): (&[u8], usize),
        out: &mut Vec<u8>,
    ) -> usize {
        let left = upload.left() + upload.end.len();
        self.execute_with(connection, &upload.front, Uploaded::Failed(upload.len), out);
        connection.skip(left as u64, input, at)
    }

    fn finish_upload(&mut self, connection: &mut Connection, upload: Upload, out: &mut Vec<u8>) {
        if let Ok(value) = upload.value {
            self.execute_with(connection, &upload.front, Uploaded::Whole(value), out);
        }
    }

    /// Executes a command whose value was uploaded.
    fn execute_with(
        &mut self,
        connection: &mut Connection,
        front: &[u8],
        value: Uploaded,
        out: &mut Vec<u8>,
    ) {
        let limits = self.shared.protocol_limits;
        self.uploaded = Some(value);
        // It is the item of its name, whatever scripts have come to define meanwhile.
        if connection.binary == Some(true) {
            if let binary::Parsed::Announced { request, .. } = binary::parse(front, &limits) {
                self.request(connection, &request, out);
            }
        } else if let Parsed::Announced { command, .. } = parse_text(front, &limits) {
            match &command {
                Command::Store(store) => {
                    let target = Target::Item(self.shared.store.key(store.key));
                    self.store(store, &target, out);
                }
                Command::MetaSet { meta, value } => {
                    let target = Target::Item(self.shared.store.key(meta.key.token));
                    self.meta_set(meta, value, Some(&target), out);
                }
                _ => {}
            }
        }
        // Refused for its name, perhaps.
        self.uploaded = None;
    }

    /// Stores the value of the command that is executed, which may be in the store already. With its length in bytes.
    #[inline]
    pub(super) fn put(&mut self, key: Key<'_>, write: &Write<'_>) -> (SetOutcome, usize) {
        if self.uploaded.is_some() {
            return self.put_uploaded(key);
        }
        let outcome = self.shared.store.set(key, self.now, write);
        (outcome, write.value.len())
    }

    #[cold]
    fn put_uploaded(&mut self, key: Key<'_>) -> (SetOutcome, usize) {
        match self.uploaded.take() {
            Some(Uploaded::Whole(value)) => {
                let len = value.len();
                (value.publish(self.now), len)
            }
            Some(Uploaded::Failed(len)) => (self.shared.store.refuse_upload(key, self.now), len),
            None => unreachable!("looked at before"),
        }
    }
}

/// An `ms` that sets whatever is there.
fn is_plain(meta: &Meta<'_>) -> bool {
    let flags = &meta.flags;
    matches!(flags.mode, Mode::Unset | Mode::Set) && !CONDITIONS.iter().any(|flag| flags.has(*flag))
}

/// Answers a data block that does not end where its length says.
fn refuse_block(front: &[u8], limits: &Limits, out: &mut Vec<u8>) {
    let silent = matches!(
        parse_text(front, limits),
        Parsed::Announced {
            command: Command::Store(store),
            ..
        } if store.noreply
    );
    if !silent {
        out.extend_from_slice(reply::BAD_CHUNK.as_bytes());
    }
}
