//! From arguments to a [`Config`]: what contradicts is refused as memcached refuses it, defaults that depend on
//! other options are filled in, and options without effect are named.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::arguments::Arguments;
use super::config::{
    CacheOptions, ClientCertificate, Config, KeyFormat, PersistenceOptions, RuntimeOptions,
    ServerConfig, StoreOptions, TlsOptions,
};
use super::extended::Extended;
use super::listen::{self, ListenAddress, Security};
use super::{FsyncMode, UsageError, WireProtocol};
use crate::account::{RESERVED_BYTES, WORKER_BYTES, connection_bytes};
use crate::server::tls::ciphers;

/// Largest value of `-I`.
const ITEM_BYTES_MAX: u64 = 1 << 30;
/// Smallest value of `-I`.
const ITEM_BYTES_MIN: u64 = 1 << 10;
/// Lengths that one file of the log may have, in bytes.
const SEGMENT_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;
/// Memory for clients beside what large items and many connections add to it.
const CLIENT_MEMORY_BYTES: usize = 128 << 20;

/// Makes the configuration of the arguments. `given` tells whether an option was named, by its field name.
pub(super) fn resolve(
    arguments: Arguments,
    given: impl Fn(&str) -> bool,
) -> Result<Config, UsageError> {
    refuse_nonsense(&arguments).map_err(UsageError)?;
    let extended = Extended::parse(&arguments.extended).map_err(UsageError)?;
    let mut warnings = without_effect(&arguments, &extended);
    let persistence = persistence(&arguments)?;
    if persistence.is_none() {
        let names = [
            "fsync",
            "snapshot_seconds",
            "snapshot_changes",
            "log_queue",
            "log_segment",
        ];
        warnings.extend(names.into_iter().filter(|name| given(name)).map(|name| {
            let name = name.replace('_', "-");
            format!("--{name} has no effect without --data-dir")
        }));
    }
    let item_bytes_max =
        item_bytes_max(&arguments, given("max_item_size"), &mut warnings).map_err(UsageError)?;
    let sasl_file = sasl_file(&arguments).map_err(UsageError)?;
    let protocol = protocol(&arguments).map_err(UsageError)?;
    let mut server =
        server(&arguments, &extended, &given, item_bytes_max, sasl_file).map_err(UsageError)?;
    server.protocol = protocol;
    Ok(Config {
        server,
        store: StoreOptions {
            memory_bytes: arguments.memory_limit as usize,
            item_bytes_max,
            evict: !arguments.disable_evictions,
            eviction: arguments.eviction,
        },
        cache: cache(&arguments, item_bytes_max),
        verbosity: arguments.verbose,
        persistence,
        runtime: runtime(arguments),
        warnings,
    })
}

fn persistence(arguments: &Arguments) -> Result<Option<PersistenceOptions>, UsageError> {
    let (directory, planned) = match (&arguments.data_dir, &arguments.memory_file) {
        (None, None) => return Ok(None),
        (Some(directory), None) => (directory, false),
        (None, Some(directory)) => (directory, true),
        (Some(_), Some(_)) => {
            return Err(UsageError(
                "-e and --data-dir both name a directory: give one".into(),
            ));
        }
    };
    Ok(Some(PersistenceOptions {
        directory: directory.clone(),
        fsync: match planned {
            true => FsyncMode::Off,
            false => arguments.fsync,
        },
        snapshot_every: match planned {
            true => Duration::ZERO,
            false => Duration::from_secs(arguments.snapshot_seconds.into()),
        },
        snapshot_changes: arguments.snapshot_changes,
        segment_bytes: match arguments.log_segment {
            bytes if SEGMENT_BYTES.contains(&bytes) => bytes,
            _ => return Err(UsageError("--log-segment is 64k to 1g".into())),
        },
        queue_bytes_max: usize::try_from(arguments.log_queue)
            .map_err(|_| UsageError("--log-queue is too large".into()))?,
    }))
}

