//! What commands and signals may do to the server: stop it, reload its files. Knows nothing of sockets; the server
//! hangs its own actions in when it starts.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Action<R> = OnceLock<Box<dyn Fn() -> R + Send + Sync>>;

/// Shared by everybody who may want to stop the server.
#[derive(Default)]
pub struct Control {
    stopping: AtomicBool,
    /// Whether everything is to be saved at the end, for a fast start.
    saves_all: AtomicBool,
    stop: Action<()>,
    reload_certificates: Action<Result<(), String>>,
    reload_scripts: Action<Result<(), String>>,
    reload: Action<()>,
    /// Whether a reload was asked for before there was anything to read again.
    reload_early: AtomicBool,
    stop_early: Action<()>,
    snapshot: Action<()>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("stopping", &self.stopping())
            .finish_non_exhaustive()
    }
}

impl Control {
    /// Asks the server to stop accepting, answer what is in flight, and end.
    pub fn shutdown(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(stop) = self.stop.get().or(self.stop_early.get()) {
            stop();
        }
    }

    /// As [`Control::shutdown`], with a snapshot of everything at the end where items are kept over a restart.
    pub fn save_and_shutdown(&self) {
        self.saves_all.store(true, Ordering::SeqCst);
        self.shutdown();
    }

    /// Whether everything is to be saved at the end.
    pub(super) fn saves_all(&self) -> bool {
        self.saves_all.load(Ordering::SeqCst)
    }

    /// Asks for a snapshot. Doesn't wait for it.
    pub(super) fn snapshot(&self) {
        if let Some(snapshot) = self.snapshot.get() {
            snapshot();
        }
    }

    /// Sets what `snapshot` does. Only the first call counts.
    pub(super) fn on_snapshot(&self, action: impl Fn() + Send + Sync + 'static) {
        let _ = self.snapshot.set(Box::new(action));
    }

    /// Whether the server was asked to stop.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Reads the certificate files again.
    ///
    /// # Errors
    /// Why the old certificates stay in use.
    pub fn refresh_certificates(&self) -> Result<(), String> {
        match self.reload_certificates.get() {
            Some(reload) => reload(),
            None => Err("TLS is not enabled".to_owned()),
        }
    }

    /// Reads the scripts again.
    ///
    /// # Errors
    /// Why the old scripts stay in use.
    pub fn reload_scripts(&self) -> Result<(), String> {
        self.reload_scripts.get().map_or(Ok(()), |reload| reload())
    }

    /// Sets what `reload_scripts` does. Only the first call counts.
    pub fn on_reload_scripts(
        &self,
        action: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let _ = self.reload_scripts.set(Box::new(action));
    }

    /// Asks the server to read all its files again: passwords, certificates, scripts. Doesn't wait for that.
    pub fn reload(&self) {
        match self.reload.get() {
            Some(reload) => reload(),
            None => self.reload_early.store(true, Ordering::SeqCst),
        }
    }

    /// Sets what `reload` does. Only the first call counts.
    pub(super) fn on_reload(&self, action: impl Fn() + Send + Sync + 'static) {
        let _ = self.reload.set(Box::new(action));
        if self.reload_early.swap(false, Ordering::SeqCst) {
            self.reload();
        }
    }

    /// Sets what `shutdown` does as long as nothing is served. Only the first call counts.
    pub(super) fn on_early_shutdown(&self, action: impl Fn() + Send + Sync + 'static) {
        let _ = self.stop_early.set(Box::new(action));
    }

    /// Sets what `shutdown` does. Only the first call counts.
    pub(super) fn on_shutdown(&self, action: impl Fn() + Send + Sync + 'static) {
        let _ = self.stop.set(Box::new(action));
        if self.stopping() {
            self.shutdown();
        }
    }

    /// Sets what `refresh_certificates` does. Only the first call counts.
    pub(super) fn on_refresh(
        &self,
        action: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let _ = self.reload_certificates.set(Box::new(action));
    }
}
