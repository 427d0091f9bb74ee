//! What an `impl` block says about its object type.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, ItemImpl, Lit,
    LitBool, LitInt, LitStr, Meta, Pat, PathArguments, Result, Token, Type,
};

/// Default of `buffer`.
const BUFFER_BYTES: usize = 16 * 1024;

/// The arguments of the attribute.
pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) example: String,
    pub(crate) buffer: usize,
    pub(crate) value: bool,
    /// Other types whose objects the type's functions read.
    pub(crate) opens: Vec<String>,
    /// Other types whose objects the type's functions read and change.
    pub(crate) writes: Vec<String>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self {
            name: String::new(),
            example: String::new(),
            buffer: BUFFER_BYTES,
            value: false,
            opens: Vec::new(),
            writes: Vec::new(),
        };
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match option.to_string().as_str() {
                "name" => options.name = checked_name(&input.parse()?)?,
                "example" => options.example = input.parse::<LitStr>()?.value(),
                "buffer" => options.buffer = checked_buffer(&input.parse()?)?,
                "value" => options.value = input.parse::<LitBool>()?.value,
                "opens" => options.opens = types(input)?,
                "writes" => options.writes = types(input)?,
                _ => {
                    return Err(Error::new(
                        option.span(),
                        "expected `name`, `example`, `buffer`, `value`, `opens` or `writes`",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if options.name.is_empty() {
            return Err(Error::new(
                Span::call_site(),
                "an object needs a name: `#[object(name = \"set\")]`",
            ));
        }
        Ok(options)
    }
}

fn checked_name(literal: &LitStr) -> Result<String> {
    let name = literal.value();
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(legal)
    {
        Ok(name)
    } else {
        Err(Error::new(
            literal.span(),
            "a type name is 1 to 32 of `a-z 0-9 _` and starts with a letter",
        ))
    }
}

/// Reads a list of other types: `["set", "map"]`, or `["*"]` for all.
fn types(input: ParseStream<'_>) -> Result<Vec<String>> {
    let list;
    syn::bracketed!(list in input);
    let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
    let name = |literal: &LitStr| match literal.value().as_str() {
        "*" => Ok("*".to_owned()),
        _ => checked_name(literal),
    };
    names.iter().map(name).collect()
}

fn checked_buffer(literal: &LitInt) -> Result<usize> {
    let bytes = literal.base10_parse()?;
    if (1024..=1024 * 1024).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Error::new(
            literal.span(),
            "the buffer is 1024 to 1048576 bytes",
        ))
    }
}

/// An object type.
pub(crate) struct ObjectType {
    pub(crate) options: Options,
    pub(crate) doc: String,
    pub(crate) functions: Vec<Function>,
}

/// A function of an object type.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) writes: bool,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter behind the object.
pub(crate) enum Parameter {
    Argument(Argument),
    /// `&mut Reply`.
    Reply,
}

/// A parameter that comes from the client.
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) presence: Presence,
}

/// Whether an argument must be there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Presence {
    Required,
    Optional,
    Rest,
}

impl Function {
    /// The parameters that come from the client.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Argument(argument) => Some(argument),
                Parameter::Reply => None,
            })
    }
}

impl ObjectType {
    /// Reads the block.
    ///
    /// # Errors
    /// When something in the block cannot be a function of an object, with its place.
    pub(crate) fn read(options: Options, block: &ItemImpl) -> Result<Self> {
        if let Some((_, path, _)) = &block.trait_ {
            return Err(Error::new_spanned(
                path,
                "an object is an `impl` block of its own, not of a trait",
            ));
        }
        if !block.generics.params.is_empty() {
            return Err(Error::new_spanned(
                &block.generics,
                "an object type cannot be generic",
            ));
        }
        let functions = block
            .items
            .iter()
            .map(Function::read)
            .collect::<Result<Vec<_>>>()?;
        if functions.is_empty() {
            return Err(Error::new_spanned(
                &block.self_ty,
                "an object type needs a function",
            ));
        }
        Ok(Self {
            options,
            doc: doc(&block.attrs),
            functions,
        })
    }
}

