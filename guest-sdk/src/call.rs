//! One call from packed arguments to answer, the same for wasm and for tests.

use crate::args::Args;
use crate::cell::ValueCell;
use crate::{Error, Object, Reply, sys};

/// What the macro makes of a function: it decodes the arguments behind the object's key, calls the function, encodes
/// its answer.
pub type Handler = for<'c> fn(&mut Object<'c>, Args<'c>, &mut Reply<'c>) -> Result<(), Error>;

/// An object type as the macro describes it.
pub trait ObjectType {
    /// Type name, the first word of a virtual key.
    const NAME: &'static str;
    /// The metadata of the custom section, JSON.
    const META: &'static str;
    /// Whether the object's value comes with each call.
    const VALUE: bool;
    /// Other types whose objects the type's functions read.
    const OPENS: &'static [&'static str];
    /// Other types whose objects the type's functions read and change.
    const WRITES: &'static [&'static str];
    /// The type's functions in order of declaration.
    const FUNCTIONS: &'static [Function];
}

/// A function of an object type.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Second word of a virtual key.
    pub name: &'static str,
    /// Whether the function takes `&mut Object`.
    pub writes: bool,
    /// How many arguments behind the object's key the function cannot do without.
    pub required: usize,
    /// Arguments as shown in help.
    pub usage: &'static str,
    /// Runs the function.
    pub handler: Handler,
}

/// Runs `handler` on packed arguments. Returns the tail of the answer, what comes before it having
/// been streamed, and whether the answer is a refusal; or `None` when the call failed with `fail`.
///
/// Inlined into every export, with its handler: the engine does not inline, and a call of a wasm
/// function costs more than most of what is done here.
#[inline(always)]
pub(crate) fn run<'c>(
    packed: &'c [u8],
    buffer: &'c mut [u8],
    cell: Option<&'static ValueCell>,
    handler: impl FnOnce(&mut Object<'c>, Args<'c>, &mut Reply<'c>) -> Result<(), Error>,
) -> Option<(&'c [u8], bool)> {
    let mut args = Args::new(packed);
    let key = args.next().unwrap_or_default();
    let mut object = Object::of_call(key, cell);
    let mut reply = Reply::new(buffer);
    match handler(&mut object, args, &mut reply) {
        Ok(()) => Some(reply.into_tail()),
        Err(error) => {
            fail(error);
            None
        }
    }
}

#[cold]
#[inline(never)]
fn fail(error: Error) {
    sys::fail(error.text().as_bytes());
}
