//! The settings of the server, for `stats settings`.

use std::path::Path;

use super::host::ServerHost;
use super::options::{ServerConfig, TlsOptions, WireProtocol};
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
        /// File with the server's certificates.
        ssl_chain_cert: Info(None) = |host| path(tls(host).map(|tls| &*tls.chain_cert), NO_PATH),
        /// File with the server's key.
        ssl_key: Info(None) = |host| path(tls(host).map(|tls| &*tls.key), NO_PATH),
        /// How certificates of clients are asked for, as OpenSSL numbers it.
        ssl_verify_mode: Info(None) = |host| tls(host).map_or(0, |tls| tls.verify as u64),
        /// Format of the key, as OpenSSL numbers it.
        ssl_keyformat: Info(None) = |host| tls(host).map_or(0, |tls| tls.key_format as u64),
        /// Cipher suites that may be used.
        ssl_ciphers: Info(None) = |host| ciphers(host),
        /// File with the certificates that clients' ones must lead to.
        ssl_ca_cert: Info(None) = |host| path(tls(host).and_then(|tls| tls.ca_cert.as_deref()), NO_PATH),
        /// Oldest version of TLS that is spoken.
        ssl_min_version: Info(None) = |host| match tls(host) {
            Some(tls) if tls.tls13_only => "tlsv1.3",
            _ => "tlsv1.2",
        },
        /// Threads for slow calls, at most.
        lane_threads: Info(Threads) = |host| server(host).lane_threads as u64,
        /// Longest run of a call.
        deadline_ms: Info(Milliseconds) =
            |host| u64::try_from(host.config.runtime.deadline.as_millis()).unwrap_or(u64::MAX),
    }
}

table! {
    /// The certificates' part of `stats`. The sample is the age of those in use, in seconds.
    pub(super) static TLS: Table<Option<u64>> in General {
        /// Time since the server's certificates were read, 0 without TLS.
        time_since_server_cert_refresh: Gauge(Seconds) = |age| age.unwrap_or(0),
    }
}

fn tls(host: &ServerHost) -> Option<&TlsOptions> {
    server(host).tls.as_ref()
}

fn ciphers(host: &ServerHost) -> String {
    let ciphers = tls(host).and_then(|tls| tls.ciphers.clone());
    ciphers.unwrap_or_else(|| NO_PATH.to_owned())
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
