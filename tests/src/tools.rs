//! Where the repository and the programs of the tests are. A missing one is a failure that says
//! how to get it: a test that skips itself proves nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository's top directory.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a directory of the repository")
        .to_owned()
}

/// The server under test: `CACHEISMO_BIN`, or the development build beside this test binary.
///
/// # Panics
/// When there is no such file, with the command that builds it.
#[must_use]
pub fn cacheismo() -> PathBuf {
    let path = match std::env::var_os("CACHEISMO_BIN") {
        Some(path) => PathBuf::from(path),
        None => target_profile().join("cacheismo"),
    };
    assert!(
        path.is_file(),
        "no server to test at {}: run `cargo build -p cacheismo`, or name another binary in CACHEISMO_BIN",
        path.display()
    );
    path
}

/// The directory of the profile these tests were built with, such as `target/debug`.
fn target_profile() -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    test.ancestors()
        .find(|directory| directory.join("deps").is_dir())
        .expect("a test binary is below the directory of its profile")
        .to_owned()
}

/// The directory of the test modules, built from `tests/fixtures` when they aren't built yet.
///
/// # Panics
/// When they can't be built.
#[must_use]
pub fn fixtures() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let _ = run(Command::new(repository().join("objects/build.sh")).arg("--fixtures"));
    });
    repository().join("target/fixtures")
}

/// An empty directory of this test's own, below the target directory.
///
/// # Panics
/// When the directory can't be made.
#[must_use]
pub fn scratch(name: &str) -> PathBuf {
    let directory = repository()
        .join("target/e2e")
        .join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    directory
}

/// Python with the client libraries of `tests/clients/requirements.txt`.
///
/// # Panics
/// When `.venv` isn't there.
#[must_use]
pub fn python() -> PathBuf {
    let path = repository().join(".venv/bin/python");
    assert!(
        path.exists(),
        "no Python environment at {}: run `make test-tools`",
        path.display()
    );
    path
}

/// A program from the search path.
///
/// # Panics
/// When the program isn't there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("`{name}` isn't installed: run `make test-tools`"))
}

/// Runs a command to its end and fails with everything it printed when it failed.
///
/// # Panics
/// When the command can't be started or its status isn't zero.
#[must_use]
pub fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
