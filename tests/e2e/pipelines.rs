//! What waits holds up only what must wait: commands behind a slow call go on, and answers leave in order.

use std::net::UdpSocket;
use std::time::Duration;

use cacheismo_tests::client::Client;
use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, wait_until};
use cacheismo_tests::tools;

const SOON: Duration = Duration::from_secs(60);

/// A server with calls that may take three seconds, most of which they spend on a lane.
fn slow_server() -> Server {
    let fixtures = tools::fixtures();
    let fixtures = fixtures.to_str().expect("the repository's path is UTF-8");
    Server::start(&["-t", "1", "--deadline-ms", "3000", "--objects", fixtures])
}

/// Waits until a call runs on a lane.
fn wait_for_lane(client: &mut Client) {
    assert!(
        wait_until(SOON, || client.stat("lane_jobs") != "0"),
        "no call went to a lane"
    );
}

#[test]
fn commands_behind_a_slow_call_go_on_and_are_answered_behind_it() {
    let server = slow_server();
    let (mut client, mut other) = (server.connect(), server.connect());
    other.set("b", "2");
    client.send("get a hostile:spin:x b\r\nset a 0 0 1\r\n1\r\nmg b v\r\nmn\r\n");
    wait_for_lane(&mut other);
    // Nothing of this is answered yet, and all of it is done.
    assert!(
        wait_until(SOON, || other.ask("get a\r\n") != "END\r\n"),
        "the set behind the call went on"
    );
    assert_eq!(other.ask("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    let answers = client.read_until(b"MN\r\n");
    let text = String::from_utf8_lossy(&answers);
    let (before, error) = text
        .split_once("SERVER_ERROR ")
        .expect("the call was stopped");
    assert_eq!(before, "VALUE b 0 1\r\n2\r\n");
    assert!(error.starts_with("hostile:spin: "), "{text}");
    assert!(
        error.ends_with("\r\nSTORED\r\nVA 1\r\n2\r\nMN\r\n"),
        "{text}"
    );
}

#[test]
fn deep_pipelines_of_slow_calls_are_slow_and_not_refused() {
    // More calls than may wait for lanes, of one machine and in all.
    const CLIENTS: usize = 20;
    const DEPTH: usize = 64;
    let script = "slow = {}
function slow.call(command, key)
  local n = 0
  for i = 1, 1e5 do n = n + i end
  writeStringAsValue(command, key, 'done')
end
";
    let scripts = Scripts::new("slow.lua", script);
    let options = ["--lua-scripts", scripts.path(), "--deadline-ms", "10000"];
    let server = Server::start(&options);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("get slow:call:x\r\n".repeat(DEPTH) + "mn\r\n");
    }
    for client in &mut clients {
        let answers = String::from_utf8(client.read_until(b"MN\r\n")).expect("answers are text");
        assert_eq!(answers.matches("\r\ndone\r\n").count(), DEPTH, "{answers}");
    }
    let mut client = server.connect();
    assert!(
        wait_until(SOON, || client.stat("lane_jobs") != "0"),
        "the calls went to lanes"
    );
}

#[test]
fn commands_on_the_object_of_a_slow_call_wait_for_it() {
    let server = slow_server();
    let (mut client, mut other) = (server.connect(), server.connect());
    assert_eq!(client.call("hostile:put:x:f:old"), "1");
    client.send("get hostile:spin:x\r\ndelete hostile$x\r\nget c\r\nquit\r\n");
    wait_for_lane(&mut other);
    assert!(
        other.ask("get hostile$x\r\n").contains("old"),
        "the delete waits"
    );
    let answers = client.read_to_close();
    let text = String::from_utf8_lossy(&answers);
    assert!(text.starts_with("SERVER_ERROR hostile:spin: "), "{text}");
    assert!(text.ends_with("\r\nDELETED\r\nEND\r\n"), "{text}");
}

#[test]
fn a_call_that_fails_takes_no_other_answer_of_its_command_with_it() {
    let server = slow_server();
    let mut client = server.connect();
    client.set("a", "1");
    client.set("b", "2");
    assert_eq!(
        client.ask("get a counter:add:x:many b\r\n"),
        "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\n".to_owned()
            + "SERVER_ERROR counter:add: amount is not an integer of 64 bits\r\n"
    );
    assert_eq!(client.ask("mn\r\n"), "MN\r\n");
}

#[test]
fn a_long_answer_to_a_datagram_stops_nobody() {
    let server = Server::start(&["-t", "1", "-p", "-1", "-U", "-1"]);
    let mut client = server.connect();
    client.set("big", "x".repeat(300_000));
    let settings = client.ask("stats settings\r\n");
    let port = settings
        .lines()
        .find_map(|line| line.strip_prefix("STAT udpport "))
        .expect("UDP is on");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.set_read_timeout(Some(SOON)).expect("a timeout");
    udp.connect(("127.0.0.1", port.parse().expect("a port")))
        .expect("a peer");
    udp.send(b"\0\x01\0\0\0\x01\0\0get big big big\r\n")
        .expect("sent");
    let mut datagram = [0; 2000];
    let len = udp.recv(&mut datagram).expect("an answer");
    assert!(datagram[8..len].starts_with(b"VALUE big 0 300000\r\nxxx"));
    // The only worker has time for others.
    assert_eq!(client.ask("mn\r\n"), "MN\r\n");
}
