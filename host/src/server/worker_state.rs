//! The state of one worker thread, shared by its connections: the service, the read buffer, the output buffer.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::auth::Logins;
use super::buffers::{Gathered, Outputs, Spares};
use super::lanes::Lanes;
use super::link::{Link, Wish};
use super::options::ServerConfig;
use super::service::Service;
use super::tls::Tls;
use super::turns::Turns;
use crate::account::{Account, FREE_INPUT_BYTES, Purpose, Share, WORKER_BYTES};
use crate::metrics::TrafficCells;
use crate::stats::{ConnectionEntry, ServerStats, Stream, WatchHub, log};

/// Input read at one go for each request of `-R`: 20 make 64 KiB.
const TURN_BYTES_PER_REQUEST: usize = (64 << 10) / 20;
/// Bytes that a connection may have in its buffer beyond the largest item.
const INPUT_SLACK_BYTES: usize = 1 << 20;

/// Memory that a connection has held for so long is taken back when others need it, in seconds.
const HELD_S_MIN: u32 = 1;
/// Instances that no call has used for so long are dropped, in milliseconds,
const INSTANCE_IDLE_MS: u64 = 30_000;
/// and for so long while memory for clients is short.
const STRAINED_IDLE_MS: u64 = 1000;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) stats: Arc<ServerStats>,
    pub(super) hub: Arc<WatchHub>,
    pub(super) lanes: Lanes,
    pub(super) logins: Arc<Logins>,
    pub(super) account: Arc<Account>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) config: ServerConfig,
}

/// Why a connection ended, as log lines say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    Normal,
    Error,
    Idle,
    Shutdown,
}

impl CloseReason {
    fn name(self) -> &'static str {
        match self {
            CloseReason::Normal => "normal",
            CloseReason::Error => "error",
            CloseReason::Idle => "idle_timeout",
            CloseReason::Shutdown => "shutdown",
        }
    }
}

impl Process {
    /// Tells the watchers of a new connection.
    pub(super) fn opened(&self, entry: &ConnectionEntry) {
        let (end, id) = (entry.endpoint(), entry.id);
        self.hub.publish(
            Stream::Connections,
            format_args!("type=conn_new {end} cfd={id}"),
        );
    }

    /// Strikes a connection out and tells the watchers.
    pub(super) fn closed(&self, entry: &ConnectionEntry, reason: CloseReason) {
        let (end, id, reason) = (entry.endpoint(), entry.id, reason.name());
        self.hub.publish(
            Stream::Connections,
            format_args!("type=conn_close {end} reason={reason} cfd={id}"),
        );
        self.stats.connections.close(id);
    }
}

/// The state of one worker. Never borrowed across an await.
pub(super) struct WorkerState<S: Service> {
    pub(super) service: RefCell<S>,
    /// The read buffer of connections without a rest. Between a read and the execution of what it brought, no other
    /// task runs, so one buffer does for all.
    pub(super) input: RefCell<Vec<u8>>,
    /// Input of connections that let others read before they execute.
    pub(super) gathered: RefCell<Gathered>,
    pub(super) turns: Turns,
    output: RefCell<Vec<u8>>,
    outputs: RefCell<Outputs>,
    pub(super) spares: RefCell<Spares>,
    pub(super) counters: Arc<TrafficCells>,
    pub(super) process: Arc<Process>,
    pub(super) turn_bytes: usize,
    pub(super) input_bytes_max: usize,
    links: RefCell<HashMap<u64, Rc<Link>>>,
    stopping: Cell<bool>,
    /// Its own memory on the account.
    _fixed: Share,
    /// Told when the last connection of a stopping worker went.
    pub(super) empty: Notify,
}

impl<S: Service> WorkerState<S> {
    pub(super) fn new(service: S, process: Arc<Process>) -> WorkerState<S> {
        let requests = process.config.requests_per_event as usize;
        let turn_bytes = requests
            .saturating_mul(TURN_BYTES_PER_REQUEST)
            .clamp(4 << 10, 1 << 20);
        let fixed = process.account.share(Purpose::Connections);
        fixed.overdraw(WORKER_BYTES);
        WorkerState {
            _fixed: fixed,
            service: RefCell::new(service),
            input: RefCell::default(),
            gathered: RefCell::default(),
            turns: Turns::default(),
            output: RefCell::default(),
            outputs: RefCell::default(),
            spares: RefCell::new(Spares::new(process.account.share(Purpose::Input))),
            counters: process.stats.traffic.join(),
            turn_bytes,
            input_bytes_max: process.config.item_bytes_max + INPUT_SLACK_BYTES,
            process,
            links: RefCell::default(),
            stopping: Cell::new(false),
            empty: Notify::new(),
        }
    }

