//! `ssl_ciphers`: the words of OpenSSL for the cipher suites there are here.

use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::ring::cipher_suite as suites;

/// A suite, its name, and the words that stand for it and others.
struct Known {
    suite: SupportedCipherSuite,
    name: &'static str,
    words: &'static [&'static str],
}

/// All suites, in the order in which they are offered by default. Suites of TLS 1.3 have only names, as in OpenSSL.
const KNOWN: &[Known] = &[
    Known {
        suite: suites::TLS13_AES_256_GCM_SHA384,
        name: "TLS_AES_256_GCM_SHA384",
        words: &[],
    },
    Known {
        suite: suites::TLS13_AES_128_GCM_SHA256,
        name: "TLS_AES_128_GCM_SHA256",
        words: &[],
    },
    Known {
        suite: suites::TLS13_CHACHA20_POLY1305_SHA256,
        name: "TLS_CHACHA20_POLY1305_SHA256",
        words: &[],
    },
    Known {
        suite: suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM"],
    },
    Known {
        suite: suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM"],
    },
    Known {
        suite: suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["ECDSA", "aECDSA", "CHACHA20"],
    },
    Known {
        suite: suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["aRSA", "AES", "AES256", "AESGCM"],
    },
    Known {
        suite: suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["aRSA", "AES", "AES128", "AESGCM"],
    },
    Known {
        suite: suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["aRSA", "CHACHA20"],
    },
];

/// Words for all suites of TLS 1.2.
const ALL: &[&str] = &[
    "ALL", "DEFAULT", "HIGH", "TLSv1.2", "ECDH", "ECDHE", "EECDH", "kECDHE", "kEECDH",
];

/// Words for suites that are not here: lists exclude them.
const ABSENT: &[&str] = &[
    "3DES", "ADH", "AECDH", "AESCCM", "AESCCM8", "ARIA", "CAMELLIA", "CBC", "DES", "DH", "DHE",
    "DSS", "EDH", "EXP", "EXPORT", "IDEA", "LOW", "MD5", "MEDIUM", "NULL", "PSK", "RC2", "RC4",
    "RSA", "SEED", "SHA", "SHA1", "SRP", "SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "aDSS", "aNULL",
    "aPSK", "eNULL", "kDH", "kDHE", "kEDH", "kPSK", "kRSA",
];

impl Known {
    fn is_of_tls12(&self) -> bool {
        matches!(self.suite, SupportedCipherSuite::Tls12(_))
    }

    fn is(&self, word: &str) -> bool {
        self.name == word || self.words.contains(&word) || self.is_of_tls12() && ALL.contains(&word)
    }
}

/// The suites of a list as OpenSSL takes it: words with `:` between, `!` or `-` before those to leave out, `+` between
/// those that must all hold. Suites of TLS 1.3 are offered all, unless the list names some.
///
/// # Errors
/// A sentence with the word that isn't known, or that nothing is left.
pub(in crate::server) fn parse(list: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    let (mut chosen, mut banned) = (Vec::new(), Vec::new());
    for element in list.split([':', ' ']).filter(|element| !element.is_empty()) {
        // Orders by strength and least strengths: all here are strong.
        if element == "@STRENGTH" || element.starts_with("@SECLEVEL=") {
            continue;
        }
        let (sign, words) = match element.split_at_checked(1) {
            Some((sign @ ("!" | "-" | "+"), words)) => (sign, words),
            _ => ("", element),
        };
        let meant = meant(words, sign.is_empty())?;
        chosen.retain(|suite| sign.is_empty() || !meant.contains(suite));
        match sign {
            "-" => {}
            "!" => banned.extend(meant),
            _ => chosen.extend(meant),
        }
    }
    let mut list: Vec<usize> = Vec::new();
    for suite in chosen {
        if !banned.contains(&suite) && !list.contains(&suite) {
            list.push(suite);
        }
    }
    if list.is_empty() {
        return Err(format!("ssl_ciphers: no cipher is left; {}", there_are()));
    }
    if list.iter().all(|suite| KNOWN[*suite].is_of_tls12()) {
        let of_tls13 = |suite: &usize| !KNOWN[*suite].is_of_tls12() && !banned.contains(suite);
        list.splice(0..0, (0..KNOWN.len()).filter(of_tls13));
    }
    Ok(list.into_iter().map(|suite| KNOWN[suite].suite).collect())
}

/// Indices of the suites that all of `words` stand for. Words for what isn't here may only be excluded.
fn meant(words: &str, wanted: bool) -> Result<Vec<usize>, String> {
    for word in words.split('+') {
        let known = KNOWN.iter().any(|suite| suite.is(word)) || !wanted && ABSENT.contains(&word);
        if !known {
            return Err(format!(
                "ssl_ciphers: '{word}' is not to be had; {}",
                there_are()
            ));
        }
    }
    let is_meant = |suite: &Known| words.split('+').all(|word| suite.is(word));
    Ok((0..KNOWN.len())
        .filter(|suite| is_meant(&KNOWN[*suite]))
        .collect())
}

fn there_are() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|suite| suite.name).collect();
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the suites of TLS 1.2 in a list, and how many there are of TLS 1.3.
    fn parsed(list: &str) -> (Vec<&'static str>, usize) {
        let suites = parse(list).expect(list);
        let known = suites
            .iter()
            .map(|suite| KNOWN.iter().find(|known| known.suite == *suite));
        let (old, new): (Vec<_>, Vec<_>) = known
            .map(|known| known.expect("one of ours"))
            .partition(|known| known.is_of_tls12());
        (old.iter().map(|known| known.name).collect(), new.len())
    }

    #[test]
    fn lists_of_openssl_choose_the_same_suites() {
        const ECDSA_256: &str = "ECDHE-ECDSA-AES256-GCM-SHA384";
        const RSA_128: &str = "ECDHE-RSA-AES128-GCM-SHA256";
        assert_eq!(parsed("HIGH:!aNULL:!MD5:@STRENGTH").0.len(), 6);
        assert_eq!(
            parsed(&format!("{RSA_128}:{ECDSA_256}")),
            (vec![RSA_128, ECDSA_256], 3)
        );
        assert_eq!(parsed("EECDH+AESGCM:!aRSA:-AES128"), (vec![ECDSA_256], 3));
        assert_eq!(parsed("TLS_AES_128_GCM_SHA256"), (vec![], 1));
        assert_eq!(
            parsed("ALL:+CHACHA20").0.last().copied(),
            Some("ECDHE-RSA-CHACHA20-POLY1305")
        );
        // What was excluded for good doesn't come back, what was taken out does.
        assert_eq!(parsed("!aRSA:ALL").0.len(), 3);
        assert_eq!(parsed("ALL:-aRSA:aRSA").0.len(), 6);
    }

    #[test]
    fn what_is_not_here_is_refused_by_its_name() {
        for (list, word) in [
            ("BOGUS", "'BOGUS'"),
            ("HIGH:BOGUS", "'BOGUS'"),
            ("HIGH:!BOGUS", "'BOGUS'"),
            ("DHE-RSA-AES128-GCM-SHA256", "'DHE-RSA-AES128-GCM-SHA256'"),
            ("ECDHE+RC4", "'RC4'"),
            ("", "no cipher is left"),
            ("ALL:!ALL", "no cipher is left"),
            ("é", "'é'"),
        ] {
            let error = parse(list).expect_err(list);
            assert!(error.contains(word), "{error}");
        }
    }
}