fn refuse_nonsense(arguments: &Arguments) -> Result<(), String> {
    let zero = |name: &str| Err(format!("{name} must be greater than 0"));
    if arguments.threads == 0 {
        return zero("-t (threads)");
    }
    if arguments.threads > 1024 {
        return Err("-t (threads) is at most 1024".into());
    }
    if arguments.conn_limit == 0 {
        return zero("-c (connections)");
    }
    if arguments.max_reqs_per_event == 0 {
        return zero("-R (requests per event)");
    }
    if arguments.memory_limit == 0 {
        return zero("-m (memory)");
    }
    if arguments.slab_min_size == Some(0) {
        return zero("-n (smallest slab)");
    }
    if arguments
        .slab_growth_factor
        .is_some_and(|factor| factor.is_nan() || factor <= 1.0)
    {
        return Err("-f (growth factor) must be greater than 1".into());
    }
    if arguments
        .prefix_delimiter
        .as_ref()
        .is_some_and(|text| text.len() != 1)
    {
        return Err("-D (prefix delimiter) is one character".into());
    }
    if arguments.lua_main && arguments.lua_scripts.is_empty() {
        return Err("--lua-main needs scripts: --lua-scripts DIR".into());
    }
    refuse_open_udp(arguments)
}

/// Refuses UDP beside a login or encryption: a datagram brings neither, so UDP would be a way round.
fn refuse_open_udp(arguments: &Arguments) -> Result<(), String> {
    let guards = [
        (arguments.auth_file.is_some(), "-Y (passwords)"),
        (arguments.enable_sasl, "-S (SASL)"),
        (arguments.enable_ssl, "-Z (TLS)"),
    ];
    match guards.iter().find(|(given, _)| *given) {
        Some((_, guard)) if arguments.udp_port != 0 => {
            Err(format!("{guard} can't be kept over UDP; leave out -U"))
        }
        _ => Ok(()),
    }
}

fn item_bytes_max(
    arguments: &Arguments,
    given: bool,
    warnings: &mut Vec<String>,
) -> Result<usize, String> {
    let wanted = arguments.max_item_size;
    let half = arguments.memory_limit / 2;
    if wanted < ITEM_BYTES_MIN {
        return Err("-I (largest item) can't be less than 1024 bytes".into());
    }
    if wanted > ITEM_BYTES_MAX {
        return Err("-I (largest item) can't be more than 1g".into());
    }
    if wanted > half && given {
        return Err("-I (largest item) can't be more than half of -m (memory)".into());
    }
    if wanted > half {
        warnings.push(format!(
            "-m is small: -I (largest item) is {half} bytes, half of it"
        ));
    }
    Ok(wanted.min(half) as usize)
}

fn sasl_file(arguments: &Arguments) -> Result<Option<PathBuf>, String> {
    if !arguments.enable_sasl {
        return Ok(None);
    }
    arguments
        .sasl_file
        .clone()
        .or_else(|| std::env::var_os("MEMCACHED_SASL_PWDB").map(PathBuf::from))
        .or_else(|| arguments.auth_file.clone())
        .map(Some)
        .ok_or_else(|| "-S (SASL) needs passwords: --sasl-file FILE or MEMCACHED_SASL_PWDB".into())
}

/// The protocols to speak. SASL exists in the binary protocol only and `-Y` in the text protocol only; with one of them
/// the other protocol would be an open door. The binary protocol would also lead round the scripts of `--lua-main`,
/// which speak text.
fn protocol(arguments: &Arguments) -> Result<WireProtocol, String> {
    let (text_auth, sasl) = (arguments.auth_file.is_some(), arguments.enable_sasl);
    match arguments.protocol {
        WireProtocol::Binary if arguments.lua_main => {
            Err("--lua-main can't be used with -B binary".into())
        }
        _ if arguments.lua_main && sasl => Err("--lua-main can't be used with -S (SASL)".into()),
        WireProtocol::Auto if arguments.lua_main => Ok(WireProtocol::Ascii),
        WireProtocol::Auto if sasl && !text_auth => Ok(WireProtocol::Binary),
        WireProtocol::Auto if text_auth && !sasl => Ok(WireProtocol::Ascii),
        WireProtocol::Ascii if sasl => Err("-S (SASL) can't be used with -B ascii".into()),
        WireProtocol::Binary if text_auth => {
            Err("-Y (passwords) can't be used with -B binary".into())
        }
        protocol => Ok(protocol),
    }
}

