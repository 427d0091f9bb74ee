//! Client libraries and tools that users have, doing all they offer against the server.
//!
//! The scripts in `tests/clients` take the server's address and fail by their exit status.

use std::process::Command;

use cacheismo_tests::server::Server;
use cacheismo_tests::tools;

fn python(script: &str, options: &[&str]) {
    let server = Server::start(&[]);
    let script = tools::repository().join("tests/clients").join(script);
    let mut command = Command::new(tools::python());
    command
        .arg("-B")
        .arg(script)
        .arg(server.address().to_string())
        .args(options);
    let _ = tools::run(&mut command);
}

#[test]
fn pymemcache_does_all_it_offers() {
    python("use_pymemcache.py", &[]);
}

#[test]
fn pylibmc_does_all_it_offers_in_text() {
    python("use_pylibmc.py", &["text"]);
}

#[test]
fn pylibmc_does_all_it_offers_in_binary() {
    python("use_pylibmc.py", &["binary"]);
}

#[test]
fn python_memcached_does_all_it_offers() {
    python("use_python_memcached.py", &[]);
}

#[test]
fn aiomcache_does_all_it_offers() {
    python("use_aiomcache.py", &[]);
}

#[test]
fn python_binary_memcached_does_all_it_offers() {
    python("use_bmemcached.py", &[]);
}

#[test]
fn stats_read_like_an_exporter_reads_them() {
    python("read_stats.py", &[]);
}

#[test]
fn memjs_does_all_it_offers() {
    let server = Server::start(&[]);
    let script = tools::repository().join("tests/clients/use_memjs.js");
    let _ = tools::run(
        Command::new(tools::program("node"))
            .arg(script)
            .arg(server.address().to_string()),
    );
}

#[test]
fn the_memcache_crate_does_all_it_offers() {
    let server = Server::start(&[]);
    let client = tools::repository().join("target/clients/debug/use-memcache-crate");
    assert!(client.is_file(), "no client: run `make test-tools`");
    let _ = tools::run(Command::new(client).arg(server.address().to_string()));
}

#[test]
fn memccapable_passes_every_text_check() {
    memccapable("-a");
}

#[test]
fn memccapable_passes_every_binary_check() {
    memccapable("-b");
}

fn memccapable(protocol: &str) {
    let server = Server::start(&[]);
    let address = server.address();
    let mut command = Command::new(tools::program("memccapable"));
    command.args([
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
        protocol,
    ]);
    let output = tools::run(&mut command);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        report.contains("pass") && !report.contains("FAIL"),
        "{report}"
    );
}
