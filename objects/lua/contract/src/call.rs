//! The arguments of the two functions that run scripts.

use crate::{Command, MAIN_VIRTUAL_KEY};

/// A call of a function of a type: the arguments of [`CALL`](crate::CALL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The object's key: the third part of the virtual key, empty when there is none.
    pub object: &'a [u8],
    /// The type.
    pub type_name: &'a [u8],
    /// The function.
    pub function: &'a [u8],
    /// The virtual key as sent; the interpreter splits it itself.
    pub virtual_key: &'a [u8],
    /// The command of the client.
    pub command: Command<'a>,
}

impl<'a> Call<'a> {
    /// The arguments in order.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        [self.object, self.type_name, self.function, self.virtual_key]
            .into_iter()
            .chain(self.command.arguments())
    }

    /// Reads the arguments; `None` when there are too few or too many.
    pub fn read(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        Some(Call {
            object: arguments.next()?,
            type_name: arguments.next()?,
            function: arguments.next()?,
            virtual_key: arguments.next()?,
            command: Command::read(arguments)?,
        })
    }
}

/// A command for the scripts' handler: the arguments of [`MAIN`](crate::MAIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Main<'a> {
    /// The command of the client.
    pub command: Command<'a>,
}

impl<'a> Main<'a> {
    /// The arguments in order: no object's key, the handler's name, the command.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        [&b""[..], MAIN_VIRTUAL_KEY]
            .into_iter()
            .chain(self.command.arguments())
    }

    /// Reads the arguments; `None` when they are not those of a command.
    pub fn read(mut arguments: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let (object, handler) = (arguments.next()?, arguments.next()?);
        let known = object.is_empty() && handler == MAIN_VIRTUAL_KEY;
        let command = Command::read(arguments)?;
        known.then_some(Main { command })
    }
}
