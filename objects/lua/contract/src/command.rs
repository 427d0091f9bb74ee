//! The client's command, as the interpreter is told of it.

use alloc::vec::Vec;

use crate::packed::{Reader, put_counted};

/// The part of the arguments that [`Call`](crate::Call) and [`Main`](crate::Main) share, still packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The client's word for the command: `get`, `set` and so on.
    pub name: &'a [u8],
    /// The packed numbers, see [`Numbers`].
    pub numbers: &'a [u8],
    /// The packed keys, see [`Keys`].
    pub keys: &'a [u8],
    /// The data block of a command that has one.
    pub data: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    /// The command as the last arguments of a function.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        [self.name, self.numbers, self.keys]
            .into_iter()
            .chain(self.data)
    }

    /// Reads the last arguments of a function; `None` when there are too few or too many.
    pub fn read(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let command = Command {
            name: arguments.next()?,
            numbers: arguments.next()?,
            keys: arguments.next()?,
            data: arguments.next(),
        };
        arguments.next().is_none().then_some(command)
    }
}

/// The numbers of a command, as the client sent them.
///
/// ```text
/// nothing when all are zero, or:  u32 flags | u32 noreply, 0 or 1 | i64 exptime | u64 delta
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Client flags of the item.
    pub flags: u32,
    /// Whether the client wants no reply.
    pub noreply: bool,
    /// Seconds to live up to 30 days, a date in Unix seconds above, 0 for ever.
    pub exptime: i64,
    /// What to add or subtract; the level of `verbosity`, the megabytes of `cache_memlimit`.
    pub delta: u64,
}

impl Numbers {
    /// Appends the packed numbers.
    pub fn write(&self, out: &mut Vec<u8>) {
        if *self != Numbers::default() {
            out.extend_from_slice(&self.flags.to_le_bytes());
            out.extend_from_slice(&u32::from(self.noreply).to_le_bytes());
            out.extend_from_slice(&self.exptime.to_le_bytes());
            out.extend_from_slice(&self.delta.to_le_bytes());
        }
    }

    /// Reads packed numbers; `None` when the bytes are none.
    pub fn read(packed: &[u8]) -> Option<Self> {
        if packed.is_empty() {
            return Some(Numbers::default());
        }
        let mut reader = Reader(packed);
        let numbers = Numbers {
            flags: reader.u32()?,
            noreply: match reader.u32()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            exptime: reader.u64()?.cast_signed(),
            delta: reader.u64()?,
        };
        reader.0.is_empty().then_some(numbers)
    }
}

/// Most bytes of keys that a function of a type is told of, so that what a `get` of many virtual keys costs grows with
/// the number of its keys and not with the square of it.
pub const KEYS_BYTES_MAX: usize = 4096;

/// In place of a length: further keys are left out.
const MORE: u32 = u32::MAX;

/// Appends all keys of a command, for [`MAIN`](crate::MAIN), which runs once for each command.
pub fn write_keys<'k>(out: &mut Vec<u8>, keys: impl Iterator<Item = &'k [u8]>) {
    keys.for_each(|key| put_counted(out, key));
}

/// Appends the first keys of a command, for [`CALL`](crate::CALL), which runs for each key. Takes no more of `keys`
/// than fit [`KEYS_BYTES_MAX`], but always one, and leaves a mark where others follow.
pub fn write_first_keys<'k>(out: &mut Vec<u8>, keys: impl Iterator<Item = &'k [u8]>) {
    let start = out.len();
    for key in keys {
        if out.len() > start && out.len() - start + size_of::<u32>() + key.len() > KEYS_BYTES_MAX {
            out.extend_from_slice(&MORE.to_le_bytes());
            return;
        }
        put_counted(out, key);
    }
}

/// The keys of a command in a packed list, which may say that it lacks some.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a>(Reader<'a>);

impl<'a> Keys<'a> {
    /// The keys of a packed list. Reading ends where no whole key follows.
    pub const fn new(packed: &'a [u8]) -> Self {
        Keys(Reader(packed))
    }

    /// The key of a command that has one only.
    pub fn only(mut self) -> Option<&'a [u8]> {
        let key = self.next()?;
        self.0.0.is_empty().then_some(key)
    }

    /// Whether the list lacks keys of the command.
    pub fn lacks_some(mut self) -> bool {
        self.by_ref().for_each(drop);
        self.0.u32() == Some(MORE)
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.counted()
    }
}
