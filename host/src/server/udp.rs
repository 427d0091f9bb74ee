//! UDP: one datagram in, as many as needed out, framed as [`protocol::udp`](crate::protocol::udp) says.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BufMut;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

use super::lanes::Fair;
use super::service::Service;
use super::worker_state::WorkerState;
use crate::cache::Next;
use crate::protocol::udp;

/// Largest datagram there is.
const RECEIVE_BYTES: usize = 64 << 10;
/// Longest answer that is made, in bytes: parts of a longer one could not be numbered.
const ANSWER_BYTES_MAX: usize = udp::DATA_BYTES_MAX * u16::MAX as usize;

/// Answers datagrams for ever.
pub(super) async fn serve<S: Service>(worker: Rc<WorkerState<S>>, socket: std::net::UdpSocket) {
    let Ok(socket) = UdpSocket::from_std(socket) else {
        return;
    };
    let mut datagram = vec![0; RECEIVE_BYTES];
    loop {
        // Errors here are echoes of earlier answers that couldn't be delivered.
        let Ok((len, peer)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        worker.counters.read(len);
        let Some((frame, commands)) = udp::parse(&datagram[..len]) else {
            continue;
        };
        // What a connection would be closed for is not answered here either.
        if !worker.process.config.protocol.speaks(commands.first()) {
            continue;
        }
        let Some(out) = (match frame.total {
            1 => saved_answer(&worker, commands, peer).await,
            _ => Some(udp::MULTI_PACKET.as_bytes().to_vec()),
        }) else {
            continue;
        };
        send(&worker, &socket, peer, frame.request_id, &out).await;
    }
}

/// The answer to one datagram, when what it tells is on disk. `None`: it may never be.
async fn saved_answer<S: Service>(
    worker: &WorkerState<S>,
    request: &[u8],
    peer: SocketAddr,
) -> Option<Vec<u8>> {
    let mut connection = S::Connection::default();
    let answer = answer(worker, &mut connection, request, peer).await;
    let saved = poll_fn(|context| {
        let mut service = worker.service.borrow_mut();
        service.poll_saved(&mut connection, context)
    });
    saved.await.ok().map(|()| answer)
}

/// Executes the commands of one datagram; what is incomplete at its end never becomes complete.
async fn answer<S: Service>(
    worker: &WorkerState<S>,
    connection: &mut S::Connection,
    request: &[u8],
    peer: SocketAddr,
) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut at = 0;
    loop {
        let mut out = Vec::new();
        let step = worker
            .service
            .borrow_mut()
            .execute(connection, &request[at..], &mut out);
        let long = worker.service.borrow_mut().may_have_been_long();
        if long {
            tokio::task::yield_now().await;
        }
        at += step.consumed;
        let place = answer.len();
        answer.append(&mut out);
        match step.next {
            // Others on this worker have their turn between two parts of a long answer.
            Next::Write => tokio::task::yield_now().await,
            Next::Send { at, value } => {
                let after = answer.split_off(place + at);
                answer.put(value);
                answer.extend_from_slice(&after);
            }
            Next::Run(job) => {
                let (sender, receiver) = oneshot::channel();
                let fair = Fair::of_address(peer, S::kind(&job));
                let run = move |job| drop(sender.send(S::run(job)));
                // Calls of one datagram run one after the other: its sender waits for all of them.
                let outcome = match worker.process.lanes.submit_for(fair, job, run) {
                    Ok(()) => receiver.await,
                    Err((full, job)) => Ok(S::refuse(job, &full.to_string())),
                };
                // A job that panicked has no outcome.
                let Ok(outcome) = outcome else {
                    return answer;
                };
                S::resume(connection, outcome);
            }
            Next::Wait | Next::Read { .. } | Next::Close | Next::Refuse | Next::Watch(_) => {
                return answer;
            }
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return answer;
        }
    }
}

async fn send<S: Service>(
    worker: &WorkerState<S>,
    socket: &UdpSocket,
    peer: SocketAddr,
    request_id: u16,
    out: &[u8],
) {
    let mut datagram = Vec::with_capacity(udp::HEADER_BYTES + udp::DATA_BYTES_MAX);
    for (header, data) in udp::datagrams(request_id, out) {
        datagram.clear();
        datagram.extend_from_slice(&header);
        datagram.extend_from_slice(data);
        if socket.send_to(&datagram, peer).await.is_ok() {
            worker.counters.wrote(datagram.len());
        }
    }
}
