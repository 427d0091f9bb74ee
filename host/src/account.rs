//! The memory that clients can cause beside the store's: one account for the whole process.
//!
//! Input in the making, answers that nobody has taken yet, calls that wait, and instances of objects each hold a
//! [`Share`]. A share that may not grow says so, and its owner refuses its client; a share that is dropped gives
//! everything back. Counting costs two additions where a buffer is kept, and nothing per request.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::metrics::table;

/// Bytes of the budget that nobody may hold: what the allocator, the threads and buffers of workers take beside what is counted.
pub const RESERVED_BYTES: usize = 16 << 20;
/// Input that every connection may keep without asking: a command without a value.
pub const FREE_INPUT_BYTES: usize = 2 << 10;
/// What an open connection takes while no value is under way on it.
const CONNECTION_BYTES: usize = FREE_INPUT_BYTES + (2 << 10);
/// The same with TLS: keys, and a record in each direction.
const TLS_CONNECTION_BYTES: usize = 48 << 10;
/// What a worker takes by itself: its stack, the buffers it reads to and those it writes from.
pub const WORKER_BYTES: usize = 4 << 20;
/// Bytes of the reserve that are lent at a time to those for whom others are about to give memory back.
const LENT_BYTES_MAX: usize = RESERVED_BYTES / 4;
/// One part in so many is kept for others: for objects, whatever connections hold, and the other way round.
const OTHERS_PART: usize = 4;
/// The account is strained when less than one part in so many is free: who holds memory for long has to give it back then.
const STRAINED_PART: usize = 8;

/// What memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Open connections, and the workers that serve them.
    Connections,
    /// Commands of which only a part has come.
    Input,
    /// Answers that a client has not taken yet.
    Answers,
    /// Arguments and replies of calls that wait for a lane or for their answer's turn, and answers of other servers.
    Calls,
    /// Linear memory of instances.
    Instances,
}

/// What an open connection takes while no value is under way on it, in bytes.
pub fn connection_bytes(tls: bool) -> usize {
    match tls {
        true => TLS_CONNECTION_BYTES,
        false => CONNECTION_BYTES,
    }
}

/// How many purposes there are.
const PURPOSES: usize = 5;

/// The account. All memory is in bytes.
#[derive(Debug)]
pub struct Account {
    bytes_max: usize,
    bytes: AtomicUsize,
    by_purpose: [AtomicUsize; PURPOSES],
    refused: AtomicU64,
}

/// The account has no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of memory for clients")]
pub struct Scarce;

/// Bytes one owner holds, for one purpose.
pub struct Share {
    account: Arc<Account>,
    purpose: Purpose,
    bytes: Cell<usize>,
}

impl Account {
    /// An account of so many bytes, [`RESERVED_BYTES`] of them kept free.
    pub fn new(bytes_max: usize) -> Arc<Account> {
        Arc::new(Account {
            bytes_max,
            bytes: AtomicUsize::new(0),
            by_purpose: Default::default(),
            refused: AtomicU64::new(0),
        })
    }

    /// An account without a limit, for who has no clients.
    pub fn unlimited() -> Arc<Account> {
        Account::new(usize::MAX)
    }

    /// A share of nothing as yet.
    pub fn share(self: &Arc<Account>, purpose: Purpose) -> Share {
        Share {
            account: Arc::clone(self),
            purpose,
            bytes: Cell::new(0),
        }
    }

    /// A share of so many bytes.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn take(self: &Arc<Account>, purpose: Purpose, bytes: usize) -> Result<Share, Scarce> {
        let share = self.share(purpose);
        share.resize(bytes)?;
        Ok(share)
    }

    /// Bytes held for all purposes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Bytes that connections have to give back until the account is no longer strained.
    pub fn excess(&self) -> usize {
        let beyond = |bytes: usize, room: usize| bytes.saturating_sub(room - room / STRAINED_PART);
        let of_connections = beyond(self.side(Purpose::Input), self.side_room());
        of_connections.max(beyond(self.bytes(), self.room()))
    }

    /// Bytes held on the same side as a purpose: by connections, or by objects and their calls.
    fn side(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Connections => self.held_for(Purpose::Connections),
            Purpose::Input | Purpose::Answers => {
                self.held_for(Purpose::Input) + self.held_for(Purpose::Answers)
            }
            Purpose::Calls | Purpose::Instances => {
                self.held_for(Purpose::Calls) + self.held_for(Purpose::Instances)
            }
        }
    }

    fn held_for(&self, purpose: Purpose) -> usize {
        self.by_purpose[purpose as usize].load(Relaxed)
    }

    /// What each side may hold: neither can take everything from the other.
    fn side_room(&self) -> usize {
        self.room() - self.room() / OTHERS_PART
    }

    /// What `stats` shows.
    pub fn sample(&self) -> AccountSample {
        let of = |purpose: Purpose| self.held_for(purpose) as u64;
        AccountSample {
            limit: self.bytes_max as u64,
            connections: of(Purpose::Connections),
            input: of(Purpose::Input),
            answers: of(Purpose::Answers),
            calls: of(Purpose::Calls),
            instances: of(Purpose::Instances),
            refused: self.refused.load(Relaxed),
        }
    }

    fn room(&self) -> usize {
        self.bytes_max.saturating_sub(RESERVED_BYTES)
    }

    fn add(&self, purpose: Purpose, more: usize) {
        self.bytes.fetch_add(more, Relaxed);
        self.by_purpose[purpose as usize].fetch_add(more, Relaxed);
    }

    fn give(&self, purpose: Purpose, less: usize) {
        self.bytes.fetch_sub(less, Relaxed);
        self.by_purpose[purpose as usize].fetch_sub(less, Relaxed);
    }
}

