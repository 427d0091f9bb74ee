//! Other ways in than a plain TCP connection: unix sockets, TLS, passwords.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use cacheismo_tests::server::{Server, wait_until};
use cacheismo_tests::tools;
use rustix::process::Signal;

#[test]
fn a_unix_socket_serves_with_the_permissions_asked_for() {
    let socket = tools::scratch("unix").join("socket");
    let mut command = Command::new(tools::cacheismo());
    let options = [
        "-p",
        "-1",
        "-l",
        "127.0.0.1",
        "-s",
        text(&socket),
        "-a",
        "0720",
    ];
    let server = Server::spawn(command.args(options));
    let mode = std::fs::metadata(&socket)
        .expect("the socket is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o720);
    let mut stream = UnixStream::connect(&socket).expect("the server listens there");
    stream
        .write_all(b"set a 0 0 1\r\nx\r\nget a\r\nquit\r\n")
        .expect("it takes requests");
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .expect("it answers and closes");
    assert_eq!(reply, "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    // -p and -l were given too, so TCP is on.
    assert!(server.connect().ask("get a\r\n").starts_with("VALUE a"));
}

#[test]
fn passwords_are_asked_of_text_clients() {
    let file = tools::scratch("passwords").join("users");
    std::fs::write(&file, "ann:secret\nbob:other\n").expect("the directory is ours");
    let server = Server::start(&["-Y", text(&file)]);
    let mut stranger = server.connect();
    assert_eq!(
        stranger.ask("get a\r\n"),
        "CLIENT_ERROR unauthenticated\r\n"
    );
    let mut ann = server.connect();
    assert_eq!(ann.ask("set auth 0 0 10\r\nann secret\r\n"), "STORED\r\n");
    assert_eq!(ann.ask("get a\r\n"), "END\r\n");
    let mut liar = server.connect();
    assert_eq!(
        liar.ask("set auth 0 0 9\r\nann wrong\r\n"),
        "CLIENT_ERROR authentication failure\r\n"
    );
    assert_eq!(liar.ask("get a\r\n"), "CLIENT_ERROR unauthenticated\r\n");
}

#[test]
fn passwords_are_asked_of_binary_clients() {
    let file = tools::scratch("sasl").join("users");
    std::fs::write(&file, "ann:secret\n").expect("the directory is ours");
    let server = Server::start(&["-S", "-B", "binary", "--sasl-file", text(&file)]);
    client(&server, "use_sasl.py", &["ann", "secret"]);
}

#[test]
fn tls_serves_and_reads_new_certificates_on_sighup() {
    let directory = tools::scratch("tls");
    let (key, certificate) = certificate(&directory, "first");
    let files = format!(
        "ssl_chain_cert={},ssl_key={}",
        text(&certificate),
        text(&key)
    );
    let server = Server::start(&["-Z", "-o", &files]);
    client(&server, "use_tls.py", &[text(&certificate)]);

    let (new_key, new_certificate) = self::certificate(&directory, "second");
    std::fs::copy(&new_key, &key).expect("the directory is ours");
    std::fs::copy(&new_certificate, &certificate).expect("the directory is ours");
    server.signal(Signal::HUP);
    // The script trusts only the new certificate, so it fails until the server shows that one.
    let reloaded = wait_until(std::time::Duration::from_secs(30), || {
        script(&server, "use_tls.py", &[text(&new_certificate)])
            .output()
            .expect("python runs")
            .status
            .success()
    });
    assert!(
        reloaded,
        "the server still shows the old certificate: {}",
        server.log()
    );
}

/// A key and a certificate for 127.0.0.1 signed by itself.
fn certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = (
        directory.join(format!("{name}.key")),
        directory.join(format!("{name}.crt")),
    );
    let _ = tools::run(
        Command::new(tools::program("openssl"))
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args([
                "-subj",
                "/CN=cacheismo",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args(["-keyout", text(&key), "-out", text(&certificate)]),
    );
    (key, certificate)
}

fn script(server: &Server, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tools::python());
    let path = tools::repository().join("tests/clients").join(name);
    command
        .arg("-B")
        .arg(path)
        .arg(server.address().to_string())
        .args(arguments);
    command
}

fn client(server: &Server, name: &str, arguments: &[&str]) {
    let _ = tools::run(&mut script(server, name, arguments));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the repository's path is UTF-8")
}
