//! A server process for one test: started on a free port, stopped when it goes out of scope.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::tools;

/// How long a server may take to say that it is ready. Generous: in the development profile it
/// compiles every shipped module first, on a machine that runs other tests meanwhile.
const READY: Duration = Duration::from_secs(90);

/// How long a server may take to stop after SIGTERM before the test calls it hung.
const STOP: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addresses: Vec<SocketAddr>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the server under test on a free port of 127.0.0.1 with further options.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        Self::spawn(&mut Self::command(options))
    }

    /// The command that starts such a server.
    #[must_use]
    pub fn command(options: &[&str]) -> Command {
        let mut command = Command::new(tools::cacheismo());
        command.args(["-p", "0", "-l", "127.0.0.1"]).args(options);
        command
    }

    /// Starts `command`, which must print a ready line, and waits for that.
    ///
    /// # Panics
    /// When the server ends or stays silent instead; the message holds what it printed.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        Self::try_spawn(command)
            .unwrap_or_else(|refusal| panic!("{command:?} didn't get ready: {refusal:?}"))
    }

    /// Starts `command` and waits until it is ready, or has ended.
    ///
    /// # Errors
    /// With its status and everything it printed, when it ended.
    pub fn try_spawn(command: &mut Command) -> Result<Self, Refusal> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, is_ready) = mpsc::channel();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut lines = BufReader::new(stderr);
                let mut line = Vec::new();
                while lines
                    .read_until(b'\n', &mut line)
                    .is_ok_and(|length| length > 0)
                {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    if let Some(addresses) = ready_line(&text) {
                        // The receiver is gone once the server is up: later lines are only logged.
                        let _ = ready.send(addresses);
                    }
                    log.lock()
                        .expect("the log's holder doesn't panic")
                        .push_str(&text);
                    line.clear();
                }
            }
        });
        match is_ready.recv_timeout(READY) {
            Ok(addresses) => Ok(Self {
                child,
                addresses,
                log,
                reader: Some(reader),
            }),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait().expect("the child is ours to wait for");
                reader.join().expect("the log reader doesn't panic");
                let log = log.lock().expect("the log's holder is gone").clone();
                Err(Refusal { status, log })
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().expect("the child is ours to kill");
                let status = child.wait().expect("the child is ours to wait for");
                let log = format!(
                    "silent for {READY:?}; {}",
                    log.lock().expect("no panic while held")
                );
                Err(Refusal { status, log })
            }
        }
    }

    /// The first address that the server listens on.
    ///
    /// # Panics
    /// When the server listens on no TCP port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("the server listens on TCP")
    }

    /// Every TCP address of the ready line.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A new connection to the server.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory of the server.
    ///
    /// # Panics
    /// When the server has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most resident memory that the server has had, since [`Self::forget_peak`].
    ///
    /// # Panics
    /// When the server has ended.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// Has the peak of the server's memory measured from now on.
    ///
    /// # Panics
    /// When the server has ended.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("the server runs");
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the server runs");
        let line = status.lines().find(|line| line.starts_with(name));
        let words = line.expect("Linux tells it").split_whitespace();
        let kilobytes = words.map(str::parse::<u64>).find_map(Result::ok);
        kilobytes.expect("a number of kB") * 1024
    }

    /// What the server has written to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log
            .lock()
            .expect("the log reader doesn't panic while it holds the log")
            .clone()
    }

    /// Waits until the server's log contains `text`.
    ///
    /// # Panics
    /// When that takes longer than ten seconds.
    pub fn wait_for_log(&self, text: &str) {
        let said = wait_until(Duration::from_secs(10), || self.log().contains(text));
        assert!(said, "the log never says {text:?}: {}", self.log());
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .expect("the child hasn't been waited for");
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the child is ours to wait for")
            .is_none()
    }

    /// Waits for the server's end; gives its status and how long the end took.
    ///
    /// # Panics
    /// When the server doesn't end.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let ended = wait_until(STOP, || !self.is_running());
        assert!(ended, "the server hangs: {}", self.log());
        let status = self.child.wait().expect("the child is ours to wait for");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log reader doesn't panic");
        }
        (status, start.elapsed())
    }

    /// SIGTERM, then [`Self::wait`].
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_running() {
            // Tests that care how the server stops have stopped it. All others save the time, unless a profile is
            // recorded.
            let signal = match std::env::var_os("LLVM_PROFILE_FILE") {
                Some(_) => Signal::TERM,
                None => Signal::KILL,
            };
            self.signal(signal);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the server's last lines, newest first: {tail:#?}");
        }
    }
}

/// A server that ended instead of getting ready.
#[derive(Debug)]
pub struct Refusal {
    /// The server's exit status.
    pub status: ExitStatus,
    /// Everything that the server wrote to stderr.
    pub log: String,
}

/// Runs the server under test with options it must refuse.
///
/// # Panics
/// When the server starts.
#[must_use]
pub fn refusal(options: &[&str]) -> Refusal {
    let mut command = Command::new(tools::cacheismo());
    match Server::try_spawn(command.args(options)) {
        Ok(server) => panic!("{options:?} is accepted: {}", server.log()),
        Err(refusal) => refusal,
    }
}

/// The addresses of a ready line; `None` for any other line.
///
/// Unix sockets are in that line too: what isn't `host:port` is passed over.
fn ready_line(line: &str) -> Option<Vec<SocketAddr>> {
    let (_, listeners) = line.split_once(" ready on ")?;
    Some(
        listeners
            .split([' ', ','])
            .filter_map(|word| word.trim().parse().ok())
            .collect(),
    )
}

/// Debian's memcached on a free port, the reference of what we answer.
#[derive(Debug)]
pub struct Memcached {
    child: Child,
    address: SocketAddr,
}

impl Memcached {
    /// Starts memcached with further options.
    ///
    /// # Panics
    /// When memcached isn't installed or doesn't start.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        Self::spawn(&mut Command::new(tools::program("memcached")), options)
    }

    /// Starts memcached by another command that ends in its name, such as `taskset`.
    ///
    /// # Panics
    /// When memcached doesn't start.
    #[must_use]
    pub fn spawn(command: &mut Command, options: &[&str]) -> Self {
        let directory = std::env::temp_dir();
        let ports = directory.join(format!(
            "memcached-ports-{}-{}",
            std::process::id(),
            unique()
        ));
        let child = command
            .args(["-p", "-1", "-l", "127.0.0.1", "-u", "root"])
            .args(options)
            .env("MEMCACHED_PORT_FILENAME", &ports)
            .stdin(Stdio::null())
            .spawn()
            .expect("memcached starts");
        // memcached writes the file under another name and renames it, so that what is there is whole.
        assert!(
            wait_until(READY, || ports.exists()),
            "memcached writes no port"
        );
        let port = read_port(&ports);
        let _ = std::fs::remove_file(&ports);
        Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    /// memcached's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that memcached listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_port(path: &Path) -> u16 {
    let text = std::fs::read_to_string(path).expect("the port file is readable");
    let (_, port) = text
        .lines()
        .next()
        .and_then(|line| line.rsplit_once(' '))
        .expect("`TCP INET: port`");
    port.parse().expect("a port is a number")
}

/// A number no other call in this process gets.
pub fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Asks again and again until `condition` holds; false when it doesn't within `limit`.
#[must_use]
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_every_address() {
        let line = "cacheismo 0.1.0 ready on 127.0.0.1:41234, [::1]:5 unix:/tmp/s\n";
        assert_eq!(ready_line(line).map(|found| found.len()), Some(2));
        assert_eq!(ready_line("listening on 127.0.0.1:1\n"), None);
    }
}
