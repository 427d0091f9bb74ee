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
use super::worker_state::{CloseReason, Process, WorkerState};
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

/// How a connection's bytes travel.
pub(super) enum Transport {
    Tcp(std::net::TcpStream),
    /// By TLS: with a certificate of the client required, or as configured.
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
    let worker = Rc::new(WorkerState::new(application.service(), process));
    runtime.block_on(serve(worker, messages));
    Ok(())
}

async fn serve<S: Service>(worker: Rc<WorkerState<S>>, mut messages: UnboundedReceiver<Message>) {
    spawn_local(sweep(Rc::clone(&worker)));
    spawn_local(turns(Rc::clone(&worker)));
    while let Some(message) = messages.recv().await {
        match message {
            Message::Connection(arrival) => accept(&worker, *arrival),
            Message::Udp(socket) => {
                spawn_local(udp::serve(Rc::clone(&worker), socket));
            }
            Message::Stop => {
                worker.stop();
                worker.empty.notified().await;
                return;
            }
        }
    }
}

/// Runs the connections.
async fn turns<S: Service>(worker: Rc<WorkerState<S>>) {
    let turns = &worker.turns;
    turns
        .run(|| {
            worker.gathered.borrow_mut().complete();
            worker.service.borrow_mut().fetch_ahead();
        })
        .await;
}

/// Closes connections that are idle for too long, or don't log in, and gives back memory.
async fn sweep<S: Service>(worker: Rc<WorkerState<S>>) {
    let whole_s = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let process = &worker.process;
    let idle_s = Some(whole_s(process.config.idle_timeout)).filter(|idle_s| *idle_s > 0);
    let login_s =
        Some(whole_s(process.config.login_time)).filter(|_| process.logins.are_asked_for());
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        idle_s
            .into_iter()
            .for_each(|idle_s| worker.close_idle(idle_s));
        login_s
            .into_iter()
            .for_each(|login_s| worker.close_late(login_s));
        worker.rest();
    }
}

fn accept<S: Service>(worker: &Rc<WorkerState<S>>, arrival: Arrival) {
    let Arrival {
        transport,
        peer,
        local,
        admission,
    } = arrival;
    let process = &worker.process;
    let entry = process.stats.connections.open(peer, local, worker.now_s());
    log::client(
        2,
        format_args!("connection {} from {}", entry.id, entry.peer),
    );
    process.opened(&entry);
    let tls = matches!(transport, Transport::Tls(..));
    let link = Link::new(entry, &process.account, tls);
    let turns = &worker.turns;
    let worker = Rc::clone(worker);
    match transport {
        Transport::Tcp(stream) => {
            if let Ok(stream) = TcpStream::from_std(stream) {
                turns.add(Session::new(worker, stream, link, admission).run());
            }
        }
        Transport::Unix(stream) => {
            if let Ok(stream) = UnixStream::from_std(stream) {
                turns.add(Session::new(worker, stream, link, admission).run());
            }
        }
        Transport::Tls(stream, mutual) => {
            if let Ok(stream) = TcpStream::from_std(stream) {
                turns.add(handshake(worker, stream, mutual, link, admission));
            }
        }
    }
}

/// Boxed in parts, so that plain connections don't pay for what TLS needs.
async fn handshake<S: Service>(
    worker: Rc<WorkerState<S>>,
    stream: TcpStream,
    mutual: bool,
    link: Link,
    admission: Admission,
) {
    let accepted = match &worker.process.tls {
        Some(tls) => tokio::time::timeout(HANDSHAKE, tls::Tls::accept(tls, stream, mutual)).await,
        None => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            Session::new(worker, Box::new(stream), link, admission)
                .run()
                .await
        }
        Ok(Err(error)) => {
            let peer = &link.entry.peer;
            log::client(1, format_args!("TLS handshake with {peer} failed: {error}"));
            worker.process.stats.serving.ssl_handshake_errors.add(1);
            worker.process.closed(&link.entry, CloseReason::Error);
        }
        Err(_) => {
            worker.process.stats.serving.ssl_handshake_errors.add(1);
            worker.process.closed(&link.entry, CloseReason::Error);
        }
    }
}
