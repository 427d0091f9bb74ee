//! `-o`: memcached's further options. A few mean something here, the rest is accepted and named in a warning.

use std::path::PathBuf;

use super::values;

/// What `-o` said, over memcached's defaults.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) maxconns_fast: bool,
    pub(super) idle_timeout_s: u64,
    pub(super) watcher_logbuf_kib: u64,
    pub(super) chain_cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) ca_cert: Option<PathBuf>,
    pub(super) key_format: u8,
    pub(super) ciphers: Option<String>,
    pub(super) verify_mode: u8,
    /// Oldest version of TLS, as memcached counts them: 2 is TLS 1.2.
    pub(super) min_version: u8,
    /// Names that were given and have no effect.
    pub(super) ignored: Vec<String>,
}

impl Default for Extended {
    fn default() -> Extended {
        Extended {
            maxconns_fast: true,
            idle_timeout_s: 0,
            watcher_logbuf_kib: 256,
            chain_cert: None,
            key: None,
            ca_cert: None,
            key_format: 1,
            ciphers: None,
            verify_mode: 0,
            min_version: 2,
            ignored: Vec::new(),
        }
    }
}

/// Names with a meaning here.
const MEANINGFUL: &[&str] = &[
    "maxconns_fast",
    "no_maxconns_fast",
    "idle_timeout",
    "watcher_logbuf_size",
    "ssl_chain_cert",
    "ssl_key",
    "ssl_keyformat",
    "ssl_ca_cert",
    "ssl_ciphers",
    "ssl_verify_mode",
    "ssl_min_version",
];

/// Names that change what clients hear or where their items are. Whoever passes one relies on it, so it must not be
/// ignored.
const REFUSED: &[(&str, &str)] = &[
    ("proxy_config", "this server is no proxy"),
    ("proxy_arg", "this server is no proxy"),
    ("meta_response_old", "meta commands are answered by HD here"),
];

/// Names that tune what this server doesn't have (slabs, a segmented LRU, a growing hash table, flash storage,
/// system call filters, OpenSSL) or does always. Deployments pass them, so they must not stop a start.
const IGNORED: &[&str] = &[
    "modern",
    "no_modern",
    "hashpower",
    "no_hashexpand",
    "hash_algorithm",
    "tail_repair_time",
    "slab_reassign",
    "no_slab_reassign",
    "slab_automove",
    "no_slab_automove",
    "slab_automove_ratio",
    "slab_automove_window",
    "slab_automove_freeratio",
    "slab_sizes",
    "slab_chunk_max",
    "no_chunked_items",
    "lru_crawler",
    "no_lru_crawler",
    "lru_crawler_sleep",
    "lru_crawler_tocrawl",
    "lru_maintainer",
    "no_lru_maintainer",
    "hot_lru_pct",
    "warm_lru_pct",
    "hot_max_factor",
    "warm_max_factor",
    "temporary_ttl",
    "track_sizes",
    "worker_logbuf_size",
    "inline_ascii_resp",
    "no_inline_ascii_resp",
    "resp_obj_mem_limit",
    "read_buf_mem_limit",
    "read_obj_mem_limit",
    "drop_privileges",
    "no_drop_privileges",
    "relaxed_privileges",
    "ext_path",
    "ext_page_size",
    "ext_wbuf_size",
    "ext_threads",
    "ext_io_depth",
    "ext_item_size",
    "ext_item_age",
    "ext_low_ttl",
    "ext_recache_rate",
    "ext_compact_under",
    "ext_drop_under",
    "ext_max_frag",
    "ext_max_sleep",
    "ext_drop_unread",
    "slab_automove_version",
    "proxy_uring",
    "proxy_memprofile",
    "ssl_session_cache",
    "ssl_kernel_tls",
    "ssl_wbuf_size",
];

