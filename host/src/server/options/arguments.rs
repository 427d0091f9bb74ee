//! The options as clap knows them. The doc comment of a field is its line in `-h`.

use std::path::PathBuf;

use cacheismo_journal::log::Fsync;
use clap::{ArgAction, Parser, ValueEnum};

use super::config::Peer;
use super::values;
use crate::protocol::binary::REQUEST_MAGIC;

const HELP: &str = "{name} {version}\n{about-with-newline}\nUsage: {name} [OPTIONS]\n\n{all-args}";

/// Which protocols a port speaks (`-B`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WireProtocol {
    /// The first byte of a connection decides.
    #[default]
    Auto,
    /// Text only.
    Ascii,
    /// Binary only.
    Binary,
}

impl WireProtocol {
    /// Whether a request that begins with this byte may be answered.
    pub fn speaks(self, first: Option<&u8>) -> bool {
        let binary = first == Some(&REQUEST_MAGIC);
        match self {
            WireProtocol::Auto => true,
            WireProtocol::Ascii => !binary,
            WireProtocol::Binary => binary,
        }
    }
}

/// Which item goes when memory is short (`--eviction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Eviction {
    /// The least recently used of all.
    #[default]
    Lru,
    /// Among some sampled items the one with the largest size times idle time.
    SizeIdle,
}

/// When the operation log is on disk (`--fsync`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FsyncMode {
    /// Before an answer leaves.
    Always,
    /// Within a second; nobody waits.
    #[default]
    #[value(name = "everysec")]
    EverySecond,
    /// When the system likes to.
    Off,
}

impl FsyncMode {
    /// The word of the option.
    pub fn name(self) -> &'static str {
        match self {
            FsyncMode::Always => "always",
            FsyncMode::EverySecond => "everysec",
            FsyncMode::Off => "off",
        }
    }
}

impl From<FsyncMode> for Fsync {
    fn from(mode: FsyncMode) -> Fsync {
        match mode {
            FsyncMode::Always => Fsync::Always,
            FsyncMode::EverySecond => Fsync::EverySecond,
            FsyncMode::Off => Fsync::Off,
        }
    }
}