    /// The read buffer, empty and with room for a turn.
    pub(super) fn fresh_input(&self) -> RefMut<'_, Vec<u8>> {
        let mut input = self.input.borrow_mut();
        input.clear();
        input.reserve(self.turn_bytes);
        input
    }

    /// The output buffer, to append to.
    pub(super) fn output(&self) -> RefMut<'_, Vec<u8>> {
        self.output.borrow_mut()
    }

    /// The output buffer, to write. While it is away, other connections get another one.
    pub(super) fn take_output(&self) -> Vec<u8> {
        self.output.replace(self.outputs.borrow_mut().take())
    }

    /// Brings an output buffer back.
    pub(super) fn return_output(&self, buffer: Vec<u8>) {
        self.outputs.borrow_mut().give(buffer);
    }

    pub(super) fn now_s(&self) -> u32 {
        u32::try_from(self.process.stats.clock_s()).unwrap_or(u32::MAX)
    }

    pub(super) fn register(&self, link: &Rc<Link>) {
        if self.stopping.get() {
            link.send(Wish::Finish);
        }
        self.links
            .borrow_mut()
            .insert(link.entry.id, Rc::clone(link));
    }

    pub(super) fn unregister(&self, link: &Link) {
        let mut links = self.links.borrow_mut();
        links.remove(&link.entry.id);
        if links.is_empty() && self.stopping.get() {
            self.empty.notify_one();
        }
    }

    /// Asks every connection to answer what has come and to close.
    pub(super) fn stop(&self) {
        self.stopping.set(true);
        let links = self.links.borrow();
        links.values().for_each(|link| link.send(Wish::Finish));
        if links.is_empty() {
            self.empty.notify_one();
        }
    }

    /// Counts the memory of a connection's input from now on, as [`WorkerState::hold`] does.
    #[inline]
    pub(super) fn hold_input(&self, link: &Link, bytes: usize) -> bool {
        self.hold(link, &link.input, bytes.saturating_sub(FREE_INPUT_BYTES))
    }

    /// Counts memory that a connection holds from now on. False when there is none left: none is free, and no other
    /// connection of this worker has held some for long.
    #[inline]
    pub(super) fn hold(&self, link: &Link, share: &Share, bytes: usize) -> bool {
        bytes == share.bytes() || self.hold_other(link, share, bytes)
    }

    #[cold]
    fn hold_other(&self, link: &Link, share: &Share, bytes: usize) -> bool {
        if link.held() == 0 {
            link.begins_to_hold(self.now_s());
        }
        if share.resize(bytes).is_ok() {
            return true;
        }
        let more = bytes - share.bytes();
        // Those who are asked give theirs back when their tasks run, in this turn of the worker.
        self.take_back(more, link.entry.id) >= more && share.borrow(bytes).is_ok()
    }

    /// Has connections give back the memory they hold, those first that have held it for longest, until it is so many bytes.
    /// Returns how many it will be.
    pub(super) fn take_back(&self, bytes: usize, except: u64) -> usize {
        let before_s = self.now_s().saturating_sub(HELD_S_MIN);
        let links = self.links.borrow();
        let mut holders: Vec<&Rc<Link>> = links
            .values()
            .filter(|link| {
                link.entry.id != except
                    && link.held() > 0
                    && link.held_since_s() <= before_s
                    && link.wish() == Wish::Stay
            })
            .collect();
        holders.sort_unstable_by_key(|link| link.held_since_s());
        let mut given = 0;
        for link in holders {
            if given >= bytes {
                break;
            }
            given += link.held();
            self.process.stats.serving.client_memory_kicks.add(1);
            link.send(Wish::GiveBack);
        }
        given
    }

    /// Gives back memory that is not in use. Called once a second.
    pub(super) fn rest(&self) {
        let account = &self.process.account;
        let excess = account.excess();
        let idle_ms = match excess {
            0 => INSTANCE_IDLE_MS,
            _ => {
                self.take_back(excess / self.process.config.threads, 0);
                STRAINED_IDLE_MS
            }
        };
        self.spares.borrow_mut().drop_unused();
        self.service.borrow_mut().rest(idle_ms);
    }

    /// Closes the connections that have not logged in after `login_s` seconds, whatever they send meanwhile.
    pub(super) fn close_late(&self, login_s: u32) {
        let now = self.now_s();
        for link in self.links.borrow().values() {
            let late = now.saturating_sub(link.entry.opened_s) > login_s;
            if late && !link.entry.login.is_granted() && link.wish() == Wish::Stay {
                log::client(
                    1,
                    format_args!("no login from {} in {login_s} s", link.entry.peer),
                );
                link.send(Wish::Leave);
            }
        }
    }

    /// Closes the connections that were idle for `idle_s` seconds.
    pub(super) fn close_idle(&self, idle_s: u32) {
        let now = self.now_s();
        for link in self.links.borrow().values() {
            if now.saturating_sub(link.entry.active_s()) > idle_s && link.is_idle() {
                self.process.stats.serving.idle_kicks.add(1);
                link.send(Wish::Leave);
            }
        }
    }
}
