//! Files that the server makes for others: written whole, and removed only while they are its own.
//!
//! The directories may belong to others, and the server may still be root: no link is followed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, chownat, openat};

/// A file this process has made. Whoever puts another in its place keeps that.
#[derive(Clone, Debug)]
pub(super) struct OwnFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OwnFile {
    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> io::Result<OwnFile> {
        let found = fs::symlink_metadata(path)?;
        Ok(OwnFile {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, if it is still there.
    pub(super) fn remove(&self) {
        let is_same = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if is_same {
            // The directory may not be ours any more; then the file stays, as it does after a crash.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives a socket to another user.
    pub(super) fn give(&self, user: Uid, group: Gid) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::File::from(openat(CWD, &self.path, flags, Mode::empty())?);
        let found = file.metadata()?;
        if !found.file_type().is_socket() || found.ino() != self.inode {
            return Err(io::Error::other("it was replaced"));
        }
        chownat(
            file.as_fd(),
            c"",
            Some(user),
            Some(group),
            AtFlags::EMPTY_PATH,
        )?;
        Ok(())
    }
}

/// Writes a file that appears whole, in place of an older one. It is prepared under a name with this ending.
pub(super) fn write_whole(path: &Path, ending: &str, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(ending);
    let partial = PathBuf::from(partial);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&partial)?
        .write_all(text.as_bytes())?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_somebody_else_put_there_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        fs::write(&path, "first").expect("written");
        let first = OwnFile::at(&path).expect("it is there");
        write_whole(&path, ".tmp", "second").expect("written");
        let second = OwnFile::at(&path).expect("it is there");
        first.remove();
        assert_eq!(fs::read(&path).expect("it is there"), b"second");
        second.remove();
        assert!(!path.exists());
    }

    #[test]
    fn no_link_is_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, target) = (
            directory.path().join("pid"),
            directory.path().join("target"),
        );
        fs::write(&target, "precious").expect("written");
        for link in ["pid", "pid.tmp"] {
            std::os::unix::fs::symlink(&target, directory.path().join(link)).expect("a link");
            write_whole(&path, ".tmp", "1\n").expect("written");
            assert_eq!(fs::read(&target).expect("there"), b"precious");
            assert_eq!(fs::read(&path).expect("there"), b"1\n");
            fs::remove_file(&path).expect("removed");
        }
    }
}
