//! The real directory: private to its user, and to one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::Files;

/// Name of the file that is locked while a process uses the directory. It holds that process's number.
const LOCK: &str = "lock";
/// Permission bits by which others could change the directory.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path}: in use by process {holder}; stop that process, or use another directory", path = path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// What the lock file says.
        holder: String,
    },
    /// Others could change what is in it.
    #[error("{path}: others may write here (mode {mode:03o}); `chmod 700` the directory, or use another one", path = path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{path}: belongs to user {owner}, and this process runs as user {user}; `chown` the directory, or use another one", path = path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// The system refuses.
    #[error("{path}: {source}", path = path.display())]
    System {
        /// What it is about.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A directory that this process holds. Clones hold it together, and the last one lets it go.
#[derive(Clone, Debug)]
pub struct Directory {
    path: Arc<Path>,
    /// The locked file. None for who only reads.
    lock: Option<Arc<Mutex<File>>>,
}

impl Directory {
    /// Takes a directory for this process, and makes it if need be.
    ///
    /// # Errors
    /// When another process has it, when somebody else could write in it, or when the system refuses.
    pub fn open(path: &Path) -> Result<Directory, OpenError> {
        let failed = |source| OpenError::System {
            path: path.to_owned(),
            source,
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(failed)?;
        check(path)?;
        Ok(Directory {
            path: path.into(),
            lock: Some(Arc::new(Mutex::new(lock(path)?))),
        })
    }

    /// A directory to read from, whoever holds it. What changes files fails.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn open_to_read(path: &Path) -> Result<Directory, OpenError> {
        match fs::read_dir(path) {
            Ok(_) => Ok(Directory {
                path: path.into(),
                lock: None,
            }),
            Err(source) => Err(OpenError::System {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Makes sure that the directory of that path is still the one that is locked. Somebody may have put another in its
    /// place; then that one is taken.
    fn hold(&self) -> io::Result<()> {
        let Some(held) = &self.lock else {
            return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = held.metadata()?;
        let same = |there: fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        if !fs::metadata(self.path.join(LOCK)).is_ok_and(same) {
            check(&self.path).map_err(io::Error::other)?;
            *held = lock(&self.path).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Looks at who may write in a directory.
fn check(path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    let there = match fs::metadata(&path) {
        Ok(there) => there,
        Err(source) => return Err(OpenError::System { path, source }),
    };
    let (owner, user) = (there.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(OpenError::Foreign { path, owner, user });
    }
    let mode = there.mode() & 0o777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(OpenError::Exposed { path, mode });
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let name = path.join(LOCK);
    let failed = |source| OpenError::System {
        path: name.clone(),
        source,
    };
    let opened = private().read(true).create(true).open(&name);
    let mut file = opened.map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let told = (&file).take(20).read_to_string(&mut holder);
            let known = told.is_ok() && !holder.trim().is_empty();
            return Err(OpenError::InUse {
                path: path.to_owned(),
                holder: if known { holder.trim() } else { "(unknown)" }.to_owned(),
            });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    let told = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    told.map_err(failed)?;
    Ok(file)
}

/// Writing, to a file that only the user may see, and through no symbolic link.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    options.write(true).mode(0o600).custom_flags(no_link);
    options
}

impl Files for Directory {
    type File = File;

    fn create(&self, name: &str, bytes: u64) -> io::Result<File> {
        self.hold()?;
        let file = private()
            .read(true)
            .create_new(true)
            .open(self.path.join(name))?;
        if bytes > 0 {
            match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                Ok(()) => {}
                // Some filesystems cannot: the file has its length, and finds its place as it is written.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(bytes)?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let writes = self.lock.is_some();
        private()
            .read(true)
            .write(writes)
            .open(self.path.join(name))
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn read_at(&self, file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match file.read_at(&mut into[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn cut(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.hold()?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.hold()?;
        fs::remove_file(self.path.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        match name {
            "" => self.path.to_path_buf(),
            name => self.path.join(name),
        }
    }
}
