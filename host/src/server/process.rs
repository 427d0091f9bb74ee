//! The process itself: limits, user, background, its id in a file.

use std::ffi::CString;
use std::path::Path;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::{User, daemon, geteuid, initgroups, setgid, setuid};

use super::files::{OwnFile, write_whole};
use super::options::ServerConfig;
use super::{Listeners, StartError};
use crate::stats::log;

/// Descriptors beside connections: listeners, runtimes, modules, log.
const DESCRIPTORS_MORE: u64 = 256;

/// The file with the process's id. It is removed in the end, unless another server has put its own there.
#[derive(Clone, Debug)]
pub struct PidFile(OwnFile);

impl PidFile {
    /// Removes the file, if it has this process's id. The inode's number alone tells little: once the file was
    /// replaced, its number may be another's.
    pub(super) fn remove(&self) {
        let text = std::fs::read_to_string(self.0.path());
        if text.is_ok_and(|text| text == pid_line()) {
            self.0.remove();
        }
    }
}

fn pid_line() -> String {
    format!("{}\n", std::process::id())
}

/// Raises limits of the process, before sockets are bound.
pub fn raise_limits(config: &ServerConfig) {
    if config.core_dumps {
        raise(Resource::RLIMIT_CORE, RLIM_INFINITY, "core dumps");
    }
    if config.lock_memory {
        raise(
            Resource::RLIMIT_MEMLOCK,
            RLIM_INFINITY,
            "locked memory (-k)",
        );
    }
    let descriptors = (config.connections_max as u64).saturating_add(DESCRIPTORS_MORE);
    raise(
        Resource::RLIMIT_NOFILE,
        descriptors,
        "open connections (-c)",
    );
}

/// Raises a limit as far as allowed, and says when that is not enough.
fn raise(resource: Resource, wanted: u64, what: &str) {
    let Ok((soft, hard)) = getrlimit(resource) else {
        return;
    };
    if soft >= wanted || setrlimit(resource, wanted, hard.max(wanted)).is_ok() {
        return;
    }
    let _ = setrlimit(resource, wanted.min(hard), hard);
    log::warn(format_args!(
        "the system allows {} of {wanted} for {what}",
        wanted.min(hard)
    ));
}

/// Goes to the background if asked to, after everything that can fail at the start and before any thread runs.
///
/// # Errors
/// When the system refuses.
pub fn detach(config: &ServerConfig) -> Result<Option<PidFile>, StartError> {
    if config.daemon {
        // The directory stays, since paths of the options may be relative to it; so does standard error with -v.
        daemon(true, log::level() > 0)
            .map_err(|error| system("cannot go to the background", error))?;
    }
    config.pidfile.as_deref().map(write_pid).transpose()
}

fn write_pid(path: &Path) -> Result<PidFile, StartError> {
    write_whole(path, ".tmp", &pid_line())
        .and_then(|()| OwnFile::at(path))
        .map(PidFile)
        .map_err(|source| StartError::System {
            what: format!("cannot write {}", path.display()),
            source,
        })
}

/// Gives up root and locks memory, if asked to. The unix socket goes to the new user first.
///
/// # Errors
/// When the user isn't known or the system refuses.
pub fn settle(config: &ServerConfig, listeners: &Listeners) -> Result<(), StartError> {
    if config.lock_memory {
        lock_memory();
    }
    match &config.user {
        Some(name) if geteuid().is_root() => become_user(name, listeners),
        None if geteuid().is_root() => {
            log::info(format_args!("running as root; -u NAME gives that up"));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Locks what is touched, now and later. Reserved address space counts too, and objects reserve much, so with a
/// limit the server would soon be refused memory: then nothing is locked.
fn lock_memory() {
    let unlimited =
        getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    let flags = MlockAllFlags::MCL_CURRENT
        | MlockAllFlags::MCL_FUTURE
        | MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    if !unlimited {
        log::warn(format_args!("-k: memory is not locked"));
    } else if let Err(error) = mlockall(flags) {
        log::warn(format_args!("-k: memory cannot be locked: {error}"));
    }
}

fn become_user(name: &str, listeners: &Listeners) -> Result<(), StartError> {
    let what = format!("cannot become user {name}");
    let user = User::from_name(name).map_err(|error| system(&what, error))?;
    let user = user.ok_or_else(|| StartError::File(format!("{what}: there is no such user")))?;
    listeners.give(&user)?;
    let c_name = CString::new(name).map_err(|_| StartError::File(format!("{what}: not a name")))?;
    initgroups(&c_name, user.gid)
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|error| system(&what, error))
}

fn system(what: &str, error: nix::Error) -> StartError {
    StartError::System {
        what: what.to_owned(),
        source: error.into(),
    }
}
