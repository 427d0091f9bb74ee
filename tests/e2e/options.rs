//! The command line: what is refused, how, and that its documentation is whole.

use std::collections::BTreeSet;
use std::process::Command;

use cacheismo_tests::server::{Server, refusal};
use cacheismo_tests::tools;

/// The statuses an option error may have: clap's, or memcached's.
const USAGE: [i32; 2] = [2, 64];

#[test]
fn an_unknown_option_names_the_nearest() {
    let refused = refusal(&["--memory-limt", "64"]);
    assert!(
        USAGE.map(Some).contains(&refused.status.code()),
        "{refused:?}"
    );
    assert!(refused.log.contains("--memory-limit"), "{refused:?}");
}

#[test]
fn values_that_mean_nothing_are_refused() {
    for options in [
        ["-t", "0"],
        ["-c", "0"],
        ["-c", "-1"],
        ["-m", "x"],
        ["-p", "65536"],
        ["-I", "100"],
        ["-l", "not an address"],
    ] {
        let refused = refusal(&options);
        assert!(!refused.status.success(), "{options:?}: {refused:?}");
        assert!(
            !refused.log.contains("panicked"),
            "{options:?}: {refused:?}"
        );
        assert!(
            !refused.log.trim().is_empty(),
            "{options:?} is refused without a word"
        );
    }
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let server = Server::start(&[]);
    let port = server.address().port().to_string();
    let refused = refusal(&["-l", "127.0.0.1", "-p", &port]);
    assert!(!refused.status.success());
    assert!(refused.log.contains(&port), "{refused:?}");
    let about: Vec<&str> = refused
        .log
        .lines()
        .filter(|line| line.contains(&port))
        .collect();
    assert_eq!(about.len(), 1, "{refused:?}");
}

#[test]
fn clustered_short_options_are_understood() {
    // The last of a cluster takes the value: this is `-v -p PORT`.
    let mut command = Command::new(tools::cacheismo());
    let server = Server::spawn(command.args(["-vp", "0", "-l", "127.0.0.1"]));
    assert!(server.connect().ask("version\r\n").starts_with("VERSION "));
}

#[test]
fn version_and_help_print_and_end() {
    for option in ["-V", "--version", "-h", "--help"] {
        let output = tools::run(Command::new(tools::cacheismo()).arg(option));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(
                if option.to_lowercase().starts_with("-v") || option == "--version" {
                    env!("CARGO_PKG_VERSION")
                } else {
                    "--port"
                }
            ),
            "{option}: {text}"
        );
    }
}

#[test]
fn the_readme_names_exactly_the_options_there_are() {
    let help = tools::run(Command::new(tools::cacheismo()).arg("--help"));
    let known = long_options(&String::from_utf8_lossy(&help.stdout));
    let readme =
        std::fs::read_to_string(tools::repository().join("README.md")).expect("there is a README");
    let section = readme
        .split("\n## Options\n")
        .nth(1)
        .expect("the README has a section on options");
    let section = section
        .split("\n## ")
        .next()
        .expect("a split has a first part");
    let table: String = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect::<Vec<_>>()
        .join("\n");
    let documented = long_options(&table);
    let missing: Vec<_> = known.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&known).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "not in the README: {missing:?}; not in --help: {invented:?}"
    );
}

/// Every `--word` that starts an option's line or a table's cell.
fn long_options(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
        .filter(|word| word.len() > 3 && word.starts_with("--"))
        .map(str::to_owned)
        .collect()
}
