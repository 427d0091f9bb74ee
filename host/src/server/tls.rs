//! TLS by rustls: reading certificates, at the start and again when asked.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, version};
use tokio_rustls::server::TlsStream;

use super::options::{ClientCertificate, TlsOptions};

/// What new connections are accepted with. Open ones keep what they began with.
#[derive(Debug)]
pub(super) struct Tls {
    options: TlsOptions,
    /// As `ssl_verify_mode` says, and with a client certificate required.
    current: ArcSwap<(Arc<ServerConfig>, Option<Arc<ServerConfig>>)>,
}

impl Tls {
    pub(super) fn load(options: TlsOptions) -> Result<Tls, String> {
        let current = ArcSwap::from_pointee(configs(&options)?);
        Ok(Tls { options, current })
    }

    /// Reads the files again. After an error the old certificates stay.
    pub(super) fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(configs(&self.options)?));
        Ok(())
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        mutual: bool,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = {
            let current = self.current.load();
            match &current.1 {
                Some(config) if mutual => Arc::clone(config),
                // The options refuse `mtls:` without authorities.
                None if mutual => return Err(std::io::ErrorKind::Unsupported.into()),
                _ => Arc::clone(&current.0),
            }
        };
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn configs(options: &TlsOptions) -> Result<(Arc<ServerConfig>, Option<Arc<ServerConfig>>), String> {
    let default = config(options, options.verify)?;
    let mutual = match options.ca_cert {
        Some(_) => Some(config(options, ClientCertificate::Require)?),
        None => None,
    };
    Ok((default, mutual))
}

fn config(options: &TlsOptions, verify: ClientCertificate) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(ring::default_provider());
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
    let chain = certificates(&options.chain_cert)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&options.key)?)
        .map_err(|error| format!("{}: no private key: {error}", options.key.display()))?;
    builder
        .with_single_cert(chain, key)
        .map(Arc::new)
        .map_err(|error| format!("{}: {error}", options.chain_cert.display()))
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
