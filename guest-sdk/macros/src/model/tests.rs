use syn::{ItemImpl, parse_quote, parse_str};

use super::{ObjectType, Options, Presence};

fn options(text: &str) -> Result<Options, String> {
    parse_str(text).map_err(|error| error.to_string())
}

fn read(block: &ItemImpl) -> Result<ObjectType, String> {
    ObjectType::read(options("name = \"t\"")?, block).map_err(|error| error.to_string())
}

#[track_caller]
fn refused<T>(result: Result<T, String>, text: &str) {
    let error = result.err().expect("it is refused");
    assert!(error.contains(text), "{error}");
}

#[test]
fn a_block_is_read() {
    let block: ItemImpl = parse_quote! {
        /// Doc.
        ///
        ///   Indented.
        impl T {
            /// Puts.
            fn put(o: &mut Object, r#type: &[u8], _unused: u32, n: Option<i8>, more: Rest<'_>, out: &mut Reply) {}
            fn r#move(o: &cacheismo_sdk::Object<'_>) {}
        }
    };
    let object = read(&block).expect("it is right");
    assert_eq!(object.doc, "Doc.\n\n  Indented.");
    let [put, moved] = object.functions.as_slice() else {
        panic!("two functions")
    };
    assert!(put.writes && !moved.writes);
    assert_eq!(
        (put.name.as_str(), put.doc.as_str(), moved.name.as_str()),
        ("put", "Puts.", "move")
    );
    assert_eq!(put.parameters.len(), 5);
    let arguments: Vec<_> = put
        .arguments()
        .map(|a| (a.name.as_str(), a.kind, a.presence))
        .collect();
    let expected = [
        ("type", "bytes", Presence::Required),
        ("unused", "uint", Presence::Required),
        ("n", "int", Presence::Optional),
        ("more", "bytes", Presence::Rest),
    ];
    assert!(
        arguments == expected,
        "{:?}",
        arguments.iter().map(|a| (a.0, a.1)).collect::<Vec<_>>()
    );
}

#[test]
fn names_and_buffers_are_checked() {
    assert_eq!(
        options("name = \"a_1\", example = \"e\", buffer = 1024,").map(|o| o.buffer),
        Ok(1024)
    );
    assert_eq!(options("name = \"a\"").map(|o| o.buffer), Ok(16384));
    assert_eq!(options("name = \"a\"").map(|o| o.value), Ok(false));
    let with_value = options("name = \"a\", value = true").map(|o| o.value);
    assert_eq!(with_value, Ok(true));
    let reach =
        options("name = \"a\", opens = [\"set\", \"map\",], writes = [\"*\"]").expect("right");
    assert_eq!(
        (reach.opens.join(" "), reach.writes.join(" ")),
        ("set map".into(), "*".into())
    );
    refused(options("name = \"a\", opens = [\"Set\"]"), "a type name is");
    refused(
        options("name = \"a\", writes = \"set\""),
        "expected square brackets",
    );
    for name in ["", "A", "1a", "_a", "a-b", "a:b", "é", &"a".repeat(33)] {
        refused(options(&format!("name = {name:?}")), "a type name is");
    }
    refused(options(""), "needs a name");
    refused(
        options("name = \"a\", colour = 1"),
        "expected `name`, `example`, `buffer`, `value`, `opens` or `writes`",
    );
    for buffer in ["1023", "1048577"] {
        refused(
            options(&format!("name = \"a\", buffer = {buffer}")),
            "1024 to 1048576",
        );
    }
}

#[test]
fn what_cannot_be_an_object_is_refused_with_the_reason() {
    refused(read(&parse_quote!(impl T {})), "needs a function");
    refused(
        read(&parse_quote!(
            impl<A> T<A> {}
        )),
        "generic",
    );
    refused(read(&parse_quote!(impl Clone for T {})), "not of a trait");
    refused(
        read(&parse_quote!(impl T { const A: u8 = 1; })),
        "another block",
    );
    refused(read(&parse_quote!(impl T { fn f() {} })), "first parameter");
    refused(
        read(&parse_quote!(impl T { fn f(&self) {} })),
        "first parameter",
    );
    refused(
        read(&parse_quote!(impl T { fn f(o: Object) {} })),
        "first parameter",
    );
    refused(
        read(&parse_quote!(impl T { fn f(n: u8, o: &Object) {} })),
        "first parameter",
    );
    refused(
        read(&parse_quote!(impl T { fn f<A>(o: &Object, a: A) {} })),
        "generic",
    );
    refused(
        read(&parse_quote!(impl T { async fn f(o: &Object) {} })),
        "async",
    );
    refused(
        read(&parse_quote!(impl T { unsafe fn f(o: &Object) {} })),
        "unsafe",
    );
    refused(
        read(&parse_quote!(impl T { fn f(o: &Object, (a, b): u8) {} })),
        "has a name",
    );
    for ty in [
        "u128",
        "usize",
        "String",
        "Vec<u8>",
        "&mut [u8]",
        "&[u16]",
        "str",
        "Option<Option<u8>>",
        "&Reply",
    ] {
        let ty: syn::Type = parse_str(ty).expect("a type");
        refused(
            read(&parse_quote!(impl T { fn f(o: &Object, a: #ty) {} })),
            "an argument is",
        );
    }
}

#[test]
fn arguments_have_an_order() {
    let order = "required arguments come first";
    refused(
        read(&parse_quote!(impl T { fn f(o: &Object, a: Option<u8>, b: u8) {} })),
        order,
    );
    refused(
        read(&parse_quote!(impl T { fn f(o: &Object, a: Rest, b: u8) {} })),
        order,
    );
    refused(
        read(&parse_quote!(impl T { fn f(o: &Object, a: Rest, b: Option<u8>) {} })),
        order,
    );
    refused(
        read(&parse_quote!(impl T { fn f(o: &Object, a: Rest, b: Rest) {} })),
        order,
    );
    assert!(read(&parse_quote!(impl T { fn f(o: &Object, a: u8, out: &mut Reply, b: Option<u8>, c: Rest) {} })).is_ok());
}
