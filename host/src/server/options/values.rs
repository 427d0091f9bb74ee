//! Values of single options: sizes, ports, masks, and the nearest of some names.

use super::config::Peer;

/// Reads a size in bytes: a number, with `k`, `m` or `g` for powers of 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    sized(text, 1)
}

/// Reads a size whose plain number means mebibytes, as memcached's `-m` does.
pub(in crate::server) fn mebibytes(text: &str) -> Result<u64, String> {
    sized(text, 1 << 20)
}

fn sized(text: &str, plain_unit: u64) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, plain_unit),
    };
    digits
        .parse::<u64>()
        .ok()
        .filter(|_| !digits.starts_with('+'))
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "a size is a number, with k, m or g behind it if wanted".to_owned())
}

/// A server that objects may ask.
pub(super) fn peer(text: &str) -> Result<Peer, String> {
    let (host, port) = match text.rsplit_once(':') {
        // Colons within brackets belong to the address.
        Some((host, port)) if !port.ends_with(']') => {
            let number = port.parse::<u16>().ok().filter(|port| *port > 0);
            let port = number.ok_or_else(|| format!("{port:?} is no port"))?;
            (host, Some(port))
        }
        _ => (text, None),
    };
    if host.is_empty() {
        return Err("a host is missing".to_owned());
    }
    Ok(Peer {
        host: host.to_ascii_lowercase(),
        port,
    })
}

/// Reads a port: 0 to 65535, or -1 for a free one.
pub(super) fn port(text: &str) -> Result<i32, String> {
    text.parse::<i32>()
        .ok()
        .filter(|port| (-1..=65535).contains(port))
        .ok_or_else(|| "a port is a number up to 65535, or -1 for a free one".to_owned())
}

/// Reads an access mask in octal, of which memcached keeps the permission bits.
pub(super) fn access_mask(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mask| *mask <= 0o777)
        .ok_or_else(|| "a mask is three octal digits, like 0700".to_owned())
}

/// The name closest to `name` in edits.
pub(in crate::server) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    names
        .iter()
        .copied()
        .min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_their_suffix_in_either_case() {
        assert_eq!(bytes("1048576"), Ok(1 << 20));
        assert_eq!(bytes("512k"), Ok(512 << 10));
        assert_eq!(bytes("2M"), Ok(2 << 20));
        assert_eq!(bytes("1g"), Ok(1 << 30));
        assert_eq!(mebibytes("64"), Ok(64 << 20));
        assert_eq!(mebibytes("2g"), Ok(2 << 30));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "k",
            "-1",
            "+1",
            "1.5m",
            "1kk",
            "99999999999999g",
            "1 m",
            "é",
        ] {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(
            nearest("prot", &["threads", "port", "listen"]),
            Some("port")
        );
        assert_eq!(nearest("x", &[]), None);
    }
}