impl Extended {
    /// Reads all `-o` values, later ones over earlier ones.
    pub(super) fn parse(given: &[String]) -> Result<Extended, String> {
        let mut extended = Extended::default();
        for part in given.iter().flat_map(|list| list.split(',')) {
            if !part.is_empty() {
                let (name, value) = match part.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (part, None),
                };
                extended.apply(name, value)?;
            }
        }
        Ok(extended)
    }

    fn apply(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let needed = || value.ok_or_else(|| format!("-o {name} needs a value"));
        let number = |max: u64| {
            needed()?
                .parse::<u64>()
                .ok()
                .filter(|number| *number <= max)
                .ok_or_else(|| format!("-o {name} is a number up to {max}"))
        };
        match name {
            "maxconns_fast" => self.maxconns_fast = true,
            "no_maxconns_fast" => self.maxconns_fast = false,
            "idle_timeout" => self.idle_timeout_s = number(u64::from(u32::MAX / 2))?,
            "watcher_logbuf_size" => self.watcher_logbuf_kib = number(1 << 20)?.max(1),
            "ssl_chain_cert" => self.chain_cert = Some(needed()?.into()),
            "ssl_key" => self.key = Some(needed()?.into()),
            "ssl_keyformat" => {
                self.key_format = Some(number(2)? as u8)
                    .filter(|format| *format > 0)
                    .ok_or("-o ssl_keyformat is 1 (PEM) or 2 (DER)")?;
            }
            "ssl_ciphers" => self.ciphers = Some(needed()?.to_owned()),
            "ssl_ca_cert" => self.ca_cert = Some(needed()?.into()),
            "ssl_verify_mode" => self.verify_mode = number(3)? as u8,
            "ssl_min_version" => self.min_version = number(3)? as u8,
            _ if IGNORED.contains(&name) => self.ignored.push(name.to_owned()),
            _ => return Err(refusal(name)),
        }
        Ok(())
    }

    /// Whether TLS is configured at all.
    pub(super) fn has_tls(&self) -> bool {
        self.chain_cert.is_some() || self.key.is_some() || self.ca_cert.is_some()
    }
}

fn refusal(name: &str) -> String {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return format!("-o {name} can't be had: {why}");
    }
    let names: Vec<&str> = MEANINGFUL.iter().chain(IGNORED).copied().collect();
    match values::nearest(name, &names) {
        Some(nearest) => format!("unknown -o name '{name}'; did you mean '{nearest}'?"),
        None => format!("unknown -o name '{name}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Extended, String> {
        Extended::parse(&[text.to_owned()])
    }

    #[test]
    fn names_that_mean_something_are_applied() {
        let extended =
            parse("no_maxconns_fast,idle_timeout=30,ssl_chain_cert=/a=b,ssl_verify_mode=2")
                .expect("good names");
        assert!(!extended.maxconns_fast);
        assert_eq!(extended.idle_timeout_s, 30);
        assert_eq!(extended.chain_cert, Some("/a=b".into()));
        assert_eq!(extended.verify_mode, 2);
        assert!(extended.ignored.is_empty());
    }

    #[test]
    fn every_listed_name_is_accepted() {
        for name in IGNORED {
            let extended = parse(&format!("{name}=1")).expect("it is accepted");
            assert_eq!(extended.ignored, [*name]);
        }
        for name in MEANINGFUL {
            let values = 1..=3;
            let changed: Vec<Extended> = values
                .filter_map(|value| parse(&format!("{name}={value}")).ok())
                .collect();
            assert!(changed.iter().all(|extended| extended.ignored.is_empty()));
            let is_default = *name == "maxconns_fast";
            let changes = changed
                .iter()
                .any(|extended| *extended != Extended::default());
            assert_eq!(changes, !is_default, "{name}");
        }
    }

    #[test]
    fn what_others_would_rely_on_is_refused() {
        for (name, why) in REFUSED {
            let error = parse(&format!("{name}=1")).expect_err(name);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_neighbour() {
        let error = parse("slab_reasign").expect_err("a misspelt name");
        assert!(error.contains("slab_reassign"), "{error}");
    }

    #[test]
    fn a_missing_or_bad_value_is_refused() {
        for text in [
            "idle_timeout",
            "idle_timeout=x",
            "ssl_key",
            "ssl_verify_mode=4",
            "ssl_keyformat=0",
            "ssl_keyformat=3",
            "ssl_ciphers",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
