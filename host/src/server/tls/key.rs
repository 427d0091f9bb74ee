//! The private key's file. The bytes of a key tell its kind; labels and options are often wrong.

use std::path::Path;

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::read;
use crate::server::options::KeyFormat;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;

/// Reads the key.
pub(super) fn private_key(
    path: &Path,
    format: KeyFormat,
) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = read(path)?;
    let key = match format {
        KeyFormat::Pem => from_pem(&bytes),
        KeyFormat::Der => of_its_kind(bytes),
    };
    key.map_err(|why| format!("{}: {why}", path.display()))
}

fn from_pem(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let is_encrypted = |line: &[u8]| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY")
            || line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED")
    };
    if bytes
        .split(|byte| *byte == b'\n')
        .any(|line| is_encrypted(line.trim_ascii()))
    {
        return Err(
            "the private key is encrypted, and nobody is there to give its password; \
             'openssl pkey -in FILE -out NEW' writes it without"
                .to_owned(),
        );
    }
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (kind, der) = section.map_err(|error| error.to_string())?;
        if matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        ) {
            return of_its_kind(der);
        }
    }
    Err("there is no private key in it".to_owned())
}

/// All three kinds are a sequence that begins with a number; what comes next tells them apart.
fn of_its_kind(der: Vec<u8>) -> Result<PrivateKeyDer<'static>, String> {
    let next = open(&der, SEQUENCE)
        .and_then(|body| skip(body, INTEGER))
        .and_then(|rest| rest.first().copied());
    match next {
        Some(SEQUENCE) => Ok(PrivateKeyDer::Pkcs8(der.into())),
        Some(INTEGER) => Ok(PrivateKeyDer::Pkcs1(der.into())),
        Some(OCTET_STRING) => Ok(PrivateKeyDer::Sec1(der.into())),
        _ => Err("its private key is none of PKCS#8, PKCS#1 and SEC1".to_owned()),
    }
}

/// The content of the DER value at the front, if it has this tag.
fn open(der: &[u8], tag: u8) -> Option<&[u8]> {
    content(der, tag).map(|(content, _)| content)
}

/// What follows the DER value at the front, if it has this tag.
fn skip(der: &[u8], tag: u8) -> Option<&[u8]> {
    content(der, tag).map(|(_, rest)| rest)
}

fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (len, rest) = match first {
        short @ ..0x80 => (usize::from(short), rest),
        // The length follows in so many bytes. Files are far from needing more than three.
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let len = bytes
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            (bytes.len() <= 3).then_some((len, rest))?
        }
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
        crate::protocol::base64::encode(der, &mut text);
        text.extend_from_slice(format!("\n-----END {label}-----\n").as_bytes());
        text
    }

    #[test]
    fn a_key_is_what_its_bytes_say_whatever_its_label() {
        let key = rcgen::KeyPair::generate().expect("a key");
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let read = from_pem(&pem(label, key.serialized_der())).expect(label);
            assert!(matches!(read, PrivateKeyDer::Pkcs8(_)), "{label}");
        }
        let pkcs1 = [0x30, 6, 2, 1, 0, 2, 1, 7];
        let sec1 = [0x30, 6, 2, 1, 1, 4, 1, 7];
        let read = |der: &[u8]| from_pem(&pem("PRIVATE KEY", der));
        assert!(matches!(read(&pkcs1), Ok(PrivateKeyDer::Pkcs1(_))));
        assert!(matches!(read(&sec1), Ok(PrivateKeyDer::Sec1(_))));
        for junk in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 1],
            &[0x30, 3, 2, 1, 0],
            b"hello",
        ] {
            assert!(of_its_kind(junk.to_vec()).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_in_words() {
        for (text, word) in [
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "encrypted",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
                "encrypted",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "no private key",
            ),
            ("", "no private key"),
        ] {
            let error = from_pem(text.as_bytes()).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}
