//! A node, and how a list of nodes is written.

use std::str::FromStr;

use crate::NodeError;

/// The port of a node that is listed without one. Ketama leaves this port out of the names of points.
pub const DEFAULT_PORT: u16 = 11211;
/// Most nodes of a ring.
pub const NODES_MAX: usize = 4096;
/// Largest weight of a node.
pub const WEIGHT_MAX: u32 = 1_000_000;

/// A server that keys can belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What slot tables know the node by. A node that keeps its id keeps its keys, whatever its address becomes.
    pub id: Vec<u8>,
    /// How the node was listed, such as `10.0.0.1:11211`. The original Cacheismo hashed this text.
    pub name: String,
    /// Host name or address as it was listed, an IPv6 address without brackets. Ketama hashes this text, so it must be
    /// spelled as other clients spell it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Share of the keys, relative to the weights of the other nodes. 0 counts as 1.
    pub weight: u32,
}

impl Node {
    /// A node of weight 1, whose id and name are its address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        let name = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        Self {
            id: name.clone().into_bytes(),
            name,
            host,
            port,
            weight: 1,
        }
    }

    /// The same node with another weight.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// The same node with another id.
    #[must_use]
    pub fn with_id(self, id: impl Into<Vec<u8>>) -> Self {
        Self {
            id: id.into(),
            ..self
        }
    }

    /// The weight that counts.
    pub(crate) fn weight(&self) -> u32 {
        self.weight.max(1)
    }
}

/// Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`, each with `/WEIGHT` behind it where the weight is not 1.
///
/// The id is the address with its port, so `10.0.0.1` and `10.0.0.1:11211` are the same node to a slot table.
impl FromStr for Node {
    type Err = NodeError;

    fn from_str(text: &str) -> Result<Self, NodeError> {
        let error = |of: fn(String) -> NodeError| of(text.to_owned());
        let (address, weight) = match text.rsplit_once('/') {
            Some((address, weight)) => (address, parse_weight(weight)),
            None => (text, Some(1)),
        };
        let weight = weight.ok_or_else(|| error(|text| NodeError::Weight { text }))?;
        let (host, port) =
            split(address).ok_or_else(|| error(|text| NodeError::Brackets { text }))?;
        let port = match port {
            Some(port) => number(port)
                .filter(|port| *port != 0)
                .ok_or_else(|| error(|text| NodeError::Port { text }))?,
            None => DEFAULT_PORT,
        };
        if host.is_empty() {
            return Err(error(|text| NodeError::NoHost { text }));
        }
        Ok(Self {
            name: address.to_owned(),
            ..Self::new(host, port).with_weight(weight)
        })
    }
}

/// The nodes of a list that is separated by commas. Blanks around a node and empty parts do not count.
///
/// # Errors
/// When one of the nodes cannot be read, or when there are more than [`NODES_MAX`].
pub fn parse_nodes(list: &str) -> Result<Vec<Node>, NodeError> {
    let parts = list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let nodes: Vec<Node> = parts
        .take(NODES_MAX + 1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match nodes.len() > NODES_MAX {
        true => Err(NodeError::TooMany),
        false => Ok(nodes),
    }
}

/// Host and port of an address; `None` when its brackets or colons make no sense.
fn split(address: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match address.split_once(':') {
        // Two colons are an IPv6 address, of which nobody knows where it ends and the port begins.
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((address, None)),
    }
}

fn parse_weight(text: &str) -> Option<u32> {
    number(text).filter(|weight| (1..=WEIGHT_MAX).contains(weight))
}

/// A decimal number without a sign, which `parse` would take.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_is_a_host_with_or_without_port_and_weight() {
        for (text, host, port, weight) in [
            ("a", "a", 11211, 1),
            ("10.0.0.1:11311", "10.0.0.1", 11311, 1),
            ("cache.example.com:1/7", "cache.example.com", 1, 7),
            ("a/2", "a", 11211, 2),
            ("[::1]", "::1", 11211, 1),
            ("[fe80::1]:11300/3", "fe80::1", 11300, 3),
        ] {
            let node: Node = text.parse().expect("the node is well written");
            assert_eq!((&*node.host, node.port, node.weight), (host, port, weight));
        }
        let short: Node = "a".parse().expect("a host is enough");
        let long: Node = "a:11211".parse().expect("a port may follow");
        assert_eq!((&*short.name, &*long.name), ("a", "a:11211"));
        assert_eq!(short.id, long.id);
    }

    #[test]
    fn what_is_no_node_is_refused_with_its_text() {
        for text in [
            "",
            ":1",
            "[]:1",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:x",
            "::1",
            "[::1",
            "[::1]1",
            "a/0",
            "a/",
            "a/1000001",
            "a/-1",
        ] {
            let error = text.parse::<Node>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("{text:?}")));
        }
    }

    #[test]
    fn a_list_has_blanks_and_empty_parts() {
        let nodes = parse_nodes(" a, b:1 ,,\t[::1]:2/3,").expect("the list is well written");
        let names: Vec<_> = nodes.iter().map(|node| &*node.name).collect();
        assert_eq!(names, ["a", "b:1", "[::1]:2"]);
        assert_eq!(parse_nodes(" , "), Ok(Vec::new()));
        assert_eq!(
            parse_nodes(&"a,".repeat(NODES_MAX + 1)),
            Err(NodeError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_an_error(text in "[a-c0-9:/,\\[\\] é]{0,40}|\\PC{0,40}") {
            if let Ok(nodes) = parse_nodes(&text) {
                prop_assert!(nodes.iter().all(|node| !node.host.is_empty() && node.port != 0 && node.weight != 0));
            }
        }

        #[test]
        fn a_name_reads_back_as_its_node(host in "[a-z0-9.]{1,20}|::[0-9a-f]{1,4}", port: u16, weight in 1..=WEIGHT_MAX) {
            prop_assume!(port != 0);
            let node = Node::new(host, port).with_weight(weight);
            prop_assert_eq!(format!("{}/{weight}", node.name).parse(), Ok(node));
        }
    }
}
