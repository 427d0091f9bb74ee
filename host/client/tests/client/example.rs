//! The example runs as its text says.

use std::process::Command;

use cacheismo_tests::tools;

use crate::memcached::Memcached;

#[test]
fn the_example_runs_against_two_servers() {
    let servers = [Memcached::start(), Memcached::start()];
    let test = std::env::current_exe().expect("the running test has a path");
    let profile = test.ancestors().find(|path| path.join("examples").is_dir());
    let example = profile
        .expect("examples are built with the tests")
        .join("examples/tour");
    let list = servers
        .each_ref()
        .map(|server| server.address.to_string())
        .join(",");
    let output = tools::run(Command::new(example).arg(list));
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "greeting: hello",
        "2 of 3 keys found",
        "visits: 2",
        "there is no object type `set` here",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
}
