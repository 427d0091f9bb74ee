//! Binding sockets, before any thread runs and before privileges are dropped.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::unistd::User;
use rustix::fs::{Gid, Mode, Uid};
use rustix::process::umask;
use socket2::{Domain, Protocol, Socket, Type};

use super::files::{OwnFile, write_whole};
use super::options::{ListenAddress, Security, ServerConfig};

/// Why the server can't start; with its sources one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as the operator wrote it.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something else the system refuses.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file the options name can't be used.
    #[error("{0}")]
    File(String),
}

/// A bound TCP socket.
#[derive(Debug)]
pub(super) struct Tcp {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) security: Security,
}

/// A bound unix socket; its file goes with it. While the socket is open no other file can get the number of its file.
#[derive(Debug)]
pub(super) struct Unix {
    pub(super) socket: UnixListener,
    pub(super) file: OwnFile,
}

impl Drop for Unix {
    fn drop(&mut self) {
        self.file.remove();
    }
}

/// All bound sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) tcp: Vec<Tcp>,
    pub(super) udp: Vec<(UdpSocket, SocketAddr)>,
    pub(super) unix: Option<Unix>,
}

impl Listeners {
    /// Binds everything `config` names.
    ///
    /// # Errors
    /// The first address that can't be bound.
    pub fn bind(config: &ServerConfig) -> Result<Listeners, StartError> {
        let mut listeners = Listeners::default();
        let backlog = i32::try_from(config.backlog).unwrap_or(i32::MAX);
        for address in &config.tcp {
            each(address, &mut |socket_address| {
                let socket: TcpListener =
                    socket(socket_address, Type::STREAM, Some(backlog))?.into();
                let bound = socket.local_addr()?;
                listeners.tcp.push(Tcp {
                    socket,
                    address: bound,
                    security: address.security,
                });
                Ok(bound.port())
            })?;
        }
        for address in &config.udp {
            each(address, &mut |socket_address| {
                let socket: UdpSocket = socket(socket_address, Type::DGRAM, None)?.into();
                let bound = socket.local_addr()?;
                listeners.udp.push((socket, bound));
                Ok(bound.port())
            })?;
        }
        if let Some(path) = &config.unix_socket {
            listeners.unix = Some(unix(path, config.unix_mask, backlog)?);
        }
        if let Some(path) = &config.port_file {
            listeners.write_ports(path)?;
        }
        Ok(listeners)
    }

    /// TCP addresses, in the order of the options.
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().map(|tcp| tcp.address).collect()
    }

    /// UDP addresses.
    pub fn udp_addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().map(|(_, address)| *address).collect()
    }

    /// Gives the unix socket to the user that the server is to run as.
    pub(super) fn give(&self, user: &User) -> Result<(), StartError> {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        let Some(unix) = &self.unix else {
            return Ok(());
        };
        unix.file
            .give(Uid::from_raw(uid), Gid::from_raw(gid))
            .map_err(|source| StartError::System {
                what: format!(
                    "cannot give {} to user {}",
                    unix.file.path().display(),
                    user.name
                ),
                source,
            })
    }

    /// The lines that memcached writes for scripts that asked for a free port. The file appears whole.
    fn write_ports(&self, path: &Path) -> Result<(), StartError> {
        let mut text = String::new();
        let tcp = self.tcp.iter().map(|tcp| ("TCP", tcp.address));
        for (protocol, address) in tcp.chain(self.udp.iter().map(|(_, address)| ("UDP", *address)))
        {
            let family = if address.is_ipv4() { "INET" } else { "INET6" };
            text.push_str(&format!("{protocol} {family}: {}\n", address.port()));
        }
        write_whole(path, ".lck", &text).map_err(|source| StartError::System {
            what: format!("cannot write {}", path.display()),
            source,
        })
    }
}

impl fmt::Display for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = self.tcp.iter().map(|tcp| tcp.address.to_string()).collect();
        names.extend(self.udp.iter().map(|(_, address)| format!("udp {address}")));
        names.extend(
            self.unix
                .iter()
                .map(|unix| format!("unix {}", unix.file.path().display())),
        );
        f.write_str(&names.join(", "))
    }
}

/// Binds every address a name stands for. A family this system doesn't have is left out where another is bound.
fn each(
    address: &ListenAddress,
    bind: &mut dyn FnMut(SocketAddr) -> io::Result<u16>,
) -> Result<(), StartError> {
    let name = format!(
        "{}:{}",
        address.host.as_deref().unwrap_or("*"),
        address.port
    );
    let failed = |source| StartError::Listen {
        address: name.clone(),
        source,
    };
    let all: Vec<SocketAddr> = match &address.host {
        None => vec![
            (Ipv4Addr::UNSPECIFIED, address.port).into(),
            (Ipv6Addr::UNSPECIFIED, address.port).into(),
        ],
        Some(host) => (host.as_str(), address.port)
            .to_socket_addrs()
            .map_err(failed)?
            .collect(),
    };
    let mut port = None;
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut socket_address in all {
        // Where the system picks the port, all families get the same one.
        socket_address.set_port(port.unwrap_or(address.port));
        match bind(socket_address) {
            Ok(bound) => port = Some(bound),
            Err(error) if is_missing_family(&error) => missing = error,
            Err(error) => return Err(failed(error)),
        }
    }
    match port {
        Some(_) => Ok(()),
        None => Err(failed(missing)),
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// A socket on `address`, listening when there is a backlog.
fn socket(address: SocketAddr, kind: Type, backlog: Option<i32>) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM {
        Protocol::TCP
    } else {
        Protocol::UDP
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if let Some(backlog) = backlog {
        socket.listen(backlog)?;
    }
    Ok(socket)
}

/// A unix socket; a socket file left behind by an earlier run is replaced, any other file is not.
fn unix(path: &Path, mask: u32, backlog: i32) -> Result<Unix, StartError> {
    let listen = || -> io::Result<Unix> {
        let stale =
            std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        if stale {
            std::fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // The permissions must hold from the first moment, so they are set by the mask, not afterwards.
        let old = umask(Mode::from_raw_mode(!mask & 0o777));
        let bound = socket.bind(&socket2::SockAddr::unix(path)?);
        umask(old);
        bound?;
        socket.listen(backlog)?;
        Ok(Unix {
            socket: socket.into(),
            file: OwnFile::at(path)?,
        })
    };
    listen().map_err(|source| StartError::Listen {
        address: path.display().to_string(),
        source,
    })
}
