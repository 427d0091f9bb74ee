//! Logins: how often one may be wrong, how long one may take, and no way round.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cacheismo_tests::client::Client;
use cacheismo_tests::server::{Server, refusal, wait_until};
use cacheismo_tests::tools;

/// A password file.
fn users(name: &str) -> PathBuf {
    let file = tools::scratch(name).join("users");
    std::fs::write(&file, "ann:secret\n").expect("the directory is ours");
    file
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("the repository's path is UTF-8")
}

/// Sends a login and gives the answer.
fn login(client: &mut Client, password: &str) -> String {
    let token = format!("ann {password}");
    client.ask(format!("set login 0 0 {}\r\n{token}\r\n", token.len()))
}

#[test]
fn the_third_wrong_login_ends_the_connection_and_is_told_without_its_password() {
    let file = users("wrong");
    let server = Server::start(&["-Y", text(&file)]);
    let mut guesser = server.connect();
    for _ in 0..3 {
        assert_eq!(
            login(&mut guesser, "hunter2"),
            "CLIENT_ERROR authentication failure\r\n"
        );
    }
    assert_eq!(guesser.read_to_close(), b"");
    server.wait_for_log("wrong login from tcp:127.0.0.1:");
    let mut right = server.connect();
    assert_eq!(login(&mut right, "secret"), "STORED\r\n");
    assert_eq!(right.stat("auth_cmds"), "4");
    assert_eq!(right.stat("auth_errors"), "3");
    let log = server.log();
    assert!(log.contains("user \"ann\""), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("secret"), "{log}");
}

#[test]
fn guessing_is_slowed_down_for_its_address_and_does_not_fill_the_log() {
    let file = users("guess");
    let server = Server::start(&["-Y", text(&file)]);
    let start = Instant::now();
    // More than any burst; a connection takes three guesses, or one when none is heard.
    for guess in 0..100 {
        let mut client = server.connect();
        while client.try_send(format!("set login 0 0 {}\r\nann {guess:03}\r\n", 7)) {
            if client.try_read_until(b"\r\n").is_none() {
                break;
            }
        }
    }
    server.wait_for_log("refused unheard");
    // The right password is heard once the address has been quiet.
    let heard = wait_until(Duration::from_secs(10), || {
        login(&mut server.connect(), "secret") == "STORED\r\n"
    });
    assert!(heard, "{}", server.log());
    let lines_max = 110 + 20 * start.elapsed().as_secs() as usize;
    assert!(
        server.log().lines().count() <= lines_max,
        "{}",
        server.log()
    );
}

#[test]
fn a_client_that_drips_is_closed_when_its_time_to_log_in_is_over() {
    let file = users("drip");
    let server = Server::start(&["-Y", text(&file), "--login-seconds", "1"]);
    let mut member = server.connect();
    assert_eq!(login(&mut member, "secret"), "STORED\r\n");
    let mut silent = server.connect();
    let mut dripping = server.connect();
    let closed = wait_until(Duration::from_secs(10), || !dripping.try_send("x"));
    assert!(closed, "it drips for ever");
    assert_eq!(silent.read_to_close(), b"");
    assert_eq!(member.ask("get a\r\n"), "END\r\n");
}

/// A binary request of SASL PLAIN.
fn sasl(password: &str) -> Vec<u8> {
    let body = format!("PLAIN\0ann\0{password}");
    let mut request = vec![0x80, 0x21, 0, 5];
    request.resize(24, 0);
    request[11] = body.len() as u8;
    request.extend_from_slice(body.as_bytes());
    request
}

/// The status of the next binary answer, whose body is passed over.
fn status(client: &mut Client) -> u16 {
    let header = client.read(24);
    let body = u32::from_be_bytes(header[8..12].try_into().expect("four bytes"));
    client.read(body as usize);
    u16::from_be_bytes([header[6], header[7]])
}

#[test]
fn the_third_wrong_login_of_a_binary_client_ends_its_connection() {
    let file = users("binary");
    let server = Server::start(&["-S", "--sasl-file", text(&file)]);
    let mut guesser = server.connect();
    for _ in 0..3 {
        guesser.send(sasl("wrong"));
        assert_eq!(status(&mut guesser), 0x20);
    }
    assert_eq!(guesser.read_to_close(), b"");
    let mut ann = server.connect();
    ann.send([sasl("secret"), [vec![0x80, 0x0a], vec![0; 22]].concat()].concat());
    assert_eq!((status(&mut ann), status(&mut ann)), (0, 0));
}

#[test]
fn who_has_not_logged_in_gets_no_memory() {
    let file = users("memory");
    let server = Server::start(&["-S", "--sasl-file", text(&file), "-t", "1"]);
    let before = server.resident_bytes();
    let value = vec![b'x'; 1_000_000];
    let mut set = vec![0x80, 0x01, 0, 1, 8];
    set.resize(24, 0);
    set[8..12].copy_from_slice(&(9 + 1 + value.len() as u32).to_be_bytes());
    set.extend_from_slice(&[0; 8]);
    set.push(b'k');
    set.extend_from_slice(&value);
    // Each lacks the last byte of its value.
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&set);
        assert_eq!(status(client), 0x20);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
}

#[test]
fn what_would_lead_round_a_login_is_refused() {
    let file = users("round");
    for guard in [["-Y", text(&file)], ["--sasl-file", text(&file)]] {
        let mut options = guard.to_vec();
        if guard[0] == "--sasl-file" {
            options.push("-S");
        }
        options.extend(["-U", "-1", "-p", "-1", "-l", "127.0.0.1"]);
        let refused = refusal(&options);
        assert!(
            refused.log.contains("-U") && !refused.status.success(),
            "{options:?}: {refused:?}"
        );
    }
}
