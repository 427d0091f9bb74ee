//! The attribute macro of `cacheismo-sdk`; use it from there, where it is documented by example.
//!
//! It reads the signatures of an `impl` block (`model`), describes them as JSON (`meta`) and
//! writes the code between the ABI and the functions (`emit`).

mod emit;
mod meta;
mod model;

use proc_macro::TokenStream;
use syn::{ItemImpl, parse_macro_input};

/// Makes an object type of an `impl` block. Every function in it becomes a function of the type;
/// helpers belong in another block.
///
/// `#[object(name = "set", example = "get set:put:fruit:apple", buffer = 16384)]`
///
/// - `name`: the type, 1 to 32 of `a-z 0-9 _`, starting with a letter.
/// - `example`: shown in help. Optional.
/// - `buffer`: bytes set aside for arguments, 1024 to 1048576, default 16384. Longer arguments work
///   too, through the allocator.
/// - `value = true`: each object of this type is one opaque value. A value of up to 120 bytes then comes with each call
///   and goes with its answer, which spares the host calls for it; a longer value works, too.
///
/// - `opens = ["set"]`, `writes = ["counter"]`: other types whose objects a call opens to read, or to read and change;
///   `["*"]` for all. A call may always open objects of its own type. The server refuses all others.
///
/// The doc comments of the block and of its functions become help.
///
/// A function takes `&Object` (it reads) or `&mut Object` (it may write); then its arguments: `&[u8]`,
/// `&str`, `bool`, integers and floats, then `Option`s of these, then possibly `Rest` for any number of further ones;
/// and, anywhere, `&mut Reply` for a long answer. It returns anything that is `IntoReply`.
#[proc_macro_attribute]
pub fn object(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(attributes as model::Options);
    let block = parse_macro_input!(item as ItemImpl);
    let type_model = match model::ObjectType::read(options, &block) {
        Ok(type_model) => type_model,
        // The block is repeated so that its own errors, and uses of it, make sense.
        Err(error) => {
            let error = error.to_compile_error();
            return quote::quote!(#block #error).into();
        }
    };
    emit::expand(&type_model, &block).into()
}
