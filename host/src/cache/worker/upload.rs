//! Sets of large values, which go into the store as they come instead of being gathered first.
//!
//! Commands that need their value as a whole, and calls, wait for it.

use std::io;
use std::os::fd::BorrowedFd;

use super::Connection;
use crate::cache::calls::{LaneJob, Target};
use crate::cache::flow::{Executor, StoreAnswer};
use crate::cache::next::{Next, Step};
use crate::cache::wire::binary::StoreForm;
use crate::cache::wire::{meta, text};
use crate::protocol::{Command, Meta, Mode, StoreVerb, binary};
use crate::store::{self, Announced, NoRoom, NoUpload, Taken};

/// Values of so many bytes are taken as they come, if they do not come at once.
pub(in crate::cache) const UPLOAD_BYTES_MIN: usize = 32 << 10;
/// What ends a data block of the text protocol.
pub(super) const BLOCK_END: &[u8] = b"\r\n";
/// Flags of `ms` that make it depend on what is there, or choose its CAS.
const CONDITIONS: &[u8] = b"bCEI";

/// A set whose value is on its way.
#[derive(Debug)]
pub(super) struct Upload {
    key: Box<[u8]>,
    announced: Announced,
    /// How the client wants to be answered.
    answer: Box<dyn StoreAnswer>,
    /// What ends the value.
    end: &'static [u8],
    /// The value in the store; without room for it, how many bytes are still to come and to be skipped.
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

    /// Stores the value, or says that there was no room.
    fn finish(self, x: &mut Executor<'_>, out: &mut Vec<u8>) {
        let key = x.ops.key(&self.key);
        let Announced { expiry, len, .. } = self.announced;
        let outcome = x.ops.publish(key, expiry, self.value.map_err(|_| len));
        self.answer.stored(outcome, len, out);
    }
}

impl Connection {
    /// True while bytes of a value are to come that may be read straight to where they will stay.
    #[inline]
    pub fn is_filling(&self) -> bool {
        let value = self.upload.as_ref().map(|upload| &upload.value);
        value.is_some_and(|value| value.as_ref().is_ok_and(|value| value.left() > 0))
    }

    /// Reads bytes of the upload's value from a file, and what comes after it into `after`. `None`: there is no room
    /// for the value; its bytes are to be read as other input.
    ///
    /// # Errors
    /// Errors of the file, also the one that says that there is nothing to read now.
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

/// Begins to take the data block of a text command; false when it must be read as a whole.
pub(super) fn begin_text(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    command: &Command<'_>,
    len: usize,
) -> bool {
    match command {
        Command::Store(store) if store.verb == StoreVerb::Set => {
            let announced = Announced {
                flags: store.flags,
                expiry: x.ops.expiry(store.exptime),
                len,
                want_cas: false,
            };
            let noreply = store.noreply;
            let answer = || Box::new(text::StoredBySet { noreply }) as Box<dyn StoreAnswer>;
            begin(x, connection, (store.key, announced), BLOCK_END, answer)
        }
        Command::MetaSet { meta, .. } if is_plain(meta) => {
            let flags = &meta.flags;
            let announced = Announced {
                flags: flags.client_flags(),
                expiry: x.ops.expiry(flags.ttl().unwrap_or(0)),
                len,
                want_cas: flags.has(b'c'),
            };
            let answer = || {
                x.ops.counters.cmd_meta.add_alone(1);
                Box::new(meta::StoredBySet(meta.detach())) as Box<dyn StoreAnswer>
            };
            begin(
                x,
                connection,
                (meta.key.token, announced),
                BLOCK_END,
                answer,
            )
        }
        _ => false,
    }
}

/// As `begin_text` for the value of a binary request.
pub(super) fn begin_binary(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    request: &binary::Request<'_>,
    len: usize,
) -> bool {
    let binary::Command::Store(store) = &request.command else {
        return false;
    };
    let plain = store.verb == binary::StoreVerb::Set && request.cas == 0;
    if !plain {
        return false;
    }
    let announced = Announced {
        flags: store.flags,
        expiry: x.ops.expiry(store.exptime),
        len,
        want_cas: !request.quiet,
    };
    let form = StoreForm {
        echo: request.echo,
        quiet: request.quiet,
        verb: store.verb,
    };
    let answer = || Box::new(form) as Box<dyn StoreAnswer>;
    begin(x, connection, (store.key, announced), b"", answer)
}

fn begin(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    (key, announced): (&[u8], Announced),
    end: &'static [u8],
    answer: impl FnOnce() -> Box<dyn StoreAnswer>,
) -> bool {
    let Target::Item(key) = x.calls.target(key) else {
        return false;
    };
    if x.ops.disk.refuses_writes() {
        return false;
    }
    let value = match x.ops.shared.store.upload(key, announced) {
        Ok(value) => Ok(value),
        Err(NoUpload::TooLarge) => Err(announced.len),
        Err(NoUpload::Crowded) => return false,
    };
    connection.upload = Some(Box::new(Upload {
        key: key.bytes.into(),
        announced,
        answer: answer(),
        end,
        value,
    }));
    true
}

/// Has the connection's upload take what it can of the input from `at` on, and stores the value when it is complete.
/// Returns where the input goes on; `Err`: nowhere yet.
pub(super) fn go_on(
    x: &mut Executor<'_>,
    connection: &mut Connection,
    input: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
) -> Result<usize, Step<Box<LaneJob>>> {
    let Some(mut upload) = connection.upload.take() else {
        return Ok(at);
    };
    let left = upload.left();
    let here = left.min(input.len() - at);
    let taken = upload.fill(|value| value.write(&input[at..at + here]));
    if taken.is_none() {
        // There is no room: that is answered, and what is left of the value is skipped.
        let left = upload.left() + upload.end.len();
        upload.finish(x, out);
        return Ok(connection.skip(left as u64, input, at));
    }
    at += here;
    let end_len = upload.end.len();
    match input.get(at..at + end_len) {
        Some(end) if here == left => {
            match end == upload.end {
                true => upload.finish(x, out),
                false => upload.answer.bad_end(out),
            }
            Ok(at + end_len)
        }
        _ => {
            connection.upload = Some(upload);
            let needed = if here == left { end_len } else { 1 };
            Err(Next::Read { needed }.after(at))
        }
    }
}

/// An `ms` that sets whatever is there.
fn is_plain(meta: &Meta<'_>) -> bool {
    let flags = &meta.flags;
    matches!(flags.mode, Mode::Unset | Mode::Set) && !CONDITIONS.iter().any(|flag| flags.has(*flag))
}
