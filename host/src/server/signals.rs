//! Signals: SIGTERM and SIGINT end the server, and so does SIGUSR1, which has it save everything for a fast start. SIGHUP
//! has it read its files again, SIGUSR2 write a snapshot.
//!
//! They are blocked before there is any thread, and taken by a thread that does nothing else: none is lost, none ends
//! the process by itself, and none waits for what the server is busy with.

use std::io;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};

use super::Control;

/// The signals the server takes, blocked.
#[derive(Debug)]
pub struct Signals(SigSet);

impl Signals {
    /// Blocks the signals for this thread and all that it starts. The first thing a process should do.
    ///
    /// # Errors
    /// The system's error.
    pub fn block() -> io::Result<Signals> {
        let signals = SigSet::from_iter([
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGHUP,
        ]);
        signals.thread_block()?;
        Ok(Signals(signals))
    }

    /// Takes the signals from now on, also those that came since [`Signals::block`].
    pub(super) fn take(self, control: Arc<Control>) -> io::Result<()> {
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                loop {
                    match self.0.wait() {
                        Ok(Signal::SIGHUP) => control.reload(),
                        Ok(Signal::SIGUSR1) => control.save_and_shutdown(),
                        Ok(Signal::SIGUSR2) => control.snapshot(),
                        Ok(_) => control.shutdown(),
                        // Only bad arguments are errors, and these are good.
                        Err(_) => return,
                    }
                }
            })?;
        Ok(())
    }
}
