//! The password file: `user:password` lines, kept in memory and read again when asked.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// User and password.
type Entry = (Vec<u8>, Vec<u8>);

/// A file of `user:password` lines, kept in memory and read again when asked.
#[derive(Debug)]
pub struct Passwords {
    path: PathBuf,
    entries: ArcSwap<Vec<Entry>>,
}

impl Passwords {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence for the operator: the file can't be read, a line is malformed, or there is none.
    pub fn load(path: PathBuf) -> Result<Arc<Passwords>, String> {
        let passwords = Passwords {
            path,
            entries: ArcSwap::default(),
        };
        passwords.reload()?;
        Ok(Arc::new(passwords))
    }

    /// Reads the file again. After an error the old passwords stay.
    ///
    /// # Errors
    /// As [`Passwords::load`].
    pub fn reload(&self) -> Result<(), String> {
        let path = self.path.display();
        let text = std::fs::read(&self.path).map_err(|error| format!("{path}: {error}"))?;
        let entries = parse(&text).map_err(|why| format!("{path}: {why}"))?;
        self.entries.store(Arc::new(entries));
        Ok(())
    }

    /// Whether `user` has this password. Takes as long for a wrong one as for a right one.
    pub fn check(&self, user: &[u8], password: &[u8]) -> bool {
        (self.entries.load().iter()).fold(false, |found, (name, secret)| {
            found | (same(name, user) & same(secret, password))
        })
    }
}

fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let colon = memchr::memchr(b':', line)
            .ok_or_else(|| format!("line {} is not user:password", number + 1))?;
        entries.push((line[..colon].to_vec(), line[colon + 1..].to_vec()));
    }
    match entries.is_empty() {
        true => Err("no user:password line".to_owned()),
        false => Ok(entries),
    }
}

/// Compares without stopping at the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |differences, (a, b)| differences | (a ^ b))
            == 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Passwords of a file with this text.
    pub(in super::super) fn passwords(text: &[u8]) -> Passwords {
        Passwords {
            path: PathBuf::new(),
            entries: ArcSwap::new(Arc::new(parse(text).expect("good lines"))),
        }
    }

    #[test]
    fn a_password_is_all_that_follows_the_first_colon() {
        let passwords = passwords(b"foo:bar\r\nbaz:b:z z\n\n");
        assert!(passwords.check(b"foo", b"bar") && passwords.check(b"baz", b"b:z z"));
        for (user, password) in [("foo", "baz"), ("foo", ""), ("fo", "bar"), ("", "")] {
            assert!(!passwords.check(user.as_bytes(), password.as_bytes()));
        }
    }

    #[test]
    fn a_bad_file_is_refused() {
        assert!(parse(b"").is_err());
        assert!(parse(b"foo\n").is_err());
        assert!(Passwords::load("/nonexistent".into()).is_err());
    }
}