impl Share {
    /// The account it draws on.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Holds `bytes` from now on.
    ///
    /// # Errors
    /// When they are more than before, and there is no room for them. The share is as it was.
    #[inline]
    pub fn resize(&self, bytes: usize) -> Result<(), Scarce> {
        let before = self.bytes.get();
        if bytes > before {
            self.grow(bytes - before)?;
        } else if bytes < before {
            self.account.give(self.purpose, before - bytes);
        }
        self.bytes.set(bytes);
        Ok(())
    }

    /// As [`Share::resize`] for bytes that others are about to give back: a part of the reserve is lent for so long.
    ///
    /// # Errors
    /// When even that is lent.
    pub fn borrow(&self, bytes: usize) -> Result<(), Scarce> {
        let account = &self.account;
        let lent = account
            .side(self.purpose)
            .saturating_sub(account.side_room());
        if lent.max(account.bytes().saturating_sub(account.room())) >= LENT_BYTES_MAX {
            return Err(Scarce);
        }
        self.overdraw(bytes);
        Ok(())
    }

    /// Holds `bytes` from now on, even if there is no room: the memory is in use already, and others give theirs back soon.
    pub fn overdraw(&self, bytes: usize) {
        if self.resize(bytes).is_err() {
            self.account.add(self.purpose, bytes - self.bytes.get());
            self.bytes.set(bytes);
        }
    }

    fn grow(&self, more: usize) -> Result<(), Scarce> {
        let account = &*self.account;
        let after = account.bytes.fetch_add(more, Relaxed).saturating_add(more);
        let side = account.side(self.purpose).saturating_add(more);
        if after > account.room() || side > account.side_room() {
            account.bytes.fetch_sub(more, Relaxed);
            account.refused.fetch_add(1, Relaxed);
            return Err(Scarce);
        }
        account.by_purpose[self.purpose as usize].fetch_add(more, Relaxed);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.resize(0);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for {:?}", self.bytes.get(), self.purpose)
    }
}

/// The account at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountSample {
    limit: u64,
    connections: u64,
    input: u64,
    answers: u64,
    calls: u64,
    instances: u64,
    refused: u64,
}

table! {
    /// Memory that clients cause beside the store's.
    pub static CLIENT_MEMORY: Table<AccountSample> in General {
        /// Memory that clients may cause beside the store's (--client-memory).
        client_memory_limit: Gauge(Bytes) = |s| s.limit,
        /// Memory held for open connections, and by the workers that serve them.
        client_memory_connections: Gauge(Bytes) = |s| s.connections,
        /// Memory held for commands of which only a part has come.
        client_memory_input: Gauge(Bytes) = |s| s.input,
        /// Memory held for answers that clients have not taken yet.
        client_memory_answers: Gauge(Bytes) = |s| s.answers,
        /// Memory held for calls that wait, their replies, and answers of other servers.
        client_memory_calls: Gauge(Bytes) = |s| s.calls,
        /// Linear memory of the instances of objects.
        client_memory_instances: Gauge(Bytes) = |s| s.instances,
        /// Times that memory was refused to a client because all of it was in use.
        client_memory_refused: Counter(Times) = |s| s.refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(room: usize) -> Arc<Account> {
        Account::new(room + RESERVED_BYTES)
    }

    #[test]
    fn shares_draw_on_one_account_and_give_everything_back() {
        let account = account(100);
        let input = account.take(Purpose::Input, 60).unwrap();
        assert_eq!(account.take(Purpose::Calls, 41).unwrap_err(), Scarce);
        let call = account.take(Purpose::Calls, 40).unwrap();
        assert_eq!(input.resize(61), Err(Scarce));
        assert_eq!((input.bytes(), call.bytes()), (60, 40));
        input.resize(10).unwrap();
        call.resize(75).unwrap();
        assert_eq!(
            call.resize(76),
            Err(Scarce),
            "a part is kept for connections"
        );
        drop(call);
        let sample = account.sample();
        assert_eq!((sample.input, sample.calls, sample.refused), (10, 0, 3));
    }

    #[test]
    fn what_is_in_use_already_is_counted_beyond_the_limit() {
        let account = account(100);
        let answer = account.share(Purpose::Answers);
        answer.overdraw(250);
        assert_eq!(account.sample().answers, 250);
        assert_eq!(account.excess(), 250 - 66);
        assert!(account.take(Purpose::Input, 1).is_err());
        drop(answer);
        assert_eq!(account.excess(), 0);
        assert_eq!(account.sample().answers, 0);
    }

    #[test]
    fn threads_share_an_account() {
        let account = account(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in 0..10_000 {
                        if let Ok(share) = account.take(Purpose::Instances, bytes % 700) {
                            assert!(share.bytes() < 700);
                        }
                    }
                });
            }
        });
        assert_eq!(account.bytes.load(Relaxed), 0);
        assert_eq!(account.sample().instances, 0);
    }
}