fn server(
    arguments: &Arguments,
    extended: &Extended,
    given: impl Fn(&str) -> bool,
    item_bytes_max: usize,
    sasl_file: Option<PathBuf>,
) -> Result<ServerConfig, String> {
    let tcp = tcp(arguments, given)?;
    let tls = tls(arguments, extended, &tcp)?;
    let client_memory_bytes = client_memory_bytes(arguments, item_bytes_max, tls.is_some())?;
    Ok(ServerConfig {
        udp: udp(arguments)?,
        tls,
        tcp,
        unix_socket: arguments.unix_socket.clone(),
        unix_mask: arguments.unix_mask,
        threads: arguments.threads as usize,
        connections_max: arguments.conn_limit as usize,
        refuse_over_limit: extended.maxconns_fast,
        backlog: arguments.listen_backlog,
        requests_per_event: arguments.max_reqs_per_event,
        idle_timeout: Duration::from_secs(extended.idle_timeout_s),
        watch: !arguments.disable_watch,
        watch_buffer_bytes: (extended.watcher_logbuf_kib as usize) << 10,
        protocol: arguments.protocol,
        auth_file: arguments.auth_file.clone(),
        sasl_file,
        login_time: Duration::from_secs(arguments.login_seconds.into()),
        port_file: std::env::var_os("MEMCACHED_PORT_FILENAME").map(PathBuf::from),
        daemon: arguments.daemon,
        user: arguments.user.clone(),
        pidfile: arguments.pidfile.clone(),
        core_dumps: arguments.enable_coredumps,
        lock_memory: arguments.lock_memory,
        lane_threads: arguments.lane_threads as usize,
        client_memory_bytes,
        item_bytes_max,
    })
}

/// Memory that clients may cause beside items: what was asked for, or enough for a few large commands at a time.
fn client_memory_bytes(
    arguments: &Arguments,
    item_bytes_max: usize,
    tls: bool,
) -> Result<usize, String> {
    let connections = arguments.conn_limit as usize * connection_bytes(tls);
    let fixed = connections + arguments.threads as usize * WORKER_BYTES;
    let least = RESERVED_BYTES + item_bytes_max + fixed;
    match arguments.client_memory {
        None => Ok(CLIENT_MEMORY_BYTES + 4 * item_bytes_max + fixed),
        Some(bytes) if bytes < least as u64 => Err(format!(
            "--client-memory must be at least {} MiB here: 16, -I, and what the threads of -t and the connections of -c take",
            least.div_ceil(1 << 20)
        )),
        Some(bytes) => usize::try_from(bytes).map_err(|_| "--client-memory is too large".into()),
    }
}

/// TCP is off beside a unix socket unless asked for, and by `-p 0` where something else is served.
fn tcp(arguments: &Arguments, given: impl Fn(&str) -> bool) -> Result<Vec<ListenAddress>, String> {
    let else_served = arguments.unix_socket.is_some() || arguments.udp_port != 0;
    let asked = given("port") || given("listen");
    if (arguments.unix_socket.is_some() && !asked) || (arguments.port == 0 && else_served) {
        return Ok(Vec::new());
    }
    addresses(arguments, arguments.port.max(0) as u16)
}

fn udp(arguments: &Arguments) -> Result<Vec<ListenAddress>, String> {
    if arguments.udp_port == 0 {
        return Ok(Vec::new());
    }
    let port = arguments.udp_port.max(0) as u16;
    let mut udp = addresses(arguments, port)?;
    // A port in -l is the TCP port; UDP has only its own.
    udp.iter_mut().for_each(|address| address.port = port);
    udp.dedup();
    Ok(udp)
}

fn addresses(arguments: &Arguments, port: u16) -> Result<Vec<ListenAddress>, String> {
    if arguments.listen.is_empty() {
        return Ok(vec![ListenAddress {
            host: None,
            port,
            security: Security::Default,
        }]);
    }
    let mut all = Vec::new();
    for list in &arguments.listen {
        all.extend(listen::addresses(list, port)?);
    }
    if all.is_empty() {
        return Err("-l needs an address".into());
    }
    Ok(all)
}

