//! Serving: the threads, and the end.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::spawn_local;

use super::acceptor::Door;
use super::allocator::Trimmer;
use super::auth::{Logins, Passwords};
use super::control::Control;
use super::durability::Durability;
use super::lanes::Lanes;
use super::listener::{Listeners, StartError};
use super::options::ServerConfig;
use super::reload;
use super::service::Application;
use super::tls::Tls;
use super::worker::{self, Message};
use super::worker_state::Process;
use crate::account::Account;
use crate::stats::{ServerStats, WatchHub, log};

/// Time for connections to finish before they are cut; the process is gone within 5 s.
const FINISH: Duration = Duration::from_secs(4);
/// Pause between two steps of maintenance when there is nothing to do.
const MAINTENANCE: Duration = Duration::from_millis(100);

/// What the server shares with the rooms behind it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Counters.
    pub stats: Arc<ServerStats>,
    /// Streams of `watch`.
    pub hub: Arc<WatchHub>,
    /// Stops the server.
    pub control: Arc<Control>,
    /// Passwords, and who gave wrong ones.
    pub logins: Arc<Logins>,
    /// The memory that clients cause.
    pub account: Arc<Account>,
    pub(super) tls: Option<Arc<Tls>>,
    /// The log and the snapshots, once they are there.
    pub(super) durability: Arc<OnceLock<Durability>>,
    tcp_port: u16,
    udp_port: u16,
}

impl Surroundings {
    /// Reads the password and certificate files.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn new(config: &ServerConfig, listeners: &Listeners) -> Result<Surroundings, StartError> {
        let passwords = |path: &Option<std::path::PathBuf>| {
            path.clone()
                .map(Passwords::load)
                .transpose()
                .map_err(StartError::File)
        };
        let tls = config
            .tls
            .clone()
            .map(Tls::load)
            .transpose()
            .map_err(StartError::File)?;
        let tls = tls.map(Arc::new);
        let control = Arc::new(Control::default());
        if let Some(tls) = tls.clone() {
            control.on_refresh(move || tls.reload());
        }
        let port = |addresses: Vec<std::net::SocketAddr>| {
            addresses.first().map_or(0, |first| first.port())
        };
        let stats = ServerStats::default();
        stats
            .counts
            .max_connections
            .set(config.connections_max as u64);
        stats.serving.threads.set(config.threads as u64);
        Ok(Surroundings {
            tcp_port: port(listeners.tcp_addresses()),
            udp_port: port(listeners.udp_addresses()),
            stats: Arc::new(stats),
            hub: Arc::new(WatchHub::new(config.watch_buffer_bytes)),
            control,
            account: Account::new(config.client_memory_bytes),
            logins: Arc::new(Logins::new(
                passwords(&config.auth_file)?,
                passwords(&config.sasl_file)?,
            )),
            tls,
            durability: Arc::default(),
        })
    }

    /// Port of the first TCP address, 0 without TCP.
    pub fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// Port of the first UDP address, 0 without UDP.
    pub fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// Reads every file again; what can't be used is reported, and the old content stays.
    pub(super) fn reload(&self) {
        let mut results = self.logins.reload();
        results.extend(self.tls.iter().map(|tls| tls.reload()));
        results.push(self.control.reload_scripts());
        for error in results.into_iter().filter_map(Result::err) {
            log::warn(format_args!("not reloaded: {error}"));
        }
        log::info(format_args!("passwords, certificates and scripts reloaded"));
    }
}

