//! Help for the users of the types, made from their metadata: `get help:objects`, `get help:<type>`.

use std::fmt::Write as _;
use std::sync::Arc;

use super::metadata::{Function, Metadata};
use super::object_type::ObjectType;
use super::registry::Types;

/// All types with their versions, but for those whose names are `taken`, and how to ask on.
pub fn objects(types: &Types, taken: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let shown =
        |object: &&Arc<ObjectType>| object.setup.is_none() && !taken(&object.metadata().type_name);
    for object in types.iter().filter(shown) {
        let Metadata {
            type_name,
            version,
            doc,
            ..
        } = object.metadata();
        let _ = writeln!(text, "{type_name} {version}  {}", first_line(doc));
    }
    if types.iter().next().is_none() {
        text.push_str("no object types are loaded\n");
    }
    text.push_str("get help:<type> shows the functions of a type");
    text
}

/// Functions, arguments and an example of one type.
pub fn object(metadata: &Metadata) -> String {
    let Metadata {
        type_name,
        version,
        doc,
        example,
        functions,
        capabilities,
        ..
    } = metadata;
    let mut text = format!("{type_name} {version}\n");
    paragraph(&mut text, "", doc);
    if !capabilities.is_empty() {
        let _ = writeln!(text, "May use: {}", capabilities.join(", "));
    }
    for function in functions {
        text.push('\n');
        describe(&mut text, type_name, function);
    }
    if !example.is_empty() {
        text.push_str("\nExample:\n");
        paragraph(&mut text, "  ", example);
    }
    text.truncate(text.trim_end().len());
    text
}

fn describe(text: &mut String, type_name: &str, function: &Function) {
    let read_only = if function.writes { "" } else { "  (read-only)" };
    let _ = writeln!(text, "{}{read_only}", function.usage(type_name));
    paragraph(text, "    ", &function.doc);
    for argument in &function.args {
        let what = match (argument.rest, argument.optional) {
            (true, _) => ", any number",
            (false, true) => ", optional",
            (false, false) => "",
        };
        let _ = writeln!(
            text,
            "    {}: {}{what}",
            argument.name,
            argument.kind.name()
        );
    }
}

/// Writes text with every line indented; control characters other than line ends are left out.
fn paragraph(text: &mut String, indent: &str, content: &str) {
    for line in content.trim_end().lines() {
        let line = line.trim_end();
        if !line.is_empty() {
            text.push_str(indent);
            text.extend(line.chars().filter(|c| !c.is_control()));
        }
        text.push('\n');
    }
}

fn first_line(doc: &str) -> String {
    let line = doc.lines().next().unwrap_or("");
    line.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_what_the_metadata_says() {
        let metadata = Metadata::parse(
            br#"{"abi":1,"type":"set","version":"0.1.0","doc":"A set of byte strings.\n\nOrdered.\u0007","buffer":1024,
            "example":"get set:put:fruit:apple","capabilities":["items"],"functions":[
            {"name":"put","doc":"Adds a member.","writes":true,"args":[{"name":"member","kind":"bytes"}]},
            {"name":"list","writes":false,"args":[{"name":"from","kind":"str","optional":true},{"name":"more","kind":"int","rest":true}]}]}"#,
        )
        .unwrap();
        assert_eq!(
            object(&metadata),
            "set 0.1.0\n\
             A set of byte strings.\n\
             \n\
             Ordered.\n\
             May use: items\n\
             \n\
             set:put:<set>:<member>\n    \
                 Adds a member.\n    \
                 member: bytes\n\
             \n\
             set:list:<set>[:<from>[:<more>...]]  (read-only)\n    \
                 from: str, optional\n    \
                 more: int, any number\n\
             \n\
             Example:\n  \
               get set:put:fruit:apple"
        );
    }
}
