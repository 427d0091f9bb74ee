//! Answers that wait: what a connection's client is still to be told, in order.
//!
//! A call that runs elsewhere leaves a hole in the answers. Commands behind it go on, and what they answer is kept here
//! until the holes before it are filled.

use std::collections::VecDeque;

use crate::cache::calls::LaneResult;
use crate::cache::flow::Answer;
use crate::cache::footprint::Footprint;
use crate::cache::ops::Ops;
use crate::cache::wire::get::end_of_get;

/// Calls of one connection that may wait at a time.
const HOLES_MAX: usize = 64;
/// Bytes of answers kept for one connection before its next commands wait.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// The answers of one connection from the first hole on.
#[derive(Debug, Default)]
pub(super) struct Answers {
    parts: VecDeque<Part>,
    /// Footprints of the calls that wait, by their tickets.
    waiting: Vec<(u64, Footprint)>,
    /// Length of all kept bytes.
    bytes: usize,
    last_ticket: u64,
    /// The error line of the first call of the `get` whose answers are being written, if one failed.
    failed: Option<String>,
}

#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    Hole {
        ticket: u64,
        answer: Box<dyn Answer>,
        outcome: Option<LaneResult>,
    },
    /// The last line of a `get`: END, or the error line if a call has failed already.
    EndOfGet(Option<String>),
}

impl Answers {
    /// Length of all kept bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.bytes
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether so much waits that the next commands have to wait, too.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= HOLES_MAX || self.bytes >= KEPT_BYTES_MAX
    }

    /// What the calls that wait touch.
    pub(super) fn footprints(&self) -> Vec<Footprint> {
        self.waiting
            .iter()
            .map(|(_, footprint)| *footprint)
            .collect()
    }

    /// Keeps bytes that follow those kept already.
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.parts.push_back(Part::Bytes(bytes));
        }
    }

    /// Leaves a hole for the answer of a call. The ticket tells later which hole a reply fills.
    pub(super) fn leave_hole(&mut self, answer: Box<dyn Answer>, footprint: Footprint) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.waiting.push((ticket, footprint));
        self.parts.push_back(Part::Hole {
            ticket,
            answer,
            outcome: None,
        });
        ticket
    }

    /// Ends a `get` of which some calls wait or have waited.
    pub(super) fn end_get(&mut self, failed: Option<String>) {
        self.parts.push_back(Part::EndOfGet(failed));
    }

    /// Takes the outcome of a call.
    pub(super) fn fill(&mut self, result: LaneResult) {
        self.waiting.retain(|(ticket, _)| *ticket != result.ticket);
        let hole = self.parts.iter_mut().find_map(|part| match part {
            Part::Hole {
                ticket, outcome, ..
            } if *ticket == result.ticket => Some(outcome),
            _ => None,
        });
        if let Some(outcome) = hole {
            *outcome = Some(result);
        }
    }

    /// Writes everything before the first hole that is open.
    pub(super) fn settle(&mut self, ops: &Ops, out: &mut Vec<u8>) {
        while let Some(part) = self.parts.pop_front() {
            match part {
                Part::Bytes(bytes) => {
                    self.bytes -= bytes.len();
                    out.extend_from_slice(&bytes);
                }
                Part::Hole {
                    answer,
                    outcome: Some(result),
                    ..
                } => {
                    let failed = answer.write(ops, &result.reply(), out);
                    self.failed = self.failed.take().or(failed);
                }
                Part::EndOfGet(failed) => {
                    let failed = self.failed.take().or(failed);
                    end_of_get(failed.as_deref(), out);
                }
                open @ Part::Hole { .. } => {
                    self.parts.push_front(open);
                    return;
                }
            }
        }
    }
}
