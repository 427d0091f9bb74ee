//! The `cacheismo` binary: options in, serve.

use std::backtrace::Backtrace;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use cacheismo::server::options::{self, EXIT_USAGE, Request};
use cacheismo::server::{self, Signals};
use cacheismo::stats::log;

/// Exit status when the system or a file doesn't give what the server needs (`EX_OSERR` of sysexits).
const EXIT_SYSTEM: u8 = 71;
/// Time for the line that says why the server ends.
const LAST_LINE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Before anything else, so that no signal ends a server that is about to start.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return failed(EXIT_SYSTEM, &format!("cannot block signals: {error}")),
    };
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = server::run_tool(&arguments) {
        return code;
    }
    match options::parse(arguments) {
        Err(error) => failed(EXIT_USAGE, &error.to_string()),
        Ok(Request::Print(text) | Request::Checked(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Request::Serve(config)) => {
            // The default would wait for standard error.
            std::panic::set_hook(Box::new(|panic| {
                log::warn(format_args!("{panic}\n{}", Backtrace::capture()));
            }));
            match server::run(&config, signals) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(EXIT_SYSTEM, &server::sentence(&error)),
            }
        }
    }
}

fn failed(status: u8, why: &str) -> ExitCode {
    log::warn(format_args!("{why}"));
    log::flush(LAST_LINE);
    ExitCode::from(status)
}