/// Serves until [`Control::shutdown`], then answers what is in flight.
///
/// # Errors
/// When the system refuses threads or sockets.
pub fn serve<A: Application>(
    listeners: Listeners,
    application: Arc<A>,
    config: &ServerConfig,
    surroundings: &Surroundings,
) -> Result<(), StartError> {
    let system = |what: &str| {
        let what = what.to_owned();
        move |source| StartError::System { what, source }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(system("cannot start"))?;
    let process = Arc::new(Process {
        stats: Arc::clone(&surroundings.stats),
        hub: Arc::clone(&surroundings.hub),
        lanes: Lanes::new(config.lane_threads),
        logins: Arc::clone(&surroundings.logins),
        account: Arc::clone(&surroundings.account),
        tls: surroundings.tls.clone(),
        config: config.clone(),
    });
    let (finished, mut ends) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for number in 0..config.threads.max(1) {
        let worker = start_worker(number, &application, &process, finished.clone())
            .map_err(system("cannot start a worker thread"))?;
        workers.push(worker);
    }
    drop(finished);
    start_maintenance(&application, surroundings).map_err(system("cannot start a thread"))?;
    reload::start(surroundings).map_err(system("cannot start a thread"))?;
    runtime.block_on(async {
        let ready = listeners.to_string();
        let door = Door::new(
            Arc::clone(&surroundings.stats),
            config.connections_max,
            config.refuse_over_limit,
            workers.clone(),
        );
        open(listeners, door, config.tls.is_some());
        log::line(format_args!(
            "cacheismo {} ready on {ready}",
            env!("CARGO_PKG_VERSION")
        ));
        until_told(surroundings).await;
    });
    // The acceptors ended with the runtime's tasks: nobody is let in any more.
    drop(runtime);
    surroundings.stats.set_accepting(false);
    for worker in &workers {
        let _ = worker.send(Message::Stop);
    }
    wait(&mut ends)
}

type Worker = UnboundedSender<Message>;

fn start_worker<A: Application>(
    number: usize,
    application: &Arc<A>,
    process: &Arc<Process>,
    finished: mpsc::UnboundedSender<()>,
) -> std::io::Result<Worker> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (application, process) = (Arc::clone(application), Arc::clone(process));
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            if let Err(error) = worker::run(&*application, process, receiver) {
                log::warn(format_args!("worker {number} cannot run: {error}"));
            }
            let _ = finished.send(());
        })?;
    Ok(sender)
}

fn start_maintenance<A: Application>(
    application: &Arc<A>,
    surroundings: &Surroundings,
) -> std::io::Result<()> {
    let (application, control) = (Arc::clone(application), Arc::clone(&surroundings.control));
    let mut trimmer = Trimmer::new(Arc::clone(&surroundings.account));
    std::thread::Builder::new()
        .name("maintenance".into())
        .spawn(move || {
            while !control.stopping() {
                trimmer.look();
                if !application.maintain() {
                    std::thread::sleep(MAINTENANCE);
                }
            }
        })?;
    Ok(())
}

/// Starts accepting.
fn open(listeners: Listeners, door: Door, tls: bool) {
    let door = Rc::new(door);
    let report = |result: std::io::Result<()>| {
        if let Err(error) = result {
            log::warn(format_args!(
                "a socket cannot be listened on any more: {error}"
            ));
        }
    };
    for tcp in listeners.tcp {
        let door = Rc::clone(&door);
        spawn_local(async move { report(door.tcp(tcp, tls).await) });
    }
    for (number, (socket, address)) in listeners.udp.into_iter().enumerate() {
        let name = format!("udp:{address}");
        door.stats.connections.listen(name.into());
        let _ = door.workers[number % door.workers.len()].send(Message::Udp(socket));
    }
    if let Some(unix) = listeners.unix {
        spawn_local(async move { report(door.unix(unix).await) });
    }
}

/// Sleeps until a signal or a command asks for the end.
async fn until_told(surroundings: &Surroundings) {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    surroundings.control.on_shutdown(move || tell.notify_one());
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = told.notified() => break,
            _ = seconds.tick() => surroundings.stats.tick(),
        }
    }
    surroundings.control.shutdown();
    log::info(format_args!("stopping"));
}

/// Waits for the workers, but not for ever.
fn wait(ends: &mut mpsc::UnboundedReceiver<()>) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|source| StartError::System {
            what: "cannot wait".into(),
            source,
        })?;
    let all = async { while ends.recv().await.is_some() {} };
    let in_time = runtime.block_on(async { tokio::time::timeout(FINISH, all).await });
    if in_time.is_err() {
        log::info(format_args!("some connections were cut"));
    }
    Ok(())
}
