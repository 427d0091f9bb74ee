//! The code between the ABI and the functions.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, ImplItem, ItemImpl, parse_quote};

use crate::meta;
use crate::model::{Function, ObjectType, Parameter, Presence};

/// The block itself, the handlers, and what the host finds in the module.
///
/// Everything but the block is inside an anonymous constant, so that no name escapes.
pub(crate) fn expand(object: &ObjectType, block: &ItemImpl) -> TokenStream {
    let self_type = &block.self_ty;
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let meta = meta::json(object, &version);
    let (name, value) = (&object.options.name, object.options.value);
    let (opens, writes) = (&object.options.opens, &object.options.writes);
    let handlers = object
        .functions
        .iter()
        .map(|function| handler(function, self_type));
    let table = object.functions.iter().map(entry);
    let module = module(object, &meta);
    let block = inlined(block);
    quote! {
        #[allow(clippy::new_ret_no_self, clippy::wrong_self_convention, reason = "the names are the type's own")]
        #block

        const _: () = {
            use ::cacheismo_sdk::private as __sdk;

            #(#handlers)*

            impl __sdk::ObjectType for #self_type {
                const NAME: &'static str = #name;
                const META: &'static str = #meta;
                const VALUE: bool = #value;
                const OPENS: &'static [&'static str] = &[#(#opens),*];
                const WRITES: &'static [&'static str] = &[#(#writes),*];
                const FUNCTIONS: &'static [__sdk::Function] = &[#(#table),*];
            }

            #module
        };
    }
}

/// The block with every function inlined into its handler and so into its export: the engine does
/// not inline, and its calls are dear.
fn inlined(block: &ItemImpl) -> ItemImpl {
    let mut block = block.clone();
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else {
            continue;
        };
        if !function.attrs.iter().any(|a| a.path().is_ident("inline")) {
            function
                .attrs
                .push(parse_quote!(#[cfg_attr(target_arch = "wasm32", inline(always))]));
        }
    }
    block
}

fn handler_ident(function: &Function) -> Ident {
    format_ident!("__call_{}", function.name)
}

/// Decodes the arguments in order, calls the function, encodes its answer.
fn handler(function: &Function, self_type: &syn::Type) -> TokenStream {
    let ident = &function.ident;
    let handler = handler_ident(function);
    let variable = |index: usize| format_ident!("__argument_{index}");
    let reads = function
        .parameters
        .iter()
        .enumerate()
        .filter_map(|(index, parameter)| {
            let Parameter::Argument(argument) = parameter else {
                return None;
            };
            let (variable, name) = (variable(index), &argument.name);
            Some(match argument.presence {
                Presence::Required => quote!(let #variable = args.required(#name)?;),
                Presence::Optional => quote!(let #variable = args.optional(#name)?;),
                Presence::Rest => quote!(let #variable = args.rest();),
            })
        });
    let values = function
        .parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| match parameter {
            Parameter::Argument(_) => {
                let variable = variable(index);
                quote!(#variable)
            }
            Parameter::Reply => quote!(reply),
        });
    quote! {
        #[inline(always)]
        #[allow(unused_mut, unused_variables, reason = "not every function takes every part")]
        fn #handler<'c>(
            object: &mut ::cacheismo_sdk::Object<'c>,
            mut args: __sdk::Args<'c>,
            reply: &mut ::cacheismo_sdk::Reply<'c>,
        ) -> ::core::result::Result<(), ::cacheismo_sdk::Error> {
            #(#reads)*
            let answer = <#self_type>::#ident(object, #(#values),*);
            ::cacheismo_sdk::IntoReply::into_reply(answer, reply)
        }
    }
}

/// A row of the table that native tests dispatch by.
fn entry(function: &Function) -> TokenStream {
    let (name, writes, usage) = (&function.name, function.writes, meta::usage(function));
    let required = function
        .arguments()
        .filter(|argument| argument.presence == Presence::Required)
        .count();
    let handler = handler_ident(function);
    quote!(__sdk::Function { name: #name, writes: #writes, required: #required, usage: #usage, handler: #handler })
}

/// The exports and the custom section. Only in wasm: several types may be linked into one native
/// test, where their names would collide.
fn module(object: &ObjectType, meta: &str) -> TokenStream {
    let buffer = object.options.buffer;
    let section = Literal::byte_string(meta.as_bytes());
    let section_bytes = meta.len();
    let (cell, cell_static) = match object.options.value {
        false => (quote!(::core::option::Option::None), quote!()),
        true => (
            quote!(::core::option::Option::Some(&VALUE)),
            quote! {
                #[cfg(target_arch = "wasm32")]
                #[unsafe(export_name = "cacheismo_value")]
                static VALUE: __sdk::ValueCell = __sdk::ValueCell::new();
            },
        ),
    };
    let exports = object.functions.iter().map(|function| {
        let export = format!("fn:{}", function.name);
        let ident = format_ident!("__export_{}", function.name);
        let handler = handler_ident(function);
        quote! {
            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = #export)]
            extern "C" fn #ident(len: i32) -> i64 {
                __sdk::enter(len, &SCRATCH, #cell, #handler)
            }
        }
    });
    quote! {
        #[cfg(target_arch = "wasm32")]
        #[unsafe(export_name = "cacheismo_buffer")]
        static SCRATCH: __sdk::Scratch<#buffer> = __sdk::Scratch::new();

        #cell_static

        #[cfg(target_arch = "wasm32")]
        #[used]
        #[unsafe(link_section = "cacheismo.meta")]
        static META: [u8; #section_bytes] = *#section;

        #[cfg(target_arch = "wasm32")]
        #[unsafe(export_name = "cacheismo_reserve")]
        extern "C" fn __reserve(len: i32) -> *mut u8 {
            __sdk::reserve(len)
        }

        #(#exports)*
    }
}
