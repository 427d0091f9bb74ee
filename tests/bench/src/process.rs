//! The servers as processes: started pinned to a core, and what they cost.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use cacheismo_tests::server::{Memcached, Server, wait_until};
use cacheismo_tests::tools;

/// The core of every server, and the one of the generator.
const SERVER_CORE: &str = "0";
const GENERATOR_CORE: &str = "1";

/// Memory given to each server, in MiB: all data of all workloads fits.
const MEMORY_MB: &str = "1024";

/// Connections that each server takes.
const CONNECTIONS_MAX: &str = "1024";

/// Directories of Lua scripts.
const SCRIPTS: [&str; 2] = ["scripts-lua", "tests/bench/scripts"];

/// A system that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// The server of this repository, release build.
    Cacheismo,
    /// The same server with Lua scripts: ours and those of the bench.
    CacheismoLua,
    /// Debian's memcached.
    Memcached,
    /// Debian's redis.
    Redis,
    /// The server of this repository with a log, synced as the word of `--fsync` says.
    CacheismoLog(&'static str),
    /// Debian's redis with a log, synced as the word of `appendfsync` says.
    RedisLog(&'static str),
}

/// A started server.
pub(crate) enum Running {
    Cacheismo(Server),
    Memcached(Memcached),
    Redis(Redis),
}

impl Running {
    pub(crate) fn start(system: System) -> anyhow::Result<Self> {
        Self::start_with(system, MEMORY_MB, CONNECTIONS_MAX)
    }

    /// Starts a server for as many connections as `connections_max` says.
    pub(crate) fn start_for(system: System, connections_max: &str) -> anyhow::Result<Self> {
        Self::start_with(system, MEMORY_MB, connections_max)
    }

    /// Starts a server with other memory; when that is full, the least recently used items leave.
    pub(crate) fn start_with_memory(system: System, memory_mb: u32) -> anyhow::Result<Self> {
        Self::start_with(system, &memory_mb.to_string(), CONNECTIONS_MAX)
    }

    fn start_with(system: System, memory_mb: &str, connections_max: &str) -> anyhow::Result<Self> {
        let common = ["-t", "1", "-m", memory_mb, "-c", connections_max];
        let mut pinned = Command::new(tools::program("taskset"));
        pinned.args(["-c", SERVER_CORE]);
        Ok(match system {
            System::Cacheismo | System::CacheismoLua | System::CacheismoLog(_) => {
                let options = ["-p", "0", "-l", "127.0.0.1"];
                pinned.arg(tools::cacheismo()).args(options).args(common);
                if system == System::CacheismoLua {
                    for directory in SCRIPTS {
                        pinned.arg("--lua-scripts");
                        pinned.arg(tools::repository().join(directory));
                    }
                }
                if let System::CacheismoLog(fsync) = system {
                    let directory = tools::scratch("bench-log").join("data");
                    pinned
                        .arg("--data-dir")
                        .arg(directory)
                        .args(["--fsync", fsync]);
                }
                Self::Cacheismo(Server::spawn(&mut pinned))
            }
            System::Memcached => {
                pinned.arg(tools::program("memcached"));
                Self::Memcached(Memcached::spawn(&mut pinned, &common))
            }
            System::Redis => {
                Self::Redis(Redis::start(&mut pinned, memory_mb, connections_max, None)?)
            }
            System::RedisLog(fsync) => Self::Redis(Redis::start(
                &mut pinned,
                memory_mb,
                connections_max,
                Some(fsync),
            )?),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Cacheismo(server) => server.address(),
            Self::Memcached(server) => server.address(),
            Self::Redis(server) => server.address,
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Cacheismo(server) => server.pid(),
            Self::Memcached(server) => server.pid(),
            Self::Redis(server) => server.child.id(),
        }
    }

    /// CPU time of all the server's threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = Duration::ZERO;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may end between listing and reading.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
            total +=
                Duration::from_nanos(nanoseconds.context("schedstat begins with nanoseconds")?);
        }
        Ok(total)
    }

    /// How often the server's threads have gone to sleep so far.
    pub(crate) fn switches(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            total += count.context("no switches")?.trim().parse::<u64>()?;
        }
        Ok(total)
    }

    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }
}

/// A redis, which keeps nothing on disk unless it is told when to sync its log.
pub(crate) struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Redis {
    fn start(
        pinned: &mut Command,
        memory_mb: &str,
        connections_max: &str,
        fsync: Option<&str>,
    ) -> anyhow::Result<Self> {
        // Redis can't choose a port itself; the one just given back is free for the moment it takes.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = pinned
            .arg(tools::program("redis-server"))
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--maxmemory", &format!("{memory_mb}mb")])
            .args(["--maxmemory-policy", "allkeys-lru"])
            .args(["--maxclients", connections_max])
            .args(["--save", "", "--daemonize", "no"])
            .args(["--appendonly", if fsync.is_some() { "yes" } else { "no" }])
            .args(["--appendfsync", fsync.unwrap_or("everysec")])
            .current_dir(tools::scratch("bench-redis"))
            .stdout(Stdio::null())
            .spawn()?;
        let up = wait_until(Duration::from_secs(30), || {
            TcpStream::connect(address).is_ok()
        });
        anyhow::ensure!(up, "redis doesn't listen on {address}");
        Ok(Self { child, address })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Moves this process to the generator's core.
pub(crate) fn pin_generator() -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    let status = Command::new(tools::program("taskset"))
        .args(["-p", "-c", GENERATOR_CORE, &pid])
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(
        status.success(),
        "no core {GENERATOR_CORE} for the load generator"
    );
    Ok(())
}
