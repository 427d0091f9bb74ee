//! What the command line promises.

use std::io::Write;
use std::time::Duration;

use super::config::ClientCertificate;
use super::*;

fn request(line: &str) -> Result<Request, UsageError> {
    parse(std::iter::once("cacheismo").chain(line.split_whitespace()))
}

fn config(line: &str) -> Config {
    match request(line) {
        Ok(Request::Serve(config)) => *config,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    match request(line) {
        Err(UsageError(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn port_of(config: &Config) -> u16 {
    config.server.tcp[0].port
}

#[test]
fn defaults_are_memcacheds() {
    let config = config("");
    assert_eq!(
        config.server.tcp,
        vec![ListenAddress {
            host: None,
            port: 11211,
            security: Security::Default
        }]
    );
    assert!(config.server.udp.is_empty());
    assert_eq!(config.server.threads, 4);
    assert_eq!(config.server.connections_max, 1024);
    assert_eq!(config.server.backlog, 1024);
    assert_eq!(config.server.requests_per_event, 20);
    assert!(config.server.refuse_over_limit);
    assert_eq!(config.store.memory_bytes, 64 << 20);
    assert_eq!(config.store.item_bytes_max, 1 << 20);
    assert!(config.store.evict && config.cache.cas && config.cache.flush_all);
    assert_eq!(config.verbosity, 0);
    assert!(config.warnings.is_empty());
}

#[test]
fn short_flags_may_be_clustered() {
    let config = config("-vp 11212 -l 127.0.0.1");
    assert_eq!(config.verbosity, 1);
    assert_eq!(port_of(&config), 11212);
    assert_eq!(self::config("-vvv").verbosity, 3);
    assert_eq!(port_of(&self::config("-Ap11213")), 11213);
}

#[test]
fn long_names_take_a_value_either_way() {
    let config =
        config("--port=5 --memory-limit 128 --max-item-size=2m --threads 2 --conn-limit 9");
    assert_eq!(port_of(&config), 5);
    assert_eq!(config.store.memory_bytes, 128 << 20);
    assert_eq!(config.cache.item_bytes_max, 2 << 20);
    assert_eq!(
        (config.server.threads, config.server.connections_max),
        (2, 9)
    );
}

#[test]
fn the_last_of_two_values_counts() {
    assert_eq!(port_of(&config("-p 1 -p 2")), 2);
}

#[test]
fn every_option_of_memcached_is_accepted() {
    config(
        "-p 0 -l 127.0.0.1 -m 64 -c 10 -t 1 -I 1m -vvv -U 0 -a 0777 -b 5 -R 3 -r -M -C -f 1.25 -n 48 -L \
         -D : -F -X -W -A -B auto -o modern -e /x -N 3 -k",
    );
}

#[test]
fn options_without_effect_say_so_once() {
    let line = "-f 1.1 -n 10 -L -N 1 -o modern,slab_reassign -o ext_path=/y:5G --fsync always";
    let warnings = config(line).warnings;
    assert_eq!(warnings.len(), 6, "{warnings:?}");
    for name in ["modern,slab_reassign,ext_path", "--fsync"] {
        let naming = warnings.iter().filter(|warning| warning.contains(name));
        assert_eq!(naming.count(), 1, "{name} in {warnings:?}");
    }
}

#[test]
fn items_are_kept_in_one_directory() {
    let kept = |line: &str| config(line).persistence.expect("a directory is named");
    assert_eq!(config("").persistence, None);
    let defaults = kept("--data-dir d");
    assert_eq!(defaults.fsync, FsyncMode::EverySecond);
    assert_eq!(defaults.segment_bytes, 64 << 20);
    assert_eq!(defaults.queue_bytes_max, 64 << 20);
    let planned = kept("-e d");
    assert_eq!(planned.fsync, FsyncMode::Off);
    assert!(planned.snapshot_every.is_zero());
    assert!(refusal("-e d --data-dir d").contains("both name a directory"));
    for bytes in ["63k", "2g"] {
        let refused = refusal(&format!("--data-dir d --log-segment {bytes}"));
        assert!(refused.contains("64k to 1g"), "{refused}");
    }
}

#[test]
fn what_memcached_refuses_is_refused() {
    for line in [
        "-t 0",
        "-c 0",
        "-c -1",
        "-B junk",
        "-l a:b",
        "-l ,",
        "-I 512",
        "-I 1023",
        "-I 2g -m 8192",
        "-I 64m",
        "-R 0",
        "-f 1",
        "-f 0.5",
        "-n 0",
        "-m 0",
        "-p 70000",
        "-p x",
        "-a 9",
        "-D ab",
        "-o junk",
        "-Y f -U 1",
        "-S --sasl-file f -U 1",
        "-Z -o ssl_chain_cert=c,ssl_key=k -U -1",
        "-Z -o ssl_chain_cert=c,ssl_key=k,ssl_ca_cert=a -l mtls:a -U 1",
        "-o proxy_config=routes.lua",
        "--login-seconds 0",
        "-S",
        "-S --sasl-file f -B ascii",
        "-Y f -B binary",
        "-Z",
        "-Z -o ssl_key=k",
        "-l mtls:a",
        "stray",
    ] {
        assert!(request(line).is_err(), "{line}");
    }
}

#[test]
fn an_unknown_option_names_the_nearest() {
    assert!(
        refusal("--prot 5").contains("--port"),
        "{}",
        refusal("--prot 5")
    );
    assert!(refusal("--memory 5").contains("--memory-"));
    assert!(refusal("-Q").contains("'-Q'"));
    assert!(!refusal("--prot 5").contains('\n'));
}

#[test]
fn help_and_version_begin_with_the_name_and_version() {
    let start = concat!("cacheismo ", env!("CARGO_PKG_VERSION"), "\n");
    for line in ["-h", "--help", "-V", "--version"] {
        match request(line) {
            Ok(Request::Print(text)) => assert!(text.starts_with(start), "{text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let Ok(Request::Print(help)) = request("-h") else {
        panic!("help")
    };
    for name in ["--port", "--objects", "--deadline-ms", "-o, --extended"] {
        assert!(help.contains(name), "{name} is missing from\n{help}");
    }
}

#[test]
fn a_free_port_is_minus_one_or_zero() {
    assert_eq!(port_of(&config("-p -1")), 0);
    assert_eq!(port_of(&config("-p 0")), 0);
    assert!(config("-p 0 -U 11211").server.tcp.is_empty());
    assert_eq!(config("-U -1").server.udp[0].port, 0);
}

#[test]
fn a_unix_socket_turns_tcp_off_unless_asked_for() {
    assert!(config("-s /x").server.tcp.is_empty());
    assert!(config("-s /x -p 0").server.tcp.is_empty());
    assert_eq!(port_of(&config("-s /x -p 5")), 5);
    assert_eq!(port_of(&config("-s /x -l 127.0.0.1")), 11211);
    assert_eq!(config("-s /x -a 0777").server.unix_mask, 0o777);
    assert_eq!(config("-s /x").server.unix_mask, 0o700);
}

#[test]
fn listeners_gather_from_lists_and_repetitions() {
    let config = config("-l 127.0.0.1,[::1]:7 -l notls:localhost:8 -p 9");
    let ports: Vec<u16> = config
        .server
        .tcp
        .iter()
        .map(|address| address.port)
        .collect();
    assert_eq!(ports, [9, 7, 8]);
}

#[test]
fn tls_is_resolved() {
    let tls = config("-Z -o ssl_chain_cert=c,ssl_key=k,ssl_verify_mode=1,ssl_ca_cert=a -l mtls:a")
        .server
        .tls;
    let tls = tls.expect("tls is on");
    assert_eq!(tls.verify, ClientCertificate::Request);
    assert!(!tls.tls13_only);
}

#[test]
fn udp_beside_a_login_or_encryption_is_refused_by_the_names_of_both() {
    for (line, guard) in [
        ("-Y f -U 1", "-Y"),
        ("-S --sasl-file f -U -1", "-S"),
        ("-Z -o ssl_chain_cert=c,ssl_key=k -U 1", "-Z"),
    ] {
        let refusal = refusal(line);
        assert!(
            refusal.contains(guard) && refusal.contains("-U"),
            "{refusal}"
        );
    }
}

#[test]
fn no_option_of_memcached_keeps_the_server_root() {
    let config = config("-u nobody -o no_drop_privileges");
    assert_eq!(config.server.user.as_deref(), Some("nobody"));
    assert!(config.warnings[0].contains("no_drop_privileges"));
}

#[test]
fn authentication_narrows_the_protocol() {
    assert_eq!(config("-Y f").server.protocol, WireProtocol::Ascii);
    assert_eq!(
        config("-S --sasl-file f").server.protocol,
        WireProtocol::Binary
    );
    assert_eq!(config("-S -Y f").server.protocol, WireProtocol::Auto);
}

#[test]
fn a_small_memory_lowers_the_item_limit() {
    let config = config("-m 1");
    assert_eq!(config.store.item_bytes_max, 512 << 10);
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn our_own_options_are_resolved() {
    let config = config(
        "--objects a --objects b --no-objects --objects-lenient --lua-scripts l --lua-main --eviction size-idle \
         --deadline-ms 5 --inline-budget-us 7000 --slow-log-ms 3 --object-memory-mb 2 --lane-threads 6",
    );
    let runtime = config.runtime;
    assert_eq!(runtime.objects.len(), 2);
    assert!(!runtime.embedded && runtime.lenient && runtime.lua_main);
    // Handlers written for the text protocol shall not be passed by.
    assert_eq!(config.server.protocol, WireProtocol::Ascii);
    assert_eq!(runtime.deadline, Duration::from_millis(5));
    assert_eq!(runtime.inline_budget, Duration::from_micros(7000));
    assert_eq!(runtime.memory_bytes_max, 2 << 20);
    assert_eq!(config.server.lane_threads, 6);
    assert_eq!(config.store.eviction, Eviction::SizeIdle);
}

/// Parses `line` with a configuration file of this `text`.
fn with_file(text: &str, line: &str) -> Result<Request, UsageError> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    request(&format!("--config {} {line}", file.path().display()))
}

#[test]
fn a_file_gives_options_and_the_command_line_wins() {
    let text = "port = 5\nlisten = [\"127.0.0.1\", \"[::1]\"]\nmax-item-size = \"2m\"\nverbose = 2\n\
                disable-cas = true\ndisable-flush-all = false\nslab-growth-factor = 1.5\n";
    let Ok(Request::Serve(config)) = with_file(text, "-p 6") else {
        panic!("a good file")
    };
    let ports: Vec<u16> = config
        .server
        .tcp
        .iter()
        .map(|address| address.port)
        .collect();
    assert_eq!(ports, [6, 6]);
    assert_eq!(config.store.item_bytes_max, 2 << 20);
    assert!(!config.cache.cas && config.cache.flush_all);
    assert_eq!(config.verbosity, 2);
    let Ok(Request::Serve(config)) = with_file(text, "-l localhost -v") else {
        panic!("a good file")
    };
    assert_eq!((config.server.tcp.len(), config.verbosity), (1, 1));
}

#[test]
fn a_mask_is_octal_however_it_is_written() {
    for (text, mask) in [
        ("unix-mask = 0o770", 0o770),
        ("unix-mask = 0o7", 0o7),
        ("unix-mask = \"770\"", 0o770),
        ("unix-mask = '0640'", 0o640),
    ] {
        let Ok(Request::Serve(config)) = with_file(text, "-s /x") else {
            panic!("{text}")
        };
        assert_eq!(config.server.unix_mask, mask, "{text}");
    }
    // Digits that read well in either base.
    for text in ["unix-mask = 400", "unix-mask = 0x1f8", "unix-mask = 0o1000"] {
        assert!(with_file(text, "-s /x").is_err(), "{text}");
    }
}

/// Options that say something about this run only.
const NOT_SETTINGS: [&str; 5] = ["help", "version", "license", "config", "check-config"];

#[test]
fn each_option_changes_something_or_says_that_it_has_no_effect() {
    let command = Arguments::command();
    let names = command.get_arguments().filter_map(clap::Arg::get_long);
    for name in names.filter(|name| !NOT_SETTINGS.contains(name)) {
        // What some options need beside them, and a value unlike the default.
        let (beside, value) = match name {
            "listen" => ("", "=127.0.0.1"),
            "protocol" => ("", "=ascii"),
            "eviction" => ("", "=size-idle"),
            "enable-ssl" => ("-o ssl_chain_cert=c,ssl_key=k", ""),
            "enable-sasl" => ("--sasl-file f", ""),
            "sasl-file" => ("-S -Y g", "=f"),
            "lua-main" => ("--lua-scripts l", ""),
            "extended" => ("", "=idle_timeout=5"),
            "limit" => ("", "=deadline_ms=5"),
            "unix-mask" => ("-s x", "=0777"),
            "prefix-delimiter" => ("", "=/"),
            "max-item-size" => ("", "=2m"),
            "client-memory" => ("", "=64"),
            "peer" => ("", "=node:7"),
            "fsync" => ("--data-dir d", "=always"),
            "snapshot-seconds" | "snapshot-changes" | "log-queue" => ("--data-dir d", "=7"),
            "log-segment" => ("--data-dir d", "=1m"),
            _ => match argument_takes_value(&command, name) {
                true => ("", "=7"),
                false => ("", ""),
            },
        };
        let without = config(beside);
        let with = config(&format!("{beside} --{name}{value}"));
        assert_ne!(with, without, "--{name}");
    }
}

fn argument_takes_value(command: &clap::Command, name: &str) -> bool {
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_long() == Some(name));
    argument.is_some_and(|argument| argument.get_action().takes_values())
}

#[test]
fn clients_have_memory_for_what_the_other_options_allow() {
    let bytes = |line: &str| config(line).server.client_memory_bytes;
    assert_eq!(bytes("--client-memory 64"), 64 << 20);
    let more = bytes("-I 2m -t 5 -c 2024") - bytes("");
    assert_eq!(more, (4 << 20) + (4 << 20) + 1000 * (4 << 10));
    let least = refusal("--client-memory 20");
    assert!(least.contains("at least 37 MiB"), "{least}");
}

#[test]
fn objects_may_ask_the_servers_that_are_named() {
    let peers = config("--peer a:7,B --peer [::1]:8").runtime.peers;
    let allowed = |server: &str| peers.iter().any(|peer| peer.is(server));
    for (server, expected) in [
        ("a:7", true),
        ("A:7", true),
        ("a:8", false),
        ("b:1", true),
        ("[::1]:8", true),
        ("[::1]:9", false),
        ("c:7", false),
        ("a:7:7", false),
        ("a", false),
        ("b:", true),
    ] {
        assert_eq!(allowed(server), expected, "{server}");
    }
    for wrong in ["--peer a:x", "--peer a:0", "--peer :7", "--peer a:70000"] {
        refusal(wrong);
    }
}

#[test]
fn a_bad_file_is_refused_with_its_name() {
    for text in [
        "prot = 5\n",
        "port = true\n",
        "daemon = 1\n",
        "port = \n",
        "config = \"x\"\n",
        "port = 70000\n",
        "threads = 0\n",
    ] {
        assert!(with_file(text, "").is_err(), "{text}");
    }
    let Err(UsageError(error)) = with_file("\nprot = 5\n", "") else {
        panic!("a bad file")
    };
    assert!(error.contains("'port'") && error.contains('/'), "{error}");
    let Err(UsageError(error)) = with_file("\n\nport = = 5\n", "") else {
        panic!("a bad file")
    };
    assert!(error.contains("line 3"), "{error}");
    assert!(request("--config /nonexistent").is_err());
}

#[test]
fn checking_the_configuration_serves_nothing() {
    assert!(matches!(request("--check-config"), Ok(Request::Checked(_))));
    assert!(request("--check-config -t 0").is_err());
}

proptest::proptest! {
    #[test]
    fn no_command_line_panics(words in proptest::collection::vec("[-a-zA-Z0-9=,:\\[\\]]{0,8}", 0..5)) {
        let _ = parse(std::iter::once("cacheismo".to_owned()).chain(words));
    }
}
