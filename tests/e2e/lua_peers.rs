//! Scripts that ask other servers, over real sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::Server;

const ASKER: &str = "ask = {}
local function show(t)
  local all = {}
  for server, values in pairs(t) do
    for key, value in pairs(values) do all[#all + 1] = key .. '=' .. value end
  end
  table.sort(all)
  return table.concat(all, ' ')
end
function ask.one(command, key, port, name)
  local value = command:getFromServer('127.0.0.1:' .. port, name)
  writeStringAsValue(command, key, value or 'nothing')
end
function ask.all(command, key, ...)
  local requests = {}
  for _, port in ipairs { ... } do requests['127.0.0.1:' .. port] = { 'a', 'b' } end
  writeStringAsValue(command, key, '[' .. show(command:getInParallel(requests)) .. ']')
end
function ask.wrong(command, key, name)
  local ok, message = pcall(command.getFromServer, command, 'x:1', name .. ' ')
  writeStringAsValue(command, key, tostring(ok) .. ' ' .. message)
end
";

/// A peer that says `reply` to the first question, once it is told to; then it closes.
struct Peer {
    address: SocketAddr,
    asked: Receiver<String>,
    answer: Sender<()>,
}

fn peer(reply: &'static str) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (tell_asked, asked) = mpsc::channel();
    let (answer, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the server connects");
        let mut line = String::new();
        let mut reader = BufReader::new(stream);
        reader.read_line(&mut line).expect("a line is sent");
        let _ = tell_asked.send(line);
        // The peer waits until it is told to answer, or as long as the test lives.
        if told.recv().is_ok() {
            let _ = reader.get_mut().write_all(reply.as_bytes());
        }
    });
    Peer {
        address,
        asked,
        answer,
    }
}

/// A port nobody listens on.
fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

fn asker() -> (Server, Scripts) {
    let scripts = Scripts::new("ask.lua", ASKER);
    // There is one worker: a call that holds up others would be seen.
    let server = Server::start(&[
        "--lua-scripts",
        scripts.path(),
        "-t",
        "1",
        "--peer",
        "127.0.0.1",
    ]);
    (server, scripts)
}

#[test]
fn others_are_answered_while_a_script_waits_for_a_peer() {
    let (server, _scripts) = asker();
    let peer = peer("VALUE k 0 5\r\nvalue\r\nEND\r\n");
    let mut waiting = server.connect();
    waiting.send(format!(
        "get ask:one:{}:k\r\nget none\r\n",
        peer.address.port()
    ));
    let question = peer.asked.recv_timeout(Duration::from_secs(20));
    assert_eq!(question.as_deref(), Ok("get k\r\n"));
    // The script waits now. The peer does not answer before everybody else was served.
    let mut other = server.connect();
    other.set("plain", "p");
    for _ in 0..100 {
        assert_eq!(
            other.ask("get plain\r\n"),
            "VALUE plain 0 1\r\np\r\nEND\r\n"
        );
        assert_eq!(other.call("set:count:s"), "ERROR_CACHE_MISS");
    }
    // Another call of the same function, too.
    let nobody = dead_port();
    assert_eq!(other.call(&format!("ask:one:{nobody}:k")), "nothing");
    peer.answer.send(()).expect("the peer waits for it");
    assert!(waiting.reply().contains("\r\nvalue\r\n"));
    assert_eq!(waiting.reply(), "END\r\n");
}

#[test]
fn a_peer_that_fails_has_nothing_and_takes_bounded_time() {
    let (server, _scripts) = asker();
    let mut client = server.connect();
    let mute = peer("");
    let started = Instant::now();
    assert_eq!(
        client.call(&format!("ask:one:{}:k", mute.address.port())),
        "nothing"
    );
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_millis(500),
        "it is given time: {waited:?}"
    );
    assert!(
        waited < Duration::from_secs(10),
        "but not for ever: {waited:?}"
    );
    assert_eq!(
        client.call(&format!("ask:one:{}:k", dead_port())),
        "nothing"
    );
    for nonsense in [
        "ERROR\r\n",
        "VALUE k 0 99999999999999999999\r\n",
        "VALUE k 0 5\r\nva",
        "VALUE k\r\n\r\nEND\r\n",
        "",
    ] {
        let liar = peer(nonsense);
        liar.answer.send(()).expect("the peer waits for it");
        assert_eq!(
            client.call(&format!("ask:one:{}:k", liar.address.port())),
            "nothing",
            "{nonsense:?}"
        );
    }
    assert_eq!(
        client.call("ask:wrong:k"),
        "false a key has 1 to 250 bytes, without spaces and control characters"
    );
    // All this cost the server nothing.
    assert_eq!(client.call("set:new:s"), "CREATED");
}

#[test]
fn servers_are_asked_side_by_side_and_the_dead_ones_are_absent() {
    let (server, _scripts) = asker();
    let peers = [Server::start(&[]), Server::start(&[])];
    peers[0].connect().set("a", "1");
    peers[1].connect().set("b", "2");
    let mute = peer("");
    let key = format!(
        "ask:all:{}:{}:{}:{}",
        peers[0].address().port(),
        mute.address.port(),
        dead_port(),
        peers[1].address().port()
    );
    let mut client = server.connect();
    assert_eq!(client.call(&key), "[a=1 b=2]");
    // A peer that was restarted is found again, on whatever connection.
    let key = format!("ask:one:{}:a", peers[0].address().port());
    for _ in 0..50 {
        assert_eq!(client.call(&key), "1");
    }
}

#[test]
fn a_script_asks_only_the_servers_that_may_be_asked() {
    let other = Server::start(&[]);
    other.connect().set("a", "1");
    let port = other.address().port();
    let scripts = Scripts::new("ask.lua", ASKER);
    let server = Server::start(&[
        "--lua-scripts",
        scripts.path(),
        "--peer",
        "127.0.0.1:9,other",
    ]);
    let answer = server.connect().call(&format!("ask:one:{port}:a"));
    assert_eq!(
        answer,
        format!(
            "SERVER_ERROR lua ask:one: 127.0.0.1:{port} is no server that objects may ask, see --peer"
        )
    );
    // The two connections are the test's own.
    let connections = other.connect().stat("total_connections");
    assert_eq!(connections, "2");
}

#[test]
fn the_map_reduce_example_sums_over_servers() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts-lua");
    let directory = directory.to_str().expect("text");
    let options = ["--lua-scripts", directory, "--peer", "127.0.0.1"];
    let servers = [Server::start(&options), Server::start(&options)];
    for (server, hits) in servers.iter().zip([3, 4]) {
        let mut client = server.connect();
        for _ in 0..hits {
            client.call("hits:add:site:home");
        }
        client.call("hits:add:site:about");
    }
    let names = servers
        .each_ref()
        .map(|s| format!("127.0.0.1/{}", s.address().port()));
    let top = servers[0]
        .connect()
        .call(&format!("hits:top:site:2:{}", names.join(":")));
    assert_eq!(top, "7 home\r\n2 about\r\n");
}
