//! The frame header of UDP datagrams.
//!
//! ```text
//! 0 request id, chosen by the client, echoed
//! 2 number of this datagram, from 0
//! 4 datagrams in all
//! 6 reserved, 0
//! ```
//!
//! Numbers are big-endian. A request is one datagram and may hold several commands.

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 8;
/// Most bytes of an answer in one datagram: what passes an Ethernet without being cut up.
pub const DATA_BYTES_MAX: usize = 1400 - HEADER_BYTES;
/// Answer to a request in several datagrams.
pub const MULTI_PACKET: &str = "SERVER_ERROR multi-packet request not supported\r\n";

/// What a request's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The client's mark.
    pub request_id: u16,
    /// Datagrams in the request; more than one is answered by [`MULTI_PACKET`].
    pub total: u16,
}

/// Splits a datagram into header and commands; `None` when it is too short to be answered at all.
pub fn parse(datagram: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[r1, r0, _, _, t1, t0, _, _], commands) = datagram.split_first_chunk::<HEADER_BYTES>()?;
    let frame = Frame {
        request_id: u16::from_be_bytes([r1, r0]),
        total: u16::from_be_bytes([t1, t0]),
    };
    Some((frame, commands))
}

/// Cuts an answer into datagrams: the header of each with its part of the answer.
///
/// Nothing for an empty answer, or for one that would take more datagrams than can be numbered.
pub fn datagrams(
    request_id: u16,
    answer: &[u8],
) -> impl Iterator<Item = ([u8; HEADER_BYTES], &[u8])> {
    let total = u16::try_from(answer.len().div_ceil(DATA_BYTES_MAX)).unwrap_or(0);
    let parts = answer.chunks(DATA_BYTES_MAX);
    (0..total).zip(parts).map(move |(number, part)| {
        let [r1, r0] = request_id.to_be_bytes();
        let [n1, n0] = number.to_be_bytes();
        let [t1, t0] = total.to_be_bytes();
        ([r1, r0, n1, n0, t1, t0, 0, 0], part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_header_and_commands() {
        let datagram = b"\x12\x34\0\0\0\x01\0\0get a\r\n";
        let frame = Frame {
            request_id: 0x1234,
            total: 1,
        };
        assert_eq!(parse(datagram), Some((frame, &b"get a\r\n"[..])));
        assert_eq!(parse(&datagram[..7]), None);
    }

    #[test]
    fn a_long_answer_is_numbered_and_complete() {
        let answer = vec![7; 2 * DATA_BYTES_MAX + 1];
        let sent: Vec<_> = datagrams(0x0102, &answer).collect();
        let headers: Vec<_> = sent
            .iter()
            .map(|(header, _)| header[..6].to_vec())
            .collect();
        assert_eq!(
            headers,
            [[1, 2, 0, 0, 0, 3], [1, 2, 0, 1, 0, 3], [1, 2, 0, 2, 0, 3]]
        );
        assert_eq!(
            sent.iter().map(|(_, part)| part.len()).collect::<Vec<_>>(),
            [1392, 1392, 1]
        );
        assert_eq!(datagrams(1, b"").count(), 0);
    }
}
