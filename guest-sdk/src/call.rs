//! One call from packed arguments to answer, the same for wasm and for tests.

use crate::args::Args;
use crate::{Error, Object, Reply, sys};

/// What the macro makes of a function: decodes the arguments, calls it, encodes its answer.
pub type Handler = for<'c> fn(&mut Call<'c>) -> Result<(), Error>;

/// A call on its way through a [`Handler`].
#[derive(Debug)]
pub struct Call<'c> {
    /// The object it was made on.
    pub object: Object<'c>,
    /// The arguments behind the object's key.
    pub args: Args<'c>,
    /// Where the answer goes.
    pub reply: Reply<'c>,
}

/// An object type as the macro describes it.
pub trait ObjectType {
    /// Type name, the first word of a virtual key.
    const NAME: &'static str;
    /// The metadata of the custom section, JSON.
    const META: &'static str;
    /// Its functions in order of declaration.
    const FUNCTIONS: &'static [Function];
}

/// A function of an object type.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Second word of a virtual key.
    pub name: &'static str,
    /// Whether it takes `&mut Object`.
    pub writes: bool,
    /// How many arguments behind the object's key it cannot do without.
    pub required: usize,
    /// Arguments as shown in help.
    pub usage: &'static str,
    /// Runs it.
    pub handler: Handler,
}

/// Runs `handler` on packed arguments. Returns how many bytes of the answer are in `buffer`, the
/// ones before them having been streamed, or `None` when it was refused with `fail`.
pub(crate) fn run(packed: &[u8], buffer: &mut [u8], handler: Handler) -> Option<usize> {
    let mut args = Args::new(packed);
    let key = args.next().unwrap_or_default();
    let mut call = Call {
        object: Object::of_call(key),
        args,
        reply: Reply::new(buffer),
    };
    match handler(&mut call) {
        Ok(()) => Some(call.reply.buffered()),
        Err(error) => {
            sys::fail(error.text().as_bytes());
            None
        }
    }
}
