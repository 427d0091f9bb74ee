//! `--config`: a TOML file whose keys are the long option names.
//!
//! The file is turned into arguments that stand before those of the command line, so both are read and checked
//! by the same code. What the command line gives is left out of the file, repeatable options included.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use toml::{Spanned, Value};

use super::arguments::Arguments;
use super::{UsageError, values, was_given};

/// The arguments of the file, followed by those `given`.
pub(super) fn before(
    path: &Path,
    given: &[OsString],
    matches: &ArgMatches,
) -> Result<Vec<OsString>, UsageError> {
    let in_file = |text: String| UsageError(format!("{}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| in_file(error.to_string()))?;
    let table: BTreeMap<String, Spanned<Value>> = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].lines().count().max(1))
            .map(|line| format!("line {line}: "))
            .unwrap_or_default();
        in_file(format!("{line}{}", error.message()))
    })?;
    let command = Arguments::command();
    let mut merged: Vec<OsString> = given.first().cloned().into_iter().collect();
    for (name, value) in &table {
        let argument = find(&command, name).map_err(&in_file)?;
        if !was_given(matches, argument.get_id().as_str()) {
            let value = match argument.get_id() == "unix_mask" {
                true => &mask(value.get_ref(), &text[value.span()]).map_err(&in_file)?,
                false => value.get_ref(),
            };
            push(argument, name, value, &mut merged).map_err(&in_file)?;
        }
    }
    merged.extend(given.iter().skip(1).cloned());
    Ok(merged)
}

/// Options that say something about this run, not about the server.
const COMMAND_LINE_ONLY: [&str; 5] = ["config", "check-config", "help", "version", "license"];

fn find<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, String> {
    let longs = || {
        command.get_arguments().filter(|argument| {
            argument
                .get_long()
                .is_some_and(|long| !COMMAND_LINE_ONLY.contains(&long))
        })
    };
    longs()
        .find(|argument| argument.get_long() == Some(name))
        .ok_or_else(|| {
            let names: Vec<&str> = longs().filter_map(Arg::get_long).collect();
            match values::nearest(name, &names) {
                Some(nearest) => format!("unknown option '{name}'; did you mean '{nearest}'?"),
                None => format!("unknown option '{name}'"),
            }
        })
}

fn push(argument: &Arg, name: &str, value: &Value, into: &mut Vec<OsString>) -> Result<(), String> {
    let flag = OsString::from(format!("--{name}"));
    let with = |text: String| OsString::from(format!("--{name}={text}"));
    match (argument.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => into.push(flag),
        (ArgAction::SetTrue, Value::Boolean(false)) => {}
        (ArgAction::SetTrue, _) => return Err(format!("'{name}' is true or false")),
        (ArgAction::Count, Value::Integer(count @ 0..=9)) => {
            into.extend((0..*count).map(|_| flag.clone()));
        }
        (ArgAction::Count, _) => return Err(format!("'{name}' is a number from 0 to 9")),
        (ArgAction::Append, Value::Array(list)) => {
            for entry in list {
                into.push(with(scalar(name, entry)?));
            }
        }
        (_, value) => into.push(with(scalar(name, value)?)),
    }
    Ok(())
}

/// A mask as the command line takes it, which reads octal digits. A number without `0o` is refused: nobody knows
/// whether its digits were meant to be octal.
fn mask(value: &Value, written: &str) -> Result<Value, String> {
    match value {
        Value::Integer(mask) if written.trim_start().starts_with("0o") => {
            Ok(Value::String(format!("{mask:o}")))
        }
        Value::Integer(digits) => Err(format!(
            "'unix-mask' is octal: write 0o{digits} or \"{digits}\""
        )),
        other => Ok(other.clone()),
    }
}

fn scalar(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!(
            "'{name}' is a {}, which it can't be",
            value.type_str()
        )),
    }
}
