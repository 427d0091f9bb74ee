//! The process as the cache and the objects see it: statistics, settings, passwords, the log.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use cacheismo_abi::level;

use super::auth::Outcome;
use super::durability::PERSISTENCE;
use super::options::Config;
use super::peers::PeerLinks;
use super::run::Surroundings;
use super::settings::{SERVER_SETTINGS, TLS};
use crate::cache::{Host, Login, Peers};
use crate::runtime::Log;
use crate::stats::{WatchHub, log};

/// Time for all questions of one call to other servers.
const PEER_TIME_MAX: Duration = Duration::from_secs(1);

/// What the server answers the cache.
#[derive(Debug)]
pub struct ServerHost {
    pub(super) config: Config,
    pub(super) surroundings: Surroundings,
}

impl ServerHost {
    /// The host of a cache with this configuration.
    pub fn new(config: Config, surroundings: Surroundings) -> ServerHost {
        ServerHost {
            config,
            surroundings,
        }
    }
}

impl Host for ServerHost {
    fn peers(&self) -> Arc<dyn Peers> {
        let value_bytes_max = self.config.store.item_bytes_max;
        let allowed = self.config.runtime.peers.clone();
        let account = Arc::clone(&self.surroundings.account);
        Arc::new(PeerLinks::new(
            PEER_TIME_MAX,
            value_bytes_max,
            allowed,
            account,
        ))
    }

    fn stats(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        self.surroundings.stats.lines(line);
        self.surroundings.hub.counts.lines(line);
        let age = self
            .surroundings
            .tls
            .as_ref()
            .map(|tls| tls.age().as_secs());
        TLS.lines("", &age, &age, line);
    }

    fn settings(&self, line: &mut dyn FnMut(&str, &dyn Display)) {
        SERVER_SETTINGS.lines("", self, self, line);
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

    fn persistence(&self, line: &mut dyn FnMut(&str, &dyn Display)) -> bool {
        let Some(durability) = self.surroundings.durability.get() else {
            return false;
        };
        let sample = durability.sample();
        PERSISTENCE.lines("", &sample, &sample, line);
        true
    }

    fn snapshot(&self) -> bool {
        let durability = self.surroundings.durability.get();
        durability
            .inspect(|durability| durability.snapshot())
            .is_some()
    }

    fn reset_stats(&self) {
        self.surroundings.stats.reset();
        self.surroundings.hub.counts.reset();
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

    fn asks_for_sasl(&self) -> bool {
        self.surroundings.logins.sasl().is_some()
    }

    fn sasl(&self, connection: u64, user: &[u8], password: &[u8]) -> Login {
        let Surroundings { logins, stats, .. } = &self.surroundings;
        let (Some(passwords), Some(entry)) = (logins.sasl(), stats.connections.get(connection))
        else {
            return Login::Denied;
        };
        match logins.check(passwords, &entry, user, password) {
            Outcome::Granted => Login::Granted,
            Outcome::Denied => Login::Denied,
            Outcome::Cut => Login::Cut,
        }
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
