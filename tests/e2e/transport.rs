//! Other ways in than a plain TCP connection: unix sockets, TLS, passwords.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, refusal, wait_until};
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

#[test]
fn a_unix_socket_belongs_to_the_user_the_server_becomes() {
    // Only root can become somebody else.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let socket = open_scratch("given").join("socket");
    let server = Server::start(&["-s", text(&socket), "-u", "nobody"]);
    let found = std::fs::metadata(&socket).expect("the socket is there");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server runs");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let uid = uid.and_then(|ids| ids.split_whitespace().next());
    assert_eq!(uid, Some(found.uid().to_string().as_str()));
    assert_ne!(found.uid(), 0);
    assert_eq!(found.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_server_that_ends_leaves_what_its_successor_put_there() {
    let directory = tools::scratch("successor");
    let (socket, pid) = (directory.join("socket"), directory.join("pid"));
    let options = ["-s", text(&socket), "-P", text(&pid)];
    let mut old = Server::start(&options);
    let new = Server::start(&options);
    let (status, _) = old.stop();
    assert!(status.success());
    assert!(
        UnixStream::connect(&socket).is_ok(),
        "the new one's is gone"
    );
    let written = std::fs::read_to_string(&pid).expect("the new one's is there");
    assert_eq!(written, format!("{}\n", new.pid()));
    let mut new = new;
    new.stop();
    assert!(!socket.exists() && !pid.exists());
}

#[test]
fn a_key_is_taken_for_what_it_is_and_a_certificate_of_version_1_is_shown() {
    let directory = tools::scratch("version1");
    let (key, certificate) = certificate(&directory, "good");
    // The same key under another label.
    let pem = std::fs::read_to_string(&key).expect("openssl wrote it");
    assert!(pem.contains("BEGIN PRIVATE KEY"), "{pem}");
    std::fs::write(&key, pem.replace(" PRIVATE KEY", " RSA PRIVATE KEY")).expect("ours");
    let old = directory.join("old.crt");
    let request = directory.join("request");
    let _ = tools::run(
        Command::new(tools::program("openssl"))
            .args(["req", "-new", "-subj", "/CN=cacheismo"])
            .args(["-key", text(&write(&directory, "plain.key", &pem))])
            .args(["-out", text(&request)]),
    );
    let plain = directory.join("plain.key");
    let _ = tools::run(
        Command::new(tools::program("openssl"))
            .args(["x509", "-req", "-days", "2", "-in", text(&request)])
            .args(["-signkey", text(&plain), "-out", text(&old)]),
    );
    for certificate in [&certificate, &old] {
        let files = format!(
            "ssl_chain_cert={},ssl_key={}",
            text(certificate),
            text(&key)
        );
        let server = Server::start(&["-Z", "-o", &files]);
        let answer = ask_by_openssl(&server, certificate, &[]);
        assert!(answer.contains("VERSION "), "{answer}");
    }
}

#[test]
fn the_ciphers_that_are_named_are_the_only_ones() {
    const ONE: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
    const OTHER: &str = "ECDHE-ECDSA-AES256-GCM-SHA384";
    let directory = tools::scratch("ciphers");
    let (key, certificate) = certificate(&directory, "c");
    let files = format!(
        "ssl_chain_cert={},ssl_key={},ssl_ciphers={ONE}",
        text(&certificate),
        text(&key)
    );
    let server = Server::start(&["-Z", "-o", &files, "-l", "notls:127.0.0.1"]);
    let with = |cipher| ask_by_openssl(&server, &certificate, &["-tls1_2", "-cipher", cipher]);
    assert!(with(ONE).contains("VERSION "));
    assert!(!with(OTHER).contains("VERSION "));
    let mut plain = Client::connect(*server.addresses().last().expect("two"));
    let settings = plain.ask("stats settings\r\n");
    assert!(
        settings.contains(&format!("STAT ssl_ciphers {ONE}\r\n")),
        "{settings}"
    );
    assert!(
        settings.contains("STAT ssl_min_version tlsv1.2\r\n"),
        "{settings}"
    );
    assert_eq!(plain.stat("ssl_handshake_errors"), "1");
    let age: u64 = plain
        .stat("time_since_server_cert_refresh")
        .parse()
        .expect("seconds");
    assert!(age < 3600, "{age}");
    let refused = refusal(&["-Z", "-o", &files.replace(ONE, "BOGUS")]);
    assert!(refused.log.contains("'BOGUS'"), "{refused:?}");
}

#[test]
fn what_is_wrong_with_a_key_is_told_by_the_name_of_its_file() {
    let directory = tools::scratch("badkey");
    let (key, certificate) = certificate(&directory, "a");
    let (other, _) = self::certificate(&directory, "b");
    let locked = directory.join("locked.key");
    let _ = tools::run(
        Command::new(tools::program("openssl"))
            .args(["pkey", "-aes256", "-passout", "pass:x", "-in", text(&key)])
            .args(["-out", text(&locked)]),
    );
    for (key, word) in [
        (&locked, "encrypted"),
        (&other, "is not the key of"),
        (&certificate, "no private key"),
    ] {
        let files = format!(
            "ssl_chain_cert={},ssl_key={}",
            text(&certificate),
            text(key)
        );
        let refused = refusal(&["-p", "-1", "-l", "127.0.0.1", "-Z", "-o", &files]);
        assert!(
            refused.log.contains(word) && refused.log.contains(text(key)),
            "{refused:?}"
        );
    }
}

#[test]
fn listeners_and_unix_sockets_are_in_the_list_of_connections() {
    let socket = tools::scratch("conns").join("socket");
    let server = Server::start(&["-p", "-1", "-s", text(&socket), "-U", "-1"]);
    let mut unix = UnixStream::connect(&socket).expect("the server listens there");
    unix.write_all(b"version\r\n").expect("it takes requests");
    unix.read_exact(&mut [0; 8]).expect("it answers");
    let list = server.connect().ask("stats conns\r\n");
    let named = format!("unix:{}", socket.display());
    for line in [
        format!(":addr tcp:{}\r\n", server.address()),
        ":state conn_listening\r\n".to_owned(),
        ":addr udp:127.0.0.1:".to_owned(),
        format!(":addr {named}\r\n"),
        format!(":listen_addr {named}\r\n"),
    ] {
        assert!(list.contains(&line), "{line:?} is not in {list}");
    }
}

#[test]
fn a_connection_in_the_middle_of_a_command_is_told_from_one_that_waits() {
    let server = Server::start(&[]);
    let mut half = server.connect();
    half.send("set k 0 0 100\r\nhalf of the value");
    let _waiting = server.connect().ask("version\r\n");
    let states = || {
        let list = server.connect().ask("stats conns\r\n");
        let states = list.lines().filter_map(|line| line.split_once(":state "));
        states
            .map(|(_, state)| state.to_owned())
            .collect::<Vec<_>>()
    };
    assert!(wait_until(Duration::from_secs(5), || {
        states().iter().any(|state| state == "conn_nread")
    }));
    assert!(
        states().iter().any(|state| state == "conn_parse_cmd"),
        "{:?}",
        states()
    );
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory is ours");
    path
}

/// A directory that other users may enter, so that a server that has become one of them finds its files.
fn open_scratch(name: &str) -> PathBuf {
    let directory = tools::scratch(name);
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&directory, open).expect("the directory is ours");
    directory
}

/// What `openssl`, which trusts this certificate, gets for `version`.
fn ask_by_openssl(server: &Server, certificate: &Path, options: &[&str]) -> String {
    let mut client = Command::new(tools::program("openssl"))
        .args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error"])
        .args(["-connect", &server.address().to_string()])
        .args(["-CAfile", text(certificate)])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut input = client.stdin.take().expect("it is piped");
    // `openssl` is gone already when the server refuses it.
    let _ = input.write_all(b"version\r\nquit\r\n");
    let mut answer = String::new();
    let mut output = client.stdout.take().expect("it is piped");
    output.read_to_string(&mut answer).expect("text");
    drop(input);
    client.wait().expect("it ends");
    answer
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
