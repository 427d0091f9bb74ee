//! Who is connected, for `stats conns`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The client's next bytes.
    Waiting,
    /// The rest of a command.
    Reading,
    /// Nothing: its commands are being executed.
    Executing,
    /// The client to read its answers.
    Writing,
    /// A call on a lane thread.
    Calling,
    /// Log lines.
    Watching,
    /// The disk.
    Saving,
}

impl ConnectionState {
    /// The name memcached's users know, where there is one.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionState::Waiting => "conn_waiting",
            ConnectionState::Reading => "conn_nread",
            ConnectionState::Executing => "conn_parse_cmd",
            ConnectionState::Writing => "conn_mwrite",
            ConnectionState::Calling => "conn_io_queue",
            ConnectionState::Watching => "conn_watch",
            ConnectionState::Saving => "conn_saving",
        }
    }
}

/// One open connection, as others see it.
#[derive(Debug)]
pub struct ConnectionEntry {
    /// Number of the connection, unique since the start.
    pub id: u64,
    /// Address of the client, like `tcp:127.0.0.1:40000`.
    pub peer: String,
    /// Address that the client connected to.
    pub local: Arc<str>,
    /// How far the connection's login is.
    pub login: Login,
    /// When the connection was opened, in seconds since the start.
    pub opened_s: u32,
    state: AtomicU8,
    active_s: AtomicU32,
}

impl ConnectionEntry {
    /// The client's end in the words of memcached's log lines.
    pub fn endpoint(&self) -> Endpoint<'_> {
        let named = self.peer.split_once(':');
        let address = named.and_then(|(transport, address)| {
            let (host, port) = address.rsplit_once(':')?;
            let host = host.trim_matches(['[', ']']);
            (transport != "unix").then_some((transport, host, port))
        });
        let (transport, host, port) = address.unwrap_or(("local", "unix", "0"));
        Endpoint {
            host,
            port,
            transport,
        }
    }

    /// Notes that a request came in this second (counted from the start).
    pub fn set_active(&self, now_s: u32) {
        self.active_s.store(now_s, Ordering::Relaxed);
    }

    /// Second of the last request.
    pub fn active_s(&self) -> u32 {
        self.active_s.load(Ordering::Relaxed)
    }

    /// Notes what the connection waits for.
    pub fn set_state(&self, state: ConnectionState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// What the connection waits for.
    pub fn state(&self) -> ConnectionState {
        const STATES: [ConnectionState; 7] = [
            ConnectionState::Waiting,
            ConnectionState::Reading,
            ConnectionState::Executing,
            ConnectionState::Writing,
            ConnectionState::Calling,
            ConnectionState::Watching,
            ConnectionState::Saving,
        ];
        STATES[usize::from(self.state.load(Ordering::Relaxed)) % STATES.len()]
    }
}

/// How far a connection's login is. Means nothing where no login is asked for.
#[derive(Debug, Default)]
pub struct Login {
    granted: AtomicBool,
    wrong: AtomicU8,
    refused: AtomicU8,
}

impl Login {
    /// Notes whether the connection is logged in.
    pub fn set_granted(&self, granted: bool) {
        self.granted.store(granted, Ordering::Relaxed);
    }

    /// Whether the connection is logged in.
    pub fn is_granted(&self) -> bool {
        self.granted.load(Ordering::Relaxed)
    }

    /// Counts a wrong login and returns their number.
    pub fn count_wrong(&self) -> u8 {
        self.wrong.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Counts a request refused for want of a login and returns their number.
    pub fn count_refused(&self) -> u8 {
        self.refused
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }
}

/// Where a client is: see [`ConnectionEntry::endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Address without port, or `unix`.
    pub host: &'a str,
    port: &'a str,
    transport: &'a str,
}

impl std::fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Endpoint {
            host,
            port,
            transport,
        } = self;
        write!(f, "rip={host} rport={port} transport={transport}")
    }
}

/// An address that is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address's number, among those of connections.
    pub id: u64,
    /// Like `tcp:127.0.0.1:11211`, `udp:127.0.0.1:11211` or `unix:/path`.
    pub address: Arc<str>,
}

/// All open connections, and the listeners. The lock is taken when one opens or closes, never for a request.
#[derive(Debug, Default)]
pub struct Connections {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    open: BTreeMap<u64, Arc<ConnectionEntry>>,
    listening: Vec<Listening>,
}

impl Connections {
    /// Enters an address that is listened on.
    pub fn listen(&self, address: Arc<str>) {
        let mut table = self.table.lock();
        table.last_id += 1;
        let id = table.last_id;
        table.listening.push(Listening { id, address });
    }

    /// All addresses that are listened on.
    pub fn listening(&self) -> Vec<Listening> {
        self.table.lock().listening.clone()
    }

    /// Enters a connection.
    pub fn open(&self, peer: String, local: Arc<str>, now_s: u32) -> Arc<ConnectionEntry> {
        let mut table = self.table.lock();
        table.last_id += 1;
        let entry = Arc::new(ConnectionEntry {
            id: table.last_id,
            peer,
            local,
            login: Login::default(),
            opened_s: now_s,
            state: AtomicU8::new(ConnectionState::Waiting as u8),
            active_s: AtomicU32::new(now_s),
        });
        table.open.insert(entry.id, Arc::clone(&entry));
        entry
    }

    /// The connection of this number, if it is open.
    pub fn get(&self, id: u64) -> Option<Arc<ConnectionEntry>> {
        self.table.lock().open.get(&id).cloned()
    }

    /// Strikes a connection out.
    pub fn close(&self, id: u64) {
        self.table.lock().open.remove(&id);
    }

    /// All connections, oldest first.
    pub fn list(&self) -> Vec<Arc<ConnectionEntry>> {
        self.table.lock().open.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_as_in_memcacheds_log() {
        let connections = Connections::default();
        let named = |peer: &str| {
            let entry = connections.open(peer.to_owned(), "l".into(), 0);
            entry.endpoint().to_string()
        };
        assert_eq!(
            named("tcp:127.0.0.1:4000"),
            "rip=127.0.0.1 rport=4000 transport=tcp"
        );
        assert_eq!(named("tcp:[::1]:4000"), "rip=::1 rport=4000 transport=tcp");
        assert_eq!(named("unix:/run/a:b"), "rip=unix rport=0 transport=local");
    }

    #[test]
    fn entries_come_and_go() {
        let connections = Connections::default();
        let a = connections.open("a".into(), "l".into(), 1);
        let b = connections.open("b".into(), "l".into(), 2);
        b.set_state(ConnectionState::Calling);
        b.set_active(9);
        assert_ne!(a.id, b.id);
        connections.close(a.id);
        let list = connections.list();
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].peer.as_str(), list[0].active_s()), ("b", 9));
        assert_eq!(list[0].state(), ConnectionState::Calling);
        assert!(connections.get(a.id).is_none() && connections.get(b.id).is_some());
    }
}
