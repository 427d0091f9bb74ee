//! TLS by rustls: reading certificates, at the start and again when asked.

pub(super) mod ciphers;
mod key;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, version};
use tokio_rustls::server::TlsStream;

use super::options::{ClientCertificate, TlsOptions};

/// What new connections are accepted with. Open ones keep what they began with.
#[derive(Debug)]
pub(super) struct Tls {
    options: TlsOptions,
    current: ArcSwap<Current>,
}

/// What was read from the files last.
#[derive(Debug)]
struct Current {
    /// The configuration that `ssl_verify_mode` asks for.
    default: Arc<ServerConfig>,
    /// The configuration that requires a client certificate.
    mutual: Option<Arc<ServerConfig>>,
    read_at: Instant,
}

impl Tls {
    pub(super) fn load(options: TlsOptions) -> Result<Tls, String> {
        let current = ArcSwap::from_pointee(Current::read(&options)?);
        Ok(Tls { options, current })
    }

    /// Reads the files again. After an error the old certificates stay.
    pub(super) fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(Current::read(&self.options)?));
        Ok(())
    }

    /// Time since the files were read.
    pub(super) fn age(&self) -> Duration {
        self.current.load().read_at.elapsed()
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        mutual: bool,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = {
            let current = self.current.load();
            match &current.mutual {
                Some(config) if mutual => Arc::clone(config),
                // The options refuse `mtls:` without authorities.
                None if mutual => return Err(std::io::ErrorKind::Unsupported.into()),
                _ => Arc::clone(&current.default),
            }
        };
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl Current {
    fn read(options: &TlsOptions) -> Result<Current, String> {
        let identity = Arc::new(SingleCertAndKey::from(identity(options)?));
        let config = |verify| config(options, verify, Arc::clone(&identity));
        Ok(Current {
            default: config(options.verify)?,
            mutual: match options.ca_cert {
                Some(_) => Some(config(ClientCertificate::Require)?),
                None => None,
            },
            read_at: Instant::now(),
        })
    }
}

/// Reads certificates and key. rustls would refuse a certificate of X.509 version 1 here, though only clients have to
/// like what the server shows. So whether the key belongs to the certificate is seen by the key's public half, which
/// the certificate holds.
fn identity(options: &TlsOptions) -> Result<CertifiedKey, String> {
    let chain = certificates(&options.chain_cert)?;
    let key = key::private_key(&options.key, options.key_format)?;
    let key = ring::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| format!("{}: {error}", options.key.display()))?;
    if let Some(public) = key.public_key()
        && memchr::memmem::find(&chain[0], &public).is_none()
    {
        return Err(format!(
            "{} is not the key of the first certificate in {}",
            options.key.display(),
            options.chain_cert.display()
        ));
    }
    Ok(CertifiedKey::new(chain, key))
}

fn config(
    options: &TlsOptions,
    verify: ClientCertificate,
    identity: Arc<SingleCertAndKey>,
) -> Result<Arc<ServerConfig>, String> {
    let mut provider = ring::default_provider();
    if let Some(list) = &options.ciphers {
        provider.cipher_suites = ciphers::parse(list)?;
    }
    let provider = Arc::new(provider);
    let versions: &[_] = if options.tls13_only {
        &[&version::TLS13]
    } else {
        &[&version::TLS13, &version::TLS12]
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = match (verify, &options.ca_cert) {
        (ClientCertificate::None, _) | (_, None) => builder.with_no_client_auth(),
        (verify, Some(path)) => {
            builder.with_client_cert_verifier(verifier(path, verify, provider)?)
        }
    };
    Ok(Arc::new(builder.with_cert_resolver(identity)))
}

type Verifier = Arc<dyn tokio_rustls::rustls::server::danger::ClientCertVerifier>;

fn verifier(
    path: &Path,
    verify: ClientCertificate,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, String> {
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| in_file(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match verify {
        ClientCertificate::Require => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| in_file(&error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let list: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    match list.is_empty() {
        true => Err(format!("{}: no certificate", path.display())),
        false => Ok(list),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
