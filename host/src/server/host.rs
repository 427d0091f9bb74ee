//! The process as the cache and the objects see it: statistics, settings, passwords, the log.

use std::fmt::Display;
use std::sync::Arc;

use cacheismo_abi::level;

use super::options::{Config, WireProtocol};
use super::run::Surroundings;
use crate::cache::Host;
use crate::runtime::Log;
use crate::stats::{WatchHub, log, usage};

/// What the server answers the cache.
#[derive(Debug)]
pub struct ServerHost {
    config: Config,
    surroundings: Surroundings,
}

impl ServerHost {
    /// For the cache of this server.
    pub fn new(config: Config, surroundings: Surroundings) -> ServerHost {
        ServerHost {
            config,
            surroundings,
        }
    }
}

impl ServerHost {
    fn ssl_settings(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let tls = self.config.server.tls.as_ref();
        line("ssl_enabled", if tls.is_some() { &"yes" } else { &"no" });
        let Some(tls) = tls else {
            return;
        };
        line("ssl_chain_cert", &tls.chain_cert.display());
        line("ssl_key", &tls.key.display());
        line("ssl_verify_mode", &(tls.verify as u8));
        line("ssl_keyformat", &(tls.key_format as u8));
        line("ssl_ciphers", &tls.ciphers.as_deref().unwrap_or("NULL"));
        match &tls.ca_cert {
            Some(path) => line("ssl_ca_cert", &path.display()),
            None => line("ssl_ca_cert", &"NULL"),
        }
        let least = if tls.tls13_only { "tlsv1.3" } else { "tlsv1.2" };
        line("ssl_min_version", &least);
    }
}

impl Host for ServerHost {
    fn stats(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let stats = &self.surroundings.stats;
        let hub = &self.surroundings.hub;
        let used = usage();
        let seconds =
            |time: std::time::Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
        line("rusage_user", &seconds(used.user));
        line("rusage_system", &seconds(used.system));
        let (total, rejected) = stats.connection_totals();
        let workers = stats.worker_totals();
        for (name, value) in [
            ("max_connections", self.config.server.connections_max as u64),
            ("curr_connections", stats.curr_connections.get()),
            ("total_connections", total),
            ("rejected_connections", rejected),
            ("connection_structures", stats.curr_connections.get()),
            ("bytes_read", workers.bytes_read),
            ("bytes_written", workers.bytes_written),
            ("conn_yields", workers.conn_yields),
            ("accepting_conns", u64::from(stats.accepting())),
            ("listen_disabled_num", stats.listen_disabled_num.get()),
            (
                "time_in_listen_disabled_us",
                stats.time_in_listen_disabled_us.get(),
            ),
            ("idle_kicks", stats.idle_kicks.get()),
            ("threads", self.config.server.threads as u64),
            ("lane_jobs", stats.lane_jobs.get()),
            ("log_watchers", hub.watchers() as u64),
            ("log_worker_dropped", 0),
            ("log_worker_written", hub.written.get()),
            ("log_watcher_skipped", hub.skipped.get()),
            ("log_watcher_sent", hub.sent.get()),
        ] {
            line(name, &value);
        }
        if let Some(tls) = &self.surroundings.tls {
            line("ssl_handshake_errors", &stats.ssl_handshake_errors.get());
            line("time_since_server_cert_refresh", &tls.age().as_secs());
        }
    }

    fn settings(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let server = &self.config.server;
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let hosts: Vec<&str> = server
            .tcp
            .iter()
            .filter_map(|address| address.host.as_deref())
            .collect();
        let socket = server
            .unix_socket
            .as_ref()
            .map(|path| path.display().to_string());
        line("maxconns", &server.connections_max);
        line("tcpport", &self.surroundings.tcp_port());
        line("udpport", &self.surroundings.udp_port());
        line(
            "inter",
            &if hosts.is_empty() {
                "NULL".to_owned()
            } else {
                hosts.join(",")
            },
        );
        line("verbosity", &log::level());
        line(
            "evictions",
            &if self.config.store.evict { "on" } else { "off" },
        );
        line("domain_socket", &socket.as_deref().unwrap_or("NULL"));
        line("umask", &format!("{:o}", server.unix_mask));
        line("num_threads", &server.threads);
        line("num_threads_per_udp", &server.threads);
        line("reqs_per_event", &server.requests_per_event);
        line("tcp_backlog", &server.backlog);
        let protocol = match server.protocol {
            WireProtocol::Auto => "auto-negotiate",
            WireProtocol::Ascii => "ascii",
            WireProtocol::Binary => "binary",
        };
        line("binding_protocol", &protocol);
        line("auth_enabled_sasl", &yes(self.config.cache.sasl));
        line(
            "auth_enabled_ascii",
            &server
                .auth_file
                .as_ref()
                .map_or("no".to_owned(), |path| path.display().to_string()),
        );
        line("maxconns_fast", &yes(server.refuse_over_limit));
        line("idle_timeout", &server.idle_timeout.as_secs());
        line("watcher_logbuf_size", &server.watch_buffer_bytes);
        line("dump_enabled", &yes(self.config.cache.dump));
        line("shutdown_command", &yes(self.config.cache.shutdown));
        self.ssl_settings(line);
        line("lane_threads", &server.lane_threads);
        line("deadline_ms", &self.config.runtime.deadline.as_millis());
    }

    fn connections(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        let stats = &self.surroundings.stats;
        let now = stats.uptime_s();
        for listening in stats.connections.listening() {
            let (id, address) = (listening.id, &listening.address);
            let state = match address.starts_with("udp:") {
                true => "conn_read",
                false => "conn_listening",
            };
            line(&format!("{id}:addr"), address);
            line(&format!("{id}:state"), &state);
            line(&format!("{id}:secs_since_last_cmd"), &now);
        }
        for entry in stats.connections.list() {
            let id = entry.id;
            line(&format!("{id}:addr"), &entry.peer);
            line(&format!("{id}:listen_addr"), &entry.local);
            line(&format!("{id}:state"), &entry.state().name());
            line(
                &format!("{id}:secs_since_last_cmd"),
                &now.saturating_sub(u64::from(entry.active_s())),
            );
        }
    }

    fn reset_stats(&self) {
        self.surroundings.stats.reset();
    }

    fn set_verbosity(&self, level: u32) {
        log::set_level(u8::try_from(level).unwrap_or(u8::MAX));
    }

    fn shutdown(&self, _graceful: bool) -> bool {
        if self.config.cache.shutdown {
            self.surroundings.control.shutdown();
        }
        self.config.cache.shutdown
    }

    fn refresh_certs(&self) -> Result<(), String> {
        self.surroundings.control.refresh_certificates()
    }

    fn flush_enabled(&self) -> bool {
        self.config.cache.flush_all
    }

    fn sasl(&self, user: &[u8], password: &[u8]) -> Option<bool> {
        self.surroundings
            .logins
            .sasl()
            .map(|passwords| passwords.check(user, password))
    }

    fn watch_hub(&self) -> Arc<WatchHub> {
        Arc::clone(&self.surroundings.hub)
    }
}

/// Lines of objects, on standard error. How many is limited, since guests choose it.
#[derive(Clone, Copy, Debug)]
pub struct GuestLog;

impl Log for GuestLog {
    fn shows(&self, level: i32) -> bool {
        match level {
            level::ERROR | level::WARN => true,
            level::INFO => log::level() >= 1,
            _ => log::level() >= 2,
        }
    }

    fn line(&self, _level: i32, subject: &str, text: &str) {
        log::guest(subject, text);
    }
}