fn tls(
    arguments: &Arguments,
    extended: &Extended,
    tcp: &[ListenAddress],
) -> Result<Option<TlsOptions>, String> {
    let mutual = tcp
        .iter()
        .any(|address| address.security == Security::Mutual);
    if !arguments.enable_ssl {
        return match mutual {
            true => Err("-l mtls: needs -Z".into()),
            false => Ok(None),
        };
    }
    let (Some(chain_cert), Some(key)) = (&extended.chain_cert, &extended.key) else {
        return Err("-Z (TLS) needs -o ssl_chain_cert=FILE,ssl_key=FILE".into());
    };
    if let Some(list) = &extended.ciphers {
        ciphers::parse(list)?;
    }
    let verify = match extended.verify_mode {
        0 => ClientCertificate::None,
        1 => ClientCertificate::Request,
        _ => ClientCertificate::Require,
    };
    if (mutual || verify != ClientCertificate::None) && extended.ca_cert.is_none() {
        return Err("checking client certificates needs -o ssl_ca_cert=FILE".into());
    }
    Ok(Some(TlsOptions {
        chain_cert: chain_cert.clone(),
        key: key.clone(),
        ca_cert: extended.ca_cert.clone(),
        verify,
        key_format: match extended.key_format {
            2 => KeyFormat::Der,
            _ => KeyFormat::Pem,
        },
        ciphers: extended.ciphers.clone(),
        tls13_only: extended.min_version == 3,
    }))
}

fn cache(arguments: &Arguments, item_bytes_max: usize) -> CacheOptions {
    let delimiter = arguments.prefix_delimiter.as_ref();
    CacheOptions {
        item_bytes_max,
        cas: !arguments.disable_cas,
        flush_all: !arguments.disable_flush_all,
        dump: !arguments.disable_dumping,
        shutdown: arguments.enable_shutdown,
        sasl: arguments.enable_sasl,
        detail: delimiter.is_some(),
        prefix_delimiter: delimiter.map_or(b':', |text| text.as_bytes()[0]),
    }
}

fn runtime(arguments: Arguments) -> RuntimeOptions {
    RuntimeOptions {
        objects: arguments.objects,
        embedded: !arguments.no_objects,
        lenient: arguments.objects_lenient,
        lua_scripts: arguments.lua_scripts,
        lua_main: arguments.lua_main,
        peers: arguments.peers,
        deadline: Duration::from_millis(arguments.deadline_ms),
        inline_budget: Duration::from_micros(arguments.inline_budget_us),
        slow_log: Duration::from_millis(arguments.slow_log_ms),
        limits: arguments.limit,
        memory_bytes_max: (arguments.object_memory_mb as usize) << 20,
    }
}

/// One sentence for each option that was given in vain.
fn without_effect(arguments: &Arguments, extended: &Extended) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut vain = |given: bool, text: &str| {
        if given {
            warnings.push(text.to_owned());
        }
    };
    vain(
        arguments.slab_growth_factor.is_some(),
        "-f has no effect: items take their exact size, there are no slabs",
    );
    vain(
        arguments.slab_min_size.is_some(),
        "-n has no effect: items take their exact size, there are no slabs",
    );
    vain(
        arguments.enable_largepages,
        "-L has no effect: the system decides about large pages",
    );
    vain(
        arguments.disable_cas,
        "-C has no effect: an item has a CAS value only once somebody asked for it",
    );
    vain(
        arguments.napi_ids.is_some(),
        "-N has no effect: connections go to the workers in turn",
    );
    vain(
        extended.has_tls() && !arguments.enable_ssl,
        "-o ssl_* has no effect without -Z",
    );
    vain(
        extended.min_version < 2,
        "-o ssl_min_version below 2 has no effect: TLS 1.2 is the least there is here",
    );
    vain(
        arguments.sasl_file.is_some() && !arguments.enable_sasl,
        "--sasl-file has no effect without -S",
    );
    if !extended.ignored.is_empty() {
        warnings.push(format!(
            "-o {} has no effect: nothing here to tune by it",
            extended.ignored.join(",")
        ));
    }
    warnings
}
