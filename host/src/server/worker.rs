//! A worker thread: a runtime of its own, with the connections it was dealt.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_local;

use super::acceptor::Admission;
use super::link::Link;
use super::service::{Application, Service};
use super::session::Session;
use super::shard::{CloseReason, Process, Shard};
use super::{tls, udp};
use crate::stats::log;

/// A client that doesn't finish its TLS handshake in this time is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a worker is told.
pub(super) enum Message {
    /// Serve this connection.
    Connection(Box<Arrival>),
    /// Serve this UDP socket.
    Udp(std::net::UdpSocket),
    /// Answer what has come, and end.
    Stop,
}

/// A connection on its way to its worker.
pub(super) struct Arrival {
    pub(super) transport: Transport,
    pub(super) peer: String,
    pub(super) local: Arc<str>,
    pub(super) admission: Admission,
}

/// How its bytes travel.
pub(super) enum Transport {
    Tcp(std::net::TcpStream),
    /// With a certificate of the client required, or as configured.
    Tls(std::net::TcpStream, bool),
    Unix(std::os::unix::net::UnixStream),
}

/// Runs a worker to its end.
pub(super) fn run<A: Application>(
    application: &A,
    process: Arc<Process>,
    messages: UnboundedReceiver<Message>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let shard = Rc::new(Shard::new(application.service(), process));
    runtime.block_on(serve(shard, messages));
    Ok(())
}

async fn serve<S: Service>(shard: Rc<Shard<S>>, mut messages: UnboundedReceiver<Message>) {
    spawn_local(sweep(Rc::clone(&shard)));
    spawn_local(turns(Rc::clone(&shard)));
    while let Some(message) = messages.recv().await {
        match message {
            Message::Connection(arrival) => accept(&shard, *arrival),
            Message::Udp(socket) => {
                spawn_local(udp::serve(Rc::clone(&shard), socket));
            }
            Message::Stop => {
                shard.stop();
                shard.empty.notified().await;
                return;
            }
        }
    }
}

/// Runs the connections.
async fn turns<S: Service>(shard: Rc<Shard<S>>) {
    let turns = &shard.turns;
    turns
        .run(|| {
            shard.gathered.borrow_mut().complete();
            shard.service.borrow_mut().fetch_ahead();
        })
        .await;
}

/// Closes connections that are idle for too long, or don't log in.
async fn sweep<S: Service>(shard: Rc<Shard<S>>) {
    let whole_s = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let process = &shard.process;
    let idle_s = Some(whole_s(process.config.idle_timeout)).filter(|idle_s| *idle_s > 0);
    let login_s =
        Some(whole_s(process.config.login_time)).filter(|_| process.logins.are_asked_for());
    if idle_s.or(login_s).is_none() {
        return;
    }
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        idle_s
            .into_iter()
            .for_each(|idle_s| shard.close_idle(idle_s));
        login_s
            .into_iter()
            .for_each(|login_s| shard.close_late(login_s));
    }
}

fn accept<S: Service>(shard: &Rc<Shard<S>>, arrival: Arrival) {
    let Arrival {
        transport,
        peer,
        local,
        admission,
    } = arrival;
    let process = &shard.process;
    let entry = process.stats.connections.open(peer, local, shard.now_s());
    log::client(
        2,
        format_args!("connection {} from {}", entry.id, entry.peer),
    );
    process.opened(&entry);
    let link = Link::new(entry);
    let turns = &shard.turns;
    let shard = Rc::clone(shard);
    match transport {
        Transport::Tcp(stream) => {
            if let Ok(stream) = TcpStream::from_std(stream) {
                turns.add(Session::new(shard, stream, link, admission).run());
            }
        }
        Transport::Unix(stream) => {
            if let Ok(stream) = UnixStream::from_std(stream) {
                turns.add(Session::new(shard, stream, link, admission).run());
            }
        }
        Transport::Tls(stream, mutual) => {
            if let Ok(stream) = TcpStream::from_std(stream) {
                turns.add(handshake(shard, stream, mutual, link, admission));
            }
        }
    }
}

/// Boxed in parts, so that plain connections don't pay for what TLS needs.
async fn handshake<S: Service>(
    shard: Rc<Shard<S>>,
    stream: TcpStream,
    mutual: bool,
    link: Link,
    admission: Admission,
) {
    let accepted = match &shard.process.tls {
        Some(tls) => tokio::time::timeout(HANDSHAKE, tls::Tls::accept(tls, stream, mutual)).await,
        None => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            Session::new(shard, Box::new(stream), link, admission)
                .run()
                .await
        }
        Ok(Err(error)) => {
            let peer = &link.entry.peer;
            log::client(1, format_args!("TLS handshake with {peer} failed: {error}"));
            shard.process.stats.serving.ssl_handshake_errors.add(1);
            shard.process.closed(&link.entry, CloseReason::Error);
        }
        Err(_) => {
            shard.process.stats.serving.ssl_handshake_errors.add(1);
            shard.process.closed(&link.entry, CloseReason::Error);
        }
    }
}
