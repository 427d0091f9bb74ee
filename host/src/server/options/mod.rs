//! The command line: memcached's options with memcached's meaning, and our own.
//!
//! [`parse`] turns arguments (and the file of `--config`) into a [`Config`], one part for each room that needs
//! one. An option that is accepted for compatibility but changes nothing leaves a sentence in
//! [`Config::warnings`], so nobody believes in a switch that isn't connected.

mod arguments;
mod config;
mod extended;
mod file;
mod listen;
mod resolve;
pub(super) mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};

pub use arguments::{Eviction, FsyncMode, WireProtocol};
pub use config::{
    CacheOptions, ClientCertificate, Config, KeyFormat, Peer, PersistenceOptions, RuntimeOptions,
    ServerConfig, StoreOptions, TlsOptions,
};
pub use listen::{ListenAddress, Security};
pub(super) use values::nearest;

use arguments::Arguments;

/// Exit status of a command line that can't be used (`EX_USAGE` of sysexits).
pub const EXIT_USAGE: u8 = 64;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// Serve.
    Serve(Box<Config>),
    /// `--check-config`: everything is in order, say so and leave. The text names the warnings.
    Checked(String),
    /// Print this on standard output and leave: help, version, licence.
    Print(String),
}

/// Why the command line can't be used: one line, for the operator.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UsageError(pub(crate) String);

/// Reads the command line; the first argument is the program's name.
///
/// # Errors
/// When an option is unknown, malformed or contradicts another, here or in the configuration file.
pub fn parse<I, T>(arguments: I) -> Result<Request, UsageError>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let given: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let matches = match matches_of(given.iter().cloned()) {
        Ok(matches) => matches,
        Err(error) => return print_or_refuse(&error),
    };
    let matches = match matches.get_one::<std::path::PathBuf>("config") {
        None => matches,
        Some(path) => {
            let merged = file::before(path, &given, &matches)?;
            matches_of(merged).map_err(|error| in_file(path, &error))?
        }
    };
    let arguments = Arguments::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    if arguments.license {
        return Ok(Request::Print(
            "cacheismo is free software under the Apache License, Version 2.0.\n".into(),
        ));
    }
    let check = arguments.check_config;
    let config = resolve::resolve(arguments, |id| was_given(&matches, id))?;
    if check {
        let mut text = config.warnings.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str("configuration is in order\n");
        return Ok(Request::Checked(text));
    }
    Ok(Request::Serve(Box::new(config)))
}

/// An option counts as given when the command line or the file names it.
fn was_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
}

fn matches_of(arguments: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, clap::Error> {
    Arguments::command().try_get_matches_from(arguments)
}

fn print_or_refuse(error: &clap::Error) -> Result<Request, UsageError> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Ok(Request::Print(error.render().to_string()))
        }
        _ => Err(usage(error)),
    }
}

/// One line out of clap's error, which has several.
fn usage(error: &clap::Error) -> UsageError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument {
        let nearest = match (text(ContextKind::SuggestedArg), argument.starts_with('-')) {
            (Some(nearest), _) => format!("; did you mean '{nearest}'?"),
            (None, true) => nearest_long(&argument)
                .map(|nearest| format!("; did you mean '--{nearest}'?"))
                .unwrap_or_default(),
            (None, false) => " (an option starts with '-')".to_owned(),
        };
        return UsageError(format!(
            "unknown option '{argument}'{nearest} (-h lists all options)"
        ));
    }
    let rendered = error.render().to_string();
    let first = rendered.lines().next().unwrap_or_default();
    UsageError(first.trim_start_matches("error: ").to_owned())
}

fn in_file(path: &std::path::Path, error: &clap::Error) -> UsageError {
    UsageError(format!("{}: {}", path.display(), usage(error)))
}

/// The long option most like `name`, however far: a guess costs the reader nothing.
fn nearest_long(name: &str) -> Option<String> {
    let command = Arguments::command();
    let longs: Vec<&str> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    values::nearest(name.trim_start_matches('-'), &longs).map(str::to_owned)
}
