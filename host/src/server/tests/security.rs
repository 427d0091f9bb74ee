//! Passwords and certificates.

use std::io::Write as _;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

#[test]
fn a_text_client_needs_its_password_first() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"foo:bar\n").expect("written");
    let server = Server::start(&format!("-Y {}", file.path().display()));
    let mut client = server.connect();
    client
        .send("echo a\r\n")
        .expect("CLIENT_ERROR unauthenticated\r\n");
    client
        .send("set k 0 0 7\r\nfoo baz\r\n")
        .expect("CLIENT_ERROR authentication failure\r\n");
    client
        .send("set k 0 0 7\r\nfoo bar\r\necho b\r\n")
        .expect("STORED\r\nb\r\n");
    for byte in b"set k 0 0 7\r\nfoo bar\r\n" {
        client.send([*byte]);
    }
    server.connect().send("\u{0}").send([0x80; 30]);
    server.connect().send([0x80; 24]).expect_end();

    // The next password counts as soon as the file is read again; open connections stay.
    file.write_all(b"new:word\n").expect("written");
    server
        .surroundings
        .logins
        .text()
        .expect("passwords are on")
        .reload()
        .expect("a good file");
    server
        .connect()
        .send("set k 0 0 8\r\nnew word\r\n")
        .expect("STORED\r\n");
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate"),
        }
    }

    /// Certificate and key, both PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }
}

/// A directory with `cert`, `key` and `ca`.
fn files(authority: &Authority) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = authority.sign("localhost");
    std::fs::write(directory.path().join("cert"), certificate).expect("written");
    std::fs::write(directory.path().join("key"), key).expect("written");
    std::fs::write(directory.path().join("ca"), authority.pem()).expect("written");
    directory
}

type TlsClient = StreamOwned<ClientConnection, TcpStream>;

fn connect(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<(String, String)>,
) -> TlsClient {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("a good root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![
                CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate"),
            ];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            builder
                .with_client_auth_cert(chain, key)
                .expect("an identity")
        }
    };
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let name = "localhost".try_into().expect("a name");
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).expect("a client"),
        stream,
    )
}

fn ask(client: &mut TlsClient, text: &str) -> std::io::Result<String> {
    client.write_all(format!("echo {text}\r\n").as_bytes())?;
    let mut answer = vec![0; text.len() + 2];
    client.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).expect("text"))
}

fn options(directory: &tempfile::TempDir) -> String {
    let path = directory.path().display();
    format!("-Z -o ssl_chain_cert={path}/cert,ssl_key={path}/key,ssl_ca_cert={path}/ca")
}

#[test]
fn encrypted_connections_are_served_and_certificates_renewed() {
    let authority = Authority::new();
    let directory = files(&authority);
    let server = Server::start(&options(&directory));
    let address = server.address.expect("TCP is on");
    let mut client = connect(address, &authority, None);
    assert_eq!(ask(&mut client, "a").expect("served"), "a\r\n");
    client.write_all(b"big 1000000\r\n").expect("sent");
    let mut big = vec![0; 1_000_000];
    client.read_exact(&mut big).expect("all of it");
    client.write_all(b"send 1000000\r\n").expect("sent");
    let mut value = vec![0; 1_000_004];
    client.read_exact(&mut value).expect("all of it");
    assert!(value == sent(1_000_000));

    // A certificate of another authority after a reload: old connections go on, new ones see it.
    let other = Authority::new();
    let (certificate, key) = other.sign("localhost");
    std::fs::write(directory.path().join("cert"), certificate).expect("written");
    assert!(
        server.control().refresh_certificates().is_err(),
        "the key doesn't fit yet"
    );
    assert_eq!(
        ask(&mut connect(address, &authority, None), "b").expect("the old one is used"),
        "b\r\n"
    );
    std::fs::write(directory.path().join("key"), key).expect("written");
    server
        .control()
        .refresh_certificates()
        .expect("a good pair");
    assert!(ask(&mut connect(address, &authority, None), "c").is_err());
    assert_eq!(
        ask(&mut connect(address, &other, None), "d").expect("served"),
        "d\r\n"
    );
    assert_eq!(ask(&mut client, "e").expect("still served"), "e\r\n");
}

#[test]
fn a_plain_client_gets_nowhere_on_an_encrypted_port() {
    let authority = Authority::new();
    let directory = files(&authority);
    let server = Server::start(&options(&directory));
    let mut client = server.connect();
    client.send("echo a\r\n");
    let mut bytes = Vec::new();
    let _ = client.stream.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"a"));
}

#[test]
fn a_client_certificate_is_asked_for_when_required() {
    let authority = Authority::new();
    let directory = files(&authority);
    let server = Server::start(&format!("{},ssl_verify_mode=2", options(&directory)));
    let address = server.address.expect("TCP is on");
    assert!(ask(&mut connect(address, &authority, None), "a").is_err());
    let stranger = Authority::new().sign("client");
    assert!(ask(&mut connect(address, &authority, Some(stranger)), "a").is_err());
    let friend = authority.sign("client");
    assert_eq!(
        ask(&mut connect(address, &authority, Some(friend)), "a").expect("served"),
        "a\r\n"
    );
}

#[test]
fn a_listener_may_be_plain_beside_tls() {
    let authority = Authority::new();
    let directory = files(&authority);
    let server = Server::start(&format!("{} -l notls:127.0.0.1:0", options(&directory)));
    let [encrypted, plain] = server.addresses[..] else {
        panic!("two addresses");
    };
    assert_eq!(
        ask(&mut connect(encrypted, &authority, None), "a").expect("served"),
        "a\r\n"
    );
    let plain = TcpStream::connect(plain).expect("connects");
    Client::over(plain).send("echo b\r\n").expect("b\r\n");
}

#[test]
fn without_tls_there_are_no_certificates_to_renew() {
    let server = Server::start("");
    assert!(server.control().refresh_certificates().is_err());
}