/// A WebAssembly-scripted object cache that speaks the memcache protocol.
#[derive(Debug, Parser)]
#[command(
    name = "cacheismo",
    version,
    help_template = HELP,
    args_override_self = true,
    // So that `-c -1` is a bad number and not an unknown option.
    allow_negative_numbers = true,
    disable_help_flag = true,
    disable_version_flag = true,
    term_width = 100
)]
pub(super) struct Arguments {
    /// Print this help
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort, help_heading = "General")]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long = "version", action = ArgAction::Version, help_heading = "General")]
    version: Option<bool>,
    /// Print the licence
    #[arg(short = 'i', long, help_heading = "General")]
    pub(super) license: bool,
    /// Say more on standard error: -v events, -vv connections, -vvv everything
    #[arg(short, long, action = ArgAction::Count, help_heading = "General")]
    pub(super) verbose: u8,
    /// Read options from a TOML file of long names; the command line wins
    #[arg(long, value_name = "FILE", help_heading = "General")]
    pub(super) config: Option<PathBuf>,
    /// Check options and configuration file, then leave
    #[arg(long, help_heading = "General")]
    pub(super) check_config: bool,

    /// TCP port; -1, or 0 without -s and -U, picks a free one; 0 with -s or -U turns TCP off
    #[arg(short, long, value_name = "NUM", default_value = "11211",
          value_parser = values::port, help_heading = "Network")]
    pub(super) port: i32,
    /// Addresses to listen on: host, host:port or v6 in brackets, with notls: or mtls: before; lists, repeatable
    #[arg(short, long, value_name = "ADDR", action = ArgAction::Append, help_heading = "Network")]
    pub(super) listen: Vec<String>,
    /// UDP port; 0 is off, -1 picks a free one
    #[arg(short = 'U', long, value_name = "NUM", default_value = "0",
          value_parser = values::port, help_heading = "Network")]
    pub(super) udp_port: i32,
    /// Unix socket to listen on; turns TCP off unless -p or -l is given
    #[arg(short = 's', long, value_name = "PATH", help_heading = "Network")]
    pub(super) unix_socket: Option<PathBuf>,
    /// Permissions of the unix socket, in octal
    #[arg(short = 'a', long, value_name = "MASK", default_value = "0700",
          value_parser = values::access_mask, help_heading = "Network")]
    pub(super) unix_mask: u32,
    /// Connections open at once, at most
    #[arg(
        short,
        long,
        value_name = "NUM",
        default_value_t = 1024,
        help_heading = "Network"
    )]
    pub(super) conn_limit: u32,
    /// Length of the queue of connections not yet accepted
    #[arg(
        short = 'b',
        long,
        value_name = "NUM",
        default_value_t = 1024,
        help_heading = "Network"
    )]
    pub(super) listen_backlog: u32,
    /// Work for one connection before others get their turn, in requests of average size
    #[arg(
        short = 'R',
        long,
        value_name = "NUM",
        default_value_t = 20,
        help_heading = "Network"
    )]
    pub(super) max_reqs_per_event: u32,
    /// Which protocols to speak
    #[arg(
        short = 'B',
        long,
        value_name = "NAME",
        value_enum,
        default_value = "auto",
        help_heading = "Network"
    )]
    pub(super) protocol: WireProtocol,
    /// Encrypt with TLS; needs -o ssl_chain_cert=FILE,ssl_key=FILE
    #[arg(short = 'Z', long, help_heading = "Network")]
    pub(super) enable_ssl: bool,
    /// Require user and password of text clients, from a file of user:password lines
    #[arg(short = 'Y', long, value_name = "FILE", help_heading = "Network")]
    pub(super) auth_file: Option<PathBuf>,
    /// Require SASL PLAIN of binary clients
    #[arg(short = 'S', long, help_heading = "Network")]
    pub(super) enable_sasl: bool,
    /// Passwords for -S: a file of user:password lines [default: $MEMCACHED_SASL_PWDB, then -Y's file]
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(super) sasl_file: Option<PathBuf>,
    /// Time for a client to log in, with -Y or -S
    #[arg(long, value_name = "NUM", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Network")]
    pub(super) login_seconds: u32,
    /// Group connections by NAPI id; has no effect here
    #[arg(
        short = 'N',
        long,
        alias = "napi_ids",
        value_name = "NUM",
        help_heading = "Network"
    )]
    pub(super) napi_ids: Option<u32>,

    /// Memory for items in mebibytes, or with k, m or g behind the number
    #[arg(short, long, value_name = "NUM", default_value = "64", value_parser = values::mebibytes, help_heading = "Store")]
    pub(super) memory_limit: u64,
    /// Memory that clients may cause beside items (input, answers, calls, instances of objects) in mebibytes, or with k, m or
    /// g behind the number [default: 128 MiB, 4 x -I, 4 MiB a thread of -t, 4 KiB a connection of -c (48 KiB with TLS)]
    #[arg(long, value_name = "NUM", value_parser = values::mebibytes, help_heading = "Store")]
    pub(super) client_memory: Option<u64>,
    /// Largest item in bytes; takes k, m or g
    #[arg(short = 'I', long, value_name = "NUM", default_value = "1m", value_parser = values::bytes, help_heading = "Store")]
    pub(super) max_item_size: u64,
    /// Refuse to store when memory is full instead of evicting
    #[arg(short = 'M', long, help_heading = "Store")]
    pub(super) disable_evictions: bool,
    /// Which item is evicted
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value = "lru",
        help_heading = "Store"
    )]
    pub(super) eviction: Eviction,
    /// Leave out CAS values
    #[arg(short = 'C', long, help_heading = "Store")]
    pub(super) disable_cas: bool,
    /// Lock all memory into RAM
    #[arg(short = 'k', long, help_heading = "Store")]
    pub(super) lock_memory: bool,
    /// Growth factor of slabs; has no effect here
    #[arg(short = 'f', long, value_name = "NUM", help_heading = "Store")]
    pub(super) slab_growth_factor: Option<f64>,
    /// Smallest slab; has no effect here
    #[arg(short = 'n', long, value_name = "NUM", help_heading = "Store")]
    pub(super) slab_min_size: Option<u32>,
    /// Use large pages; has no effect here
    #[arg(short = 'L', long, help_heading = "Store")]
    pub(super) enable_largepages: bool,

    /// Keep items over a restart: write every change to a log in this directory, and all items to snapshots
    #[arg(long, value_name = "DIR", help_heading = "Persistence")]
    pub(super) data_dir: Option<PathBuf>,
    /// When the log is on disk: before each answer, within a second, or when the system likes
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "everysec",
        help_heading = "Persistence"
    )]
    pub(super) fsync: FsyncMode,
    /// Write a snapshot after so many seconds, if enough has changed; 0 is never
    #[arg(
        long,
        value_name = "NUM",
        default_value_t = 3600,
        help_heading = "Persistence"
    )]
    pub(super) snapshot_seconds: u32,
    /// How many changes are enough for --snapshot-seconds
    #[arg(
        long,
        value_name = "NUM",
        default_value_t = 1,
        help_heading = "Persistence"
    )]
    pub(super) snapshot_changes: u64,
    /// Changes that may wait for a slow disk, in mebibytes, or with k, m or g behind the number
    #[arg(long, value_name = "NUM", default_value = "64", value_parser = values::mebibytes, help_heading = "Persistence")]
    pub(super) log_queue: u64,
    /// Length of one file of the log in bytes; takes k, m or g
    #[arg(long, value_name = "NUM", default_value = "64m", value_parser = values::bytes, help_heading = "Persistence")]
    pub(super) log_segment: u64,
    /// As memcached's: --data-dir with --fsync off and no snapshots but at the end
    #[arg(short = 'e', long, value_name = "DIR", help_heading = "Persistence")]
    pub(super) memory_file: Option<PathBuf>,

    /// Enable the "shutdown" command
    #[arg(short = 'A', long, help_heading = "Commands")]
    pub(super) enable_shutdown: bool,
    /// Disable the "flush_all" command
    #[arg(short = 'F', long, help_heading = "Commands")]
    pub(super) disable_flush_all: bool,
    /// Disable "stats cachedump" and "lru_crawler metadump"
    #[arg(short = 'X', long, help_heading = "Commands")]
    pub(super) disable_dumping: bool,
    /// Disable the "watch" command
    #[arg(short = 'W', long, help_heading = "Commands")]
    pub(super) disable_watch: bool,
    /// Count by key prefix up to this character ("stats detail")
    #[arg(short = 'D', long, value_name = "CHAR", help_heading = "Commands")]
    pub(super) prefix_delimiter: Option<String>,

    /// Worker threads
    #[arg(
        short,
        long,
        value_name = "NUM",
        default_value_t = 4,
        help_heading = "Process"
    )]
    pub(super) threads: u32,
    /// Run in the background
    #[arg(short, long, help_heading = "Process")]
    pub(super) daemon: bool,
    /// Run as this user when started as root
    #[arg(short, long, value_name = "NAME", help_heading = "Process")]
    pub(super) user: Option<String>,
    /// Write the process id to a file
    #[arg(short = 'P', long, value_name = "FILE", help_heading = "Process")]
    pub(super) pidfile: Option<PathBuf>,
    /// Allow core dumps of any size
    #[arg(short = 'r', long, help_heading = "Process")]
    pub(super) enable_coredumps: bool,
    /// Further options of memcached, comma separated
    #[arg(short = 'o', long, value_name = "NAME[=VALUE]", action = ArgAction::Append, help_heading = "Process")]
    pub(super) extended: Vec<String>,

    /// Load every module of a directory; repeatable
    #[arg(long, value_name = "DIR", action = ArgAction::Append, help_heading = "Objects")]
    pub(super) objects: Vec<PathBuf>,
    /// Leave out the embedded objects
    #[arg(long, help_heading = "Objects")]
    pub(super) no_objects: bool,
    /// Start without the modules and scripts that can't be loaded
    #[arg(long, help_heading = "Objects")]
    pub(super) objects_lenient: bool,
    /// Load every Lua object script of a directory; repeatable
    #[arg(long, value_name = "DIR", action = ArgAction::Append, help_heading = "Objects")]
    pub(super) lua_scripts: Vec<PathBuf>,
    /// Give the Lua scripts every text command, to handle it or leave it to the server
    #[arg(long, help_heading = "Objects")]
    pub(super) lua_main: bool,
    /// Another server that objects may ask, as HOST:PORT, or HOST for all its ports, exactly as they name it; lists,
    /// repeatable. Without it they may ask none
    #[arg(long = "peer", value_name = "SERVER", action = ArgAction::Append, value_delimiter = ',', value_parser = values::peer, help_heading = "Objects")]
    pub(super) peers: Vec<Peer>,
    /// Longest run of one call
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=3_600_000), help_heading = "Objects")]
    pub(super) deadline_ms: u64,
    /// Run on a worker thread after which a call moves to a lane thread, 2 to 6 ms later
    #[arg(long, value_name = "US", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=3_600_000_000), help_heading = "Objects")]
    pub(super) inline_budget_us: u64,
    /// Log calls that took at least this long, within 4 ms
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 10,
        help_heading = "Objects"
    )]
    pub(super) slow_log_ms: u64,
    /// Linear memory of one instance in mebibytes, at most
    #[arg(long, value_name = "MB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024), help_heading = "Objects")]
    pub(super) object_memory_mb: u64,
    /// Set a limit of calls for all types, or one as TYPE.NAME=VALUE; repeatable
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append, help_heading = "Objects")]
    pub(super) limit: Vec<String>,
    /// Threads for slow calls, at most
    #[arg(long, value_name = "NUM", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Objects")]
    pub(super) lane_threads: u32,
}
