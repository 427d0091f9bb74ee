//! What the options resolve to: plain values, one struct for each room.

use std::path::PathBuf;
use std::time::Duration;

use super::{Eviction, FsyncMode, ListenAddress, WireProtocol};

/// Everything that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Sockets, threads, the process.
    pub server: ServerConfig,
    /// Memory.
    pub store: StoreOptions,
    /// Commands.
    pub cache: CacheOptions,
    /// Objects.
    pub runtime: RuntimeOptions,
    /// Keeping items over a restart.
    pub persistence: Option<PersistenceOptions>,
    /// How much to log: 0 is errors and warnings only.
    pub verbosity: u8,
    /// Sentences about options that have no effect here.
    pub warnings: Vec<String>,
}

/// Options of the server room.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// TCP addresses. Empty when only a unix socket or UDP is wanted.
    pub tcp: Vec<ListenAddress>,
    /// UDP addresses. Empty by default.
    pub udp: Vec<ListenAddress>,
    /// Path of the unix socket.
    pub unix_socket: Option<PathBuf>,
    /// Permission bits of the unix socket.
    pub unix_mask: u32,
    /// Worker threads.
    pub threads: usize,
    /// Connections open at once.
    pub connections_max: usize,
    /// True answers an error to connections over the limit and closes them, false leaves clients in the backlog.
    pub refuse_over_limit: bool,
    /// `listen(2)` backlog.
    pub backlog: u32,
    /// Turn length of one connection, in requests.
    pub requests_per_event: u32,
    /// Connections idle for longer are closed; zero is never.
    pub idle_timeout: Duration,
    /// Whether `watch` is allowed.
    pub watch: bool,
    /// Bytes of log lines kept for one `watch` connection that reads too slowly.
    pub watch_buffer_bytes: usize,
    /// TLS for listeners that aren't `notls:`.
    pub tls: Option<TlsOptions>,
    /// Protocols spoken.
    pub protocol: WireProtocol,
    /// Passwords of text clients.
    pub auth_file: Option<PathBuf>,
    /// Passwords of SASL clients.
    pub sasl_file: Option<PathBuf>,
    /// Connections not logged in by then are closed, where a login is asked for.
    pub login_time: Duration,
    /// Where the bound ports are written.
    pub port_file: Option<PathBuf>,
    /// Run in the background.
    pub daemon: bool,
    /// User to become.
    pub user: Option<String>,
    /// File for the process id.
    pub pidfile: Option<PathBuf>,
    /// Allow core dumps.
    pub core_dumps: bool,
    /// Lock all memory.
    pub lock_memory: bool,
    /// Threads for slow calls, at most.
    pub lane_threads: usize,
    /// Memory that clients may cause beside items, in bytes.
    pub client_memory_bytes: usize,
    /// Largest item, from which the bound on a connection's input follows.
    pub item_bytes_max: usize,
}

/// Certificates and what is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file: the certificate and those that sign it.
    pub chain_cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// How the private key is written.
    pub key_format: KeyFormat,
    /// Which ciphers to offer, in the words of OpenSSL; all by default.
    pub ciphers: Option<String>,
    /// PEM file: authorities that client certificates are checked against.
    pub ca_cert: Option<PathBuf>,
    /// What is asked of clients on listeners without a word of their own.
    pub verify: ClientCertificate,
    /// TLS 1.3 only.
    pub tls13_only: bool,
}

/// How a private key is written (`ssl_keyformat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// Base64 between lines that name it.
    #[default]
    Pem = 1,
    /// The bytes themselves.
    Der = 2,
}

/// What is asked of a client's certificate (`ssl_verify_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Nothing.
    #[default]
    None,
    /// Checked when the client sends one.
    Request,
    /// Must be sent and be good.
    Require,
}

/// Options of the store room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Memory for items in bytes.
    pub memory_bytes: usize,
    /// Largest item in bytes.
    pub item_bytes_max: usize,
    /// False refuses to store when memory is full.
    pub evict: bool,
    /// Which item goes when memory is short.
    pub eviction: Eviction,
}

/// Options of the cache room: which commands do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Largest item in bytes.
    pub item_bytes_max: usize,
    /// Whether items carry CAS values.
    pub cas: bool,
    /// Whether `flush_all` is allowed.
    pub flush_all: bool,
    /// Whether key dumps are allowed.
    pub dump: bool,
    /// Whether `shutdown` is allowed.
    pub shutdown: bool,
    /// Whether SASL is required.
    pub sasl: bool,
    /// Count by key prefix from the start (`-D`).
    pub detail: bool,
    /// The byte that ends the prefix of a key.
    pub prefix_delimiter: u8,
}

/// How items are kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistenceOptions {
    /// Directory of log and snapshots.
    pub directory: PathBuf,
    /// When the log is on disk.
    pub fsync: FsyncMode,
    /// A snapshot is written after so long, if enough has changed; zero is never.
    pub snapshot_every: Duration,
    /// How many changes are enough.
    pub snapshot_changes: u64,
    /// Length of one file of the log in bytes.
    pub segment_bytes: u64,
    /// Bytes of changes that may wait for a slow disk.
    pub queue_bytes_max: usize,
}

/// A server that objects may ask, as they name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name or address, in lower case.
    pub host: String,
    /// The port; `None` allows all.
    pub port: Option<u16>,
}

impl Peer {
    /// Whether `server`, as `host:port`, is this one.
    pub fn is(&self, server: &str) -> bool {
        let Some((host, port)) = server.rsplit_once(':') else {
            return false;
        };
        host.eq_ignore_ascii_case(&self.host) && self.port.is_none_or(|own| port.parse() == Ok(own))
    }
}

/// Options of the runtime room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// Directories of modules.
    pub objects: Vec<PathBuf>,
    /// Load the embedded objects.
    pub embedded: bool,
    /// Skip modules that can't be loaded.
    pub lenient: bool,
    /// Directories of Lua object scripts.
    pub lua_scripts: Vec<PathBuf>,
    /// Whether Lua scripts handle every text command.
    pub lua_main: bool,
    /// Other servers that objects may ask.
    pub peers: Vec<Peer>,
    /// Longest run of a call.
    pub deadline: Duration,
    /// Longest run on a worker thread.
    pub inline_budget: Duration,
    /// Calls at least this long are logged.
    pub slow_log: Duration,
    /// Further limits of calls, as `name=value` or `type.name=value`.
    pub limits: Vec<String>,
    /// Linear memory of an instance in bytes.
    pub memory_bytes_max: usize,
}
