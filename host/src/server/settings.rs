//! What the server was told to be, for `stats settings`.

use std::path::Path;

use super::host::ServerHost;
use super::options::{ServerConfig, WireProtocol};
use crate::metrics::table;
use crate::stats::log;

/// memcached's word for a path that was not given.
const NO_PATH: &str = "NULL";

table! {
    /// The process's part of `stats settings`.
    pub(super) static SERVER_SETTINGS: Table<ServerHost> in Settings {
        /// Connections that may be open at once (-c).
        maxconns: Info(Connections) = |host| server(host).connections_max as u64,
        /// Port of the first TCP address, 0 without TCP (-p).
        tcpport: Info(None) = |host| u64::from(host.surroundings.tcp_port()),
        /// Port of the first UDP address, 0 without UDP (-U).
        udpport: Info(None) = |host| u64::from(host.surroundings.udp_port()),
        /// Addresses the server listens on (-l).
        inter: Info(None) = |host| hosts(server(host)),
        /// How much is logged (-v).
        verbosity: Gauge(None) = |_| u64::from(log::level()),
        /// Whether items are evicted when memory is full (-M).
        evictions: Info(None) = |host| if host.config.store.evict { "on" } else { "off" },
        /// Path of the unix socket (-s).
        domain_socket: Info(None) = |host| path(server(host).unix_socket.as_deref(), NO_PATH),
        /// Permissions of the unix socket, in octal (-a).
        umask: Info(None) = |host| format!("{:o}", server(host).unix_mask),
        /// Worker threads (-t).
        num_threads: Info(Threads) = |host| server(host).threads as u64,
        /// Worker threads that read a UDP socket.
        num_threads_per_udp: Info(Threads) = |host| server(host).threads as u64,
        /// Length of a connection's turn (-R).
        reqs_per_event: Info(Requests) = |host| u64::from(server(host).requests_per_event),
        /// Connections that may wait to be accepted (-b).
        tcp_backlog: Info(Connections) = |host| u64::from(server(host).backlog),
        /// Which protocols are spoken (-B).
        binding_protocol: Info(None) = |host| protocol(server(host).protocol),
        /// Whether binary clients must log in (-S).
        auth_enabled_sasl: Info(None) = |host| host.config.cache.sasl,
        /// File with the passwords of text clients (-Y).
        auth_enabled_ascii: Info(None) = |host| path(server(host).auth_file.as_deref(), "no"),
        /// Whether clients over the limit are refused rather than left waiting.
        maxconns_fast: Info(None) = |host| server(host).refuse_over_limit,
        /// Time after which an idle connection is closed, 0 for never.
        idle_timeout: Info(Seconds) = |host| server(host).idle_timeout.as_secs(),
        /// Log lines kept for one watcher that reads too slowly.
        watcher_logbuf_size: Info(Bytes) = |host| server(host).watch_buffer_bytes as u64,
        /// Whether keys may be listed (-X).
        dump_enabled: Info(None) = |host| host.config.cache.dump,
        /// Whether the shutdown command is allowed (-A).
        shutdown_command: Info(None) = |host| host.config.cache.shutdown,
        /// Whether connections are encrypted (-Z).
        ssl_enabled: Info(None) = |host| server(host).tls.is_some(),
        /// Threads for slow calls, at most.
        lane_threads: Info(Threads) = |host| server(host).lane_threads as u64,
        /// Longest run of a call.
        deadline_ms: Info(Milliseconds) =
            |host| u64::try_from(host.config.runtime.deadline.as_millis()).unwrap_or(u64::MAX),
    }
}

fn server(host: &ServerHost) -> &ServerConfig {
    &host.config.server
}

fn hosts(config: &ServerConfig) -> String {
    let hosts: Vec<&str> = config
        .tcp
        .iter()
        .filter_map(|address| address.host.as_deref())
        .collect();
    match hosts[..] {
        [] => NO_PATH.to_owned(),
        _ => hosts.join(","),
    }
}

fn path(path: Option<&Path>, absent: &str) -> String {
    path.map_or(absent.to_owned(), |path| path.display().to_string())
}

fn protocol(protocol: WireProtocol) -> &'static str {
    match protocol {
        WireProtocol::Auto => "auto-negotiate",
        WireProtocol::Ascii => "ascii",
        WireProtocol::Binary => "binary",
    }
}