impl Function {
    fn read(item: &ImplItem) -> Result<Self> {
        let ImplItem::Fn(ImplItemFn { attrs, sig, .. }) = item else {
            return Err(Error::new_spanned(
                item,
                "only functions of the type; the rest belongs in another block",
            ));
        };
        if let Some(word) = sig
            .asyncness
            .map(|word| word.span)
            .or(sig.unsafety.map(|word| word.span))
        {
            return Err(Error::new(
                word,
                "a function of an object is neither async nor unsafe",
            ));
        }
        if !sig.generics.params.is_empty() {
            return Err(Error::new_spanned(
                &sig.generics,
                "a function of an object cannot be generic",
            ));
        }
        let mut inputs = sig.inputs.iter();
        let writes = inputs.next().and_then(object_reference).ok_or_else(|| {
            Error::new_spanned(&sig.ident, "the first parameter is `&Object` to read or `&mut Object` to write; helpers belong in another block")
        })?;
        let parameters = inputs.map(Parameter::read).collect::<Result<Vec<_>>>()?;
        let name = sig.ident.to_string();
        let function = Self {
            ident: sig.ident.clone(),
            name: name.strip_prefix("r#").unwrap_or(&name).to_owned(),
            doc: doc(attrs),
            writes,
            parameters,
        };
        function.check_order(&sig.ident)?;
        Ok(function)
    }

    fn check_order(&self, ident: &Ident) -> Result<()> {
        let order: Vec<Presence> = self.arguments().map(|argument| argument.presence).collect();
        let rests = order
            .iter()
            .filter(|presence| **presence == Presence::Rest)
            .count();
        if order.is_sorted() && rests <= 1 {
            Ok(())
        } else {
            Err(Error::new_spanned(
                ident,
                "required arguments come first, then optional ones, then one `Rest`",
            ))
        }
    }
}

/// `&Object` is `Some(false)`, `&mut Object` is `Some(true)`.
fn object_reference(input: &FnArg) -> Option<bool> {
    let FnArg::Typed(parameter) = input else {
        return None;
    };
    reference_to(&parameter.ty, "Object")
}

/// `Some` when `ty` is a reference to a type called `name`: true for a mutable reference.
fn reference_to(ty: &Type, name: &str) -> Option<bool> {
    let Type::Reference(reference) = ty else {
        return None;
    };
    (last_word(&reference.elem)? == name).then_some(reference.mutability.is_some())
}

fn last_word(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}

impl Parameter {
    fn read(input: &FnArg) -> Result<Self> {
        let FnArg::Typed(parameter) = input else {
            return Err(Error::new_spanned(
                input,
                "a function of an object has no `self`: its state is in `Object`",
            ));
        };
        if reference_to(&parameter.ty, "Reply") == Some(true) {
            return Ok(Self::Reply);
        }
        let Pat::Ident(pattern) = &*parameter.pat else {
            return Err(Error::new_spanned(
                &parameter.pat,
                "an argument has a name, which help shows",
            ));
        };
        let name = pattern
            .ident
            .to_string()
            .trim_start_matches("r#")
            .trim_start_matches('_')
            .to_owned();
        let argument = |kind, presence| {
            Ok(Self::Argument(Argument {
                name,
                kind,
                presence,
            }))
        };
        if last_word(&parameter.ty).as_deref() == Some("Rest") {
            return argument("bytes", Presence::Rest);
        }
        match optional(&parameter.ty) {
            Some(inner) => argument(kind(inner)?, Presence::Optional),
            None => argument(kind(&parameter.ty)?, Presence::Required),
        }
    }
}

/// The `T` of `Option<T>`.
fn optional(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

/// The metadata's word for a type.
fn kind(ty: &Type) -> Result<&'static str> {
    let name = match ty {
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Slice(slice) if last_word(&slice.elem).as_deref() == Some("u8") => {
                return Ok("bytes");
            }
            elem => last_word(elem).filter(|word| word == "str"),
        },
        _ => last_word(ty).filter(|word| word != "str"),
    };
    match name.as_deref() {
        Some("str") => Ok("str"),
        Some("i8" | "i16" | "i32" | "i64") => Ok("int"),
        Some("u8" | "u16" | "u32" | "u64") => Ok("uint"),
        Some("f32" | "f64") => Ok("float"),
        Some("bool") => Ok("bool"),
        _ => Err(Error::new_spanned(
            ty,
            "an argument is `&[u8]`, `&str`, `bool`, an integer of up to 64 bits, `f32` or `f64`, an `Option` of one of them, or `Rest`",
        )),
    }
}

/// The text of doc comments, one leading space of each line taken off.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<String> = lines
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests;
