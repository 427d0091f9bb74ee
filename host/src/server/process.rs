//! The process itself: limits, user, background, its id in a file.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::{User, daemon, geteuid, initgroups, setgid, setuid};

use super::StartError;
use super::options::ServerConfig;
use crate::stats::log;

/// Descriptors beside connections: listeners, runtimes, modules, log.
const DESCRIPTORS_MORE: u64 = 256;

/// Removes its file in the end.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl Drop for PidFile {
    fn drop(&mut self) {
        // The directory may not be ours any more; then the file stays, as it does after a crash.
        let _ = std::fs::remove_file(&self.0);
    }
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
    let mut partial = path.as_os_str().to_owned();
    partial.push(".tmp");
    let text = format!("{}\n", std::process::id());
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|source| StartError::System {
            what: format!("cannot write {}", path.display()),
            source,
        })?;
    Ok(PidFile(path.to_owned()))
}

/// Gives up root and locks memory, if asked to.
///
/// # Errors
/// When the user isn't known or the system refuses.
pub fn settle(config: &ServerConfig) -> Result<(), StartError> {
    if config.lock_memory {
        lock_memory();
    }
    match &config.user {
        Some(name) if geteuid().is_root() => become_user(name),
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

fn become_user(name: &str) -> Result<(), StartError> {
    let what = format!("cannot become user {name}");
    let user = User::from_name(name).map_err(|error| system(&what, error))?;
    let user = user.ok_or_else(|| StartError::File(format!("{what}: there is no such user")))?;
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
