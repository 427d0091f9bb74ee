//! `-l`: lists of addresses, each with a port and a word about TLS if wanted.

/// What a listener asks of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As `-Z` says.
    #[default]
    Default,
    /// Plain text although `-Z` is on (`notls:`).
    Plain,
    /// TLS with a client certificate (`mtls:`).
    Mutual,
}

/// One address to listen on. Names are resolved when bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Host name or address without brackets; `None` is every interface.
    pub host: Option<String>,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// TLS.
    pub security: Security,
}

/// Reads one `-l` value: addresses with commas between. `port` is for those without their own.
pub(super) fn addresses(list: &str, port: u16) -> Result<Vec<ListenAddress>, String> {
    list.split(',')
        .filter(|text| !text.is_empty())
        .map(|text| address(text, port))
        .collect()
}

fn address(text: &str, default_port: u16) -> Result<ListenAddress, String> {
    let (security, rest) = match text.split_once(':') {
        Some(("notls", rest)) => (Security::Plain, rest),
        Some(("mtls", rest)) => (Security::Mutual, rest),
        _ => (Security::Default, text),
    };
    let (host, port) = split_port(rest).ok_or_else(|| bad(text))?;
    let port = match port {
        None => default_port,
        Some(port) => port.parse().map_err(|_| bad(text))?,
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(bad(text));
    }
    let any = host == "*";
    Ok(ListenAddress {
        host: (!any).then(|| host.to_owned()),
        port,
        security,
    })
}

/// Cuts `[v6]:port`, `host:port`, or a bare host or IPv6 address.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after {
            "" => Some((host, None)),
            _ => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    // More than one colon without brackets can only be an IPv6 address without a port.
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            text.parse::<std::net::Ipv6Addr>().ok()?;
            Some((text, None))
        }
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

fn bad(text: &str) -> String {
    format!("-l: '{text}' is no address; write host, host:port or [v6]:port")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Option<String>, u16, Security) {
        let mut list = addresses(text, 11211).expect(text);
        assert_eq!(list.len(), 1, "{text}");
        let address = list.remove(0);
        (address.host, address.port, address.security)
    }

    #[test]
    fn every_spelling_of_an_address_is_read() {
        let host = |name: &str| Some(name.to_owned());
        assert_eq!(
            one("127.0.0.1"),
            (host("127.0.0.1"), 11211, Security::Default)
        );
        assert_eq!(
            one("localhost:5"),
            (host("localhost"), 5, Security::Default)
        );
        assert_eq!(one("[::1]:7"), (host("::1"), 7, Security::Default));
        assert_eq!(one("[::1]"), (host("::1"), 11211, Security::Default));
        assert_eq!(one("fe80::1"), (host("fe80::1"), 11211, Security::Default));
        assert_eq!(one("*:9"), (None, 9, Security::Default));
        assert_eq!(one("notls:a:9"), (host("a"), 9, Security::Plain));
        assert_eq!(one("mtls:[::]:9"), (host("::"), 9, Security::Mutual));
    }

    #[test]
    fn a_list_keeps_its_order() {
        let list = addresses("a:1,b,[::1]:3", 2).expect("a list");
        let ports: Vec<u16> = list.iter().map(|address| address.port).collect();
        assert_eq!(ports, [1, 2, 3]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "a:b", "a:", "a:70000", "[::1", "[x]:1", "[::1]1", ":1", "a b", "1:2:3", "notls:",
        ] {
            assert!(addresses(text, 1).is_err(), "{text}");
        }
    }
}
