//! UDP: one datagram in, as many as needed out, each behind an 8-byte frame header.
//!
//! ```text
//! 0      2      4      6      8
//! | id   | seq  | count| zero | data
//! ```

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;

use super::service::{Service, Step};
use super::shard::Shard;

const HEADER_BYTES: usize = 8;
/// A datagram with its header.
const DATAGRAM_BYTES: usize = 1400;
/// Largest datagram there is.
const RECEIVE_BYTES: usize = 64 << 10;
/// Datagrams of one answer; a longer answer is not sent, since a client couldn't number its parts.
const DATAGRAMS_MAX: usize = u16::MAX as usize;
const MULTI_PACKET: &[u8] = b"SERVER_ERROR multi-packet request not supported\r\n";

/// Answers datagrams for ever.
pub(super) async fn serve<S: Service>(shard: Rc<Shard<S>>, socket: std::net::UdpSocket) {
    let Ok(socket) = UdpSocket::from_std(socket) else {
        return;
    };
    let mut datagram = vec![0; RECEIVE_BYTES];
    loop {
        // Errors here are echoes of earlier answers that couldn't be delivered.
        let Ok((len, peer)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        shard.counters.read(len);
        let Some((id, request)) = request(&datagram[..len]) else {
            continue;
        };
        let out = match request {
            Some(bytes) => answer(&shard, bytes).await,
            None => MULTI_PACKET.to_vec(),
        };
        send(&shard, &socket, peer, id, &out).await;
    }
}

/// Id and data of a datagram; `None` in the data is a request of several datagrams, `None` at all no request.
fn request(datagram: &[u8]) -> Option<([u8; 2], Option<&[u8]>)> {
    let (header, data) = datagram.split_at_checked(HEADER_BYTES)?;
    let single = header[2..6] == [0, 0, 0, 1];
    (!data.is_empty()).then_some(([header[0], header[1]], single.then_some(data)))
}

/// Executes the commands of one datagram; what is incomplete at its end never becomes complete.
async fn answer<S: Service>(shard: &Shard<S>, request: &[u8]) -> Vec<u8> {
    let mut connection = S::Connection::default();
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let step = shard
            .service
            .borrow_mut()
            .execute(&mut connection, &request[at..], &mut out);
        match step {
            Step::Write { consumed } => at += consumed,
            Step::Lane { consumed, job } => {
                at += consumed;
                let (sender, receiver) = oneshot::channel();
                shard
                    .process
                    .lanes
                    .submit(move || drop(sender.send(S::run(job))));
                let Ok(outcome) = receiver.await else {
                    return out;
                };
                shard.service.borrow_mut().resume(&mut connection, outcome);
            }
            Step::Read { .. } | Step::Close | Step::Watch { .. } => return out,
        }
        if out.len() > DATAGRAMS_MAX * DATAGRAM_BYTES {
            return out;
        }
    }
}

async fn send<S: Service>(
    shard: &Shard<S>,
    socket: &UdpSocket,
    peer: SocketAddr,
    id: [u8; 2],
    out: &[u8],
) {
    for datagram in frames(id, out) {
        if socket.send_to(&datagram, peer).await.is_ok() {
            shard.counters.wrote(datagram.len());
        }
    }
}

/// Cuts an answer into datagrams.
fn frames(id: [u8; 2], out: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let parts = out.chunks(DATAGRAM_BYTES - HEADER_BYTES);
    let count = u16::try_from(parts.len()).unwrap_or(0);
    let parts = if count == 0 { [].chunks(1) } else { parts };
    parts.zip(0_u16..).map(move |(data, sequence)| {
        let mut datagram = Vec::with_capacity(HEADER_BYTES + data.len());
        datagram.extend_from_slice(&id);
        datagram.extend_from_slice(&sequence.to_be_bytes());
        datagram.extend_from_slice(&count.to_be_bytes());
        datagram.extend_from_slice(&[0, 0]);
        datagram.extend_from_slice(data);
        datagram
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_one_datagram_is_read() {
        assert_eq!(
            request(b"\x01\x02\0\0\0\x01\0\0get a\r\n"),
            Some(([1, 2], Some(&b"get a\r\n"[..])))
        );
        assert_eq!(
            request(b"\x01\x02\0\0\0\x02\0\0get a\r\n"),
            Some(([1, 2], None))
        );
        assert_eq!(request(b"\x01\x02\0\0\0\x01\0\0"), None);
        assert_eq!(request(b"\x01"), None);
    }

    #[test]
    fn an_answer_is_cut_and_numbered() {
        let out: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
        let frames: Vec<Vec<u8>> = frames([9, 8], &out).collect();
        assert_eq!(
            frames.iter().map(Vec::len).collect::<Vec<_>>(),
            [1400, 1400, 224]
        );
        assert_eq!(frames[1][..HEADER_BYTES], [9, 8, 0, 1, 0, 3, 0, 0]);
        let joined: Vec<u8> = frames
            .iter()
            .flat_map(|frame| &frame[HEADER_BYTES..])
            .copied()
            .collect();
        assert_eq!(joined, out);
    }

    #[test]
    fn what_cannot_be_numbered_is_not_sent() {
        assert_eq!(frames([0, 0], &vec![0; 1392 * 65536]).count(), 0);
        assert_eq!(frames([0, 0], b"").count(), 0);
    }
}
