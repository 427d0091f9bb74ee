//! The server that is attacked, with all that the attacks need.

use std::net::SocketAddr;
use std::path::PathBuf;

use cacheismo_tests::scripts::Scripts;
use cacheismo_tests::server::{Server, unique};
use cacheismo_tests::tools;

use super::peer::Peer;

/// Asks a peer.
const ASKER: &str = "ask = {}
function ask.one(command, key, port, name)
  local value = command:getFromServer('127.0.0.1:' .. port, name)
  writeStringAsValue(command, key, value and #value or 'nothing')
end
";
/// Bytes of a value that takes much memory and time to send.
const BIG_BYTES: usize = 900_000;

/// The server that is attacked.
pub(super) struct Target {
    pub(super) server: Server,
    /// Where it takes datagrams.
    pub(super) udp: SocketAddr,
    /// Names of types whose instances can be made to hold memory.
    pub(super) types: Vec<String>,
    /// A server that answers fast and much.
    pub(super) peer: Peer,
    _scripts: Scripts,
    modules: PathBuf,
}

impl Target {
    /// Starts the server with so many hostile types beside `hostile`.
    pub(super) fn start(types: usize) -> Target {
        let modules = tools::scratch(&format!("attack-modules-{}", unique()));
        let module = std::fs::read(tools::fixtures().join("hostile.wasm"));
        let module = module.expect("the fixtures are built");
        std::fs::write(modules.join("hostile.wasm"), &module).expect("the directory is ours");
        let types: Vec<String> = (0..types)
            .map(|number| format!("hosti{number:02}"))
            .collect();
        for name in &types {
            let renamed = renamed(&module, name);
            std::fs::write(modules.join(format!("{name}.wasm")), renamed)
                .expect("the directory is ours");
        }
        let scripts = Scripts::new("ask.lua", ASKER);
        let options = [
            "-m",
            "64",
            "-t",
            "2",
            "-c",
            "5000",
            "--client-memory",
            "64",
            "-p",
            "-1",
            "-U",
            "-1",
        ];
        let more = [
            "--peer",
            "127.0.0.1",
            "--lua-scripts",
            scripts.path(),
            "--objects",
        ];
        let directory = modules.to_str().expect("the repository's path is UTF-8");
        let server = Server::start(&[&options[..], &more, &[directory]].concat());
        let mut client = server.connect();
        client.set("plain", "value");
        client.set("big", "b".repeat(BIG_BYTES));
        assert_eq!(client.call("map:new:m"), "CREATED");
        let value = "v".repeat(BIG_BYTES);
        client.send(format!("set map:put:m:name 0 0 {BIG_BYTES}\r\n{value}\r\n"));
        assert_eq!(client.read_line(), "STORED\r\n");
        let settings = client.ask("stats settings\r\n");
        let port = settings
            .lines()
            .find_map(|line| line.strip_prefix("STAT udpport "));
        let port = port.and_then(|port| port.parse().ok()).expect("UDP is on");
        Target {
            udp: SocketAddr::from(([127, 0, 0, 1], port)),
            server,
            types,
            peer: Peer::start(BIG_BYTES),
            _scripts: scripts,
            modules,
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.modules);
    }
}

/// The module under another name of the same length, so that no length in it changes.
fn renamed(module: &[u8], name: &str) -> Vec<u8> {
    let old = br#""type":"hostile""#;
    let new = format!(r#""type":"{name}""#);
    assert_eq!(old.len(), new.len());
    let mut renamed = module.to_vec();
    let mut places = 0;
    for at in 0..=module.len() - old.len() {
        if module[at..].starts_with(old) {
            renamed[at..at + old.len()].copy_from_slice(new.as_bytes());
            places += 1;
        }
    }
    assert!(places > 0, "the metadata names the type");
    renamed
}
